# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""keep_data=true takes everything away but volumes and Secrets, and the next run finds its data again."""

from __future__ import annotations

import uuid

import pytest
import requests
from kubernetes import client

from tests.kubernetes.test_refusals import destroy
from tests.kubernetes.test_schema_step import deploy

NAME = f"kept-{uuid.uuid4().hex[:8]}"
CONTENT = b"kept" * 1000
SECONDS = 300


class Server:
    """What is asked of it through the public address."""

    def __init__(self, url: str) -> None:
        self.api = f"{url}/api/2.0"
        self.artifact = f"{self.api}/mlflow-artifacts/artifacts/{NAME}/file"

    def fill(self) -> str:
        made = requests.post(f"{self.api}/mlflow/experiments/create", json={"name": NAME}, timeout=SECONDS)
        made.raise_for_status()
        requests.put(self.artifact, data=CONTENT, timeout=SECONDS).raise_for_status()
        return made.json()["experiment_id"]

    def read(self) -> tuple[str, bytes]:
        name = {"experiment_name": NAME}
        found = requests.get(f"{self.api}/mlflow/experiments/get-by-name", params=name, timeout=SECONDS)
        found.raise_for_status()
        stored = requests.get(self.artifact, timeout=SECONDS)
        stored.raise_for_status()
        return found.json()["experiment"]["experiment_id"], stored.content


def kept(api, place: dict) -> dict:
    """Identity of each volume, and identity and content of each Secret of the deployment."""
    core, label = client.CoreV1Api(api), "mlops.mlflow.deployment"
    claims = core.list_namespaced_persistent_volume_claim(**place, label_selector=label).items
    secrets = core.list_namespaced_secret(**place, label_selector=label).items
    return {
        "claims": {each.metadata.name: (each.metadata.uid, each.spec.volume_name) for each in claims},
        "secrets": {each.metadata.name: (each.metadata.uid, each.data) for each in secrets},
    }


def others(api, place: dict) -> list[str]:
    """What else there is of it."""
    core, apps, batch = client.CoreV1Api(api), client.AppsV1Api(api), client.BatchV1Api(api)
    network = client.NetworkingV1Api(api)
    lists = {
        "Pod": core.list_namespaced_pod,
        "Service": core.list_namespaced_service,
        "ConfigMap": core.list_namespaced_config_map,
        "StatefulSet": apps.list_namespaced_stateful_set,
        "Deployment": apps.list_namespaced_deployment,
        "Job": batch.list_namespaced_job,
        "NetworkPolicy": network.list_namespaced_network_policy,
    }
    there = {kind: ask(**place, label_selector="mlops.mlflow.deployment").items for kind, ask in lists.items()}
    return [f"{kind}/{each.metadata.name}" for kind, items in there.items() for each in items]


@pytest.fixture(scope="module")
def place(variables) -> dict:
    return {"namespace": variables["kubernetes_namespace"]}


def test_volumes_and_secrets_are_kept_and_found_again(variables, api, place) -> None:
    server = Server(variables["kubernetes_public_url"])
    experiment, before = server.fill(), kept(api, place)
    assert {"postgres", "mlflow-schema-dumps"} < set(before["claims"])
    assert {"postgres", "mlflow-server", "mlflow-schema"} < set(before["secrets"])

    destroy(variables, variables["deployment_name"], keep_data=True)
    assert kept(api, place) == before
    assert others(api, place) == []

    result, said = deploy(variables)
    assert result.returncode == 0, said
    assert kept(api, place) == before
    assert server.read() == (experiment, CONTENT)
