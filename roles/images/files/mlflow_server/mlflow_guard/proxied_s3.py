# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""Artifacts on S3 that really go through the server.

A server whose destination is S3 tells its clients so, and clients from MLflow 3.17 on then fetch every artifact by a
presigned URL from the store itself, whatever its size. That URL holds the endpoint as the server knows it, which in a
deployment of ours leads into a network that no client reaches: every download hangs until its retries are used up.
MLflow has no option against it. It asks the repository's class what it can do, so this one, taken in place of
MLflow's own through the entry point `mlflow.artifact_repository`, can do the same without presigned URLs.
"""

from __future__ import annotations

import os

from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository

PRESIGNED_URLS = "MLFLOW_GUARD_PRESIGNED_URLS"


class ProxiedS3ArtifactRepository(ArtifactRepository):
    """MLflow's repository for S3 without its multipart and presigned abilities."""

    def __init__(self, artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None) -> None:
        super().__init__(artifact_uri, tracking_uri, registry_uri)
        self._s3 = S3ArtifactRepository(artifact_uri, tracking_uri=tracking_uri, registry_uri=registry_uri)

    def log_artifact(self, local_file, artifact_path=None):
        self._s3.log_artifact(local_file, artifact_path)

    def log_artifacts(self, local_dir, artifact_path=None):
        self._s3.log_artifacts(local_dir, artifact_path)

    def list_artifacts(self, path=None):
        return self._s3.list_artifacts(path)

    def _download_file(self, remote_file_path, local_path):
        self._s3._download_file(remote_file_path, local_path)

    def delete_artifacts(self, artifact_path=None):
        self._s3.delete_artifacts(artifact_path)

    def upload_archived_trace_data_bytes(self, data: bytes) -> None:
        self._s3.upload_archived_trace_data_bytes(data)


def s3_repository(artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None):
    """MLflow's own repository where MLFLOW_GUARD_PRESIGNED_URLS=true says that clients reach the store, else ours."""
    presigned = os.environ.get(PRESIGNED_URLS, "false") == "true"
    repository = S3ArtifactRepository if presigned else ProxiedS3ArtifactRepository
    return repository(artifact_uri, tracking_uri=tracking_uri, registry_uri=registry_uri)
