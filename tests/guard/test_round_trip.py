# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""All kinds of files come back byte for byte, with the newest client and an old one, by each way, from each store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import releases
from test_readiness import client, s3, serving  # noqa: F401 - s3 is a fixture

ROUND_TRIP = Path(__file__).parents[2] / "playbooks/training/round_trip.py"
OLDEST = "2.9.2"


def run_through(port: int, python: str = sys.executable, **variables: str) -> dict:
    """What a client found wrong."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "AWS_"))}
    environment = {**kept, "MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet", **variables}
    command = [python, "-W", "ignore", str(ROUND_TRIP), f"http://127.0.0.1:{port}"]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert answer.returncode == 0, answer.stderr[-3000:]
    return json.loads(answer.stdout.splitlines()[-1])


def old_client(port: int) -> dict:
    return run_through(port, str(releases.mlflow(OLDEST) / "python"))


@pytest.mark.slow
def test_from_s3(s3, object_store):  # noqa: F811 - the fixture
    # Clients reach this store, so the newest goes by presigned URLs, in parts that it fetches at the same time.
    s3.variables["MLFLOW_GUARD_PRESIGNED_URLS"] = "true"
    with serving(s3):
        assert run_through(s3.port, MLFLOW_MULTIPART_DOWNLOAD_CHUNK_SIZE=str(2**20)) == {}
        assert run_through(s3.port, MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD="false") == {}
        assert old_client(s3.port) == {}
    kept = client(object_store)
    for each in kept.get_paginator("list_objects_v2").paginate(Bucket=s3.database).search("Contents[].Key"):
        assert "ContentEncoding" not in kept.head_object(Bucket=s3.database, Key=each), each


@pytest.mark.extended
@pytest.mark.slow
def test_from_a_folder(ready):
    with serving(ready):
        assert run_through(ready.port) == {}
        assert old_client(ready.port) == {}
