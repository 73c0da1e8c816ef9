# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is prepared is what the guard needs: its own schema step initialises the database, and grants the rest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.databases.fingerprint import fingerprint
from tests.guard import releases

from .servers import OWNER, OWNER_PASSWORD, SERVER, SERVER_PASSWORD, Server, changed
from .test_sql import psql, written


def schema_step(server: Server, folder: Path) -> dict:
    """The guard's answer. It is given the schema by what the roles find, as with a pooler that takes no settings."""
    logins = {}
    for who, name, password in (("owner", OWNER, OWNER_PASSWORD), ("server", SERVER, SERVER_PASSWORD)):
        (folder / who).write_text(password + "\n", encoding="utf-8")
        logins[who] = {"username": name, "password_file": str(folder / who)}
    (folder / "artifacts").mkdir(exist_ok=True)
    store = {"drivername": "postgresql+psycopg2", "host": "127.0.0.1", "port": server.postgres.port}
    config = {
        "deployment": "test",
        "backend_store": {**store, "database": "mlflow", "query": {}, **logins},
        "registry_store": None,
        "auth_store": None,
        "artifacts": {
            "mode": "proxied",
            "destination": str(folder / "artifacts"),
            "default_artifact_root": None,
            "endpoint_url": None,
        },
        "argv": ["--host", "127.0.0.1", "--port", "5000", "--workers", "1"],
        "secret_environment": {},
        "schema_dumps": str(folder / "dumps"),
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "PG", "AWS_"))}
    done = subprocess.run(
        [sys.executable, "-m", "mlflow_guard", "--config", str(folder / "config.json"), "schema", "--mode=initialize"],
        env={**kept, "PYTHONPATH": str(releases.guard()), "MLFLOW_DISABLE_TELEMETRY": "true"},
        cwd=folder, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


@pytest.mark.parametrize("schema", ["", "tracking"])
def test_the_schema_step_of_the_guard_finds_what_it_needs(schema: str, cloud: Server, tmp_path: Path) -> None:
    options = {"database_schema": schema}
    assert cloud.play(**options).code == 0
    answer = schema_step(cloud, tmp_path)
    assert [each for each in answer["findings"] if each["severity"] == "error"] == []
    assert "server-may-create" not in [each["code"] for each in answer["findings"]]
    count = "SELECT count(*) > 40 FROM pg_tables WHERE schemaname = current_schema()"
    assert cloud.as_role(SERVER, count) == [(True,)]
    # A database with MLflow in it is as good as done.
    before = fingerprint(cloud.dsn)
    again = cloud.play(**options)
    assert (again.code, changed(again)) == (0, 0), again.text
    assert fingerprint(cloud.dsn) == before
    # And so it is for the SQL.
    done = psql(cloud, written(cloud, tmp_path, **options))
    assert done.returncode == 0, done.stderr
    assert {name for name, value in fingerprint(cloud.dsn).items() if value != before[name]} == {"*"}


def test_every_release_of_postgresql(released: Server, tmp_path: Path) -> None:
    """Before 15 schema public belongs to the superuser, so an administrator who is none needs a schema of its own."""
    options = {"database_schema": "" if released.superuser else "tracking"}
    first = released.play(**options)
    assert first.code == 0, first.text
    answer = schema_step(released, tmp_path)
    assert [each for each in answer["findings"] if each["severity"] == "error"] == []
    assert "server-may-create" not in [each["code"] for each in answer["findings"]]
    before = fingerprint(released.dsn)
    again = released.play(**options)
    assert (again.code, changed(again)) == (0, 0), again.text
    assert fingerprint(released.dsn) == before
