# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""The configuration file, the command line, and the small pure parts."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from mlflow_guard import config
from mlflow_guard.answer import Answer, Problem, check_accepted, finding
from mlflow_guard.config import Artifacts
from mlflow_guard.inspect import locations, passfile
from mlflow_guard.serve import health

GOOD = {
    "deployment": "d",
    "backend_store": {
        "drivername": "postgresql+psycopg2",
        "host": "h",
        "port": 5432,
        "database": "m",
        "query": {},
        "server": {"username": "s", "password_file": "/p"},
        "owner": {"username": "o", "password_file": "/p"},
    },
    "registry_store": None,
    "auth_store": None,
    "artifacts": {"mode": "proxied", "destination": "s3://b", "default_artifact_root": None, "endpoint_url": None},
    "argv": [],
    "secret_environment": {},
    "schema_dumps": "/d",
}


def changed(path: str, value) -> dict:
    document = json.loads(json.dumps(GOOD))
    *parents, last = path.split("/")
    target = document
    for name in parents:
        target = target[name]
    target[last] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "argument", "code"),
    [
        ("backend_store", None, "backend_store", "configuration"),
        ("backend_store", [], "backend_store", "configuration"),
        ("backend_store/drivername", "mssql+pyodbc", "backend_store.drivername", "database-scheme-unsupported"),
        ("backend_store/drivername", "", "backend_store.drivername", "database-scheme-unsupported"),
        ("backend_store/drivername", None, "backend_store.drivername", "configuration"),
        ("backend_store/host", "", "backend_store.host", "database-host-missing"),
        ("backend_store/host", " h", "backend_store.host", "database-host-invalid"),
        ("backend_store/port", "5432", "backend_store.port", "database-port-invalid"),
        ("backend_store/port", 0, "backend_store.port", "database-port-invalid"),
        ("backend_store/port", 65536, "backend_store.port", "database-port-invalid"),
        ("backend_store/port", True, "backend_store.port", "database-port-invalid"),
        ("backend_store/database", "", "backend_store.database", "database-name-missing"),
        ("backend_store/query", {"a": 1}, "backend_store.query", "configuration"),
        ("backend_store/server", None, "backend_store.server", "configuration"),
        ("backend_store/server/username", "", "backend_store.server.username", "configuration"),
        ("backend_store/owner", "x", "backend_store.owner", "configuration"),
        ("registry_store", "x", "registry_store", "configuration"),
        ("auth_store", 5, "auth_store", "configuration"),
        ("artifacts", None, "artifacts", "configuration"),
        ("artifacts/mode", "both", "artifacts.mode", "configuration"),
        ("artifacts/destination", "", "artifacts.destination", "artifacts-destination-missing"),
        ("artifacts/destination", None, "artifacts.destination", "artifacts-destination-missing"),
        ("argv", "x", "argv", "configuration"),
        ("argv", [1], "argv", "configuration"),
        ("secret_environment", {"A": 1}, "secret_environment", "configuration"),
        ("schema_dumps", 7, "schema_dumps", "configuration"),
        (
            "backend_store",
            {"drivername": "sqlite", "database": ":memory:"},
            "backend_store.database",
            "database-in-memory",
        ),
        (
            "backend_store",
            {"drivername": "sqlite", "database": "mlflow.db"},
            "backend_store.database",
            "sqlite-relative-path",
        ),
    ],
)
def test_wrong_configurations_are_named(path, value, argument, code):
    with pytest.raises(Problem) as caught:
        config.parse(changed(path, value))
    assert caught.value.finding["argument"] == argument
    assert caught.value.finding["code"] == code
    answer = Answer("check")
    answer.add(caught.value.finding)
    assert answer.exit_code == 2


def test_good_configurations():
    parsed = config.parse(GOOD)
    assert (parsed.backend.place, [each.name for each in parsed.databases]) == (
        ("postgresql", "h", 5432, "m", ""),
        ["backend_store"],
    )
    assert config.parse(changed("backend_store/port", None)).backend.port is None
    direct = config.parse(
        changed("artifacts", {"mode": "direct", "destination": None, "default_artifact_root": "s3://b/r"})
    )
    assert (direct.artifacts.destination, direct.artifacts.argument) == ("s3://b/r", "artifacts.default_artifact_root")
    config.parse(changed("argv", ["--artifacts-destination", "s3://b/", "--port", "1"]))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({}, {"port": None}, True),
        ({}, {"host": "H."}, True),
        ({}, {"query": {"sslmode": "require"}}, True),
        ({}, {"drivername": "postgresql"}, True),
        ({}, {"port": 5433}, False),
        ({}, {"database": "n"}, False),
        ({}, {"query": {"options": "-csearch_path=other"}}, False),
        (
            {"drivername": "mysql+pymysql", "port": 3306},
            {"drivername": "mariadb+pymysql", "port": None},
            True,
        ),
        (
            {"drivername": "sqlite", "database": "/proc/1/../x.db"},
            {"drivername": "sqlite", "database": "/proc/x.db"},
            True,
        ),
    ],
)
def test_the_same_database_in_other_words(one, other, same):
    stores = [{**GOOD["backend_store"], **each} for each in (one, other)]
    parsed = config.parse({**GOOD, "backend_store": stores[0], "registry_store": stores[1]})
    assert (parsed.backend.place == parsed.registry.place) is same


@pytest.mark.parametrize(
    ("content", "secret"), [("a", "a"), ("a\n", "a"), (" a \n", " a "), ("a\r\n", "a\r"), ("ü\\n\n", "ü\\n")]
)
def test_one_line_end_is_taken_off(tmp_path, content, secret):
    (tmp_path / "p").write_bytes(content.encode())
    assert config.read_secret("x", str(tmp_path / "p")) == secret


@pytest.mark.parametrize("content", [b"", b"\n", b"a\n\n", b"a\nb", b"a\0b", b"\xff\xfe"])
def test_secrets_that_are_none(tmp_path, content):
    (tmp_path / "p").write_bytes(content)
    with pytest.raises(Problem) as caught:
        config.read_secret("x", str(tmp_path / "p"))
    assert caught.value.finding["code"] == "secret-unreadable"


def run(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "mlflow_guard", *arguments], capture_output=True, text=True, check=False, **options
    )


@pytest.fixture(autouse=True)
def _path(monkeypatch):
    from conftest import GUARD

    monkeypatch.setenv("PYTHONPATH", str(GUARD))


def test_usage_errors():
    assert run().returncode == 2
    assert run("chek").returncode == 2
    assert run("schema", "--mode", "force").returncode == 2
    answer = run("check", "--config", "/nowhere/config.json")
    assert (answer.returncode, json.loads(answer.stdout)["findings"][0]["argument"]) == (2, "--config")


def test_a_file_that_is_no_json(tmp_path):
    (tmp_path / "c").write_text("{")
    assert run("--config", str(tmp_path / "c"), "check").returncode == 2


@pytest.mark.parametrize(
    ("accepted", "code", "words"),
    [
        ("locations-unreachable", None, ""),
        # A warning stops nothing.
        ("destination-full", None, ""),
        ("schema-foreign", "accept-never", "schema-foreign can never be accepted; take it out, and give MLflow"),
        ("unexpected", "accept-never", "unexpected can never be accepted"),
        ("accept-never", "accept-never", "accept-never can never be accepted"),
        (
            "schema_emptied",
            "accept-unknown",
            "'schema_emptied' is not a code of a finding; write schema-emptied, which is",
        ),
        ("Schema-Emptyed", "accept-unknown", "write schema-emptied, which is the nearest one"),
        ("", "accept-unknown", "'' is not a code of a finding; write "),
    ],
)
def test_only_some_findings_can_be_accepted(accepted, code, words):
    found = check_accepted((accepted,), "--accept")
    assert [each["code"] for each in found] == ([code] if code else [])
    assert all(words in each["message"] and each["argument"] == "--accept" for each in found)


def test_all_that_cannot_be_accepted_is_said_before_anything_is_looked_at(tmp_path):
    (tmp_path / "c").write_text(json.dumps(GOOD))
    answer = run("--config", str(tmp_path / "c"), "check", "--accept", "schema-foreign", "--accept=schema")
    assert answer.returncode == 2
    assert [each["code"] for each in json.loads(answer.stdout)["findings"]] == ["accept-never", "accept-unknown"]


def test_options_stand_before_or_after_the_command(tmp_path):
    (tmp_path / "c").write_text("{}")
    texts = [
        run("--format", "text", "--config", str(tmp_path / "c"), "check").stdout,
        run("check", "--format", "text", "--config", str(tmp_path / "c")).stdout,
    ]
    assert texts[0] == texts[1] != ""


def test_exit_codes():
    for codes, expected in (
        ([], 0),
        (["database-timeout"], 4),
        (["database-timeout", "schema-foreign"], 3),
        (["configuration", "schema-foreign"], 2),
        (["foreign-tables-beside"], 0),
        (["unexpected", "configuration"], 1),
    ):
        answer = Answer("check")
        for code in codes:
            answer.add(finding(code, "x", "y"))
        assert answer.exit_code == expected, codes
    accepted = Answer("check", ("locations-unreachable",))
    accepted.add(finding("locations-unreachable", "x", "y"))
    assert (accepted.exit_code, accepted.findings[0]["accepted"]) == (0, True)


@pytest.mark.parametrize("password", ["plain", "a:b", "a\\b", "\\:\\", ":::", "p@:/#%[]&$'\"` \\", "ü"])
def test_password_file_as_libpq_reads_it(tmp_path, password):
    import ctypes.util

    database = config.parse(changed("backend_store/host", "h:o\\st")).backend
    line = passfile.passfile_entries(database, database.server, password).removesuffix("\n")
    # libpq's rule: fields end at a colon that has no backslash before it, and a backslash keeps the next character.
    fields, current, escaped = [], "", False
    for character in line:
        if escaped:
            current, escaped = current + character, False
        elif character == "\\":
            escaped = True
        elif character == ":":
            fields, current = [*fields, current], ""
        else:
            current += character
    assert [*fields, current] == ["h:o\\st", "5432", "m", "s", password]
    assert ctypes.util is not None


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ([], ("127.0.0.1", 5000, "", "localhost:5000")),
        (["--host", "0.0.0.0", "--port", "8080"], ("127.0.0.1", 8080, "", "localhost:8080")),
        (["--host=::", "--port=81"], ("::1", 81, "", "localhost:81")),
        (["--port", "1", "-p", "2"], ("127.0.0.1", 2, "", "localhost:2")),
        (["--static-prefix", "/ml"], ("127.0.0.1", 5000, "/ml", "localhost:5000")),
        (["--allowed-hosts", "mlflow.example.com,other"], ("127.0.0.1", 5000, "", "mlflow.example.com")),
        (["--allowed-hosts", "mlflow.example.com:*"], ("127.0.0.1", 5000, "", "mlflow.example.com:5000")),
        (["--allowed-hosts", "*.example.com"], ("127.0.0.1", 5000, "", "health.example.com")),
        (["--allowed-hosts", "localhost:*,x"], ("127.0.0.1", 5000, "", "localhost:5000")),
        (["--allowed-hosts", "localhost , x"], ("127.0.0.1", 5000, "", "localhost")),
        (["--allowed-hosts", "*"], ("127.0.0.1", 5000, "", "localhost:5000")),
    ],
)
def test_where_the_health_check_asks(argv, expected, monkeypatch):
    for name in ("MLFLOW_HOST", "MLFLOW_PORT", "MLFLOW_STATIC_PREFIX", "MLFLOW_SERVER_ALLOWED_HOSTS"):
        monkeypatch.delenv(name, raising=False)
    address, port, path, header = health.target(argv)
    assert (address, port, path.removesuffix(health.PATH), header) == expected


@pytest.mark.parametrize(
    ("location", "kind"),
    [
        ("mlflow-artifacts:/0", "proxied"),
        ("mlflow-artifacts:///0", "proxied"),
        ("mlflow-artifacts://host:5000/0", "host"),
        ("http://host/api/2.0/mlflow-artifacts/artifacts/0", "host"),
        ("s3://b/0", "direct"),
        ("gs://b/0", "direct"),
        ("S3://b", "direct"),
        ("/mlruns/0", "local"),
        ("file:///mlruns/0", "local"),
        ("mlruns/0", "local"),
        ("C:/mlruns", "local"),
        ("models:/m-1", "reference"),
        ("runs:/1/x", "reference"),
    ],
)
def test_kinds_of_locations(location, kind):
    assert locations.kind_of(location) == kind


def place(column, prefix, count=1, within=0):
    return locations.Location(column, prefix, count, within, prefix + "/0")


@pytest.mark.parametrize(
    ("mode", "destination", "serves", "found", "codes"),
    [
        ("proxied", "s3://b", True, ["mlflow-artifacts:"], []),
        ("proxied", "s3://b", True, ["mlflow-artifacts:", "s3://b"], ["locations-mixed", "locations-other-store"]),
        ("proxied", "s3://b", True, ["s3://old"], ["locations-mixed", "locations-other-store"]),
        ("proxied", "/mlartifacts", True, ["/srv/mlruns"], ["locations-local"]),
        ("proxied", "s3://b", True, ["mlflow-artifacts://old:5000"], ["locations-host"]),
        ("direct", "s3://b", True, ["s3://old"], ["locations-other-store"]),
        ("direct", "s3://b", True, ["mlflow-artifacts:"], ["locations-mixed"]),
        ("direct", "s3://b", False, ["mlflow-artifacts:"], ["locations-unreachable"]),
        ("direct", "s3://b", True, ["models:", "runs:"], []),
    ],
)
def test_judgements(mode, destination, serves, found, codes):
    found = [place("runs.artifact_uri", each) for each in found]
    assert [each["code"] for each in locations.judge(found, Artifacts(mode, destination, ""), serves)] == codes
