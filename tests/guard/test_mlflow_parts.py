# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""Each part of the guard that stands in MLflow's place can be switched off, and then MLflow's own code runs."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys

import pytest
from conftest import GUARD
from mlflow.server import fastapi_app
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository
from mlflow_guard.answer import Problem
from mlflow_guard.in_mlflow import folder, parts, proxied_s3, web
from test_readiness import serving

WAYS = {
    "gateway_timing": "gateway_timing_middleware",
    "workspace": "workspace_context_middleware",
    "flask": "_EfficientWSGIMiddleware",
}


@pytest.mark.parametrize("text", ["", " ", ","])
def test_nothing_is_off_by_itself(monkeypatch, text):
    monkeypatch.setenv(parts.DISABLED, text)
    assert parts.disabled() == []
    assert all(map(parts.is_on, parts.PARTS))


def test_what_is_no_part_is_refused(monkeypatch):
    monkeypatch.setenv(parts.DISABLED, "metrics,gate")
    with pytest.raises(Problem, match="gate is not a part") as refusal:
        parts.disabled()
    assert "artifacts, bounds" in refusal.value.finding["remedy"]


@pytest.mark.parametrize("part", WAYS)
def test_a_way_stays_as_long_as_it_is(monkeypatch, part):
    monkeypatch.setenv(parts.DISABLED, part)
    app = fastapi_app.create_fastapi_app()
    assert sorted(web.shorten(app)) == sorted(set(WAYS.values()) - {WAYS[part]})
    # It was asked for, so nothing is wrong with it.
    assert web.longer_ways(fastapi_app.create_fastapi_app()) == []


def test_bounds(monkeypatch):
    app = fastapi_app.create_fastapi_app()
    assert web.within_bounds(app) is not app
    monkeypatch.setenv(parts.DISABLED, "bounds")
    assert web.within_bounds(app) is app


def test_repositories(monkeypatch, tmp_path):
    assert type(folder.folder_repository(str(tmp_path))) is folder.FolderArtifactRepository
    assert type(proxied_s3.s3_repository("s3://bucket")) is proxied_s3.ProxiedS3ArtifactRepository
    monkeypatch.setenv(parts.DISABLED, "artifacts")
    assert type(folder.folder_repository(str(tmp_path))) is LocalArtifactRepository
    assert type(proxied_s3.s3_repository("s3://bucket")) is S3ArtifactRepository


@pytest.mark.parametrize(("off", "module"), [("", "mlflow_guard.in_mlflow.metrics"), ("metrics", "mlflow.")])
def test_metrics(off, module):
    script = (
        "from mlflow_guard.in_mlflow import web\n"
        "from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as Store\n"
        "print(Store.log_batch.__module__, Store._log_metrics_once.__module__)"
    )
    environment = {**os.environ, "PYTHONPATH": str(GUARD), parts.DISABLED: off}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert all(name.startswith(module) for name in done.stdout.split())


def test_a_server_without_all_of_them(ready):
    """It serves, and says so in its log and in the answer of `check`."""
    ready.variables[parts.DISABLED] = ",".join(parts.PARTS)
    with serving(ready):
        connection = http.client.HTTPConnection("127.0.0.1", ready.port, timeout=60)
        body = json.dumps({"experiment_id": "0", "start_time": 1})
        connection.request("POST", "/api/2.0/mlflow/runs/create", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        run = json.loads(answer.read())["run"]["info"]["run_id"]
        body = json.dumps({"run_id": run, "key": "loss", "value": 0.5, "timestamp": 1, "step": 0})
        connection.request("POST", "/api/2.0/mlflow/runs/log-metric", body, {"Content-Type": "application/json"})
        assert connection.getresponse().status == 200
        connection.close()
    log = (ready.folder / "server.log").read_text()
    for part, without in parts.PARTS.items():
        assert f"switched off: {part}; there is {without}" in log
    answer = ready.run("check", "--skip-store")
    assert answer.document["disabled_parts"] == sorted(parts.PARTS)


def test_a_wrong_name_stops_the_server_before_it_starts(ready):
    ready.variables[parts.DISABLED] = "everything"
    answer = ready.run("serve")
    assert (answer.code, answer.errors()) == (2, {"environment-value-invalid"})
    assert "everything" in answer.finding("environment-value-invalid")["message"]
