# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What clusters demand of pods and objects: asked for, seen, and gone when it is asked for no more."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import pytest
from kubernetes import client, stream

from tests.kubernetes.conftest import BED
from tests.kubernetes.test_effects import GATEWAY, page
from tests.kubernetes.test_refusals import DEPLOYMENT
from tests.kubernetes.test_schema_step import deploy

ROUTE_HOST = "route.test"
MOUNT = "/etc/of-the-user"
PRIORITY, NODE_LABEL = "of-the-user", "mlops.mlflow.test/takes-servers"
KEPT = {"name": "of-the-user"}


@pytest.fixture(scope="module")
def place(variables) -> dict:
    return {"namespace": variables["kubernetes_namespace"]}


@pytest.fixture(scope="module")
def made_by_the_user(variables, api, place) -> Iterator[None]:
    """A Secret, a ConfigMap, a pull secret, a PriorityClass and labels of nodes, which are there before."""
    if variables["kubernetes_context"] != BED:
        pytest.skip("the nodes of another cluster are not labelled")
    core, scheduling = client.CoreV1Api(api), client.SchedulingV1Api(api)
    core.create_namespaced_config_map(**place, body={"metadata": KEPT, "data": {"OF_THE_USER": "yes", "ca.pem": "x"}})
    core.create_namespaced_secret(
        **place,
        body={
            "metadata": {"name": "pull"},
            "type": "kubernetes.io/dockerconfigjson",
            "stringData": {".dockerconfigjson": '{"auths": {}}'},
        },
    )
    scheduling.create_priority_class({"metadata": {"name": PRIORITY}, "value": 1000})
    nodes = [each.metadata.name for each in core.list_node().items]
    for node in nodes:
        core.patch_node(node, {"metadata": {"labels": {NODE_LABEL: "true"}}})
    yield
    with contextlib.suppress(client.ApiException):
        scheduling.delete_priority_class(PRIORITY)
    for node in nodes:
        core.patch_node(node, {"metadata": {"labels": {NODE_LABEL: None}}})
    core.delete_namespaced_secret("pull", **place)
    core.delete_namespaced_config_map(KEPT["name"], **place)


OPTIONS = {
    "kubernetes_image_pull_secrets": ["pull"],
    "kubernetes_labels": {"team": "research"},
    "kubernetes_annotations": {"cost": "42"},
    "kubernetes_pod_labels": {"sidecar.istio.io/inject": "false"},
    "kubernetes_pod_annotations": {"prometheus.io/scrape": "true"},
    "mlflow_server_node_selector": {NODE_LABEL: "true"},
    "mlflow_server_tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}],
    "mlflow_server_priority_class": PRIORITY,
    "mlflow_server_service_account_annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/mlflow"},
    "mlflow_server_resources": {"requests": {"cpu": "60m", "memory": "300Mi"}, "limits": {"memory": "3Gi"}},
    "mlflow_server_env_from": [{"configMapRef": KEPT}],
    "mlflow_server_extra_volumes": [{"name": "extra", "configMap": KEPT}],
    "mlflow_server_extra_volume_mounts": [{"name": "extra", "mountPath": MOUNT, "readOnly": True}],
    "mlflow_server_http_route": {"hostnames": [ROUTE_HOST], "parent_refs": [GATEWAY]},
}


def servers(api, place) -> list[client.V1Pod]:
    found = client.CoreV1Api(api).list_namespaced_pod(
        **place, label_selector="app.kubernetes.io/component=tracking-server"
    )
    return [pod for pod in found.items if not pod.metadata.deletion_timestamp]


def inside(api, place, pod: str, *words: str) -> str:
    return stream.stream(
        client.CoreV1Api(api).connect_get_namespaced_pod_exec,
        pod,
        **place,
        command=list(words),
        stdout=True,
        stderr=True,
        stdin=False,
        tty=False,
    )


def routes(api, place) -> list[dict]:
    found = client.CustomObjectsApi(api).list_namespaced_custom_object(
        group="gateway.networking.k8s.io", version="v1", plural="httproutes", **place
    )
    return found["items"]


@pytest.fixture(scope="module")
def asked(variables, api, place, made_by_the_user) -> Iterator[list[client.V1Pod]]:
    """The servers, with all of the options at once; afterwards the deployment is as it was."""
    kept = client.CoreV1Api(api).read_namespaced_pod("postgres-0", **place).metadata.labels
    result, said = deploy(variables, **OPTIONS)
    try:
        assert result.returncode == 0, said
        yield servers(api, place)
    finally:
        result, said = deploy(variables)
        assert result.returncode == 0, said
    assert not routes(api, place), "an HTTPRoute stays that nobody asks for any more"
    assert not [pod for pod in servers(api, place) if pod.spec.priority_class_name]
    assert client.CoreV1Api(api).read_namespaced_pod("postgres-0", **place).metadata.labels == kept


def test_pods_have_what_was_asked_for(asked, api, place) -> None:
    for pod in asked:
        assert [each.name for each in pod.spec.image_pull_secrets] == ["pull"]
        assert pod.metadata.labels["sidecar.istio.io/inject"] == "false"
        assert pod.metadata.annotations["prometheus.io/scrape"] == "true"
        assert pod.spec.node_selector == {NODE_LABEL: "true"}
        assert "dedicated" in [each.key for each in pod.spec.tolerations]
        assert pod.spec.priority == 1000
        container = pod.spec.containers[0]
        assert (container.resources.requests["cpu"], container.resources.limits["memory"]) == ("60m", "3Gi")


def test_servers_have_the_users_variables_and_files(asked, api, place) -> None:
    script = f"import os; print(os.environ['OF_THE_USER'], open('{MOUNT}/ca.pem').read())"
    for pod in asked:
        assert inside(api, place, pod.metadata.name, "python3", "-c", script).split() == ["yes", "x"]


def test_objects_have_labels_and_annotations(asked, api, place) -> None:
    core, apps = client.CoreV1Api(api), client.AppsV1Api(api)
    ours = {**place, "label_selector": DEPLOYMENT}
    objects = core.list_namespaced_service(**ours).items + apps.list_namespaced_deployment(**ours).items
    for each in objects + apps.list_namespaced_stateful_set(**ours).items:
        assert each.metadata.labels["team"] == "research", each.metadata.name
        assert each.metadata.annotations["cost"] == "42", each.metadata.name
    account = core.read_namespaced_service_account("mlflow-server", **place)
    assert account.metadata.annotations["eks.amazonaws.com/role-arn"].endswith("role/mlflow")
    # What selects pods cannot change, and has none of it.
    selector = apps.read_namespaced_deployment("mlflow-server", **place).spec.selector.match_labels
    assert not {"team", "sidecar.istio.io/inject"} & set(selector)


def test_two_servers_are_on_two_nodes_after_a_change(asked, api) -> None:
    nodes = {pod.spec.node_name for pod in asked}
    assert len(nodes) == min(len(asked), len(client.CoreV1Api(api).list_node().items))


def test_a_page_through_the_route_that_was_asked_for(asked, api, place) -> None:
    assert len(routes(api, place)) == 1
    assert "<title>MLflow</title>" in page(api, ROUTE_HOST)


def test_a_run_without_changes_changes_nothing(asked, variables) -> None:
    result, said = deploy(variables, **OPTIONS)
    assert result.returncode == 0, said
    stats = json.loads(result.stdout[result.stdout.index("{") :])["stats"]
    assert stats["localhost"]["changed"] == 0
