# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database of an older revision on a cluster: refused before a server is touched, and upgraded when this is said."""

from __future__ import annotations

import copy
import json
import subprocess
import time

import pytest
from kubernetes import client

from tests.refusals.test_refusals import Case, messages, play

DEPLOY_SECONDS = 1800
# With which it runs from the upgrade on.
CHANGED = {"mlflow_server_args": {"x_frame_options": "DENY"}}
# With the password of the owner, which only the schema step has: one revision back.
DOWNGRADE = """
import json, pathlib, sqlalchemy
from alembic import command
from mlflow.store.db.utils import _get_alembic_config
store = json.loads(pathlib.Path("/etc/mlflow-guard/config.json").read_text())["backend_store"]
owner = store["owner"]
password = pathlib.Path(owner["password_file"]).read_text().rstrip("\\n")
place = {key: store[key] for key in ("host", "port", "database")}
url = sqlalchemy.URL.create(store["drivername"], owner["username"], password, **place)
command.downgrade(_get_alembic_config(url.render_as_string(hide_password=False)), "-1")
"""


@pytest.fixture(scope="module")
def place(variables) -> dict:
    return {"namespace": variables["kubernetes_namespace"]}


def servers(api, place) -> set[str]:
    found = client.CoreV1Api(api).list_namespaced_pod(
        **place, label_selector="app.kubernetes.io/component=tracking-server"
    )
    return {pod.metadata.uid for pod in found.items if not pod.metadata.deletion_timestamp}


def step(api, place) -> client.V1Job:
    return client.BatchV1Api(api).list_namespaced_job(**place).items[0]


def deploy(variables, **more) -> tuple[subprocess.CompletedProcess, list[str]]:
    result, answer = play(Case({**variables, **more}, [], "k8s"), variables["deployment_name"], DEPLOY_SECONDS)
    return result, messages(answer)


@pytest.fixture(scope="module")
def older(api, place) -> None:
    """The database, one revision back."""
    spec = copy.deepcopy(client.ApiClient().sanitize_for_serialization(step(api, place).spec.template.spec))
    spec["containers"][0] |= {"command": ["python3", "-c"], "args": [DOWNGRADE]}
    batch = client.BatchV1Api(api)
    labels = {"app.kubernetes.io/name": "mlflow-server", "mlops.mlflow.uses-database": "true"}
    template = {"metadata": {"labels": labels}, "spec": spec}
    batch.create_namespaced_job(
        **place, body={"metadata": {"name": "older"}, "spec": {"backoffLimit": 0, "template": template}}
    )
    end = time.monotonic() + DEPLOY_SECONDS
    while time.monotonic() < end:
        state = batch.read_namespaced_job_status("older", **place).status
        if state.succeeded or state.failed:
            break
        time.sleep(0.5)
    pod = client.CoreV1Api(api).list_namespaced_pod(**place, label_selector="job-name=older").items[0].metadata.name
    log = client.CoreV1Api(api).read_namespaced_pod_log(pod, **place)
    batch.delete_namespaced_job("older", **place, propagation_policy="Foreground")
    assert state.succeeded, log


def test_it_is_refused_before_a_server_is_touched(variables, api, place, older) -> None:
    before = servers(api, place)
    result, said = deploy(variables, **CHANGED)
    assert result.returncode != 0
    # The last word has the reason, and what became of the servers: nobody waits for those that the database keeps away.
    assert "mlflow_server_schema: upgrade" in said[-1], said
    assert "again what they were before" in said[-1], said
    assert servers(api, place) == before


def test_it_is_upgraded_when_this_is_said(variables, api, place, older) -> None:
    before = servers(api, place)
    result, said = deploy(variables, **CHANGED, mlflow_server_schema="upgrade")
    assert result.returncode == 0, said
    answers = [
        json.loads(line)
        for line in client.CoreV1Api(api)
        .read_namespaced_pod_log(_pod_of(api, place, step(api, place).metadata.name), **place)
        .splitlines()
        if line.startswith('{"command"')
    ]
    assert answers[-1]["dumps"], answers
    assert not servers(api, place) & before


def test_a_destination_is_adopted_each_time_this_is_said(variables, api, place) -> None:
    before, steps = servers(api, place), [step(api, place).metadata.uid]
    for _time in range(2):
        result, said = deploy(variables, **CHANGED, mlflow_server_adopt_destination=True)
        assert result.returncode == 0, said
        steps.append(step(api, place).metadata.uid)
    assert len(set(steps)) == 3, "the schema step was not carried out again"
    assert servers(api, place) == before


def test_a_change_that_cannot_start_is_put_back(variables, api, place) -> None:
    before = servers(api, place)
    result, said = deploy(variables, **CHANGED, mlflow_server_environment={"MLFLOW_GUARD_WAIT": "soon"})
    assert result.returncode != 0
    told = " ".join(said)
    assert "MLFLOW_GUARD_WAIT" in told
    assert "again what they were before" in told
    assert len(told) < 3000
    assert servers(api, place) == before
    result, said = deploy(variables, **CHANGED)
    assert result.returncode == 0, said
    assert servers(api, place) == before


def _pod_of(api, place, job: str) -> str:
    return client.CoreV1Api(api).list_namespaced_pod(**place, label_selector=f"job-name={job}").items[0].metadata.name
