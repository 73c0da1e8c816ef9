# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults on Kubernetes: what is done to a running deployment, and how it is mended."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from kubernetes import client
from kubernetes.stream import stream

from laboratory.benchmark.processes import StepFailed, say
from laboratory.resilience.faults import STORES, Scenario, Target, play
from laboratory.resilience.pods import SERVERS

BUDGET = "mlflow-server"
TOO_MANY_REQUESTS, NOT_FOUND = 429, 404


def delete_server(target: Target) -> None:
    """As a node that is emptied, or an administrator, does it: the pod is told to stop, and replaced."""
    deployment = target.deployment
    deployment.core.delete_namespaced_pod(deployment.servers()[-1].metadata.name, deployment.namespace)


def kill_server(target: Target) -> None:
    """All processes of the last server at once, from inside; the kubelet starts it again."""
    deployment = target.deployment
    options = {"command": ["sh", "-c", "kill -9 -1"], "stdout": True, "stderr": True}
    exec_in = deployment.core.connect_get_namespaced_pod_exec
    # The connection ends with what it started.
    with contextlib.suppress(client.ApiException, OSError, ValueError):
        stream(exec_in, deployment.servers()[-1].metadata.name, deployment.namespace, **options)


def drain_node(target: Target) -> None:
    """What `kubectl drain --pod-selector` does with the node of the last server, and `kubectl uncordon` afterwards.

    Where there is no other node for them, not all may be evicted: the disruption budget keeps those that serve.
    """
    deployment = target.deployment
    node = deployment.servers()[-1].spec.node_name
    with _budget(target), _cordoned(target, node):
        waiting = [pod for pod in deployment.servers() if pod.spec.node_name == node]
        count, end = len(waiting), time.monotonic() + target.seconds
        while waiting and time.monotonic() < end:
            waiting = [pod for pod in waiting if not _evicted(target, pod)]
            time.sleep(0.5)
        say(f"drain-node: {count - len(waiting)} of the node's {count} servers evicted, {len(waiting)} kept")
        if len(waiting) == count:
            raise StepFailed(f"No server could be evicted from the node {node} in {target.seconds:.0f} s.")


@contextlib.contextmanager
def _cordoned(target: Target, node: str) -> Iterator[None]:
    core = target.deployment.core
    core.patch_node(node, {"spec": {"unschedulable": True}})
    try:
        yield
    finally:
        core.patch_node(node, {"spec": {"unschedulable": None}})


@contextlib.contextmanager
def _budget(target: Target) -> Iterator[None]:
    """Clusters without policy/v1 get none from the playbook, and for the scenario one that says the same."""
    namespace = target.deployment.namespace
    with contextlib.suppress(client.ApiException):
        client.PolicyV1Api(target.deployment.api).read_namespaced_pod_disruption_budget(BUDGET, namespace)
        yield
        return
    api = client.CustomObjectsApi(target.deployment.api)
    place = ("policy", "v1beta1", namespace, "poddisruptionbudgets")
    key, _equals, value = SERVERS.partition("=")
    budget = {
        "apiVersion": "policy/v1beta1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": BUDGET},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {key: value}}},
    }
    api.create_namespaced_custom_object(*place, budget)
    try:
        yield
    finally:
        api.delete_namespaced_custom_object(*place, BUDGET)


def _evicted(target: Target, pod: client.V1Pod) -> bool:
    """Whether the pod may go; the API server refuses what a disruption budget forbids."""
    deployment, name = target.deployment, pod.metadata.name
    newer = client.VersionApi(deployment.api).get_code()
    version = "policy/v1" if (int(newer.major), int(newer.minor.rstrip("+"))) >= (1, 22) else "policy/v1beta1"
    body = {"apiVersion": version, "kind": "Eviction", "metadata": {"name": name, "namespace": deployment.namespace}}
    try:
        deployment.core.create_namespaced_pod_eviction(name, deployment.namespace, body, _preload_content=False)
    except client.ApiException as refusal:
        if refusal.status == TOO_MANY_REQUESTS:
            return False
        if refusal.status != NOT_FOUND:
            raise
    return True


def scale(target: Target) -> None:
    """One server more, as an autoscaler adds it, and one fewer again."""
    deployment = target.deployment
    count = len(deployment.servers())
    for wanted in (count + 1, count):
        deployment.apps.patch_namespaced_deployment_scale(
            "mlflow-server", deployment.namespace, {"spec": {"replicas": wanted}}
        )
        deployment.wait_until_healthy(target.recovery)


def rolling_change(target: Target) -> None:
    """Another argument of `mlflow server`, which every server must be started anew for."""
    play(target, {"mlflow_server_args": {"x_frame_options": "DENY"}})


def undo_change(target: Target) -> None:
    play(target, {})


def _restart(target: Target, *names: str) -> None:
    deployment = target.deployment
    for pod in deployment.pods(f"app.kubernetes.io/name in ({','.join(names)})"):
        deployment.core.delete_namespaced_pod(pod.metadata.name, deployment.namespace)


def restart_postgres(target: Target) -> None:
    _restart(target, "postgres")


def restart_object_store(target: Target) -> None:
    _restart(target, *STORES)


SCENARIOS = {
    each.name: each
    for each in (
        Scenario("delete-server", "the pod of a server is deleted", delete_server),
        Scenario("kill-server", "kill -9 of all processes of a server", kill_server, may_fail=True),
        Scenario("drain-node", "the servers are evicted from a node", drain_node),
        Scenario("scale", "one server more, and one fewer again", scale),
        Scenario("rolling-change", "the playbook runs with a changed argument", rolling_change, undo=undo_change),
        Scenario("restart-postgres", "the pod of PostgreSQL is deleted", restart_postgres, may_fail=True),
        Scenario("restart-object-store", "the pod of the store is deleted", restart_object_store, may_fail=True),
    )
}


def check(names: list[str], target: Target) -> None:
    """Say what cannot be done here before anything is done."""
    servers = len(target.deployment.servers())
    alone = sorted({"delete-server", "drain-node"} & set(names))
    if servers < 2 and alone:
        raise StepFailed(
            f"The deployment {target.deployment.name} has {servers} server, and {' and '.join(alone)} need two: deploy "
            "with -e mlflow_server_replicas=2, or choose other scenarios with --scenarios."
        )
    if "restart-object-store" in names and not target.deployment.pods(
        f"app.kubernetes.io/name in ({','.join(STORES)})"
    ):
        raise StepFailed("The object store is not part of the deployment: leave restart-object-store out.")
