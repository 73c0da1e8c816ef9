# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What belongs to others is refused in a sentence with the variable, and nothing at all on the server is changed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.databases.fingerprint import fingerprint
from tests.guard import servers
from tests.stores.authority import Authority

from .servers import ADMIN, ADMIN_PASSWORD, OWNER, SERVER, Server, literal
from .test_prepare import TABLES

NO_CHANGES: dict = {}


def refused(server: Server, words: list[str], **changes: object) -> None:
    before = fingerprint(server.dsn)
    played = server.play(**changes)
    assert played.code == 2, played.text
    assert "changed=0" in played.text
    assert [word for word in words if word not in played.reason] == [], played.reason
    assert len(played.reason.splitlines()) == 1, played.reason
    assert fingerprint(server.dsn) == before


def others_database(server: Server) -> None:
    """Somebody else's application, with rows."""
    server.run("CREATE ROLE shop", "CREATE DATABASE mlflow OWNER shop")
    server.run("CREATE TABLE orders (id int)", "INSERT INTO orders VALUES (1)", database="mlflow")


def with_mlflow(server: Server, *statements: str) -> None:
    server.run(f"CREATE ROLE {OWNER} LOGIN", f"CREATE ROLE {SERVER} LOGIN", f"CREATE DATABASE mlflow OWNER {OWNER}")
    server.run(f"SET ROLE {OWNER}", "CREATE SCHEMA IF NOT EXISTS authorization_check", *TABLES, database="mlflow")
    server.run(*statements, database="mlflow")


def second_of_others(server: Server) -> None:
    server.run("CREATE DATABASE shop")
    server.run("CREATE VIEW sums AS SELECT 1 AS one", database="shop")


# By what is found: what is there, what is given, and words of the answer.
CASES: dict[str, tuple[Callable[[Server], object], dict, list[str]]] = {
    "a database of others": (
        others_database, NO_CHANGES, ["database_name: database mlflow holds", "table public.orders", "not touched"],
    ),
    "a table beside MLflow's": (
        lambda server: with_mlflow(server, "CREATE TABLE orders (id int)"), NO_CHANGES,
        ["database_name: database mlflow holds", "(table public.orders)"],
    ),
    "a function": (
        lambda server: with_mlflow(server, "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'"), NO_CHANGES,
        ["(function public.f)"],
    ),
    "an MLflow of another role": (
        lambda server: with_mlflow(server, "CREATE ROLE other", "ALTER DATABASE mlflow OWNER TO other"), NO_CHANGES,
        ["database_name: database mlflow holds an MLflow and belongs to other", "database_owner_username"],
    ),
    "tables of another role": (
        lambda server: with_mlflow(server, f"ALTER TABLE runs OWNER TO {SERVER}"), NO_CHANGES,
        [f"belong to {SERVER} (public.runs)"],
    ),
    "the second of two databases": (
        second_of_others, {"database_server_databases": ["mlflow", "shop"]},
        ["database_server_databases: database shop holds", "view public.sums"],
    ),
    "a database of the server": (
        lambda server: None, {"database_name": "template1"}, ["database_name is 'template1'", "of the server itself"],
    ),
    "a template": (
        lambda server: server.run("CREATE DATABASE mlflow IS_TEMPLATE true"), NO_CHANGES, ["mlflow is a template"],
    ),
    "another encoding": (
        lambda server: server.run("CREATE DATABASE mlflow TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'"),
        NO_CHANGES, ["database mlflow has the encoding SQL_ASCII"],
    ),
    "a superuser": (
        lambda server: server.run(f"CREATE ROLE {SERVER} LOGIN SUPERUSER"), NO_CHANGES,
        [f"database_server_username: role {SERVER} is there already and is a superuser"],
    ),
    "an owner of something else": (
        lambda server: server.run(f"CREATE ROLE {OWNER} LOGIN", f"CREATE DATABASE shop OWNER {OWNER}"), NO_CHANGES,
        [f"database_owner_username: role {OWNER}", "owns something in database shop"],
    ),
    "rights in another database": (
        lambda server: server.run(
            f"CREATE ROLE {SERVER} LOGIN", "CREATE TABLE secret_plans ()", f"GRANT SELECT ON secret_plans TO {SERVER}"
        ), NO_CHANGES,
        [f"database_server_username: role {SERVER}", "has rights in database postgres"],
    ),
    "a server role that may act as the owner": (
        lambda server: server.run(
            f"CREATE ROLE {OWNER} LOGIN", f"CREATE ROLE {SERVER} LOGIN", "CREATE ROLE team",
            f"GRANT {OWNER} TO team", f"GRANT team TO {SERVER}",
        ), NO_CHANGES,
        [f"database_server_username: role {SERVER} is a member of {OWNER}"],
    ),
    "no password of the owner": (
        lambda server: None, {"database_owner_password": None},
        ["database_owner_password is empty", "none is generated"],
    ),
    "no host": (lambda server: None, {"database_host": None}, ["database_host is empty"]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_nothing_of_others_is_touched(name: str, server: Server) -> None:
    prepare, changes, words = CASES[name]
    prepare(server)
    try:
        refused(server, words, **changes)
    finally:
        server.run("DROP TABLE IF EXISTS secret_plans")


def test_what_the_playbook_hands_on_is_refused_by_name(server: Server) -> None:
    before = fingerprint(server.dsn)
    played = server.play(database_server_host="127.0.0.1")
    assert played.code == 2
    assert "remove database_server_host, and set database_host." in played.text
    assert fingerprint(server.dsn) == before


CLOUD_CASES: dict[str, tuple[Callable[[Server], object], dict, list[str]]] = {
    "an empty database of another role": (
        lambda server: server.run("CREATE ROLE shop", "CREATE DATABASE mlflow OWNER shop"), NO_CHANGES,
        [f"database mlflow belongs to shop, and {ADMIN} may not hand it over"],
    ),
    "a database that the administrator cannot see": (
        lambda server: server.run("CREATE DATABASE mlflow", "REVOKE CONNECT ON DATABASE mlflow FROM PUBLIC"),
        NO_CHANGES, [f"{ADMIN} cannot look at it", "permission denied for database"],
    ),
    "an administrator who may not make databases": (
        lambda server: server.run(f"ALTER ROLE {ADMIN} NOCREATEDB"), NO_CHANGES,
        [f"database_server_admin_username: {ADMIN} may not make database mlflow"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CLOUD_CASES)
def test_what_the_administrator_of_a_cloud_may_not_do_is_told_first(name: str, cloud: Server) -> None:
    prepare, changes, words = CLOUD_CASES[name]
    prepare(cloud)
    refused(cloud, words, **changes)


def test_a_role_that_the_administrator_did_not_make_is_not_changed(newest: servers.Postgres, tmp_path: Path) -> None:
    """CREATEROLE is enough for it before PostgreSQL 16."""
    server = Server(newest, tmp_path, superuser=False)
    server.clear()
    server.run(f"CREATE ROLE {SERVER} LOGIN PASSWORD 'another'")
    refused(server, [f"database_server_admin_username: {ADMIN} may not change role {SERVER}", "WITH ADMIN OPTION"])


# --- connections -----------------------------------------------------------------------------------------------------


def closed_port(server: Server) -> dict:
    return {"database_port": servers.free_port()}


CONNECTIONS: dict[str, tuple[Callable[[Server], dict], list[str]]] = {
    "a closed port": (closed_port, ["database_host and database_port: no connection to 127.0.0.1:", "refused"]),
    "an unknown host": (
        lambda server: {"database_host": "nowhere.invalid"}, ["database_host: ", "correct the host name"],
    ),
    "a wrong password": (
        lambda server: {"database_server_admin_password": "Hidden-wrong"},
        ["database_server_admin_username and database_server_admin_password: ", "password authentication failed"],
    ),
    "no such database": (
        lambda server: {"database_server_admin_database": "nothing"}, ["database_server_admin_database: ", "not exist"],
    ),
    "no TLS": (lambda server: {"database_tls_mode": "require"}, ["database_tls_mode: ", "does not support SSL"]),
    "somebody without rights": (
        lambda server: server.run("CREATE ROLE anybody LOGIN PASSWORD 'Hidden-anybody'; SELECT 1")
        and {"database_server_admin_username": "anybody", "database_server_admin_password": "Hidden-anybody"},
        ["database_server_admin_username: anybody may not make role"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CONNECTIONS)
def test_why_there_is_no_connection_is_told_with_the_variable(name: str, server: Server) -> None:
    make, words = CONNECTIONS[name]
    changes = make(server)
    before = fingerprint(server.dsn)
    played = server.play(**changes)
    assert played.code == 2, played.text
    assert [word for word in words if word not in played.reason] == [], played.reason
    assert "Hidden-" not in played.text
    assert fingerprint(server.dsn) == before


def test_a_rule_of_pg_hba_is_told_as_such(server: Server) -> None:
    ((path,),) = server.run("SHOW hba_file")
    text = Path(path).read_text(encoding="utf-8")
    server.run(f"CREATE ROLE shut_out LOGIN CREATEROLE CREATEDB PASSWORD {literal(ADMIN_PASSWORD)}")
    try:
        Path(path).write_text(f"host all shut_out 127.0.0.1/32 reject\n{text}", encoding="utf-8")
        server.run("SELECT pg_reload_conf()", "SELECT pg_sleep(0.5)")
        played = server.play(database_server_admin_username="shut_out", database_server_admin_password=ADMIN_PASSWORD)
    finally:
        Path(path).write_text(text, encoding="utf-8")
        server.run("SELECT pg_reload_conf()")
    assert played.reason.startswith("database_server_admin_username: "), played.reason
    assert "pg_hba.conf" in played.reason


@pytest.fixture(scope="module")
def authority(scratch: Path) -> Authority:
    return Authority(scratch / "authority")


@pytest.fixture
def encrypted(scratch: Path, tmp_path: Path, authority: Authority) -> Iterator[Server]:
    """A server with a certificate for localhost, of an authority that only the tests know."""
    certificate, key = authority.issue("localhost")
    for path in (certificate, key):
        if os.geteuid() == 0:
            os.chown(path, servers.unprivileged("postgres")["user"], -1)
        path.chmod(0o600)
    postgres = servers.start_postgres(scratch, ssl="on", ssl_cert_file=str(certificate), ssl_key_file=str(key))
    server = Server(postgres, tmp_path)
    server.variables = {"database_host": "localhost", "database_tls_mode": "verify-full"}
    yield server
    postgres.stop()


def test_certificates_are_checked(encrypted: Server, authority: Authority, scratch: Path) -> None:
    stranger = Authority(scratch / "stranger")
    good = encrypted.play("--check", database_ca_file=str(authority.ca))
    assert good.code == 0, good.text
    refused(encrypted, ["database_tls_mode: ", "certificate verify failed"], database_ca_file=str(stranger.ca))
    refused(encrypted, ["database_tls_mode: ", "give the authority"])
    refused(
        encrypted, ["database_host: ", "a name that the server's certificate has"],
        database_ca_file=str(authority.ca), database_host="127.0.0.1",
    )  # fmt: skip
    refused(encrypted, ["database_ca_file is '/nowhere.pem'"], database_ca_file="/nowhere.pem")


def test_what_is_missing_on_the_control_node_is_named(server: Server, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    refused(server, ["psycopg2-binary"], ansible_python_interpreter=str(bare / "bin/python"))
