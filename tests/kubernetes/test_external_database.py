# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deployment on the cluster whose PostgreSQL is outside of it, and was not deployed by this collection."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from kubernetes import client
from kubernetes.stream import stream

from tests.databases.conftest import dsn, given
from tests.databases.fingerprint import fingerprint
from tests.databases.rig import OWNER, PASSWORDS, PAYROLL, SERVER, Rig
from tests.images.conftest import Role, network_of_its_own
from tests.kubernetes.test_refusals import DEPLOY_SECONDS, destroy, own
from tests.refusals.test_refusals import Case, messages, play

DATABASE = "models_of_the_cluster"
REACH = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3); print('reached')"


@pytest.fixture(scope="module")
def rig(tmp_path_factory) -> Iterator[Rig]:
    image = Role(tmp_path_factory.mktemp("images"))(images_components=["postgres"]).resolved["postgres"]["reference"]
    with network_of_its_own("databases-test") as (network, address):
        made = Rig(network, address, tmp_path_factory.mktemp("rig"), image)
        try:
            made.start()
            made.database(DATABASE, OWNER, SERVER)
            yield made
        finally:
            made.remove()


@pytest.fixture
def name(variables) -> str:
    """The scenario's destroy.yml knows it, should the tests be interrupted."""
    return f"{variables['deployment_name']}-database"


def reaches(api, namespace: str, host: str, port: int) -> bool:
    """Whether a server's pod gets a connection there."""
    core = client.CoreV1Api(api)
    selector = "app.kubernetes.io/component=tracking-server"
    pod = core.list_namespaced_pod(namespace, label_selector=selector).items[0].metadata.name
    said = stream(
        core.connect_get_namespaced_pod_exec,
        pod,
        namespace,
        command=["python", "-c", REACH, host, str(port)],
        stderr=True,
        stdout=True,
    )
    return "reached" in said


def test_deployed_confined_and_taken_away_with_the_database_as_it_was(variables, api, name, rig):
    mine = own(variables, name) | given(rig, DATABASE) | {"database_networks": [f"{rig.address}/32"]}
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
        assert rig.ask(DATABASE, "SELECT count(*) FROM experiments")[0][0] > 0
        with socket.create_server((rig.address, 0)) as listener:
            assert reaches(api, namespace, rig.address, rig.port)
            assert not reaches(api, namespace, rig.address, listener.getsockname()[1])
        before = fingerprint(dsn(rig))
    finally:
        destroy(mine, name)
    after = fingerprint(dsn(rig))
    assert after == before
    assert after[PAYROLL] == others[PAYROLL]
    assert not any(password in messages(answer) for password in PASSWORDS.values())
