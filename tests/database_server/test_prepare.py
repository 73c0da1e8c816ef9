# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases and roles are made, are repaired, and are left alone where they are right."""

from __future__ import annotations

import json
import re
from pathlib import Path

import psycopg2
import pytest

from tests.databases.fingerprint import contents, fingerprint, shared, without_passwords

from .servers import ADMIN, OWNER, SERVER, SERVER_PASSWORD, Server, changed

TABLES = (
    "CREATE TABLE experiments (experiment_id serial PRIMARY KEY, name text)",
    "CREATE TABLE runs (run_uuid text PRIMARY KEY)",
    "CREATE TABLE alembic_version (version_num text)",
    "INSERT INTO experiments (name) VALUES ('iris')",
)


def state(server: Server, database: str = "mlflow") -> list[str]:
    """All owners, rights, attributes and settings, without the salts of passwords."""
    return [*without_passwords(shared(server.dsn)), *contents(server.dsn, database)]


def refused(server: Server, role: str, statement: str, **where: str) -> bool:
    try:
        server.as_role(role, statement, **where)
    except psycopg2.errors.InsufficientPrivilege:
        return True
    return False


def works_as_mlflow_needs_it(server: Server, database: str = "mlflow") -> None:
    """What the guard's schema step and the servers do."""
    server.as_role(OWNER, *TABLES, "CREATE SCHEMA mlflow_guard", database=database)
    wine = "INSERT INTO experiments (name) VALUES ('wine')"
    server.as_role(SERVER, wine, "CREATE TEMP TABLE t ()", database=database)
    assert server.as_role(SERVER, "SELECT count(*) FROM experiments", database=database) == [(2,)]
    for statement in ("CREATE TABLE more ()", "CREATE SCHEMA more", "DROP TABLE runs", "TRUNCATE runs"):
        assert refused(server, SERVER, statement, database=database), statement
    server.run("CREATE ROLE stranger LOGIN PASSWORD 'stranger'")
    dsn = f"host=127.0.0.1 port={server.postgres.port} user=stranger password=stranger"
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        server.run("SELECT 1", database=database, dsn=dsn)


def test_a_fresh_server_is_prepared_once(each: Server) -> None:
    before = fingerprint(each.dsn)
    asked = each.play("--check", "--diff")
    assert asked.code == 0, asked.text
    assert changed(asked) >= 3
    assert "Would set the rights in database mlflow" in asked.text
    assert fingerprint(each.dsn) == before
    first = each.play("-vvv")
    assert first.code == 0, first.text
    done = fingerprint(each.dsn)
    again = each.play("--diff")
    assert (again.code, changed(again)) == (0, 0), again.text
    asked = each.play("--check", "--diff")
    assert (asked.code, changed(asked)) == (0, 0), asked.text
    assert fingerprint(each.dsn) == done
    # No membership is left by which the administrator could act as the owner.
    if not each.superuser:
        assert refused(each, ADMIN, f"SET ROLE {OWNER}", database="postgres")
    works_as_mlflow_needs_it(each)
    filled = fingerprint(each.dsn)
    again = each.play()
    assert (again.code, changed(again)) == (0, 0), again.text
    assert fingerprint(each.dsn) == filled


DAMAGE = (
    f"ALTER ROLE {SERVER} NOLOGIN CREATEDB PASSWORD 'another'",
    f"ALTER ROLE {OWNER} CREATEROLE PASSWORD 'another' VALID UNTIL '2020-01-01'",
    f"GRANT CREATE ON DATABASE mlflow TO {SERVER} WITH GRANT OPTION",
    f"GRANT CONNECT ON DATABASE mlflow TO {SERVER} WITH GRANT OPTION",
    "GRANT ALL ON DATABASE mlflow TO PUBLIC",
)
DAMAGE_INSIDE = (
    f"GRANT ALL ON SCHEMA public TO {SERVER} WITH GRANT OPTION",
    "GRANT CREATE ON SCHEMA public TO PUBLIC",
    f"ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} IN SCHEMA public REVOKE ALL ON TABLES FROM {SERVER}",
    f"ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} IN SCHEMA public GRANT ALL ON SEQUENCES TO {SERVER}",
)


def test_what_was_given_too_much_is_taken_back_and_what_was_taken_is_given(each: Server) -> None:
    assert each.play().code == 0
    right = state(each)
    each.run(*DAMAGE)
    each.run(*DAMAGE_INSIDE, database="mlflow")
    damaged = fingerprint(each.dsn)
    asked = each.play("--check")
    assert asked.code == 0, asked.text
    assert changed(asked) >= 2
    assert fingerprint(each.dsn) == damaged
    repaired = each.play()
    assert repaired.code == 0, repaired.text
    found = [line.replace('"infinity"', "null") for line in state(each)]
    assert found == right
    assert changed(each.play()) == 0
    each.run("REVOKE ALL ON SCHEMA public FROM PUBLIC", database="mlflow")
    each.run(f"REVOKE ALL ON DATABASE mlflow FROM {SERVER}")
    assert each.play().code == 0
    works_as_mlflow_needs_it(each)


def test_two_databases_with_a_schema_and_limits(cloud: Server) -> None:
    options = {
        "database_schema": "ml-flow",
        "database_server_databases": ["mlflow", "mlflow_users"],
        "database_server_server_connection_limit": 50,
        "database_server_owner_connection_limit": 5,
    }
    first = cloud.play(**options)
    assert first.code == 0, first.text
    again = cloud.play(**options)
    assert (again.code, changed(again)) == (0, 0), again.text
    limits = cloud.run("SELECT rolname, rolconnlimit FROM pg_roles WHERE rolname LIKE 'mlflow%' ORDER BY 1")
    assert limits == [(OWNER, 5), (SERVER, 50)]
    for database in options["database_server_databases"]:
        for role in (OWNER, SERVER):
            assert cloud.as_role(role, "SELECT current_schema()", database=database) == [("ml-flow",)]
        cloud.as_role(OWNER, *TABLES, "CREATE SCHEMA mlflow_guard", database=database)
        assert cloud.as_role(SERVER, "SELECT name FROM experiments", database=database) == [("iris",)]
        assert refused(cloud, SERVER, "CREATE TABLE more ()", database=database)
        # Where each release before PostgreSQL 15 lets everybody.
        assert refused(cloud, SERVER, "CREATE TABLE public.more ()", database=database)


def test_a_database_that_the_administrator_made_is_handed_over(cloud: Server) -> None:
    cloud.as_role(ADMIN, "CREATE DATABASE mlflow", database="postgres")
    first = cloud.play()
    assert first.code == 0, first.text
    assert cloud.run("SELECT datdba::regrole::text FROM pg_database WHERE datname = 'mlflow'") == [(OWNER,)]
    assert changed(cloud.play()) == 0
    works_as_mlflow_needs_it(cloud)


def test_what_others_put_into_the_template_does_not_come_along(server: Server) -> None:
    server.run("CREATE TABLE of_the_template ()", "CREATE EXTENSION IF NOT EXISTS plpgsql", database="template1")
    try:
        assert server.play().code == 0
        assert server.run("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", database="mlflow") == [(0,)]
    finally:
        server.run("DROP TABLE of_the_template", database="template1")


def test_a_password_is_changed_by_giving_another(server: Server) -> None:
    assert server.play().code == 0
    other = server.play(database_server_password="Hidden-other")
    assert (other.code, changed(other)) == (0, 1), other.text
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        server.as_role(SERVER, "SELECT 1")
    back = server.play(database_server_password=SERVER_PASSWORD)
    assert (back.code, changed(back)) == (0, 1)
    assert server.as_role(SERVER, "SELECT 1") == [(1,)]


def test_the_control_node_does_the_work_for_a_host_that_it_need_not_reach(server: Server, tmp_path: Path) -> None:
    inventory = tmp_path / "hosts.yml"
    hosts = {"far": {"ansible_host": "192.0.2.1"}, "farther": {"ansible_host": "192.0.2.2"}}
    inventory.write_text(json.dumps({"mlflow": {"hosts": hosts}}), encoding="utf-8")
    played = server.play("--inventory", str(inventory))
    assert played.code == 0, played.text
    # The second host finds all done.
    assert re.findall(r"(\w+) +: ok=.* changed=(?!0)", played.text) == ["far"]
