# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deployments on a PostgreSQL that they do not have themselves."""

from __future__ import annotations

import json
import os
import threading
import urllib.request
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from tests.guard.servers import Pooler, own_directory, start_pooler, unprivileged
from tests.images.conftest import run
from tests.stores.conftest import unused_port
from tests.stores.playbooks import Deployment

from .conftest import dsn, fresh_name, given
from .fingerprint import fingerprint
from .rig import ALONE, HOST, OWNER, PASSWORDS, PAYROLL, SERVER


@pytest.mark.extended
def test_deployed_verified_and_taken_down_with_the_database_as_it_was(rig, deployment, database):
    others = fingerprint(dsn(rig))
    rehearsed = deployment.deploy("--check", "--diff")
    assert rehearsed.code == 0, rehearsed.text
    assert fingerprint(dsn(rig)) == others

    first = deployment.deploy()
    assert first.code == 0, first.text
    assert deployment.containers[0].startswith(f"mlflow-{deployment.name}-mlflow-server")
    assert len(deployment.containers) == 1
    again = deployment.deploy()
    assert (again.code, again.changed) == (0, 0), again.text
    verified = deployment.verify()
    assert verified.code == 0, verified.text
    runs = rig.ask(database, "SELECT count(*) FROM runs")[0][0]
    assert runs > 0
    # The server may not make tables, nor can it log in as the owner.
    assert rig.ask(database, "SELECT has_schema_privilege(%s, 'public', 'CREATE')", SERVER) == [(False,)]
    inspected = run("docker", "inspect", *[each.split()[1] for each in deployment.containers]).stdout
    shown = [text for done in (rehearsed, first, again) for text in (done.text,)] + [inspected]
    for password in PASSWORDS.values():
        assert not any(password in text for text in shown)

    before = fingerprint(dsn(rig))
    gone = deployment.destroy()
    assert gone.code == 0, gone.text
    assert f"database {database} on" in gone.text
    after = fingerprint(dsn(rig))
    assert after == before
    assert {name: value for name, value in after.items() if name in ("*", PAYROLL)} == {
        name: value for name, value in others.items() if name in ("*", PAYROLL)
    }


def register(url: str, name: str) -> None:
    body = json.dumps({"name": name}).encode()
    place = f"{url}/api/2.0/mlflow/registered-models/create"
    request = urllib.request.Request(place, data=body, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert json.load(answer)["registered_model"]["name"] == name


def test_one_role_works_and_what_is_missing_is_said(rig, deployment):
    """Its registered models are in a database of their own."""
    name, registry = "models_of_one", "registry_of_one"
    rig.database(name, ALONE)
    rig.database(registry, ALONE)
    rig.ask(name, "CREATE EXTENSION pg_stat_statements")
    deployment.common = given(rig, name) | {
        "database_server_username": ALONE,
        "database_server_password": PASSWORDS[ALONE],
        "database_owner_username": "",
        "database_owner_password": "",
        "database_registry_name": registry,
    }
    try:
        done = deployment.deploy()
        assert done.code == 0, done.text
        assert "server-may-create" in done.text
        assert "database_owner_username" in done.text
        again = deployment.deploy()
        assert (again.code, again.changed) == (0, 0), again.text
        assert deployment.verify().code == 0
        register(deployment.url, "classifier")
        models = "SELECT count(*) FROM registered_models WHERE name = 'classifier'"
        assert [rig.ask(each, models)[0][0] for each in (name, registry)] == [0, 1]
        runs = "SELECT count(*) > 0 FROM runs"
        assert [rig.ask(each, runs)[0][0] for each in (name, registry)] == [True, False]
        gone = deployment.destroy()
        assert f"database {name} on" in gone.text
        assert f"database {registry} on" in gone.text
    finally:
        deployment.destroy()
        rig.drop(name)
        rig.drop(registry)


@pytest.mark.extended
def test_a_registry_apart_is_one_deployments_own(rig, deployment, database, untouched):
    registry, second = (fresh_name("models").replace("-", "_") for _each in range(2))
    for each in (registry, second):
        rig.database(each, OWNER, SERVER)
    try:
        deployment.common |= {"database_registry_name": registry}
        rehearsed = deployment.deploy("--check", "--diff")
        assert rehearsed.code == 0, rehearsed.text
        done = deployment.deploy()
        assert done.code == 0, done.text
        identity = rig.ask(database, "SELECT identity FROM mlflow_guard.destination")
        assert identity == rig.ask(registry, "SELECT identity FROM mlflow_guard.registry")
        register(deployment.url, "classifier")
        rehearsed = deployment.deploy("--check", "--diff")
        assert (rehearsed.code, rehearsed.changed) == (0, 0), rehearsed.text
        # Without it, or with another one, the models would be out of reach.
        before = fingerprint(dsn(rig))
        for other in ("", second):
            changed = deployment.deploy(database_registry_name=other)
            assert changed.code != 0
            assert "registry-store-changed" in changed.text
        untouched.common = given(rig, second) | {"database_registry_name": registry}
        refused = untouched.deploy()
        assert refused.code != 0
        assert f"database_registry_name: database '{registry}' on" in refused.text
        assert "registry-of-another" in refused.text
        assert fingerprint(dsn(rig)) == before
    finally:
        deployment.destroy()
        for each in (registry, second):
            rig.drop(each)


@pytest.mark.extended
def test_a_schema_of_its_own(rig, deployment, database):
    rig.ask(database, f'CREATE SCHEMA tracking AUTHORIZATION "{OWNER}"')
    rig.ask(database, f'GRANT USAGE ON SCHEMA tracking TO "{SERVER}"')
    deployment.common |= {"database_schema": "tracking"}
    done = deployment.deploy()
    assert done.code == 0, done.text
    tables = rig.ask(database, "SELECT DISTINCT schemaname FROM pg_tables WHERE tableowner = %s", OWNER)
    assert ("tracking",) in tables
    assert ("public",) not in tables


@pytest.fixture
def pooler(rig, tmp_path) -> Iterator[Pooler]:
    """PgBouncer between, in the mode that people choose it for. It speaks TLS to both sides, and drops settings."""
    identity = unprivileged("postgres")
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(folder.stat().st_mode | 0o011)
    secret = own_directory(tmp_path, "pooler", identity)
    certificate, key = rig.authority.issue(HOST, rig.address)
    for name, content in (("server.crt", certificate.read_bytes()), ("server.key", key.read_bytes())):
        file = secret / name
        file.write_bytes(content)
        os.chown(file, identity.get("user", -1), identity.get("group", -1))
    made = start_pooler(
        secret,
        SimpleNamespace(host=rig.address, port=rig.port),
        {SERVER: PASSWORDS[SERVER]},
        listen_addr=rig.address,
        pool_mode="transaction",
        ignore_startup_parameters="options,extra_float_digits",
        client_tls_sslmode="require",
        client_tls_cert_file=str(secret / "server.crt"),
        client_tls_key_file=str(secret / "server.key"),
        server_tls_sslmode="require",
    )
    yield made
    made.stop()


@pytest.mark.extended
def test_servers_work_through_a_pooler_and_the_schema_step_past_it(rig, deployment, database, pooler):
    deployment.common |= {"database_port": pooler.port}
    # The pooler does not even know the owner, so nobody can have been there through it.
    alone = deployment.deploy()
    assert alone.code != 0
    assert "database_owner_" in alone.text
    assert rig.ask(database, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]

    deployment.common |= {"database_owner_port": rig.port}
    first = deployment.deploy()
    assert first.code == 0, first.text
    again = deployment.deploy()
    assert (again.code, again.changed) == (0, 0), again.text
    rehearsed = deployment.deploy("--check", "--diff")
    assert (rehearsed.code, rehearsed.changed) == (0, 0), rehearsed.text
    verified = deployment.verify()
    assert verified.code == 0, verified.text
    assert rig.ask(database, "SELECT count(*) FROM runs")[0][0] > 0


SUCCESSOR, SUCCESSOR_PASSWORD = "models_server_2", "Hidden-of-the-successor"


class Caller(threading.Thread):
    """Asks the database through the public address, one call after the other."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.url, self.ended = f"{url}/api/2.0/mlflow/experiments/search", threading.Event()
        self.answered, self.failures = 0, []

    def run(self) -> None:
        while not self.ended.wait(0.05):
            body = json.dumps({"max_results": 1}).encode()
            request = urllib.request.Request(self.url, data=body, headers={"Content-Type": "application/json"})
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    assert json.load(answer)["experiments"]
                self.answered += 1
            except Exception as error:
                self.failures.append(repr(error))


@pytest.mark.extended
def test_another_role_takes_over_without_a_failed_call(rig, database, tmp_path):
    """How a password is changed without a gap: PostgreSQL knows one for each role, so there are two roles."""
    deployment = Deployment(fresh_name("databases"), tmp_path, unused_port(), "multi-az.yml", given(rig, database))
    rig.role(SUCCESSOR, SUCCESSOR_PASSWORD)
    rig.ask(database, f"GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {SUCCESSOR}")
    rig.ask(database, f"GRANT USAGE ON SCHEMA public TO {SUCCESSOR}")
    try:
        first = deployment.deploy()
        assert first.code == 0, first.text
        caller = Caller(deployment.url)
        caller.start()
        changed = {"database_server_username": SUCCESSOR, "database_server_password": SUCCESSOR_PASSWORD}
        second = deployment.deploy(**changed)
        caller.ended.set()
        caller.join(60)
        assert second.code == 0, second.text
        assert caller.failures == []
        assert caller.answered > 20
        sessions = rig.ask(database, "SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = %s", database)
        assert (SUCCESSOR,) in sessions
        assert (SERVER,) not in sessions
        assert deployment.deploy(**changed).changed == 0
    finally:
        deployment.destroy()
        rig.ask(database, f"DROP OWNED BY {SUCCESSOR}")
        rig.ask("postgres", f"DROP ROLE {SUCCESSOR}")
