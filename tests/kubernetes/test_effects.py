# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the objects of a deployment bring about on a cluster that enforces them."""

from __future__ import annotations

import contextlib
import json
import threading
import time
import uuid

import pytest
import requests
from kubernetes import client

from tests.kubernetes.conftest import address_of_a_node
from tests.kubernetes.test_refusals import refused
from tests.kubernetes.test_schema_step import deploy

INGRESS_PORT, GATEWAY = 30080, {"name": "traefik", "namespace": "kube-system"}
INGRESS_HOST = "mlflow.test"
SCALE_SECONDS, PAGE_SECONDS = 600, 300
# The network learns of a new pod a moment after its start, so it waits for what is to be open before it tries the rest.
PROBE = """
import json, socket, sys, time
limit, *waited_for = json.loads(sys.argv[1])

def is_open(place):
    host, port = place.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), 2).close()
    except OSError:
        return False
    return True

end = time.monotonic() + limit
while not all(map(is_open, waited_for)) and time.monotonic() < end:
    time.sleep(0.5)
print(json.dumps({place.split(".")[0]: is_open(place) for place in waited_for + sys.argv[2:]}))
"""
CONNECT_SECONDS, POD_SECONDS, LOG_SECONDS = 180, 300, 30
# Open to every pod, whatever else is closed to it.
NAMES = "kube-dns.kube-system.svc.cluster.local:53"
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


def until(seconds: float, ask):
    """Its first answer that is something."""
    end = time.monotonic() + seconds
    while not (answer := ask()) and time.monotonic() < end:
        time.sleep(1)
    return answer


def pod(image: str, words: list[str], labels: dict) -> dict:
    container = {"name": "probe", "image": image, "imagePullPolicy": "IfNotPresent", "securityContext": RESTRICTED}
    container |= {"command": ["python3", "-c", PROBE, *words]}
    spec = {"restartPolicy": "Never", "automountServiceAccountToken": False, "containers": [container]}
    return {"metadata": {"name": f"probe-{uuid.uuid4().hex[:8]}", "labels": labels}, "spec": spec}


def probe(api, namespace: str, image: str, opened: list[str], others: list[str], **labels: str) -> dict[str, bool]:
    """What a pod there reaches, of places that are to be open and of others."""
    core = client.CoreV1Api(api)
    body = pod(image, [json.dumps([CONNECT_SECONDS, *opened]), *others], labels)
    name = body["metadata"]["name"]
    core.create_namespaced_pod(namespace, body)
    try:
        ended = ("Succeeded", "Failed")
        done = until(POD_SECONDS, lambda: core.read_namespaced_pod(name, namespace).status.phase in ended)
        assert done, f"the pod {name} did not run"
        # A cluster may have nothing of it at the moment when it ends.
        lines = until(LOG_SECONDS, lambda: core.read_namespaced_pod_log(name, namespace).splitlines())
        assert lines, f"the pod {name} said nothing: {core.read_namespaced_pod(name, namespace).status}"
        return json.loads(lines[-1])
    finally:
        core.delete_namespaced_pod(name, namespace, grace_period_seconds=0)


def places_of(api, place: dict) -> dict[str, str]:
    services = client.CoreV1Api(api).list_namespaced_service(**place).items
    name = "{0.metadata.name}.{0.metadata.namespace}:{0.spec.ports[0].port}"
    return {each.metadata.name: name.format(each) for each in services}


def test_connections_are_refused_by_the_policies(variables, furnished, api, place, image, space) -> None:
    places = places_of(api, place)
    server, database = places.pop("mlflow-server"), places["postgres"]
    outside = probe(api, space(f"outside-{uuid.uuid4().hex[:8]}"), image, [NAMES, server], [*places.values()])
    assert outside == {"kube-dns": True, "mlflow-server": True, **dict.fromkeys(places, False)}
    # The database is open to whoever may use it, as the schema step does, and to nobody else of the namespace.
    labels = {"app.kubernetes.io/name": "mlflow-server", "app.kubernetes.io/component": "probe"}

    def inside(opened: list[str], others: list[str], uses_database: str) -> dict[str, bool]:
        more = {**labels, "mlops.mlflow.uses-database": uses_database}
        return probe(api, place["namespace"], image, opened, others, **more)

    assert inside([NAMES, database], [], "true") == {"kube-dns": True, "postgres": True}
    assert inside([NAMES], [database], "false") == {"kube-dns": True, "postgres": False}


def test_pods_with_more_rights_are_refused(api, place, image) -> None:
    body = pod(image, [], {})
    body["spec"]["containers"][0]["securityContext"] = {"privileged": True}
    with pytest.raises(client.ApiException, match="violates PodSecurity .*restricted") as refusal:
        client.CoreV1Api(api).create_namespaced_pod(place["namespace"], body)
    assert refusal.value.status == 403


def test_a_node_port_that_is_taken(variables, api) -> None:
    services = client.CoreV1Api(api).list_namespaced_service(variables["kubernetes_namespace"]).items
    port = next(item.node_port for each in services for item in each.spec.ports if item.node_port)
    said = refused(variables, mlflow_server_node_port=port)
    for word in ("mlflow_server_node_port", str(port), f"{variables['kubernetes_namespace']}/mlflow-server"):
        assert word in said, said


def page(api, host: str) -> str:
    """The page behind a name, by way of the Ingress controller."""
    address = address_of_a_node(api)

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


@contextlib.contextmanager
def replicas_seen(api, place: dict):
    """How many servers there were to be, each number that was met meanwhile."""
    seen, over = set(), threading.Event()

    def look() -> None:
        while not over.wait(0.5):
            seen.add(client.AppsV1Api(api).read_namespaced_deployment("mlflow-server", **place).spec.replicas)

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    try:
        yield seen
    finally:
        over.set()
        looking.join()


def test_an_ingress_has_the_page_and_an_autoscaler_adds_servers(variables, furnished, api, place) -> None:
    most = variables["mlflow_server_replicas"] + 1
    more = {"mlflow_server_ingress": {"host": INGRESS_HOST, "class_name": "traefik"}}
    # So little that an idle server is above it.
    more["mlflow_server_autoscaling"] = {"max_replicas": most, "cpu_percent": 1}
    with replicas_seen(api, place) as seen:
        result, said = deploy(variables, **more)
    assert result.returncode == 0, said
    assert seen
    assert min(seen) == variables["mlflow_server_replicas"], "there were fewer servers until the autoscaler looked"
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
