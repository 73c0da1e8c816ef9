# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deployment on the cluster whose PostgreSQL is outside of it, and was not deployed by this collection."""

from __future__ import annotations

import base64
import socket
import time

import pytest
from kubernetes import client
from kubernetes.stream import stream
from psycopg2 import sql

from tests.databases.conftest import dsn, given
from tests.databases.fingerprint import fingerprint
from tests.databases.rig import OWNER, PASSWORDS, PAYROLL, SERVER, Rig
from tests.databases.test_external import register
from tests.images.conftest import until
from tests.kubernetes.conftest import address_of_a_node
from tests.kubernetes.test_refusals import DEPLOY_SECONDS, destroy, own
from tests.refusals.test_refusals import Case, messages, play

DATABASE, REGISTRY = "models_of_the_cluster", "registry_of_the_cluster"
# Of no other deployment on the cluster.
NODE_PORT = 30517
PASSWORD_FILE = "/run/secrets/backend_server_password"
# Seconds, and a little more.
GUARD_LOOKS = 7
ASK = """
import urllib.request
body = b'{"max_results": 1}'
url = "http://localhost:5000/api/2.0/mlflow/experiments/search"
asked = urllib.request.Request(url, body, {"Content-Type": "application/json"})
print("answered", urllib.request.urlopen(asked, timeout=20).status)
"""
REACH = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3); print('reached')"


@pytest.fixture
def name(variables) -> str:
    """The scenario's destroy.yml knows it, should the tests be interrupted."""
    return f"{variables['deployment_name']}-database"


def servers(api, namespace: str) -> list:
    selector = "app.kubernetes.io/component=tracking-server"
    return client.CoreV1Api(api).list_namespaced_pod(namespace, label_selector=selector).items


def said_in(api, pod, *command: str) -> str:
    """What a program says in the pod of a server."""
    core, about = client.CoreV1Api(api), pod.metadata
    connect = core.connect_get_namespaced_pod_exec
    return stream(connect, about.name, about.namespace, command=list(command), stderr=True, stdout=True)


def reaches(api, namespace: str, host: str, port: int) -> bool:
    """Whether a server's pod gets a connection there."""
    return "reached" in said_in(api, servers(api, namespace)[0], "python", "-c", REACH, host, str(port))


def change_password(rig: Rig, api, namespace: str, password: str) -> None:
    """On the server, and in the Secret, as whatever rotates passwords does both."""
    with rig.connection("postgres") as opened, opened.cursor() as cursor:
        cursor.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(SERVER), sql.Literal(password)))
    changed = {"data": {"backend_server_password": base64.b64encode(password.encode()).decode()}}
    client.CoreV1Api(api).patch_namespaced_secret("mlflow-server", namespace, changed)


def take_up(rig: Rig, api, namespace: str, password: str) -> None:
    """The running servers work with a changed password, once the kubelet has brought it and the guard has looked."""
    before = servers(api, namespace)
    change_password(rig, api, namespace, password)
    for pod in before:
        until(lambda pod=pod: password in said_in(api, pod, "cat", PASSWORD_FILE), "the file has it", 180, 3)
    time.sleep(GUARD_LOOKS)
    # No session that was opened with the password before is left.
    rig.ask("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", SERVER)
    for pod in before:
        # A connection that was cut while it was in the pool may cost one call.
        until(lambda pod=pod: "answered 200" in said_in(api, pod, "python", "-c", ASK), "the server answers", 30, 1)
    now = servers(api, namespace)
    assert {each.metadata.uid for each in now} == {each.metadata.uid for each in before}
    assert all(status.restart_count == 0 for each in now for status in each.status.container_statuses)


def counted(rig: Rig, table: str) -> list[int]:
    """Rows in the database of runs, and in that of registered models."""
    return [rig.ask(each, f"SELECT count(*) FROM {table}")[0][0] for each in (DATABASE, REGISTRY)]


def rehearse(mine: dict, name: str, rig: Rig) -> None:
    """Check mode: nothing to do for what is there, and another registry is refused; the databases stay as they are."""
    before = fingerprint(dsn(rig))
    result, answer = play(Case(mine, [], "k8s"), name, DEPLOY_SECONDS, "--check", "--diff")
    assert (result.returncode, answer["stats"]["localhost"]["changed"]) == (0, 0), messages(answer)
    result, answer = play(Case(mine | {"database_registry_name": ""}, [], "k8s"), name, DEPLOY_SECONDS, "--check")
    assert result.returncode == 2
    assert "registry-store-changed" in " ".join(messages(answer))
    assert fingerprint(dsn(rig)) == before


def test_deployed_confined_trained_and_taken_away_with_the_databases_as_they_were(variables, api, name, rig):
    """Registered models are in a database of their own."""
    for each in (DATABASE, REGISTRY):
        rig.database(each, OWNER, SERVER)
    url = f"http://{address_of_a_node(api)}:{NODE_PORT}"
    mine = own(variables, name) | given(rig, DATABASE) | {"database_networks": [f"{rig.address}/32"]}
    mine |= {"database_registry_name": REGISTRY, "mlflow_server_node_port": NODE_PORT, "kubernetes_public_url": url}
    others = fingerprint(dsn(rig))
    wrong = mine | {"database_server_password": "Hidden-and-wrong"}
    try:
        result, answer = play(Case(wrong, [], "k8s"), name, DEPLOY_SECONDS)
        assert result.returncode == 2
        assert "database_server_password" in " ".join(messages(answer))
        assert "Hidden" not in " ".join(messages(answer))
        assert fingerprint(dsn(rig)) == others
        result, answer = play(Case(mine, [], "k8s"), name, DEPLOY_SECONDS)
        assert result.returncode == 0, messages(answer)
        result, answer = play(Case(mine, [], "k8s"), name, DEPLOY_SECONDS)
        assert (result.returncode, answer["stats"]["localhost"]["changed"]) == (0, 0), messages(answer)
        namespace = mine["kubernetes_namespace"]
        sets = client.AppsV1Api(api).list_namespaced_stateful_set(namespace).items
        assert "postgres" not in [each.metadata.name for each in sets]
        assert counted(rig, "experiments")[0] > 0
        result, answer = play(Case({"mlflow_tracking_uri": url}, [], "verify"), name, DEPLOY_SECONDS)
        assert result.returncode == 0, messages(answer)
        assert [number > 0 for number in counted(rig, "runs")] == [True, False]
        register(url, "classifier")
        assert [number > 0 for number in counted(rig, "registered_models")] == [False, True]
        rehearse(mine, name, rig)
        with socket.create_server((rig.address, 0)) as listener:
            assert reaches(api, namespace, rig.address, rig.port)
            assert not reaches(api, namespace, rig.address, listener.getsockname()[1])
        take_up(rig, api, namespace, "Hidden of tomorrow")
        take_up(rig, api, namespace, PASSWORDS[SERVER])
        before = fingerprint(dsn(rig))
    finally:
        destroy(mine, name)
    after = fingerprint(dsn(rig))
    assert after == before
    assert after[PAYROLL] == others[PAYROLL]
    assert not any(password in messages(answer) for password in PASSWORDS.values())
