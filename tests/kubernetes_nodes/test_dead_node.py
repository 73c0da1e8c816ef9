# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node whose power is cut, with one of two servers on it, where each node has a load balancer."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import requests
from kubernetes import client

from tests.kubernetes.test_effects import until
from tests.kubernetes.test_refusals import DEPLOY_SECONDS, DEPLOYMENT, destroy, own
from tests.refusals.test_refusals import Case, messages, play

HOSTNAME = "kubernetes.io/hostname"
SERVERS, BALANCERS = "app.kubernetes.io/component=tracking-server", "app.kubernetes.io/name=load-balancer"
# As long as a new connection may be without an answer, and as long as the tests look. Without load balancers every
# other one hangs for the 40 to 54 seconds that the cluster takes to notice.
GOAL_SECONDS, LOOKING_SECONDS = 5.0, 40.0
SLOW_SECONDS = 3
NOTICED_SECONDS = 600


@pytest.fixture(scope="module")
def nodes(api) -> list[client.V1Node]:
    """The one with the control plane, which keeps the data, and the one that dies."""
    found = client.CoreV1Api(api).list_node().items
    assert len(found) == 2, f"the test needs two nodes, and not {len(found)}"
    return sorted(found, key=lambda node: "node-role.kubernetes.io/control-plane" not in (node.metadata.labels or {}))


def address(node: client.V1Node) -> str:
    return next(each.address for each in node.status.addresses if each.type == "InternalIP")


@pytest.fixture(scope="module")
def asked(variables, nodes) -> dict:
    """Two servers; the data are where the power stays."""
    keeps = {HOSTNAME: nodes[0].metadata.name}
    # The scenario's destroy.yml knows the name, should the tests be interrupted.
    name = f"{variables['deployment_name']}-half"
    return {
        **own(variables, name),
        "kubernetes_public_url": f"http://{address(nodes[0])}:30599",
        "mlflow_server_node_port": 30599,
        "mlflow_server_replicas": 2,
        "postgres_node_selector": keeps,
        "seaweedfs_node_selector": keeps,
        "minio_node_selector": keeps,
        "kubernetes_load_balancer_enabled": True,
    }


def deploy(asked: dict, **more) -> dict:
    result, answer = play(Case({**asked, **more}, [], "k8s"), asked["deployment_name"], DEPLOY_SECONDS)
    assert result.returncode == 0, messages(answer)
    return answer["stats"]["localhost"]


@pytest.fixture(scope="module")
def balanced(variables, asked) -> Iterator[None]:
    try:
        deploy(asked)
        yield
    finally:
        destroy(variables, asked["deployment_name"])


def pods(api, asked: dict, selector: str) -> list[client.V1Pod]:
    found = client.CoreV1Api(api).list_namespaced_pod(asked["kubernetes_namespace"], label_selector=selector).items
    return [pod for pod in found if not pod.metadata.deletion_timestamp]


def places(api, asked: dict, selector: str) -> list[str]:
    return sorted(pod.spec.node_name for pod in pods(api, asked, selector))


class Caller:
    """Asks with a new connection five times a second, whether the ones before were answered or not."""

    def __init__(self, url: str) -> None:
        self.url, self.over, self.answers = url, threading.Event(), []
        self.threads: list[threading.Thread] = []

    def once(self) -> None:
        begun, status = time.monotonic(), 0
        with contextlib.suppress(requests.RequestException):
            status = requests.get(f"{self.url}/version", timeout=LOOKING_SECONDS).status_code
        self.answers.append((begun, time.monotonic(), status))

    def run(self) -> None:
        while not self.over.wait(0.2):
            self.threads.append(threading.Thread(target=self.once))
            self.threads[-1].start()

    def __enter__(self) -> Caller:
        self.runner = threading.Thread(target=self.run)
        self.runner.start()
        return self

    def __exit__(self, *_reason: object) -> None:
        self.over.set()
        for thread in [self.runner, *self.threads]:
            thread.join()

    def failed(self) -> list[tuple[float, float, int]]:
        return [each for each in self.answers if each[2] != 200]


def trouble_ends(caller: Caller, since: float) -> float:
    """Seconds after which whoever begins to ask has an answer soon."""
    slow = [begun for begun, ended, status in caller.answers if status != 200 or ended - begun > SLOW_SECONDS]
    return max([begun - since for begun in slow] or [0.0])


def whole_again(api) -> None:
    """The bed's network does not take a node in again that was away: its pods' traffic has another address then."""
    core, place = client.CoreV1Api(api), {"namespace": "kube-system", "label_selector": "k8s-app=kube-router"}
    core.delete_collection_namespaced_pod(**place)
    assert until(
        NOTICED_SECONDS,
        lambda: [ready(pod) for pod in core.list_namespaced_pod(**place).items] == [True, True],
    )


def ready(pod: client.V1Pod) -> bool:
    alive = not pod.metadata.deletion_timestamp
    return alive and any(each.type == "Ready" and each.status == "True" for each in pod.status.conditions or [])


@pytest.fixture
def power(api, nodes) -> Iterator[Callable[[], float]]:
    """Cuts that of the second node, and gives it back in the end, with the names that minikube gave it."""
    name = nodes[1].metadata.name
    docker = {"check": True, "capture_output": True, "timeout": 60}
    hosts = subprocess.run(["docker", "exec", name, "cat", "/etc/hosts"], **docker).stdout

    def cut() -> float:
        subprocess.run(["docker", "kill", name], **docker)
        return time.monotonic()

    yield cut
    subprocess.run(["docker", "start", name], **docker)
    subprocess.run(["docker", "exec", "--interactive", name, "tee", "/etc/hosts"], input=hosts, **docker)
    assert until(NOTICED_SECONDS, lambda: answering(api) == 2)
    whole_again(api)


def answering(api) -> int:
    found = client.CoreV1Api(api).list_node().items
    return sum(each.type == "Ready" and each.status == "True" for node in found for each in node.status.conditions)


def test_each_node_has_one(api, asked, balanced, nodes) -> None:
    names = sorted(node.metadata.name for node in nodes)
    assert places(api, asked, BALANCERS) == names
    assert places(api, asked, SERVERS) == names
    assert deploy(asked)["changed"] == 0
    for node in nodes:
        assert requests.get(f"http://{address(node)}:30599/version", timeout=30).status_code == 200


def test_a_change_of_it_is_not_noticed(api, asked, balanced) -> None:
    before = {pod.metadata.uid for pod in pods(api, asked, BALANCERS)}
    with Caller(asked["kubernetes_public_url"]) as caller:
        deploy(asked, load_balancer_check_interval_ms=900)
    assert not before & {pod.metadata.uid for pod in pods(api, asked, BALANCERS)}
    assert len(caller.answers) > 20
    assert not caller.failed()


def test_new_connections_soon_find_the_server_that_is_left(api, asked, balanced, nodes, power, capsys) -> None:
    assert nodes[1].metadata.name in places(api, asked, SERVERS)
    with Caller(asked["kubernetes_public_url"]) as caller:
        time.sleep(5)
        cut = power()
        time.sleep(LOOKING_SECONDS)
    after = trouble_ends(caller, cut)
    with capsys.disabled():
        print(f"\n{len(caller.answers)} calls, {len(caller.failed())} failed; all well {after:.1f} s after the cut")
    assert not [each for each in caller.answers if each[0] < cut and each[2] != 200 and each[1] < cut]
    assert after <= GOAL_SECONDS
    # The next run goes through without the node, whose pods are as they were.
    assert until(NOTICED_SECONDS, lambda: answering(api) == 1)
    deploy(asked, load_balancer_check_interval_ms=800)


def test_without_it_the_service_leads_to_the_servers_again(api, asked, balanced, nodes) -> None:
    deploy(asked)
    with Caller(asked["kubernetes_public_url"]) as caller:
        deploy(asked, kubernetes_load_balancer_enabled=False)
    # Connections that are being made at that moment may break.
    failed = [begun for begun, _ended, _status in caller.failed()]
    assert not failed or max(failed) - min(failed) <= GOAL_SECONDS
    assert until(NOTICED_SECONDS, lambda: not pods(api, asked, BALANCERS))
    core, place = client.CoreV1Api(api), asked["kubernetes_namespace"]
    service = core.read_namespaced_service("mlflow-server", place).spec
    assert (service.external_traffic_policy, service.internal_traffic_policy) == ("Cluster", "Cluster")
    left = client.AppsV1Api(api).list_namespaced_daemon_set(place, label_selector=DEPLOYMENT).items
    names = [each.metadata.name for each in core.list_namespaced_service(place, label_selector=DEPLOYMENT).items]
    assert (left, "mlflow-server-pods" in names) == ([], False)
    assert deploy(asked, kubernetes_load_balancer_enabled=False)["changed"] == 0
