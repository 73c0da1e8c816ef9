# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""All kinds of files come back byte for byte from MinIO, too; tests/guard/test_round_trip.py has the other stores."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import boto3
import pytest

from .conftest import LABEL, ROOT, Container, Role, remove_users, run, until
from .test_artifacts import BUCKET, serve, up
from .test_mlflow_server import POSTGRES, get

sys.path.insert(0, str(ROOT / "tests" / "guard"))

import releases

OLDEST = "2.9.2"


@dataclass
class Rig:
    """MinIO, and a server on it; the clients reach both."""

    store: str
    server: Container

    @property
    def s3(self):
        keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret-key", "region_name": "us-east-1"}
        return boto3.client("s3", endpoint_url=self.store, **keys)


@pytest.fixture(scope="module")
def rig(images, tmp_path_factory) -> Iterator[Rig]:
    role = Role(tmp_path_factory.mktemp("minio"))
    image = role(images_components=["object_store"], images_object_store="minio").resolved["object_store"]["reference"]
    network = f"images-test-{secrets.token_hex(4)}"
    run("docker", "network", "create", "--label", LABEL, network)
    on_network = ("--network", network, "--network-alias")
    try:
        database = Container(images["postgres"]["reference"], options=(*POSTGRES, *on_network, "postgres"))
        keys = ("--env", "MINIO_ROOT_USER=key", "--env", "MINIO_ROOT_PASSWORD=secret-key")
        store = Container(image, "server", "/data", options=(*keys, *on_network, "s3"))
        endpoint = f"http://{store.address}:9000"
        ready = ("pg_isready", "-q", "-h", "127.0.0.1")
        until(lambda: database.exec(*ready, check=False).returncode == 0, "PostgreSQL answers")
        until(lambda: get(f"{endpoint}/minio/health/ready")[0] == 200, "MinIO is ready")
        server = serve(
            images["mlflow_server"]["reference"],
            network,
            AWS_SECRET_ACCESS_KEY="secret-key",
            MLFLOW_S3_ENDPOINT_URL=endpoint,
            MLFLOW_GUARD_PRESIGNED_URLS="true",
        )
        rig = Rig(endpoint, server)
        rig.s3.create_bucket(Bucket=BUCKET)
        up(server)
        yield rig
    finally:
        remove_users("network", network)
        run("docker", "network", "rm", network)


@pytest.mark.parametrize(
    ("release", "variables"),
    [
        ("newest", {"MLFLOW_MULTIPART_DOWNLOAD_CHUNK_SIZE": str(2**20)}),
        ("newest", {"MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false"}),
        (OLDEST, {}),
    ],
    ids=["by presigned URLs, in parts", "through the server", "an old client"],
)
def test_every_file_comes_back(rig, release, variables) -> None:
    python = sys.executable if release == "newest" else str(releases.mlflow(release) / "python")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "AWS_"))}
    done = subprocess.run(
        [python, "-W", "ignore", str(ROOT / "playbooks/training/round_trip.py"), f"http://{rig.server.address}:5000"],
        env={**kept, "MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet", **variables},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.splitlines()[-1]) == {}
    for key in rig.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET).search("Contents[].Key"):
        assert "ContentEncoding" not in rig.s3.head_object(Bucket=BUCKET, Key=key), key
