# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load balancers of the deployment's own, in a namespace that others gave and behind an Ingress."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kubernetes import client

from tests.kubernetes.conftest import address_of_a_node
from tests.kubernetes.test_effects import INGRESS_HOST, page
from tests.kubernetes.test_refusals import DEPLOY_SECONDS, DEPLOYMENT, destroy, own
from tests.refusals.test_refusals import Case, messages, play

NAMESPACE = "somebody-gave-this"
# Of no other deployment on the cluster.
NODE_PORT = 30518
KINDS = ("load-balancer", "mlflow-server")


@pytest.fixture
def name(variables) -> str:
    """The scenario's destroy.yml knows it, should the tests be interrupted."""
    return f"{variables['deployment_name']}-half"


@pytest.fixture
def asked(variables, api, name, space) -> Iterator[dict]:
    space(NAMESPACE)
    wanted = {
        **own(variables, name),
        "kubernetes_namespace": NAMESPACE,
        "kubernetes_namespace_managed": False,
        "kubernetes_load_balancer_enabled": True,
        # Of it, three tenths pass until it is final that no node takes a pod.
        "kubernetes_wait_timeout": 300,
        "kubernetes_public_url": f"http://{address_of_a_node(api)}:{NODE_PORT}",
        "mlflow_server_ingress": {"host": INGRESS_HOST, "class_name": "traefik"},
        "mlflow_server_node_port": NODE_PORT,
        "mlflow_server_replicas": 2,
    }
    yield wanted
    destroy(wanted, name)
    core = client.CoreV1Api(api)
    assert core.read_namespace(NAMESPACE).status.phase == "Active"
    for listed in (core.list_namespaced_pod, core.list_namespaced_service, core.list_namespaced_config_map):
        assert not listed(NAMESPACE, label_selector=DEPLOYMENT).items


def pods(api) -> dict[str, str]:
    """The pods of load balancers and servers that are ready: name and node of each."""
    found = client.CoreV1Api(api).list_namespaced_pod(NAMESPACE).items
    ready = [each for each in found if all(one.ready for one in each.status.container_statuses or [])]
    return {each.metadata.name: each.spec.node_name for each in ready if each.metadata.name.startswith(KINDS)}


def test_in_a_namespace_of_others_and_behind_an_ingress(api, furnished, name, asked) -> None:
    result, answer = play(Case(asked, [], "k8s"), name, DEPLOY_SECONDS)
    assert result.returncode == 0, messages(answer)
    before = pods(api)
    nodes = {each.metadata.name for each in client.CoreV1Api(api).list_node().items}
    assert {node for pod, node in before.items() if pod.startswith("load-balancer")} == nodes
    assert "<title>MLflow</title>" in page(api, INGRESS_HOST)

    # Check mode: nothing to do, and what a change would do is not done.
    result, answer = play(Case(asked, [], "k8s"), name, DEPLOY_SECONDS, "--check", "--diff")
    assert (result.returncode, answer["stats"]["localhost"]["changed"]) == (0, 0), messages(answer)
    changed = {**asked, "load_balancer_queue_timeout_seconds": 41}
    result, answer = play(Case(changed, [], "k8s"), name, DEPLOY_SECONDS, "--check", "--diff")
    assert result.returncode == 0, messages(answer)
    assert answer["stats"]["localhost"]["changed"] > 0
    assert pods(api) == before

    # Changes that cannot start, of a server and of a load balancer: what ran goes on.
    for variable, value, word in (
        ("mlflow_server_environment", {"MLFLOW_GUARD_WAIT": "soon"}, "MLFLOW_GUARD_WAIT"),
        ("load_balancer_resources", {"requests": {"cpu": "1000"}}, "Insufficient cpu"),
    ):
        result, answer = play(Case({**asked, variable: value}, [], "k8s"), name, DEPLOY_SECONDS)
        assert result.returncode == 2
        told = " ".join(messages(answer))
        assert word in told
        assert "again what they were before" in told
        now = pods(api)
        assert len(now) == len(before)
        assert [pod for pod in now if "mlflow-server" in pod] == [pod for pod in before if "mlflow-server" in pod]
        assert "<title>MLflow</title>" in page(api, INGRESS_HOST)
    result, answer = play(Case(asked, [], "k8s"), name, DEPLOY_SECONDS)
    assert (result.returncode, answer["stats"]["localhost"]["changed"]) == (0, 0), messages(answer)
