# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SQL for an administrator gives what the playbook gives."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.databases.fingerprint import fingerprint

from .servers import ADMIN, ADMIN_PASSWORD, OWNER_PASSWORD, SERVER_PASSWORD, Server
from .test_prepare import DAMAGE, DAMAGE_INSIDE, state, works_as_mlflow_needs_it
from .test_refusals import others_database


def written(server: Server, folder: Path, **changes: object) -> Path:
    """The SQL, for which neither a server nor a password is needed."""
    without = {
        "database_host": None,
        "database_owner_password": None,
        "database_server_password": None,
        "database_server_admin_username": None,
        "database_server_admin_password": None,
    }
    path = folder / "mlflow.sql"
    played = server.play(database_server_sql_only=True, database_server_sql_file=str(path), **without, **changes)
    assert played.code == 0, played.text
    return path


def psql(server: Server, script: Path) -> subprocess.CompletedProcess:
    """As the header of the script says it, with passwords from files."""
    folder = script.parent
    for which, password in (("owner", OWNER_PASSWORD), ("server", SERVER_PASSWORD)):
        (folder / which).write_text(password, encoding="utf-8")
    lines = [f"\\set {which}_password `cat {folder / which}`" for which in ("owner", "server")]
    text = "\n".join(["\\set ON_ERROR_STOP on", *lines, f"\\i {script}", ""])
    (folder / "outer.sql").write_text(text, encoding="utf-8")
    user, password = ("super", server.postgres.password) if server.superuser else (ADMIN, ADMIN_PASSWORD)
    command = ["psql", "--no-psqlrc", "--host=127.0.0.1", f"--port={server.postgres.port}", f"--username={user}"]
    environment = {**os.environ, "PGPASSWORD": password, "PGSSLMODE": "disable"}
    return subprocess.run(
        [*command, "--dbname=postgres", f"--file={folder / 'outer.sql'}"],
        env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("schema", ["", "ml-flow"])
def test_psql_gives_the_same_as_the_playbook(schema: str, each: Server, tmp_path: Path) -> None:
    options = {"database_schema": schema, "database_server_server_connection_limit": 50}
    played = each.play(**options)
    assert played.code == 0, played.text
    wanted = state(each)
    each.clear()
    script = written(each, tmp_path, **options)
    for _ in (1, 2):
        done = psql(each, script)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
        assert state(each) == wanted
    each.run(*DAMAGE)
    if not schema:
        each.run(*DAMAGE_INSIDE, database="mlflow")
    done = psql(each, script)
    assert done.returncode == 0, done.stderr
    assert [line.replace('"infinity"', "null") for line in state(each)] == wanted
    if not schema:
        works_as_mlflow_needs_it(each)
        filled = state(each)
        assert psql(each, script).returncode == 0
        assert state(each) == filled


def test_the_sql_leaves_a_database_of_others_alone(server: Server, tmp_path: Path) -> None:
    script = written(server, tmp_path)
    others_database(server)
    before = fingerprint(server.dsn)
    done = psql(server, script)
    assert done.returncode == 3
    assert "database mlflow holds what is not MLflow's: public.orders" in done.stderr
    assert fingerprint(server.dsn) == before


def test_the_sql_can_be_printed(server: Server) -> None:
    played = server.play(database_server_sql_only="true", database_host=None)
    assert played.code == 0, played.text
    assert 'CREATE ROLE \\"mlflow_owner\\"' in played.text


def test_passwords_are_in_no_log_where_a_superuser_can_keep_them_out(server: Server, tmp_path: Path) -> None:
    ((data,),) = server.run("SHOW data_directory")
    log = Path(data).parent / "log"
    server.run("ALTER SYSTEM SET log_statement = 'all'", "SELECT pg_reload_conf()", "SELECT pg_sleep(0.5)")
    try:
        simple = {"database_owner_password": "Hidden-Owner", "database_server_password": "Hidden-Server"}
        assert server.play(**simple).code == 0
        assert psql(server, written(server, tmp_path)).returncode == 0
    finally:
        server.run("ALTER SYSTEM RESET log_statement", "SELECT pg_reload_conf()")
    text = log.read_text(encoding="utf-8", errors="replace")
    for statement in ('REVOKE ALL ON database "mlflow" FROM PUBLIC', 'CREATE SCHEMA IF NOT EXISTS "public"'):
        assert statement in text, statement
    assert "Hidden-" not in text
