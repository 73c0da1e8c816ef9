# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the objects of a deployment bring about on a cluster that enforces them."""

from __future__ import annotations

import json
import time
import uuid

import pytest
import requests
from kubernetes import client

from tests.kubernetes.conftest import BED
from tests.kubernetes.test_schema_step import deploy

pytestmark = pytest.mark.xdist_group("deployment")
INGRESS_PORT, GATEWAY = 30080, {"name": "traefik", "namespace": "kube-system"}
INGRESS_HOST = "mlflow.test"
SCALE_SECONDS, PAGE_SECONDS = 180, 60
# Connections to each address for some seconds, since the network learns of a new pod a moment after its start.
PROBE = """
import json, socket, sys, time
answers = dict.fromkeys(sys.argv[2:], "closed")
end = time.monotonic() + float(sys.argv[1])
while "closed" in answers.values() and time.monotonic() < end:
    for place in [each for each in answers if answers[each] == "closed"]:
        host, port = place.rsplit(":", 1)
        try:
            socket.create_connection((host, int(port)), 2).close()
            answers[place] = "open"
        except OSError:
            time.sleep(0.2)
print(json.dumps({place.split(".")[0]: answer for place, answer in answers.items()}))
"""
CONNECT_SECONDS = 8
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


@pytest.fixture(scope="module")
def place(variables) -> dict:
    return {"namespace": variables["kubernetes_namespace"]}


@pytest.fixture(scope="module")
def image(api, place) -> str:
    """One with Python, which the nodes have."""
    pods = client.CoreV1Api(api).list_namespaced_pod(
        **place, label_selector="app.kubernetes.io/component=tracking-server"
    )
    return pods.items[0].spec.containers[0].image


@pytest.fixture
def furnished(variables) -> None:
    if variables["kubernetes_context"] != BED:
        pytest.skip("nothing is known of this cluster's network, metrics and Ingress controller")


def until(seconds: float, ask):
    """Its first answer that is something."""
    end = time.monotonic() + seconds
    while not (answer := ask()) and time.monotonic() < end:
        time.sleep(1)
    return answer


def pod(image: str, places: list[str], labels: dict) -> dict:
    container = {"name": "probe", "image": image, "imagePullPolicy": "IfNotPresent", "securityContext": RESTRICTED}
    container |= {"command": ["python3", "-c", PROBE, str(CONNECT_SECONDS), *places]}
    spec = {"restartPolicy": "Never", "automountServiceAccountToken": False, "containers": [container]}
    return {"metadata": {"name": f"probe-{uuid.uuid4().hex[:8]}", "labels": labels}, "spec": spec}


def probe(api, namespace: str, image: str, places: list[str], **labels: str) -> dict:
    """What a pod there reaches."""
    core, body = client.CoreV1Api(api), pod(image, places, labels)
    name = body["metadata"]["name"]
    core.create_namespaced_pod(namespace, body)
    try:
        done = until(120, lambda: core.read_namespaced_pod(name, namespace).status.phase in ("Succeeded", "Failed"))
        assert done, f"the pod {name} did not run"
        log = core.read_namespaced_pod_log(name, namespace)
        return json.loads(log.splitlines()[-1])
    finally:
        core.delete_namespaced_pod(name, namespace, grace_period_seconds=0)


def places_of(api, place: dict) -> list[str]:
    services = client.CoreV1Api(api).list_namespaced_service(**place).items
    return sorted(f"{each.metadata.name}.{place['namespace']}:{each.spec.ports[0].port}" for each in services)


def test_connections_are_refused_by_the_policies(variables, furnished, api, place, image, space) -> None:
    places = places_of(api, place)
    outside = probe(api, space(f"outside-{uuid.uuid4().hex[:8]}"), image, places)
    assert outside.pop("mlflow-server") == "open", outside
    assert "postgres" in outside
    assert set(outside.values()) == {"closed"}, outside
    # The database is open to whoever may use it, as the schema step does, and to nobody else of the namespace.
    database = [each for each in places if each.startswith("postgres.")]
    labels = {"app.kubernetes.io/name": "mlflow-server", "app.kubernetes.io/component": "probe"}
    for allowed, answer in (("true", "open"), ("false", "closed")):
        user = {**labels, "mlops.mlflow.uses-database": allowed}
        assert probe(api, place["namespace"], image, database, **user) == {"postgres": answer}


def test_pods_with_more_rights_are_refused(api, place, image) -> None:
    body = pod(image, [], {})
    body["spec"]["containers"][0]["securityContext"] = {"privileged": True}
    with pytest.raises(client.ApiException, match="violates PodSecurity .*restricted") as refusal:
        client.CoreV1Api(api).create_namespaced_pod(place["namespace"], body)
    assert refusal.value.status == 403


def page(api, host: str) -> str:
    """The page behind a name, by way of the Ingress controller."""
    nodes = client.CoreV1Api(api).list_node().items
    address = next(each.address for each in nodes[0].status.addresses if each.type == "InternalIP")

    def ask() -> str:
        try:
            answer = requests.get(f"http://{address}:{INGRESS_PORT}/", headers={"Host": host}, timeout=5)
        except requests.RequestException:
            return ""
        return answer.text if answer.status_code == 200 else ""

    return until(PAGE_SECONDS, ask)


def test_a_page_through_an_http_route(variables, furnished, api, place) -> None:
    routes = client.CustomObjectsApi(api)
    kind = {"group": "gateway.networking.k8s.io", "version": "v1", "plural": "httproutes", **place}
    name = f"route-{uuid.uuid4().hex[:8]}"
    backend = {"backendRefs": [{"name": "mlflow-server", "port": 5000}]}
    body = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": name}}
    body["spec"] = {"parentRefs": [GATEWAY], "hostnames": ["localhost"], "rules": [backend]}
    routes.create_namespaced_custom_object(**kind, body=body)
    try:
        assert "<title>MLflow</title>" in page(api, "localhost")
    finally:
        routes.delete_namespaced_custom_object(**kind, name=name)


def test_an_ingress_has_the_page_and_an_autoscaler_adds_servers(variables, furnished, api, place) -> None:
    most = variables["mlflow_server_replicas"] + 1
    more = {"mlflow_server_ingress": {"host": INGRESS_HOST, "class_name": "traefik"}}
    # So little that an idle server is above it.
    more["mlflow_server_autoscaling"] = {"max_replicas": most, "cpu_percent": 1}
    result, said = deploy(variables, **more)
    assert result.returncode == 0, said
    try:
        assert "<title>MLflow</title>" in page(api, INGRESS_HOST)
        apps = client.AppsV1Api(api)

        def scaled() -> bool:
            state = apps.read_namespaced_deployment("mlflow-server", **place).status
            return (state.ready_replicas or 0) == most

        assert until(SCALE_SECONDS, scaled), (
            client.AutoscalingV2Api(api).read_namespaced_horizontal_pod_autoscaler("mlflow-server", **place).status
        )
    finally:
        result, said = deploy(variables)
    assert result.returncode == 0, said
    assert not client.AutoscalingV2Api(api).list_namespaced_horizontal_pod_autoscaler(**place).items
    assert not client.NetworkingV1Api(api).list_namespaced_ingress(**place).items
