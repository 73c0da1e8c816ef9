# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL server of others: what is refused, and what is planned. Real servers are in tests/database_server."""

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _database_server as server
from ansible_collections.mlops.mlflow.plugins.module_utils import _database_server_input as server_input
from ansible_collections.mlops.mlflow.plugins.module_utils import _database_server_login as server_login
from ansible_collections.mlops.mlflow.plugins.module_utils import _database_server_sql as sql
from mlflow_guard.inspect import rights, structure

GIVEN = {
    "host": "db.example.com",
    "port": 5432,
    "name": "mlflow",
    "databases": ["mlflow"],
    "registry_name": "",
    "schema": "",
    "tls_mode": "verify-full",
    "ca_file": "",
    "admin_username": "admin",
    "admin_password": "Hidden-Admin",
    "admin_database": "postgres",
    "owner_username": "mlflow_owner",
    "owner_password": "Hidden-Owner",
    "owner_connection_limit": 0,
    "server_username": "mlflow_server",
    "server_password": "Hidden-Server",
    "server_connection_limit": 0,
    "connect_timeout": 10,
    "sql_only": False,
    "sql_file": "",
}
SUPER = {"name": "admin", "superuser": True, "createrole": True, "createdb": True}
CLOUD = {**SUPER, "superuser": False}
ROLE = {
    "superuser": False,
    "replication": False,
    "bypassrls": False,
    "createdb": False,
    "createrole": False,
    "login": True,
    "expired": False,
    "connection_limit": -1,
    "changeable": True,
    "usable": False,
}
BOTH = {"mlflow_owner": ROLE, "mlflow_server": ROLE}
DATABASE = {"owner": "mlflow_owner", "encoding": "UTF8", "template": False, "open": True, "changeable": False}
FRESH = {
    "version": 160004,
    "standby": False,
    "admin": CLOUD,
    "roles": {},
    "server_is_owner": False,
    "template_encoding": "UTF8",
    "databases": {},
    "settings": [],
    "belongings": [],
}
DONE = {**FRESH, "roles": BOTH, "databases": {"mlflow": DATABASE}}
SCHEMAS = {"public": "mlflow_owner"}
RIGHT = {"owner": "right", "server": "right"}


def table(name: str, **changes) -> dict:
    return {"kind": "table", "schema": "public", "name": name, "owner": "mlflow_owner", **changes}


MLFLOW = [table("experiments"), table("runs"), table("alembic_version")]
USERS = [table("users"), table("experiment_permissions"), table("alembic_version_auth")]


def looked(objects: list, schemas: dict | None = None, name: str = "mlflow") -> list[dict]:
    seen = {"objects": objects, "schemas": SCHEMAS if schemas is None else schemas}
    return [{"item": name, "query_result": [{"seen": seen}]}]


def test_the_tables_are_those_that_the_guard_knows() -> None:
    versions = rights.READ_ONLY_TABLES
    assert structure.table_names("backend") | {"alembic_version"} == server.TRACKING_TABLES
    # Releases before 3.6 had the revision of the users' tables in alembic_version too.
    assert structure.table_names("auth") | versions == server.USERS_TABLES
    initial = structure.all_of("backend")[structure.INITIAL].tables
    assert server.KINDS[0][1] <= set(initial)


# --- what is given ---------------------------------------------------------------------------------------------------

GOOD = {
    "all of it": {},
    "a schema": {"schema": "ml-flow"},
    "several databases": {"databases": ["mlflow", "mlflow_users"]},
    "limits": {"owner_connection_limit": 3, "server_connection_limit": 100000},
    "SQL needs no password": {"sql_only": True, "host": "", "admin_username": "", "owner_password": ""},
    "a file for the SQL": {"sql_only": True, "sql_file": "mlflow.sql"},
    "an administrator of Azure": {"admin_username": "admin@server"},
    # The type is told by the argument spec.
    "no number": {"port": "http"},
}
BAD = {
    "no host": ({"host": ""}, ["database_server_host is empty"]),
    "no administrator": (
        {"admin_username": ""},
        ["database_server_admin_username is empty", "database_server_sql_only"],
    ),
    "no password of the administrator": ({"admin_password": ""}, ["database_server_admin_password is empty"]),
    "no owner": ({"owner_username": ""}, ["database_server_owner_username is empty"]),
    "no password of the owner": (
        {"owner_password": ""},
        ["database_server_owner_password is empty", "none is generated"],
    ),
    "no server": ({"server_username": ""}, ["database_server_server_username is empty"]),
    "no password of the server": ({"server_password": ""}, ["database_server_server_password is empty"]),
    "one role": ({"server_username": "mlflow_owner"}, ["are both 'mlflow_owner'", "two roles"]),
    "the administrator as owner": ({"owner_username": "admin"}, ["owner_username is 'admin'", "administrator's own"]),
    "the administrator as server": (
        {"server_username": "admin"},
        ["server_username is 'admin'", "administrator's own"],
    ),
    "a quote": ({"owner_username": 'a"b'}, ["database_server_owner_username is 'a\"b'", "letters"]),
    "a quoted administrator": ({"admin_username": 'a"b'}, ["database_server_admin_username is 'a\"b'", "quotes"]),
    "a comma": ({"server_username": "a,b"}, ["database_server_server_username is 'a,b'", "letters"]),
    "too long": ({"schema": "a" * 64}, ["database_server_schema is 'aaa", "63"]),
    "a role of PostgreSQL": ({"owner_username": "pg_monitor"}, ["'pg_monitor'", "PostgreSQL's own"]),
    "everybody": ({"server_username": "public"}, ["'public'", "PostgreSQL's own"]),
    "a schema of PostgreSQL": ({"schema": "pg_catalog"}, ["pg_catalog", "not for tables of users"]),
    "the guard's schema": ({"schema": "mlflow_guard"}, ["mlflow_guard", "not for tables of users"]),
    "a bad database": ({"name": "a b", "databases": ["a b"]}, ["database_server_name is 'a b'", "letters"]),
    "a bad second one": ({"databases": ["mlflow", "a b"]}, ["database_server_databases has 'a b'", "letters"]),
    "a bad registry": (
        {"databases": ["mlflow", "a b"], "registry_name": "a b"},
        ["database_server_registry_name is 'a b'", "letters"],
    ),
    "no database": ({"databases": []}, ["database_server_databases is '[]'", "[mlflow]"]),
    "a text": ({"databases": "mlflow"}, ["database_server_databases is 'mlflow'", "[mlflow]"]),
    "the template": ({"databases": ["template1"]}, ["'template1'", "of the server itself"]),
    "Amazon's": ({"name": "rdsadmin", "databases": ["rdsadmin"]}, ["database_server_name is 'rdsadmin'", "itself"]),
    "the administrator's database": ({"admin_database": "mlflow"}, ["'mlflow'", "of the server itself"]),
    "a port": ({"port": 0}, ["database_server_port is 0", "65535"]),
    "a timeout": ({"connect_timeout": 601}, ["database_server_connect_timeout is 601"]),
    "a limit": ({"server_connection_limit": 2}, ["database_server_server_connection_limit is 2", "3 to 100000"]),
    "a file without SQL": ({"sql_file": "x.sql"}, ["database_server_sql_file is 'x.sql'", "database_server_sql_only"]),
    "a CA without TLS": ({"ca_file": "/ca.pem", "tls_mode": "disable"}, ["database_server_ca_file is set"]),
}


@pytest.mark.parametrize("name", GOOD)
def test_good_input_is_taken(name: str) -> None:
    assert server_input.problems({**GIVEN, **GOOD[name]}) == []


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_in_one_sentence_without_passwords(name: str) -> None:
    changes, words = BAD[name]
    found = server_input.problems({**GIVEN, **changes})
    assert len(found) == 1, found
    assert [word for word in words if word not in found[0]] == []
    assert "Hidden" not in found[0]


@pytest.mark.parametrize(
    ("changes", "authority"),
    [
        ({}, "/etc/authorities.pem"),
        ({"ca_file": "/ca.pem"}, "/ca.pem"),
        ({"ca_file": "/ca.pem", "tls_mode": "require"}, "/ca.pem"),
        ({"tls_mode": "require"}, None),
        ({"tls_mode": "disable"}, None),
    ],
)
def test_whom_a_login_trusts(changes: dict, authority: str | None) -> None:
    login = server_login.login({**GIVEN, **changes}, "owner", "/etc/authorities.pem")
    assert login.get("ca_cert") == authority
    assert (login["login_user"], login["login_password"]) == ("mlflow_owner", "Hidden-Owner")
    # libpq knows the word from version 16 on.
    assert server_login.login(GIVEN, "admin", "")["ca_cert"] == "system"


# --- why there is no connection --------------------------------------------------------------------------------------

BEFORE = 'unable to connect to database: connection to server at "db.example.com" (192.0.2.1), port 5432 failed: '
FAILED = {
    "unable to connect to database: could not translate host name \"db.example.com\" to address: Name or service not "
    "known\n": ["database_server_host: ", "could not translate host name"],
    f"{BEFORE}Connection refused\n\tIs the server running on that host?\n": [
        "database_server_host and database_server_port: ", ": Connection refused; correct them",
    ],
    f"{BEFORE}timeout expired\n": ["database_server_host and database_server_port: ", "firewall"],
    f'{BEFORE}FATAL:  password authentication failed for user "admin"\n': [
        "database_server_admin_username and database_server_admin_password: ", "as admin: password auth",
    ],
    f"{BEFORE}fe_sendauth: no password supplied\n": ["database_server_admin_password: "],
    f'{BEFORE}FATAL:  no pg_hba.conf entry for host "192.0.2.2", user "admin", SSL encryption\n': [
        "database_server_admin_username: ", "pg_hba.conf, or in the rules",
    ],
    f'{BEFORE}FATAL:  no pg_hba.conf entry for host "192.0.2.2", user "admin", no encryption\n': [
        "database_server_tls_mode: ", "require or verify-full",
    ],
    f"{BEFORE}server does not support SSL, but SSL was required\n": ["database_server_tls_mode: ", "switch TLS on"],
    f"{BEFORE}SSL error: certificate verify failed\n": ["database_server_tls_mode: ", "database_server_ca_file"],
    'unable to connect to database: root certificate file "/ca.pem" does not exist\n': ["database_server_ca_file"],
    f'{BEFORE}server certificate for "a" does not match host name "b"\n': ["database_server_host: ", "certificate has"],
    f'{BEFORE}FATAL:  database "postgres" does not exist\n': ["database_server_admin_database: ", "of postgres"],
    f'{BEFORE}FATAL:  permission denied for database "postgres"\nDETAIL:  No CONNECT.\n': [
        "database_server_admin_database: ", "may connect to",
    ],
    f'{BEFORE}FATAL:  role "admin" is not permitted to log in\n': ["database_server_admin_username: ", "log in"],
    f"{BEFORE}FATAL:  sorry, too many clients already\n": ["database_server_host: ", "run the playbook again"],
    f"{BEFORE}session is read-only\n": ["database_server_host: ", "takes writes"],
    "Failed to import the required Python library (psycopg2) on host's Python /usr/bin/python3.": [
        "psycopg2-binary", "python3-psycopg2",
    ],
    f"{BEFORE}FATAL:  something new\n": ["database_server_host: ", "something new."],
}  # fmt: skip


@pytest.mark.parametrize("error", FAILED)
def test_an_error_of_connecting_is_a_sentence_with_the_variable(error: str) -> None:
    for said in (server_login.connection_problem(error, GIVEN), server_login.failure(error, GIVEN)):
        assert [word for word in FAILED[error] if word not in said] == []
        assert said.endswith(".")
        assert "\n" not in said
        assert "Hidden" not in said


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            "Unable to add user with given requirement due to : permission denied to create role\n",
            ["database_server_admin_username is admin", "(permission denied to create role)", "CREATEROLE"],
        ),
        ("Database query failed: must be owner of database mlflow\n", ["must be owner", "another run"]),
        (
            f'{BEFORE}FATAL:  password authentication failed for user "mlflow_owner"\n',
            ["database_server_owner_username and database_server_owner_password: "],
        ),
        ("Cannot execute SQL 'x': disk full Hidden-Owner", ["disk full ***"]),
    ],
)
def test_an_error_in_the_work_is_a_sentence(error: str, words: list[str]) -> None:
    said = server_login.failure(error, GIVEN)
    assert [word for word in words if word not in said] == []
    assert "Hidden" not in said


# --- what must not be touched ----------------------------------------------------------------------------------------


def changed(role: str = "mlflow_owner", **changes) -> dict:
    return {"roles": {**BOTH, role: {**ROLE, **changes}}}


def belonging(database: str = "", owns: bool = True, role: str = "mlflow_owner", other: str | None = None) -> dict:
    return {"belongings": [{"role": role, "owns": owns, "database": database, "other": other}]}


def database(**changes) -> dict:
    return {"databases": {"mlflow": {**DATABASE, **changes}}}


TAKEN = {
    "nothing is there": (FRESH, {}, []),
    "all is done": (DONE, {}, looked(MLFLOW)),
    "the users' tables": (DONE, {}, looked(USERS)),
    "both, and the old revision": (DONE, {}, looked([*MLFLOW, *USERS])),
    "an empty database of the owner": (DONE, {}, looked([])),
    "a superuser takes over an empty one": (
        {**DONE, "admin": SUPER, **database(owner="somebody", changeable=True)}, {}, looked([], {"public": "somebody"}),
    ),
    "the administrator hands over its own": (
        {**DONE, **database(owner="admin", changeable=True)}, {}, looked([], {"public": "pg_database_owner"}),
    ),
    "what belongs to the roles in their databases": (DONE | belonging("mlflow"), {}, looked(MLFLOW)),
    "a role that nobody may change, and that is right": (DONE | changed(changeable=False), {}, looked(MLFLOW)),
    "the roles are made, and the administrator may make none": (
        {**DONE, "admin": {**CLOUD, "createrole": False, "createdb": False}}, {}, looked(MLFLOW),
    ),
    "an older server, and a schema of its own": ({**FRESH, "version": 130010}, {"schema": "mlflow"}, []),
    "an older server, and a superuser": ({**FRESH, "version": 130010, "admin": SUPER}, {}, []),
}  # fmt: skip
REFUSED = {
    "too old": ({**FRESH, "version": 120022}, {}, [], ["database_server_host", "PostgreSQL 12", "13 or newer"]),
    "a standby": ({**FRESH, "standby": True}, {}, [], ["database_server_host", "standby"]),
    "no right to make databases": (
        {**FRESH, "admin": {**CLOUD, "createdb": False}}, {}, [],
        ["database_server_admin_username: admin may not make database mlflow", "CREATEDB"],
    ),
    "a superuser as owner": (
        DONE | changed(superuser=True), {}, looked([]),
        ["database_server_owner_username: role mlflow_owner", "a superuser", "another role"],
    ),
    "a server above row security": (
        DONE | changed("mlflow_server", bypassrls=True, replication=True), {}, looked([]),
        ["database_server_server_username", "for replication and above row security"],
    ),
    "an owner of other things": (
        DONE | belonging("shop"), {}, looked([]),
        ["database_server_owner_username", "owns something in database shop", "database_server_databases"],
    ),
    "rights elsewhere": (
        DONE | belonging("shop", owns=False, role="mlflow_server"), {}, looked([]),
        ["database_server_server_username", "has rights in database shop"],
    ),
    "a tablespace": (
        DONE | belonging(other="pg_tablespace"), {}, looked([]), ["owns something in the whole server (pg_tablespace)"],
    ),
    "a server that is the owner": (
        {**DONE, "server_is_owner": True}, {}, looked([]),
        ["database_server_server_username", "REVOKE mlflow_owner FROM mlflow_server"],
    ),
    "a role of somebody else, to be changed": (
        DONE | changed(changeable=False, createdb=True), {}, looked([]),
        ["database_server_admin_username: admin may not change role mlflow_owner", "WITH ADMIN OPTION"],
    ),
    "a template": (DONE | database(template=True), {}, [], ["database_server_name: database mlflow is a template"]),
    "a closed database": (DONE | database(open=False), {}, [], ["takes no connections"]),
    "a database that cannot be seen": (
        DONE, {}, [{"item": "mlflow", "failed": False, "msg": f'{BEFORE}FATAL:  permission denied for database "x"\n'}],
        ["cannot look at it (permission denied for database", "GRANT CONNECT ON DATABASE mlflow TO admin"],
    ),
    "a table of others": (
        DONE, {}, looked([*MLFLOW, table("orders")]), ["database mlflow holds", "(table public.orders)", "not touched"],
    ),
    "names of MLflow that are anybody's": (
        DONE, {}, looked([table("users"), table("tags"), table("alembic_version")]),
        ["table public.users, table public.tags, table public.alembic_version"],
    ),
    "MLflow's tables in two halves": (
        DONE, {}, looked([table("experiments"), table("runs", schema="other")]), ["table public.experiments"],
    ),
    "a view": (DONE, {}, looked([*MLFLOW, table("sums", kind="view")]), ["(view public.sums)"]),
    "many functions": (
        DONE, {}, looked([table(f"f{number}", kind="function", schema="app") for number in range(9)]),
        ["function app.f0", "and 4 more"],
    ),
    "a large object": (DONE, {}, looked([table("16400", kind="large object", schema="")]), ["(large object 16400)"]),
    "an MLflow of somebody else": (
        DONE | database(owner="somebody"), {}, looked(MLFLOW),
        ["holds an MLflow and belongs to somebody", "database_server_owner_username"],
    ),
    "an empty database of somebody else": (
        DONE | database(owner="somebody"), {}, looked([]), ["belongs to somebody, and admin may not hand it over"],
    ),
    "tables of the server": (
        DONE, {}, looked([table("experiments"), table("runs", owner="mlflow_server")]),
        ["belong to mlflow_server (public.runs)", "ALTER TABLE"],
    ),
    "another encoding": (DONE | database(encoding="SQL_ASCII"), {}, looked([]), ["the encoding SQL_ASCII", "UTF8"]),
    "a second database": (
        {**DONE, "databases": {"mlflow": DATABASE, "users": {**DATABASE, "template": True}}},
        {"databases": ["mlflow", "users"]}, looked([]), ["database_server_databases: database users is a template"],
    ),
    "a registry": (
        {**DONE, "databases": {"mlflow": DATABASE, "models": {**DATABASE, "open": False}}},
        {"databases": ["mlflow", "models"], "registry_name": "models"}, looked([]),
        ["database_server_registry_name: database models takes no connections"],
    ),
    "a schema of somebody else": (
        DONE, {"schema": "own"}, looked([], {"own": "somebody"}), ["schema own of database mlflow belongs to somebody"],
    ),
    "public on an older server": (
        {**FRESH, "version": 140000}, {}, [], ["schema public of database mlflow", "set database_server_schema"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_mlflows_or_nobodys_is_taken(name: str) -> None:
    seen, changes, answers = TAKEN[name]
    assert server.refusals({**GIVEN, **changes}, seen, answers, RIGHT) == []


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_anothers_is_refused_in_one_sentence(name: str) -> None:
    seen, changes, answers, words = REFUSED[name]
    found = server.refusals({**GIVEN, **changes}, seen, answers, RIGHT)
    assert len(found) == 1, found
    assert [word for word in words if word not in found[0]] == []


def test_an_administrator_who_may_make_no_role_is_told_for_each() -> None:
    seen = {**FRESH, "admin": {**CLOUD, "createrole": False}}
    found = server.refusals(GIVEN, seen, [], {})
    assert [("may not make role" in each, "CREATEROLE" in each) for each in found] == [(True, True)] * 2


# --- what is to be done ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "state"),
    [
        ("", "right"),
        (f'{BEFORE}FATAL:  database "mlflow" does not exist\n', "right"),
        (f'{BEFORE}FATAL:  permission denied for database "mlflow"\n', "right"),
        (f'{BEFORE}FATAL:  too many connections for role "mlflow_server"\n', "right"),
        (f'{BEFORE}FATAL:  password authentication failed for user "mlflow_owner"\n', "wrong"),
        (f"{BEFORE}FATAL:  Passwort-Authentifizierung für Benutzer »mlflow_owner« fehlgeschlagen\n", "wrong"),
        (f'{BEFORE}FATAL:  no pg_hba.conf entry for host "192.0.2.2"\n', "unknown"),
    ],
)
def test_whether_a_password_is_right(error: str, state: str) -> None:
    answer = {"msg": error} if error else {"query_result": [{"?column?": 1}]}
    assert server.password_states([{"item": "owner", "failed": False, **answer}]) == {"owner": state}


@pytest.mark.parametrize(
    ("role", "password", "changes", "step"),
    [
        (None, "", {}, {"flags": "LOGIN,NOSUPERUSER,NOCREATEDB,NOCREATEROLE", "password": True, "changes": True}),
        (ROLE, "right", {}, {"flags": "", "password": False, "changes": False}),
        (ROLE, "unknown", {}, {"flags": "", "password": False, "changes": False}),
        (ROLE, "wrong", {}, {"flags": "", "password": True, "changes": True}),
        ({**ROLE, "login": False, "createdb": True, "createrole": True}, "right", {},
         {"flags": "LOGIN,NOCREATEDB,NOCREATEROLE", "password": False, "changes": True}),
        ({**ROLE, "expired": True}, "right", {}, {"flags": "", "expires": "infinity", "changes": True}),
        (ROLE, "right", {"owner_connection_limit": 20}, {"connection_limit": 20, "changes": True}),
        ({**ROLE, "connection_limit": 20}, "right", {"owner_connection_limit": 20}, {"changes": False}),
        ({**ROLE, "connection_limit": 20}, "right", {}, {"connection_limit": None, "changes": False}),
    ],
)  # fmt: skip
def test_of_a_role_only_what_differs_is_changed(role: dict | None, password: str, changes: dict, step: dict) -> None:
    seen = {**FRESH, "roles": {"mlflow_owner": role} if role else {}}
    found = server.role_step({**GIVEN, **changes}, seen, {"owner": password}, "owner")
    assert {name: found[name] for name in step} == step


PLANS = {
    "fresh, superuser": ({**FRESH, "admin": SUPER}, {}, False, {"hand_over": True, "join": False, "inside": True}),
    "fresh, cloud": (FRESH, {}, False, {"hand_over": True, "join": True, "inside": True}),
    "fresh, check mode": (FRESH, {}, True, {"hand_over": True, "inside": False}),
    "a member of the owner": (
        {**DONE, **changed(usable=True), "databases": {}}, {}, False, {"hand_over": True, "join": False},
    ),
    "done": (DONE, {}, False, {"hand_over": False, "join": False, "inside": True, "schema_there": True}),
    "done, check mode": (DONE, {}, True, {"inside": True}),
    "to hand over, check mode": (DONE | database(owner="admin"), {}, True, {"join": True, "inside": False}),
    "to hand over, check mode, superuser": (
        {**DONE, "admin": SUPER} | database(owner="admin"), {}, True, {"join": False, "inside": True},
    ),
    "a schema": (
        DONE, {"schema": "own"}, False, {"schema_there": False, "search_path": ["mlflow_owner", "mlflow_server"]},
    ),
    "a schema that one role finds": (
        {**DONE, "settings": [{"database": "mlflow", "role": "mlflow_owner", "settings": ['search_path="my-own"']}]},
        {"schema": "my-own"}, False, {"search_path": ["mlflow_server"]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANS)
def test_what_a_database_needs(name: str) -> None:
    seen, changes, check_mode, wanted = PLANS[name]
    answers = looked([]) if seen["databases"] else []
    (found,) = server.plan({**GIVEN, **changes}, seen, answers, RIGHT, check_mode)["databases"]
    assert {key: found[key] for key in wanted} == wanted


def test_in_check_mode_the_owner_cannot_look_with_a_password_that_is_wrong() -> None:
    (found,) = server.plan(GIVEN, DONE, looked([]), {"owner": "wrong"}, True)["databases"]
    assert not found["inside"]


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        ({**FRESH, "admin": SUPER}, {"worker": "admin", "keeps_connect": False, "locale": ""}),
        (FRESH, {"worker": "owner", "keeps_connect": True, "quiet": "", "admin": "admin"}),
        ({**FRESH, "template_encoding": "SQL_ASCII"}, {"locale": "C"}),
    ],
)
def test_who_does_the_work(seen: dict, wanted: dict) -> None:
    found = server.plan(GIVEN, seen, [], {})
    assert {key: found[key] for key in wanted} == wanted
    # Only a superuser may keep a statement out of the log.
    assert ("log_statement=none" in found["quiet"]) is seen["admin"]["superuser"]


# --- the same as SQL -------------------------------------------------------------------------------------------------


def test_the_sql_has_no_password_and_names_everything() -> None:
    changes = {"databases": ["mlflow", "users"], "schema": "own", "server_connection_limit": 50}
    text = sql.script({**GIVEN, **changes})
    assert "Hidden" not in text
    for word in ('"mlflow_owner"', '"mlflow_server"', '\\connect "mlflow"', '\\connect "users"', '"own"', "LIMIT 50"):
        assert word in text, word
    assert "{" not in text.replace("{?owner_password}", "").replace("{?server_password}", "")


@pytest.mark.parametrize(("text", "wanted"), [("a", '"a"'), ('a"b', '"a""b"')])
def test_names_are_quoted(text: str, wanted: str) -> None:
    assert sql.quoted(text) == wanted
    assert sql.literal("a'b") == "'a''b'"
