# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is given for an external database, and what the guard finds there, as sentences with the roles' variables."""

from __future__ import annotations

import json

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _database as database
from ansible_collections.mlops.mlflow.plugins.module_utils import _database_reasons as reasons
from ansible_collections.mlops.mlflow.plugins.module_utils import _guard_trial as trial
from ansible_collections.mlops.mlflow.plugins.module_utils._guard_codes import GUARD_CODES
from ansible_collections.mlops.mlflow.plugins.module_utils._guard_reasons import explain
from sqlalchemy.engine import make_url

from tests.stores.authority import Authority
from tests.unit.test_role_contract import defaults

HIDDEN = "Hidden-Value"
GIVEN = {
    **database.EXTERNAL_ONLY,
    "host": "db.example.com",
    "server_username": "models_server",
    "server_password": HIDDEN,
    "owner_username": "models_owner",
    "owner_password": HIDDEN,
}
ALONE = {"owner_username": "", "owner_password": ""}
GOOD = {
    "two roles": {},
    "one role": ALONE,
    "an address": {"host": "192.0.2.7"},
    "IPv6": {"host": "2001:db8::7"},
    "several hosts": {"host": "a.example.com, b.example.com"},
    "a pooler before it": {"port": 6432, "owner_host": "primary.example.com", "owner_port": 5432},
    "a pooler beside it": {"port": 6432, "owner_port": "5432"},
    "a schema": {"schema": "team_1"},
    "without TLS": {"tls_mode": "disable"},
    "numbers as text": {"port": "6432", "connect_timeout": "60", "max_connections": "100"},
    "a registry apart": {"registry_name": "models"},
    "a name with everything": {"name": "My models's ü"},
    "networks": {"networks": ["10.20.0.0/16", "2001:db8::/32", "192.0.2.7"]},
}
BAD = {
    "no host": ({"host": ""}, "database_host is empty"),
    "a URL": ({"host": "postgresql://u:Hidden-Value@h/d"}, "database_host is 'postgresql://***@h/d', a URL"),
    "a port": ({"host": "h:5432"}, "the port in database_port"),
    "a socket": ({"host": "/cloudsql/p"}, "a Unix socket"),
    "localhost": ({"host": "localhost"}, "is the container itself"),
    "a loopback address": ({"host": "127.0.0.1"}, "is the container itself"),
    "the second host": ({"host": "a.example.com,127.0.0.1"}, "database_host is '127.0.0.1'"),
    "a blank": ({"host": "h h"}, "give a host name or an IP address"),
    "the owner's host": ({"owner_host": "localhost"}, "database_owner_host is 'localhost', which is the container"),
    "the owner's port": ({"owner_host": "h:5432"}, "the port in database_owner_port"),
    "a high port of the owner": ({"owner_port": 65536}, "database_owner_port is 65536: give 1 to 65535, or 0 for that"),
    "no port": ({"port": 0}, "database_port is 0: give 1 to 65535."),
    "a high port": ({"port": 65536}, "database_port is 65536"),
    "a word as port": ({"port": "five"}, "database_port is 'five'"),
    "no name": ({"name": ""}, "database_name is ''"),
    "a long name": ({"name": "ü" * 32}, "1 to 63 bytes"),
    "the server's own": ({"name": "postgres"}, "which the server has for itself"),
    "a provider's own": ({"name": "rdsadmin"}, "which the server has for itself"),
    "the registry twice": ({"registry_name": "mlflow"}, "database_registry_name is mlflow, as database_name is"),
    "the server's own as registry": ({"registry_name": "template1"}, "database_registry_name is template1, which the"),
    "a long registry": ({"registry_name": "ü" * 32}, "database_registry_name is 'üü"),
    "a schema in capitals": ({"schema": "Team"}, "database_schema is 'Team'"),
    "a system schema": ({"schema": "pg_temp"}, "not for tables of users"),
    "the guard's schema": ({"schema": "mlflow_guard"}, "not for tables of users"),
    "no server role": ({"server_username": ""}, "database_server_username is empty"),
    "no server password": ({"server_password": ""}, "database_server_password is empty"),
    "half an owner": ({"owner_password": ""}, "database_owner_password is empty"),
    "the other half": ({"owner_username": ""}, "database_owner_username is empty"),
    "the same role twice": ({"owner_username": "models_server"}, "as database_server_username is"),
    "a line break": ({"server_password": "a\nb"}, "database_server_password has a line break"),
    "no time": ({"connect_timeout": 0}, "give 1 to 60 seconds"),
    "too many": ({"max_connections": -1}, "1 to 100000, or 0 to ask the server"),
    "a CA that nobody asks": ({"tls_mode": "require", "ca_file": "/x"}, "which checks no certificate"),
    "a missing CA": ({"ca_file": "/etc/none.pem"}, "database_ca_file is '/etc/none.pem', and the control node has no"),
    "a relative CA": ({"ca_file": "ca.pem"}, "a relative path"),
    "half a certificate": ({"client_certificate_file": "/x"}, "database_client_key_file is empty"),
    "a certificate without TLS": (
        {"tls_mode": "disable", "client_certificate_file": "/x", "client_key_file": "/y"},
        "a certificate is shown with TLS only",
    ),
    "a network with bits": ({"networks": ["10.20.0.1/16"]}, "database_networks has '10.20.0.1/16'"),
}


@pytest.mark.parametrize("changes", GOOD.values(), ids=GOOD)
def test_what_is_right_is_left_alone(changes: dict) -> None:
    assert database.problems({**GIVEN, **changes}, "external", {}) == []


@pytest.mark.parametrize(("changes", "part"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_said_with_its_variable(changes: dict, part: str) -> None:
    found = database.problems({**GIVEN, **changes}, "external", {})
    assert any(part in sentence for sentence in found), found
    assert all(sentence.startswith("database") and sentence.endswith(".") for sentence in found)
    assert HIDDEN not in " ".join(found)


def test_all_that_is_wrong_is_said_at_once() -> None:
    assert len(database.problems({**GIVEN, "host": "", "port": 0, "server_password": ""}, "external", {})) == 3


def test_what_only_an_external_one_has_is_refused_for_the_own_one() -> None:
    assert database.problems(database.EXTERNAL_ONLY, "own", {}) == []
    found = database.problems({**database.EXTERNAL_ONLY, "host": "db.example.com", "port": 5433}, "own", {})
    assert [sentence.split()[0] for sentence in found] == ["database_host", "database_port"]


def test_the_values_of_nothing_are_the_defaults_of_the_role() -> None:
    known = defaults("database")
    assert {name: known[f"database_{name}"] for name in database.EXTERNAL_ONLY} == database.EXTERNAL_ONLY


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def test_files_for_tls(authority: Authority) -> None:
    certificate, key = (file.read_text() for file in authority.issue("models_server"))
    given = {**GIVEN, "ca_file": "/ca", "client_certificate_file": "/c", "client_key_file": "/k"}
    good = {"ca": authority.ca.read_text(), "client_certificate": certificate, "client_key": key}
    assert database.problems(given, "external", good) == []
    for wrong, part in (
        ({"ca": key}, "database_ca_file is '/ca', which holds a private key"),
        ({"ca": "text"}, "database_ca_file is '/ca', which holds no certificate"),
        ({"client_key": certificate}, "database_client_key_file is '/k', which holds no private key"),
        ({"client_key": "-----BEGIN ENCRYPTED PRIVATE KEY-----"}, "has a passphrase"),
    ):
        (sentence,) = database.problems(given, "external", {**good, **wrong})
        assert part in sentence


def test_connection_of_the_own_database() -> None:
    own = {"backend_store": {"host": "postgres"}, "server_password": "s", "owner_password": "o", "max_connections": 483}
    made = database.connection(database.EXTERNAL_ONLY, "own", {}, own)
    assert made == {**own, "files": {}, "known": {"external": False}}


def test_connection_of_an_external_database() -> None:
    given = {**GIVEN, "ca_file": "/ca", "schema": "team", "host": "a, b", "networks": ["10.0.0.0/8"]}
    made = database.connection(given, "external", {"ca": "PEM", "client_key": ""}, {})
    assert made["backend_store"]["host"] == "a,b"
    assert made["backend_store"]["query"] == {
        "sslmode": "verify-full",
        "connect_timeout": "5",
        "sslrootcert": "/run/secrets/backend_ca.pem",
        "options": "-csearch_path=team",
        "target_session_attrs": "read-write",
    }
    assert made["files"] == {"backend_ca.pem": "PEM"}
    assert HIDDEN not in str(made["known"])
    assert (made["server_password"], made["owner_password"]) == (HIDDEN, HIDDEN)


@pytest.mark.parametrize(
    ("changes", "address"),
    [
        ({}, {}),
        ({"owner_host": "b, c"}, {"owner_host": "b,c", "owner_port": 6432}),
        ({"owner_port": 5432}, {"owner_host": "a", "owner_port": 5432}),
        ({"owner_host": "b", "owner_port": "5432"}, {"owner_host": "b", "owner_port": 5432}),
    ],
)
def test_the_owner_has_an_address_where_it_is_another_one(changes: dict, address: dict) -> None:
    store = database.connection({**GIVEN, "host": "a", "port": 6432, **changes}, "external", {}, {})["backend_store"]
    assert {name: value for name, value in store.items() if name.startswith("owner_") and "user" not in name} == address
    assert ("target_session_attrs" in store["query"]) is ("," in address.get("owner_host", ""))


def test_a_registry_apart_is_another_database_for_the_same_roles() -> None:
    made = database.connection({**GIVEN, "registry_name": "models"}, "external", {}, {})["backend_store"]
    assert (made["database"], made["registry_database"]) == ("mlflow", "models")
    assert "registry_database" not in database.connection(GIVEN, "external", {}, {})["backend_store"]


def test_one_role_is_both() -> None:
    made = database.connection({**GIVEN, **ALONE}, "external", {}, {})
    assert made["backend_store"]["owner_username"] == made["backend_store"]["server_username"] == "models_server"
    assert made["owner_password"] == HIDDEN
    assert made["backend_store"]["query"]["sslrootcert"] == "/etc/ssl/certs/ca-certificates.crt"


def test_the_uri_is_one_that_sqlalchemy_reads() -> None:
    url = make_url("postgresql+psycopg2://u@a.example.com,b.example.com:5432/models?target_session_attrs=read-write")
    assert (url.host, url.port) == ("a.example.com,b.example.com", 5432)


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({}, []),
        (ALONE, ["server-may-create"]),
        ({"tls_mode": "require"}, ["database_tls_mode is require"]),
        ({**ALONE, "tls_mode": "disable"}, ["database_owner_username is empty", "database_tls_mode is disable"]),
    ],
)
def test_missing_protection_is_said(changes: dict, parts: list[str]) -> None:
    found = database.warnings({**GIVEN, **changes}, "external")
    assert len(found) == len(parts)
    assert all(part in sentence for part, sentence in zip(parts, found))
    assert database.warnings({**GIVEN, **changes}, "own") == []


def finding(code: str, argument: str = "backend_store", found: str = "something") -> dict:
    return {
        "code": code,
        "severity": "error",
        "argument": argument,
        "found": found,
        "remedy": "do it",
        "message": f"{argument}: {found}; do it.",
    }


KNOWN = {"external": True, "given": {**GIVEN, "ca_file": ""}}
EXPLAINED = {
    "host": (finding("database-host-unknown", "backend_store.host"), "database_host: something; correct it"),
    "password of the server": (
        finding(
            "database-auth-failed",
            "backend_store.server",
            "database 'm' on h does not accept user 'u' with the password of /run/secrets/backend_server_password",
        ),
        "database_server_username: database 'm' on h does not accept user 'u' with the password that is given; correct "
        "the name of the role, or its password in database_server_password [database-auth-failed].",
    ),
    "password of the owner": (finding("database-auth-failed", "backend_store.owner"), "in database_owner_password"),
    "no role": (finding("server-role-missing", "backend_store.server"), "database_server_username: something"),
    "no encryption": (
        finding("database-tls", found="server does not support SSL, but SSL was required"),
        "database_tls_mode: server does not support SSL",
    ),
    "another name": (
        finding("database-tls", found='server certificate for "a" does not match host name "b"'),
        "database_host: server certificate",
    ),
    "another authority": (
        finding("database-tls", found="SSL error: certificate verify failed"),
        "database_ca_file: SSL error: certificate verify failed; is empty: give a file that has",
    ),
    "an older schema": (
        finding("schema-older", "backend_store.database"),
        "mlflow_server_schema: something; set it to",
    ),
    "a registry that is not there": (
        finding("database-missing", "registry_store.database"),
        "database_registry_name: something; correct it, or make the database",
    ),
    "another's registry": (
        finding("registry-of-another", "registry_store.database"),
        "database_registry_name: something; correct it; if that deployment is gone for good, remove its record there",
    ),
    "exchanged names": (
        finding("schema-other-purpose", "registry_store.database"),
        "database_registry_name: something; correct it, and see that database_name and database_registry_name are not",
    ),
    "a registry that is something else": (
        finding("schema-half-migrated", "registry_store.database"),
        "database_registry_name: something; do it [schema-half-migrated].",
    ),
    "the servers' role in the registry": (
        finding("database-no-connect-right", "registry_store.server"),
        "database_server_username: something; GRANT CONNECT",
    ),
    "another": (finding("schema-half-migrated"), "database_name: something; do it [schema-half-migrated]."),
}


@pytest.mark.parametrize(("found", "part"), EXPLAINED.values(), ids=EXPLAINED)
def test_findings_are_told_with_the_variables(found: dict, part: str) -> None:
    (sentence,) = explain([found, {**found, "severity": "warning"}], {}, KNOWN)
    assert part in sentence
    assert sentence.endswith(f"[{found['code']}].")


def test_of_the_own_database_the_guard_speaks_itself() -> None:
    assert explain([finding("schema-older")], {}, {"external": False}) == [
        "backend_store: something; do it [schema-older]."
    ]


PAST_A_POOLER = {"external": True, "given": {**GIVEN, "owner_host": "primary.example.com"}}


@pytest.mark.parametrize(
    ("found", "known", "variable"),
    [
        (finding("database-port-closed", "backend_store.owner.port"), PAST_A_POOLER, "database_owner_port"),
        (finding("database-host-unknown", "backend_store.owner.host"), PAST_A_POOLER, "database_owner_host"),
        (finding("database-host-unknown", "backend_store.host"), PAST_A_POOLER, "database_host"),
        (finding("database-missing", "backend_store.database"), PAST_A_POOLER, "database_name"),
        (finding("owner-elsewhere", "backend_store.owner.host"), PAST_A_POOLER, "database_owner_host"),
        (finding("database-not-admitted", "backend_store.owner"), PAST_A_POOLER, "database_owner_host"),
        (
            finding("database-tls", "backend_store.owner.query", 'certificate for "a" does not match host name "b"'),
            PAST_A_POOLER,
            "database_owner_host",
        ),
        (finding("database-pooler", "backend_store.host"), KNOWN, "database_owner_host"),
        (finding("database-pooler", "backend_store"), PAST_A_POOLER, "database_schema"),
    ],
)
def test_what_is_wrong_at_the_owners_address_has_the_owners_variables(found: dict, known: dict, variable: str) -> None:
    (sentence,) = explain([found], {}, known)
    assert sentence.startswith(f"{variable}: {found['found']}")


def test_one_role_is_told_as_the_servers() -> None:
    given = {**GIVEN, **ALONE}
    assert reasons.role_of("backend_store.owner", given) == "server"
    assert reasons.role_of("backend_store.database", given) == ""


def test_only_codes_that_exist_are_explained() -> None:
    assert set(reasons.KNOWN) | set(reasons.ROLE_REMEDIES) <= set(GUARD_CODES)


FILES = [
    {"path": "config/mlflow-server/guard.json"},
    {"path": "secrets/mlflow-server/backend_owner_password"},
    {"path": "secrets/mlflow-server/backend_ca.pem"},
    {"path": "secrets/mlflow-server/aws_credentials"},
    {"path": "secrets/mlflow-server/variable.TOKEN"},
]


@pytest.mark.parametrize(
    ("trials", "numbers"),
    [([], []), (["store"], [0, 3, 4]), (["database"], [0, 1, 2, 4]), (["database", "store"], [0, 1, 2, 3, 4])],
)
def test_a_trial_gets_the_files_of_its_business(trials: list[str], numbers: list[int]) -> None:
    assert trial.files_for(FILES, trials) == [FILES[number] for number in numbers]


def result(output: str, name: str = "database", **more) -> dict:
    return {"trial": name, "container": {"Output": output}, **more}


def test_what_trials_said() -> None:
    fine = result('noise\n{"command": "schema", "exit_code": 0, "findings": []}\n')
    refused = result(json.dumps({"command": "schema", "exit_code": 3, "findings": [finding("schema-older")]}))
    dead = {"trial": "store", "msg": "no such image"}
    assert trial.reasons([fine], {}, KNOWN) == []
    first, second = trial.reasons([refused, dead], {}, KNOWN)
    assert first.startswith("mlflow_server_schema: something;")
    assert second == "The store could not be tried: no such image"
    assert trial.reasons([result('{"command" broken')], {}, {}) == [
        'The database could not be tried: {"command" broken'
    ]
