# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""MariaDB and SQLite, as far as MLflow supports them."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from conftest import HOSTILE as ANY_HOSTILE
from conftest import NUMBERS, quoted
from mlflow_guard.inspect import revisions

# One more kind of database, or way to it.
pytestmark = pytest.mark.extended
HEAD = revisions.head("backend")
# PyMySQL sends passwords in Latin-1, the server keeps them in UTF-8: only ASCII works, with or without the guard.
HOSTILE = ANY_HOSTILE.encode("ascii", "ignore").decode()


def mysql_execute(mariadb, *statements, database=None):
    import pymysql

    with (
        pymysql.connect(
            host=mariadb.host,
            port=mariadb.port,
            user=mariadb.superuser,
            password=mariadb.password,
            database=database,
            autocommit=True,
        ) as connection,
        connection.cursor() as cursor,
    ):
        for statement in statements:
            cursor.execute(statement)
        return cursor.fetchall()


@pytest.fixture
def on_mariadb(deploy, mariadb, extras, monkeypatch):
    monkeypatch.syspath_prepend(str(extras))
    deployment = deploy()
    name = f"guard{next(NUMBERS)}"
    user, owner = f"{name}_server", f"{name}_owner"
    literal = quoted(HOSTILE.replace("\\", "\\\\"))
    mysql_execute(
        mariadb,
        f"CREATE DATABASE {name} CHARACTER SET utf8mb4",
        f"CREATE USER {user}@'127.0.0.1' IDENTIFIED BY {literal}",
        f"CREATE USER {owner}@'127.0.0.1' IDENTIFIED BY {literal}",
        f"GRANT ALL ON {name}.* TO {owner}@'127.0.0.1'",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name}.* TO {user}@'127.0.0.1'",
    )
    store = deployment.config["backend_store"]
    store.update(drivername="mysql+pymysql", port=mariadb.port, database=name)
    store["server"]["username"], store["owner"]["username"] = user, owner
    (deployment.folder / "password").write_text(HOSTILE + "\n")
    deployment.mysql = name
    yield deployment
    mysql_execute(mariadb, f"DROP DATABASE {name}")


def mysql_dump(mariadb, database) -> bytes:
    environment = {**os.environ, "MYSQL_PWD": mariadb.password}
    return subprocess.run(
        [
            "mariadb-dump",
            "--no-defaults",
            "--skip-dump-date",
            f"--host={mariadb.host}",
            f"--port={mariadb.port}",
            f"--user={mariadb.superuser}",
            database,
        ],
        env=environment,
        capture_output=True,
        check=True,
    ).stdout


@pytest.mark.slow
def test_mariadb_initialise_check_and_race(on_mariadb, mariadb):
    assert on_mariadb.run("check").errors() == {"schema-empty"}
    answers = on_mariadb.run_all(*[["schema", "--mode", "initialize"]] * 3)
    assert [answer.code for answer in answers] == [0, 0, 0], [answer.document for answer in answers]
    assert sum(answer.document["changed"] for answer in answers) == 1
    answer = on_mariadb.run("check")
    assert (answer.code, answer.codes) == (0, set()), answer.document
    assert answer.document["databases"]["backend_store"]["revision"] == HEAD
    before = mysql_dump(mariadb, on_mariadb.mysql)
    for statement, undo, code in (
        (
            "UPDATE alembic_version SET version_num = 'ffffffffffff'",
            f"UPDATE alembic_version SET version_num = '{HEAD}'",
            "schema-newer",
        ),
        ("RENAME TABLE job_locks TO gone", "RENAME TABLE gone TO job_locks", "schema-half-migrated"),
        ("RENAME TABLE alembic_version TO gone", "RENAME TABLE gone TO alembic_version", "schema-version-lost"),
    ):
        mysql_execute(mariadb, statement, database=on_mariadb.mysql)
        for answer in on_mariadb.run_all(["check"], ["schema", "--mode", "upgrade"], ["serve"]):
            assert (answer.code, code in answer.errors()) == (3, True), answer.document
        mysql_execute(mariadb, undo, database=on_mariadb.mysql)
        assert mysql_dump(mariadb, on_mariadb.mysql) == before


@pytest.mark.slow
def test_mariadb_upgrade_with_a_dump(on_mariadb, mariadb):
    import releases

    store = on_mariadb.config["backend_store"]
    url = sa.URL.create(
        "mysql+pymysql", store["owner"]["username"], HOSTILE, mariadb.host, mariadb.port, on_mariadb.mysql
    )
    releases.fill("3.16.0", url.render_as_string(hide_password=False))
    assert on_mariadb.run("check").errors() == {"schema-older"}
    answer = on_mariadb.run("schema", "--mode", "upgrade")
    assert answer.code == 0, (answer.document, answer.stderr)
    dump = Path(answer.document["dumps"]["backend_store"])
    assert dump.stat().st_mode & 0o777 == 0o600
    assert b"CREATE TABLE `experiments`" in dump.read_bytes()
    assert mysql_execute(mariadb, "SELECT count(*) FROM runs", database=on_mariadb.mysql) == ((3,),)
    assert on_mariadb.run("check").codes == set()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"database": "nowhere"}, {"database-missing", "database-no-connect-right"}),
        ({"port": 1}, {"database-port-closed"}),
        ({"host": "no-such-host.invalid"}, {"database-host-unknown"}),
    ],
)
def test_mariadb_connection_failures(on_mariadb, change, code):
    on_mariadb.config["backend_store"].update(change)
    answer = on_mariadb.run("check", "--skip-store")
    assert len(answer.errors()) == 1
    assert answer.errors() <= code, answer.document


def test_mariadb_wrong_password(on_mariadb):
    (on_mariadb.folder / "password").write_text("wrong")
    answer = on_mariadb.run("check", "--skip-store")
    assert (answer.code, answer.errors()) == (3, {"database-auth-failed"})


def test_mariadb_of_another_application(on_mariadb, mariadb):
    mysql_execute(
        mariadb,
        "CREATE TABLE tags (id int, name text)",
        "CREATE TABLE alembic_version (version_num varchar(32))",
        "INSERT INTO alembic_version VALUES ('abcdef123456')",
        database=on_mariadb.mysql,
    )
    before = mysql_dump(mariadb, on_mariadb.mysql)
    for answer in on_mariadb.run_all(["check"], ["schema", "--mode", "upgrade"], ["serve"]):
        assert (answer.code, answer.errors()) == (3, {"schema-foreign"}), answer.document
    assert mysql_dump(mariadb, on_mariadb.mysql) == before


def test_mariadb_collation(on_mariadb, mariadb):
    assert on_mariadb.run("schema", "--mode", "initialize").code == 0
    mysql_execute(mariadb, f"ALTER DATABASE {on_mariadb.mysql} COLLATE utf8mb4_bin")
    assert on_mariadb.run("check").codes == {"database-encoding"}


@pytest.mark.slow
def test_mariadb_serves_with_the_password_in_a_file(on_mariadb, mariadb):
    import servers

    assert on_mariadb.run("schema", "--mode", "initialize").code == 0
    with open(on_mariadb.folder / "server.log", "w") as log:
        process = on_mariadb.start("serve", stdout=log, stderr=log)
    try:
        servers.wait_until(lambda: on_mariadb.run("health").code == 0, "mlflow server", process=process)
        environment = Path(f"/proc/{servers.child_of(process)}/environ").read_text()
        on_mariadb.assert_no_secret(environment + (on_mariadb.folder / "server.log").read_text())
        assert "read_default_file" in environment
        # The endpoint's connection is cut with all others, and replaced within the same look.
        time.sleep(1.1)
        mysql_execute(mariadb, f"KILL USER {on_mariadb.config['backend_store']['server']['username']}@'127.0.0.1'")
        assert on_mariadb.readiness()[0] == 200
        mysql_execute(mariadb, f"RENAME TABLE {on_mariadb.mysql}.experiments TO {on_mariadb.mysql}.gone")
        time.sleep(1.1)
        status, document = on_mariadb.readiness()
        assert (status, "experiments" in document["reason"]) == (503, True)
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def on_sqlite(deploy):
    deployment = deploy()
    deployment.file = deployment.folder / "mlflow.db"
    deployment.config["backend_store"] = {"drivername": "sqlite", "database": str(deployment.file)}
    return deployment


def test_sqlite(on_sqlite):
    answer = on_sqlite.run("check")
    assert (answer.code, answer.errors()) == (3, {"schema-empty"})
    assert not on_sqlite.file.exists()
    assert on_sqlite.run("serve").errors() == {"schema-empty"}
    answers = on_sqlite.run_all(*[["schema", "--mode", "initialize"]] * 3)
    assert [answer.code for answer in answers] == [0, 0, 0], [answer.document for answer in answers]
    assert sum(answer.document["changed"] for answer in answers) == 1
    content = on_sqlite.file.read_bytes()
    assert on_sqlite.run("check").codes == set()
    assert on_sqlite.file.read_bytes() == content


@pytest.mark.slow
def test_sqlite_states(on_sqlite):
    import releases

    releases.fill("3.16.0", f"sqlite:///{on_sqlite.file}")
    content = on_sqlite.file.read_bytes()
    for answer in on_sqlite.run_all(["check"], ["schema", "--mode", "initialize"], ["serve"]):
        assert (answer.code, "schema-older" in answer.errors()) == (3, True), answer.document
    assert on_sqlite.file.read_bytes() == content
    answer = on_sqlite.run("schema", "--mode", "upgrade")
    assert answer.code == 0, (answer.document, answer.stderr)
    with sqlite3.connect(answer.document["dumps"]["backend_store"]) as dump:
        assert dump.execute("SELECT version_num FROM alembic_version").fetchall() == [("b7e2c1a4d9f3",)]
    with sqlite3.connect(on_sqlite.file) as database:
        database.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    assert on_sqlite.run("check").errors() == {"schema-newer"}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"this is a text and no database, long enough to be looked at. " * 20, "schema-foreign"),
        (None, "database-missing"),
    ],
)
def test_sqlite_file_that_is_none(on_sqlite, content, code):
    if content is None:
        on_sqlite.config["backend_store"]["database"] = "/nowhere/mlflow.db"
    else:
        on_sqlite.file.write_bytes(content)
    for answer in on_sqlite.run_all(["check"], ["schema", "--mode", "upgrade"], ["serve"]):
        assert (answer.code, answer.errors()) == (3, {code}), answer.document
    assert content is None or on_sqlite.file.read_bytes() == content


def test_missing_mysql_driver_is_said(on_sqlite):
    on_sqlite.config["backend_store"] = {
        "drivername": "mysql+mysqlconnector",
        "host": "127.0.0.1",
        "port": 3306,
        "database": "x",
        "server": {"username": "u", "password_file": ""},
    }
    answer = on_sqlite.run("check", "--skip-store")
    assert (answer.code, answer.errors()) == (3, {"database-driver-missing"})
    assert "mysql+mysqlconnector" in answer.finding("database-driver-missing")["message"]
