# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resolution as click does it, the command line, and the reading and masking of URIs."""

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._arguments import (
    make_argv,
    resolve,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._uris import (
    database_identity,
    has_password,
    mask,
    parse_database_uri,
    without_password,
)

from tests.unit.plugins.module_utils.argument_cases import CATALOGUE, make_request


def resolved(version: str = "3.17.2", **case):
    return resolve(make_request({"plain": True, "version": version, **case}), CATALOGUE.release(version), CATALOGUE)[0]


@pytest.mark.parametrize(
    ("args", "environment", "value", "source"),
    [
        ({"port": 1}, {"MLFLOW_PORT": "2"}, 1, "argument"),
        ({}, {"MLFLOW_PORT": "2"}, 2, "environment"),
        ({"port": None}, {"MLFLOW_PORT": "2"}, 2, "environment"),
        ({}, {}, 5000, "default"),
    ],
)
def test_argument_before_environment_before_default(args, environment, value, source):
    entry = resolved(args=args, environment=environment).values["port"]
    assert (entry.value, entry.source) == (value, source)


def test_default_of_the_release_counts():
    assert resolved("2.9.2").values["backend_store_uri"].value == "./mlruns"
    assert resolved("3.17.2").values["backend_store_uri"].value is None


@pytest.mark.parametrize(
    ("args", "argv"),
    [
        ({}, []),
        ({"port": 5000, "host": "::"}, ["--host=::", "--port=5000"]),
        ({"serve_artifacts": False}, ["--no-serve-artifacts"]),
        ({"serve_artifacts": True}, ["--serve-artifacts"]),
        ({"artifacts_only": False}, []),
        ({"artifacts_only": True}, ["--artifacts-only"]),
        ({"gunicorn_opts": "--timeout 60"}, ["--gunicorn-opts=--timeout 60"]),
        ({"registry_store_uri": None}, []),
        (
            {"backend_store_uri": "postgresql+psycopg2://u:secret@h/d?sslmode=require&sslpassword=secret"},
            ["--backend-store-uri=postgresql+psycopg2://u@h/d?sslmode=require"],
        ),
        ({"workers": 2, "backend_store_uri": "sqlite:////x"}, ["--backend-store-uri=sqlite:////x", "--workers=2"]),
    ],
)
def test_argv(args, argv):
    assert make_argv(resolved(args=args), CATALOGUE) == argv


def test_argv_does_not_depend_on_the_order_of_args():
    args = {"host": "h", "backend_store_uri": "u", "port": 1, "workers": 1, "artifacts_destination": "d"}
    turned = dict(reversed(list(args.items())))
    assert make_argv(resolved(args=args), CATALOGUE) == make_argv(resolved(args=turned), CATALOGUE)


def test_click_reads_argv_as_it_was_meant():
    """The real `mlflow server` of the catalogue's newest release, where it is installed beside the tests."""
    cli = pytest.importorskip("mlflow.cli")
    mlflow = pytest.importorskip("mlflow")
    if mlflow.__version__ not in CATALOGUE.releases:
        pytest.skip(f"mlflow {mlflow.__version__} is not in the catalogue")
    args = {
        "host": "0.0.0.0",
        "port": 5001,
        "uvicorn_opts": "--timeout-keep-alive 60",
        "serve_artifacts": False,
        "static_prefix": "/a=b",
        "app_name": "basic-auth",
        "secrets_cache_ttl": 11,
    }
    argv = make_argv(resolved(mlflow.__version__, args=args), CATALOGUE)
    context = cli.cli.commands["server"].make_context("server", list(argv))
    assert {name: context.params[name] for name in args} == args


@pytest.mark.parametrize(
    ("uri", "masked", "bare"),
    [
        ("postgresql://u:p@h/d", "postgresql://u:***@h/d", "postgresql://u@h/d"),
        ("postgresql://u:p@x/y#z@h/d", "postgresql://u:***@h/d", "postgresql://u@h/d"),
        ("postgresql://u@h/d", "postgresql://u@h/d", "postgresql://u@h/d"),
        ("postgresql://:p@h/d", "postgresql://:***@h/d", "postgresql://h/d"),
        (
            "postgresql://h/d?password=p&sslmode=require",
            "postgresql://h/d?password=***&sslmode=require",
            "postgresql://h/d?sslmode=require",
        ),
        ("mssql+pyodbc:///?odbc_connect=PWD%3Dx", "mssql+pyodbc:///?odbc_connect=***", "mssql+pyodbc:///"),
        ("u:p@h/d", "u:***@h/d", "u:***@h/d"),
        ("s3://bucket/path", "s3://bucket/path", "s3://bucket/path"),
        (
            "wasbs://container@account.blob.core.windows.net/x",
            "wasbs://container@account.blob.core.windows.net/x",
            "wasbs://container@account.blob.core.windows.net/x",
        ),
        ("s3://key:secret@bucket", "s3://key:***@bucket", "s3://key@bucket"),
    ],
)
def test_passwords_are_masked_and_removed(uri, masked, bare):
    assert mask(uri) == masked
    assert without_password(uri) == bare
    assert has_password(uri) == (uri != masked)


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql+psycopg2://u:p%40%2F@h:5432/d?sslmode=require&host=x",
        "postgresql://[fd00::1]:5432/d",
        "postgresql://u@h",
        "postgresql://u@h/",
        "postgresql:///d",
        "postgresql://u:a@b@h/d",
        "postgresql://u:a/b@h/d",
        "sqlite://",
        "sqlite:///x/y.db",
        "sqlite:////x/y.db",
        "mysql+pymysql://u:p@h/d%20x?charset=utf8mb4",
    ],
)
def test_database_uris_are_read_as_sqlalchemy_reads_them(uri):
    url = pytest.importorskip("sqlalchemy").engine.make_url(uri)
    ours = parse_database_uri(uri)
    assert ours is not None
    assert ours.scheme == url.drivername
    assert (ours.username or None) == (url.username or None)
    assert (ours.password or None) == (url.password or None)
    assert (ours.host or None) == (url.host or None)
    assert ours.port == (str(url.port) if url.port else None)
    assert ours.database == (url.database or None)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("postgresql://u@h/d", "postgresql+psycopg2://v:x@H:5432/d?sslmode=require", True),
        ("postgresql://u@h/d", "postgresql://u@h/e", False),
        ("postgresql://u@h/d", "postgresql://u@h:5433/d", False),
        ("postgresql://u@/d?host=/run/pg", "postgresql://u@/d?host=/run/pg2", False),
        ("postgresql://u@h/d", "mysql://u@h/d", False),
        ("sqlite:////a", "sqlite:////b", False),
    ],
)
def test_identity_of_a_database(one, other, same):
    assert (database_identity(one) == database_identity(other)) == same
