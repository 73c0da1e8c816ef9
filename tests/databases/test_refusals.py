# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong connections, roles, rights, databases and arguments: one sentence each, and not a byte of the server changed.

The server has a database of other people beside. A hash over all of it is compared, and printed by
`python -m tests.databases.fingerprint`.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.stores.conftest import unused_port
from tests.stores.playbooks import Deployment

from .conftest import dsn, fresh_name, given
from .fingerprint import fingerprint
from .rig import ALIAS, CERTIFIED, HOST, OWNER, PASSWORDS, PAYROLL, SERVER, Rig

# Roles that a case changes, so that they are there for it alone.
CASE_OWNER, CASE_SERVER = "case_owner", "case_server"
CASE_PASSWORD = "Hidden-of-the-case"
Prepare = Callable[[Rig, str], dict[str, Any]]


def changed(**values: Any) -> Prepare:
    return lambda rig, name: values


def first(*statements: str, **values: Any) -> Prepare:
    """As the administrator in the database of the case."""

    def prepare(rig: Rig, name: str) -> dict[str, Any]:
        for statement in statements:
            rig.ask(name, statement.format(name=name))
        return values

    return prepare


def with_server(*statements: str, options: str = "") -> Prepare:
    """Another role for the servers, which has its rights and is changed then."""

    def prepare(rig: Rig, name: str) -> dict[str, Any]:
        rig.role(CASE_SERVER, CASE_PASSWORD, options)
        for right in (f"CONNECT, TEMPORARY ON DATABASE {name}", "USAGE ON SCHEMA public"):
            rig.ask(name, f"GRANT {right} TO {CASE_SERVER}")
        for statement in statements:
            rig.ask(name, statement.format(name=name))
        return {"database_server_username": CASE_SERVER, "database_server_password": CASE_PASSWORD}

    return prepare


def with_owner(*statements: str, options: str = "", owns: bool = True) -> Prepare:
    """Another owner, which has its rights and is changed then."""

    def prepare(rig: Rig, name: str) -> dict[str, Any]:
        rig.role(CASE_OWNER, CASE_PASSWORD, options)
        if owns:
            rig.ask("postgres", f"ALTER DATABASE {name} OWNER TO {CASE_OWNER}")
            rig.ask(name, f"ALTER SCHEMA public OWNER TO {CASE_OWNER}")
        rig.ask(name, f"GRANT CONNECT ON DATABASE {name} TO {CASE_OWNER}")
        for statement in statements:
            rig.ask(name, statement.format(name=name))
        return {"database_owner_username": CASE_OWNER, "database_owner_password": CASE_PASSWORD}

    return prepare


def as_mlflow(*statements: str, recorded: bool = False, **values: Any) -> Prepare:
    """The database of a deployment that is gone, and what became of it then."""

    def prepare(rig: Rig, name: str) -> dict[str, Any]:
        rig.drop(name)
        rig.ask("postgres", f'CREATE DATABASE {name} TEMPLATE {rig.with_mlflow} OWNER "{OWNER}"')
        rig.ask("postgres", f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")
        rig.ask("postgres", f'GRANT CONNECT, TEMPORARY ON DATABASE {name} TO "{SERVER}"')
        if not recorded:
            rig.ask(name, "DROP SCHEMA mlflow_guard CASCADE")
        for statement in statements:
            rig.ask(name, statement.format(name=name))
        return values

    return prepare


def certificate(name: str = "", of_stranger: bool = False) -> Prepare:
    """A role that shows a client certificate, and one for this name."""

    def prepare(rig: Rig, database: str) -> dict[str, Any]:
        values = with_server(f"GRANT {CERTIFIED} TO {CASE_SERVER}")(rig, database)
        if not name:
            return values
        shown, key = (rig.stranger if of_stranger else rig.authority).issue(name)
        return {**values, "database_client_certificate_file": str(shown), "database_client_key_file": str(key)}

    return prepare


def stranger_authority(rig: Rig, _name: str) -> dict[str, Any]:
    return {"database_ca_file": str(rig.stranger.ca)}


def key_as_authority(rig: Rig, _name: str) -> dict[str, Any]:
    return {"database_ca_file": str(rig.authority.issue("key.rig.test")[1])}


def silent(rig: Rig, _name: str) -> dict[str, Any]:
    """A port that takes connections and says nothing."""
    rig.silent = socket.create_server((rig.address, 0))
    return {"database_port": rig.silent.getsockname()[1]}


# Name: what is wrong, and what the sentence must have: the variable first, then what was found, then the code.
CASES: dict[str, tuple[Prepare, tuple[str, ...]]] = {
    # The address.
    "unknown host": (changed(database_host="nowhere.rig.test"), ("database_host:", "database-host-unknown")),
    "closed port": (changed(database_port=1), ("database_port:", "refuses connections", "database-port-closed")),
    "port that says nothing": (silent, ("database_host:", "database-timeout")),
    "URL as host": (changed(database_host=f"postgresql://{HOST}/models"), ("database_host", "a URL")),
    "port in the host": (changed(database_host=f"{HOST}:5432"), ("database_host", "database_port")),
    "localhost": (changed(database_host="localhost"), ("database_host", "the container itself")),
    "socket": (changed(database_host="/var/run/postgresql"), ("database_host", "Unix socket")),
    "no host": (changed(database_host=""), ("database_host is empty",)),
    "port that is none": (changed(database_port=70000), ("database_port is 70000", "1 to 65535")),
    # TLS.
    "authority of a stranger": (stranger_authority, ("database_ca_file:", "database-tls")),
    "authority that is not named": (changed(database_ca_file=""), ("database_ca_file:", "is empty", "database-tls")),
    "name that the certificate lacks": (changed(database_host=ALIAS), ("database_host:", ALIAS, "database-tls")),
    "no TLS where it is wanted": (
        changed(database_tls_mode="disable", database_ca_file=""),
        ("database_host:", "no encryption", "database-not-admitted"),
    ),
    "file of the authority that is missing": (changed(database_ca_file="/etc/none.pem"), ("database_ca_file",)),
    "key in the place of certificates": (key_as_authority, ("database_ca_file", "private key")),
    "certificate that is not shown": (certificate(), ("database_client_certificate_file:", "database-tls")),
    "certificate of a stranger": (
        certificate(CASE_SERVER, of_stranger=True),
        ("database_client_certificate_file:", "database-tls"),
    ),
    "certificate for another role": (
        certificate("somebody"),
        ("database_client_certificate_file:", CASE_SERVER, "database-tls"),
    ),
    # Roles.
    "password of the server": (
        changed(database_server_password="Hidden-and-wrong"),
        ("database_server_username:", SERVER, "database_server_password", "database-auth-failed"),
    ),
    "password of the owner": (
        changed(database_owner_password="Hidden-and-wrong"),
        ("database_owner_username:", OWNER, "database_owner_password", "database-auth-failed"),
    ),
    "unknown server": (changed(database_server_username="nobody"), ("database_server_username:", "nobody")),
    "unknown owner": (changed(database_owner_username="nobody"), ("database_owner_username:", "nobody")),
    "no password": (changed(database_server_password=""), ("database_server_password is empty",)),
    "one role twice": (changed(database_owner_username=SERVER), ("database_owner_username", "leave")),
    "server that may not log in": (
        with_server(f"ALTER ROLE {CASE_SERVER} NOLOGIN"),
        ("database_server_username:", CASE_SERVER),
    ),
    "server whose time is over": (
        with_server(options="VALID UNTIL '2020-01-01'"),
        ("database_server_username:", CASE_SERVER, "database-auth-failed"),
    ),
    "server without a connection": (
        with_server(options="CONNECTION LIMIT 0"),
        ("database_max_connections:", CASE_SERVER, "database-connections-full"),
    ),
    "server that may not connect": (
        with_server(f"REVOKE CONNECT ON DATABASE {{name}} FROM {CASE_SERVER}"),
        ("database_server_username:", "GRANT CONNECT", "database-no-connect-right"),
    ),
    "server that only reads": (
        with_server(f"ALTER ROLE {CASE_SERVER} SET default_transaction_read_only = on"),
        ("database_server_username:", "default_transaction_read_only", "role-read-only"),
    ),
    "owner that only reads": (
        with_owner(f"ALTER ROLE {CASE_OWNER} SET default_transaction_read_only = on"),
        ("database_owner_username:", "default_transaction_read_only", "role-read-only"),
    ),
    "owner that owns nothing": (
        with_owner(owns=False),
        ("database_owner_username:", CASE_OWNER, "owner-lacks-rights"),
    ),
    "owner of the schema only": (
        with_owner(
            f'ALTER DATABASE {{name}} OWNER TO "{OWNER}"', f"GRANT CONNECT ON DATABASE {{name}} TO {CASE_OWNER}"
        ),
        ("database_owner_username:", "mlflow_guard", "owner-lacks-rights"),
    ),
    # The database.
    "missing database": (changed(database_name="nowhere"), ("database_name:", "'nowhere'", "database-missing")),
    "database in capitals": (changed(database_name="MODELS"), ("database_name:", "database-missing")),
    "the server's own database": (changed(database_name="postgres"), ("database_name is postgres",)),
    "database without room": (
        first("ALTER DATABASE {name} CONNECTION LIMIT 0"),
        ("database_max_connections:", "database-connections-full"),
    ),
    "missing schema": (changed(database_schema="nowhere"), ("database_schema:", "schema-missing")),
    "schema in capitals": (changed(database_schema="Public"), ("database_schema is 'Public'",)),
    "schema of somebody else": (
        first("CREATE SCHEMA theirs", database_schema="theirs"),
        ("database_schema:", "schema-missing"),
    ),
    "payroll": (
        changed(
            database_name=PAYROLL,
            database_owner_username="accountant",
            database_owner_password="Hidden-of-the-accountant",
        ),
        ("database_name:", "schema-foreign"),
    ),
    "tables of another application": (
        first(
            "CREATE TABLE alembic_version (version_num varchar(32))",
            "CREATE TABLE studies (id int)",
            f'ALTER TABLE alembic_version OWNER TO "{OWNER}"',
            f'ALTER TABLE studies OWNER TO "{OWNER}"',
        ),
        ("database_name:", "schema-foreign"),
    ),
    # An MLflow.
    "an MLflow that nobody recorded": (
        as_mlflow(),
        ("database_adopt_enabled:", "no deployment has recorded", "database-unrecorded"),
    ),
    "an older MLflow": (
        as_mlflow("UPDATE alembic_version SET version_num = '451aebb31d03'"),
        ("schema-half-migrated",),
    ),
    "a newer MLflow": (
        as_mlflow("UPDATE alembic_version SET version_num = 'ffffffffffff'"),
        ("mlflow_server_version:", "schema-newer"),
    ),
    "a lost version": (as_mlflow("DROP TABLE alembic_version"), ("database_name:", "schema-version-lost")),
    "two versions": (
        as_mlflow("INSERT INTO alembic_version VALUES ('ffffffffffff')"),
        ("database_name:", "schema-two-revisions"),
    ),
    "a table that is gone": (as_mlflow("DROP TABLE tags"), ("database_name:", "schema-half-migrated")),
    "all tables gone but the record": (
        as_mlflow("DROP SCHEMA public CASCADE", f'CREATE SCHEMA public AUTHORIZATION "{OWNER}"', recorded=True),
        ("database_name:", "schema-emptied"),
    ),
    "an MLflow in another schema": (
        as_mlflow(f'CREATE SCHEMA mine AUTHORIZATION "{OWNER}"', database_schema="mine"),
        ("database_schema:", "schema-elsewhere"),
    ),
    "the record of another owner": (
        as_mlflow(
            f"CREATE ROLE {CASE_OWNER}",
            f"ALTER SCHEMA mlflow_guard OWNER TO {CASE_OWNER}",
            f"ALTER TABLE mlflow_guard.destination OWNER TO {CASE_OWNER}",
            f'GRANT USAGE ON SCHEMA mlflow_guard TO "{OWNER}"',
            f'GRANT SELECT ON mlflow_guard.destination TO "{OWNER}"',
            recorded=True,
        ),
        ("database_owner_username:", "record-of-another-owner"),
    ),
    # Arguments.
    "a store in the arguments": (
        changed(mlflow_server_args={"backend_store_uri": "sqlite:///mlflow.db"}),
        ("mlflow_server_args has backend_store_uri",),
    ),
    "another registry in the arguments": (
        changed(mlflow_server_args={"registry_store_uri": "sqlite:////x.db"}),
        ("mlflow_server_args has registry_store_uri",),
    ),
    "a store in the environment": (
        changed(mlflow_server_environment={"MLFLOW_BACKEND_STORE_URI": "sqlite:////x.db"}),
        ("MLFLOW_BACKEND_STORE_URI",),
    ),
    "a mode that there is not": (changed(mlflow_server_schema="force"), ("mlflow_server_schema",)),
    "the own database with another's host": (changed(database="own"), ("database_host is set, but database is own",)),
    "what the contract decides": (
        changed(mlflow_server_backend_server_password="Hidden-and-direct"),
        ("mlflow_server_backend_server_password", "database_server_password"),
    ),
}


@pytest.fixture(scope="module")
def with_mlflow(rig, tmp_path_factory) -> Iterator[str]:
    """A database as a deployment leaves it."""
    name = rig.with_mlflow = "template_of_models"
    rig.database(name, OWNER, SERVER)
    made = Deployment(
        fresh_name("databases"), tmp_path_factory.mktemp("made"), unused_port(), "local.yml", given(rig, name)
    )
    try:
        done = made.deploy()
        assert done.code == 0, done.text
    finally:
        made.destroy()
    yield name
    rig.drop(name)


@pytest.fixture
def cleared(rig) -> Iterator[None]:
    yield
    for role in (CASE_OWNER, CASE_SERVER):
        if rig.ask("postgres", "SELECT 1 FROM pg_roles WHERE rolname = %s", role):
            rig.ask("postgres", f"DROP OWNED BY {role}")
            rig.ask("postgres", f"DROP ROLE {role}")
    if rig.silent:
        rig.silent.close()
        rig.silent = None


# One of each kind, for a run of everything, which has no time for all of them.
USUAL = {
    "unknown host",
    "authority of a stranger",
    "password of the server",
    "server that only reads",
    "owner that owns nothing",
    "missing database",
    "payroll",
    "an MLflow that nobody recorded",
    "a newer MLflow",
    "a store in the arguments",
}


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[] if case in USUAL else [pytest.mark.extended]) for case in CASES]
)
def test_refused_in_one_sentence_with_nothing_changed(rig, with_mlflow, cleared, database, untouched, case):
    prepare, words = CASES[case]
    changes = prepare(rig, database)
    before = fingerprint(dsn(rig))
    done = untouched.deploy(**given(rig, database) | changes)
    after = fingerprint(dsn(rig))
    assert done.code == 2, done.text
    assert after == before, "the server was changed before the refusal"
    # A loop tells its reason with its item.
    said = " ".join((done.reason or done.text).split())
    assert all(word in said for word in words), said
    hidden = [*PASSWORDS.values(), CASE_PASSWORD, "Hidden-and-wrong", "Hidden-and-direct"]
    assert not any(password in done.text for password in hidden)
