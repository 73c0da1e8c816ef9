# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deployments on a PostgreSQL that they do not have themselves."""

from __future__ import annotations

import pytest

from tests.images.conftest import run

from .conftest import dsn, given
from .fingerprint import fingerprint
from .rig import ALONE, OWNER, PASSWORDS, PAYROLL, SERVER


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


def test_one_role_works_and_what_is_missing_is_said(rig, deployment):
    name = "models_of_one"
    rig.database(name, ALONE)
    rig.ask(name, "CREATE EXTENSION pg_stat_statements")
    deployment.common = given(rig, name) | {
        "database_server_username": ALONE,
        "database_server_password": PASSWORDS[ALONE],
        "database_owner_username": "",
        "database_owner_password": "",
    }
    try:
        done = deployment.deploy()
        assert done.code == 0, done.text
        assert "server-may-create" in done.text
        assert "database_owner_username" in done.text
        assert deployment.deploy().changed == 0
        assert deployment.verify().code == 0
    finally:
        deployment.destroy()
        rig.drop(name)


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
