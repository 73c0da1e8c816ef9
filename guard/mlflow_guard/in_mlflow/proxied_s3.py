# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""Artifacts on S3 that really go through the public address.

A server whose destination is S3 tells its clients so, and clients from MLflow 3.17 on then fetch every artifact by a
presigned URL from the store itself, whatever its size. That URL holds the endpoint as the server knows it, which in a
deployment of ours leads into a network that no client reaches: every download hangs until its retries are used up.
MLflow has no option against it. It asks the repository's class what it can do, so the ones here, taken in place of
MLflow's own through the entry point `mlflow.artifact_repository`, can do less, or do it by another way. And they pass
uploads on while they come in, which MLflow's own does not do.

What is stored is what was sent, and comes back so. MLflow's own repository says of an object whose name ends in `.gz`
that gzip is its encoding for the way only. A client that fetches it by a presigned URL believes that, and unpacks it.
"""

from __future__ import annotations

import errno
import os
import posixpath
import tempfile
import threading
from contextlib import contextmanager
from mimetypes import guess_type
from urllib.parse import urlsplit, urlunsplit

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST, RESOURCE_DOES_NOT_EXIST, TEMPORARILY_UNAVAILABLE
from mlflow.store.artifact.artifact_repo import ArtifactRepository, MultipartDownloadMixin, StreamUploadMixin
from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository

from mlflow_guard.in_mlflow import parts, room
from mlflow_guard.in_mlflow.reserved import is_reserved, refuse_reserved
from mlflow_guard.in_mlflow.streamed_upload import CONFIG, Broken, stream

PRESIGNED_URLS = "MLFLOW_GUARD_PRESIGNED_URLS"
# Clients reach the store itself.
DIRECT = "true"
# Clients reach it through the public address: a load balancer passes what carries a signature on to the store.
PUBLIC = "public"

# What mimetypes calls an encoding is what the file is.
PACKED = {
    "gzip": "application/gzip",
    "bzip2": "application/x-bzip2",
    "xz": "application/x-xz",
    "compress": "application/x-compress",
}

_MAKING_A_CLIENT = threading.Lock()


@contextmanager
def _reasons(key: str):
    """Errors as the server can answer them. It knows MLflow's only, and says 500 without a word for all others."""
    try:
        yield
    except Broken as error:
        raise MlflowException(
            f"The upload of {posixpath.basename(key)} broke off, nothing of it was kept: {error}",
            error_code=BAD_REQUEST,
        ) from error
    except (BotoCoreError, ClientError, Boto3Error) as error:
        # Worth a retry.
        raise MlflowException(
            f"The artifact store did not take {posixpath.basename(key)}: {type(error).__name__}: {error}",
            error_code=TEMPORARILY_UNAVAILABLE,
        ) from error


# To a GET, and to a HEAD, whose answer has no body with a name.
ABSENT = ("NoSuchKey", "404")


@contextmanager
def _absence(key: str):
    """404 for what is not there. With MLflow's 500 clients would ask for it again and again, for twelve seconds."""
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] not in ABSENT:
            raise
        raise MlflowException(
            f"The artifact store has no {posixpath.basename(key)} there.", error_code=RESOURCE_DOES_NOT_EXIST
        ) from error


@contextmanager
def _room(name: str, folder: str):
    """Room for a download into this folder, which is there until its last byte was read by the client."""
    try:
        yield lambda count: room.DISK_SPACE.take_for(folder, count, name)
    except room.TooLarge as error:
        raise MlflowException(str(error), error_code=BAD_REQUEST) from error
    except room.Full as error:
        raise MlflowException(str(error), error_code=TEMPORARILY_UNAVAILABLE) from error
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise MlflowException(
            f"The server's /tmp does not take {name}: {error.strerror}.", error_code=TEMPORARILY_UNAVAILABLE
        ) from error


def _as_stored(request, **_named) -> None:
    """Sign that the answer has no encoding. So objects that were stored with one come back as they are, too."""
    if request.context.get("is_presign_request"):
        request.params["response-content-encoding"] = "identity"


def content_type(name: str) -> str | None:
    """What a file is as a whole: a packed table is no table."""
    kind, encoding = guess_type(name)
    return kind if encoding is None else PACKED.get(encoding, "application/octet-stream")


class OwnS3ArtifactRepository(S3ArtifactRepository):
    """MLflow's repository for S3, but without an encoding, and for all objects but the guard's own."""

    def __init__(self, artifact_uri: str, *positional, **named) -> None:
        super().__init__(artifact_uri, *positional, **named)
        refuse_reserved(self.parse_s3_compliant_uri(artifact_uri)[1])

    def _get_s3_client(self):
        # boto3 makes one client after the other only, and MLflow wants a new one every few minutes.
        with _MAKING_A_CLIENT:
            client = super()._get_s3_client()
        client.meta.events.register("before-sign.s3.GetObject", _as_stored, unique_id="mlflow-guard-as-stored")
        return client

    def upload_arguments(self, name: str) -> dict:
        """Further arguments of an upload."""
        kind = content_type(name)
        extra = {"ContentType": kind} if kind else {}
        return extra | self._bucket_owner_params | (self.get_s3_file_upload_extra_args() or {})

    def _upload_file(self, s3_client, local_file, bucket, key):
        refuse_reserved(key)
        s3_client.upload_file(
            Filename=local_file, Bucket=bucket, Key=key, ExtraArgs=self.upload_arguments(posixpath.basename(key))
        )

    def _download_file(self, remote_file_path, local_path):
        refuse_reserved(remote_file_path)
        name, folder = posixpath.basename(remote_file_path), os.path.dirname(local_path)
        with _absence(remote_file_path), _room(name, folder) as take:
            take(self._size(remote_file_path))
            # boto3 downloads to a longer name, which it cuts by characters, while a file system counts bytes.
            with tempfile.TemporaryDirectory(dir=folder) as inside:
                short = os.path.join(inside, "part")
                super()._download_file(remote_file_path, short)
                os.replace(short, local_path)

    def _size(self, path: str) -> int:
        bucket, folder = self.parse_s3_compliant_uri(self.artifact_uri)
        where = {"Bucket": bucket, "Key": posixpath.join(folder, path)}
        return self._get_s3_client().head_object(**where, **self._bucket_owner_params)["ContentLength"]

    def list_artifacts(self, path=None):
        refuse_reserved(path)
        return [each for each in super().list_artifacts(path) if not is_reserved(each.path)]

    def delete_artifacts(self, artifact_path=None):
        refuse_reserved(artifact_path)
        bucket, folder = self.parse_s3_compliant_uri(self.artifact_uri)
        folder = posixpath.join(folder, artifact_path or "").rstrip("/")
        client = self._get_s3_client()
        pages = client.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=folder, **self._bucket_owner_params
        )
        for page in pages:
            keys = [each["Key"] for each in page.get("Contents", [])]
            # A prefix also finds neighbours whose names begin so.
            within = [key for key in keys if not folder or key == folder or key.startswith(folder + "/")]
            wanted = [key for key in within if not is_reserved(key)]
            if wanted:
                client.delete_objects(
                    Bucket=bucket, Delete={"Objects": [{"Key": key} for key in wanted]}, **self._bucket_owner_params
                )

    def create_multipart_upload(self, local_file, num_parts=1, artifact_path=None):
        refuse_reserved(artifact_path, local_file)
        return super().create_multipart_upload(local_file, num_parts, artifact_path)

    def complete_multipart_upload(self, local_file, upload_id, parts=None, artifact_path=None):
        refuse_reserved(artifact_path, local_file)
        super().complete_multipart_upload(local_file, upload_id, parts, artifact_path)

    def abort_multipart_upload(self, local_file, upload_id, artifact_path=None):
        refuse_reserved(artifact_path, local_file)
        super().abort_multipart_upload(local_file, upload_id, artifact_path)

    def create_presigned_upload_url(self, artifact_path, expiration=900):
        refuse_reserved(artifact_path)
        return super().create_presigned_upload_url(artifact_path, expiration)

    def get_download_presigned_url(self, artifact_path, expiration=300):
        refuse_reserved(artifact_path)
        return super().get_download_presigned_url(artifact_path, expiration)


class ProxiedS3ArtifactRepository(ArtifactRepository, StreamUploadMixin):
    """The same without multipart and presigned abilities."""

    def __init__(self, artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None) -> None:
        super().__init__(artifact_uri, tracking_uri, registry_uri)
        self._s3 = OwnS3ArtifactRepository(artifact_uri, tracking_uri=tracking_uri, registry_uri=registry_uri)

    def _object(self, file_name: str, artifact_path: str | None) -> tuple[str, str, dict]:
        """Bucket, key and further arguments of an upload."""
        bucket, folder = self._s3.parse_s3_compliant_uri(self._s3.artifact_uri)
        name = posixpath.basename(file_name)
        key = posixpath.join(folder, artifact_path or "", name)
        refuse_reserved(key)
        return bucket, key, self._s3.upload_arguments(name)

    def log_artifact_from_stream(self, stream, artifact_file_name, artifact_path=None):
        bucket, key, extra = self._object(artifact_file_name, artifact_path)
        with _reasons(key):
            self._s3._get_s3_client().upload_fileobj(stream, bucket, key, ExtraArgs=extra, Config=CONFIG)

    async def log_artifact_from_async_stream(self, chunks, artifact_file_name, artifact_path=None):
        bucket, key, extra = self._object(artifact_file_name, artifact_path)
        with _reasons(key):
            await stream(self._s3._get_s3_client, bucket, key, extra, chunks)

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


class PubliclyPresignedS3ArtifactRepository(ProxiedS3ArtifactRepository, MultipartDownloadMixin):
    """The same, with presigned URLs for downloads that lead to the address that the client has asked."""

    def get_download_presigned_url(self, artifact_path, expiration=300):
        import flask

        signed = self._s3.get_download_presigned_url(artifact_path, expiration=expiration)
        # Signed for the store's own name, which the load balancer puts in again.
        parts = urlsplit(signed.url)
        signed.url = urlunsplit(parts._replace(scheme=flask.request.scheme, netloc=flask.request.host))
        return signed


def s3_repository(artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None):
    """The repository for the way that clients can go: see MLFLOW_GUARD_PRESIGNED_URLS."""
    if not parts.is_on("artifacts"):
        return S3ArtifactRepository(artifact_uri, tracking_uri=tracking_uri, registry_uri=registry_uri)
    ways = {DIRECT: OwnS3ArtifactRepository, PUBLIC: PubliclyPresignedS3ArtifactRepository}
    repository = ways.get(os.environ.get(PRESIGNED_URLS, "false"), ProxiedS3ArtifactRepository)
    return repository(artifact_uri, tracking_uri=tracking_uri, registry_uri=registry_uri)
