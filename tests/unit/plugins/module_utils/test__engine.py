# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an engine has, and which services run as they are planned."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _engine as engine
from ansible_collections.mlops.mlflow.plugins.module_utils._public_port import port_refusal

LISTED: dict[str, Any] = {
    "Id": "1",
    "Names": ["/mlflow-local-postgres-1"],
    "Image": "postgres:15",
    "State": "running",
    "Status": "Up 2 minutes (healthy)",
    "Labels": {
        "mlops.mlflow.deployment": "local",
        "mlops.mlflow.files": "abc",
        "com.docker.compose.service": "postgres",
        "com.docker.compose.project.working_dir": "/deployments/local",
    },
    "Ports": [{"PrivatePort": 1}, {"PublicPort": 5000, "IP": "0.0.0.0"}, {"PublicPort": 5000, "IP": "::"}],
}


def test_a_container_of_a_deployment() -> None:
    assert engine.container(LISTED) == {
        "id": "1",
        "name": "mlflow-local-postgres-1",
        "deployment": "local",
        "cluster": "",
        "home": "/deployments/local",
        "service": "postgres",
        "image": "postgres:15",
        "files": "abc",
        "last": False,
        "healthy": True,
        "ports": [5000],
    }


@pytest.mark.parametrize("nothing", [{}, {"Labels": None, "Ports": None, "Names": []}])
def test_a_container_of_somebody_else(nothing: dict[str, Any]) -> None:
    found = {"Id": "2", "Image": "x", "State": "exited", "Status": "Exited (0)", **nothing}
    assert not any(value for key, value in engine.container(found).items() if key not in {"id", "image"})


@pytest.mark.parametrize(
    ("changed", "healthy"),
    [
        ({}, True),
        ({"Status": "Up 2 minutes (unhealthy)"}, False),
        ({"Status": "Up 2 minutes (health: starting)"}, False),
        ({"State": "paused"}, False),
    ],
)
def test_health(changed: dict[str, str], healthy: bool) -> None:
    assert engine.container({**LISTED, **changed})["healthy"] is healthy


def test_volumes_and_networks_have_their_deployment() -> None:
    host = {
        "containers": [],
        "volumes": [{"Name": "data", "Labels": {"mlops.mlflow.deployment": "local"}}],
        "networks": [{"Name": "bridge", "Labels": None}],
    }
    assert engine.contents(host) == {
        "containers": [],
        "volumes": [{"name": "data", "deployment": "local"}],
        "networks": [{"name": "bridge", "deployment": ""}],
    }


PLANNED = {"postgres": {"image": "postgres:15", "labels": {"mlops.mlflow.files": "abc"}}}


@pytest.mark.parametrize(
    ("changed", "services", "settled"),
    [
        ({}, PLANNED, ["postgres"]),
        ({"State": "exited"}, PLANNED, []),
        ({"Image": "postgres:14"}, PLANNED, []),
        ({}, {"postgres": {**PLANNED["postgres"], "labels": {"mlops.mlflow.files": "def"}}}, []),
        ({}, {"postgres": {"image": "postgres:15"}}, []),
        ({}, {}, []),
    ],
)
def test_a_service_is_settled_when_it_is_what_the_plan_says(changed, services, settled: list[str]) -> None:
    containers = [engine.container({**LISTED, **changed})]
    assert engine.settled(containers, "local", services) == settled
    assert engine.settled(containers, "other", services) == []


HOLDERS = {
    "another deployment": (LISTED, ["the deployment local", "destroy.yml -e deployment=local"]),
    "a node of minikube": (
        {**LISTED, "Labels": {"name.minikube.sigs.k8s.io": "mlflow"}},
        ["minikube cluster mlflow", "minikube stop --profile=mlflow"],
    ),
    "the load balancer of several nodes": (
        {**LISTED, "Labels": {"mlops.mlflow.minikube": "mlflow"}},
        ["minikube cluster mlflow"],
    ),
    "anything else": ({**LISTED, "Labels": {}}, ["container mlflow-local-postgres-1", "not part of this collection"]),
}


@pytest.mark.parametrize("name", HOLDERS)
def test_who_has_the_port(name: str) -> None:
    listed, words = HOLDERS[name]
    containers = [engine.container({**LISTED, "Ports": []}), engine.container(listed)]
    said = port_refusal(containers, 5000, "mine")
    assert all(word in said for word in [*words, "Port 5000", "deployment_public_port"])
    assert port_refusal(containers, 5001, "mine") == ""


def test_a_deployment_may_have_its_own_port() -> None:
    assert port_refusal([engine.container(LISTED)], 5000, "local") == ""
