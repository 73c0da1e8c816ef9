# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""What the guard says about real databases, and that a refusal changes not one byte of them."""

from __future__ import annotations

import json
import os
import re
import subprocess

import psycopg2
import pytest
import releases
from conftest import OWNER, SERVER
from mlflow_guard.inspect import revisions

HEAD = revisions.head("backend")
# A small application of another kind, with alembic and two migrations.
OTHER_APPLICATION = {
    "alembic.ini": "[alembic]\nscript_location = scripts\n",
    "scripts/env.py": (
        "import os\nimport sqlalchemy as sa\nfrom alembic import context\n"
        "with sa.create_engine(os.environ['URL']).connect() as connection:\n"
        "    context.configure(connection=connection)\n"
        "    with context.begin_transaction():\n        context.run_migrations()\n"
    ),
    "scripts/versions/one.py": (
        "import sqlalchemy as sa\nfrom alembic import op\nrevision, down_revision = '1f00d0c0ffee', None\n"
        "def upgrade():\n    op.create_table('customers', sa.Column('id', sa.Integer, primary_key=True), "
        "sa.Column('name', sa.Text))\n"
    ),
    "scripts/versions/two.py": (
        "import sqlalchemy as sa\nfrom alembic import op\nrevision, down_revision = '2f00d0c0ffee', '1f00d0c0ffee'\n"
        "def upgrade():\n    op.create_table('tags', sa.Column('id', sa.Integer, primary_key=True), "
        "sa.Column('name', sa.Text))\n"
        "    op.create_table('users', sa.Column('id', sa.Integer, primary_key=True), sa.Column('email', sa.Text))\n"
    ),
}


def other_application(folder, url) -> None:
    """Run its migrations for real."""
    for name, text in OTHER_APPLICATION.items():
        file = folder / "application" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    import sys

    subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", "head"],
        cwd=folder / "application",
        check=True,
        capture_output=True,
        env={**os.environ, "URL": url.render_as_string(hide_password=False)},
    )


def optuna_study(url) -> None:
    """Optuna makes its tables when a study is created."""
    script = "import optuna, sys; optuna.create_study(study_name='s', storage=sys.argv[1])"
    subprocess.run(
        [str(releases.optuna() / "python"), "-c", script, url.render_as_string(hide_password=False)],
        check=True,
        capture_output=True,
    )


INITIAL = (
    "from mlflow.store.tracking.dbmodels.initial_models import Base; import sqlalchemy as sa, sys;"
    "Base.metadata.create_all(sa.create_engine(sys.argv[1]))"
)


def initial_tables(url) -> None:
    """The five tables that a failed start of `mlflow server` leaves."""
    import sys

    subprocess.run(
        [sys.executable, "-c", INITIAL, url.render_as_string(hide_password=False)], check=True, capture_output=True
    )


def sql(*statements):
    return lambda cluster, database, _folder: cluster.execute(*statements, database=database, user=OWNER)


def on(program, *statements):
    """A database that a program made, changed by statements."""

    def make(cluster, database, folder):
        url = cluster.url(database, OWNER)
        if program is other_application:
            program(folder, url)
        else:
            program(url)
        if statements:
            cluster.execute(*statements, database=database, user=OWNER)

    return make


# Name, template, what is done to it, the expected finding.
REFUSED = [
    ("newer revision", "head", sql("UPDATE alembic_version SET version_num = 'ffffffffffff'"), "schema-newer"),
    (
        "newer revision with its table",
        "head",
        sql("CREATE TABLE novelties (id int)", "UPDATE alembic_version SET version_num = 'ffffffffffff'"),
        "schema-newer",
    ),
    ("version table dropped", "head", sql("DROP TABLE alembic_version"), "schema-version-lost"),
    ("version table emptied", "head", sql("DELETE FROM alembic_version"), "schema-version-lost"),
    ("two rows", "head", sql("INSERT INTO alembic_version VALUES ('75868b020152')"), "schema-two-revisions"),
    ("table missing", "head", sql("DROP TABLE job_locks"), "schema-half-migrated"),
    ("column missing", "head", sql("ALTER TABLE experiments DROP COLUMN workspace"), "schema-half-migrated"),
    (
        "revision of the past",
        "head",
        sql("UPDATE alembic_version SET version_num = 'acf3f17fdcc7'"),
        "schema-half-migrated",
    ),
    (
        "all tables dropped but the version",
        None,
        sql(
            "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)",
            f"INSERT INTO alembic_version VALUES ('{HEAD}')",
        ),
        "schema-half-migrated",
    ),
    ("only the five first tables", None, on(initial_tables), "schema-half-migrated"),
    ("other tables", None, sql("CREATE TABLE customers (id int, name text)"), "schema-foreign"),
    ("one view", None, sql("CREATE VIEW today AS SELECT now()"), "schema-foreign"),
    ("one partitioned table", None, sql("CREATE TABLE sales (day date) PARTITION BY RANGE (day)"), "schema-foreign"),
    (
        "tables of the same names",
        None,
        sql(
            "CREATE TABLE tags (id int, name text)",
            "CREATE TABLE metrics (id int, name text, value float)",
            "CREATE TABLE users (id int)",
        ),
        "schema-foreign",
    ),
    ("an alembic application", None, on(other_application), "schema-foreign"),
    (
        "an alembic application after a failed start",
        None,
        on(
            initial_tables,
            "CREATE TABLE customers (id int)",
            "CREATE TABLE alembic_version (version_num varchar(32))",
            "INSERT INTO alembic_version VALUES ('2f00d0c0ffee')",
        ),
        "schema-foreign",
    ),
    ("Optuna", None, on(optuna_study), "schema-foreign"),
    (
        "a version table of another make",
        None,
        sql("CREATE TABLE alembic_version (id int)", "CREATE TABLE customers (id int)"),
        "schema-foreign",
    ),
    (
        "another schema has the MLflow",
        None,
        sql("CREATE SCHEMA mlf", "CREATE TABLE mlf.experiments (experiment_id int, lifecycle_stage text)"),
        "schema-elsewhere",
    ),
]


@pytest.mark.parametrize(
    ("template", "make", "code"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_refused_with_nothing_changed(deploy, cluster, template, make, code):
    deployment = deploy(cluster.head() if template == "head" else "template0")
    make(cluster, deployment.database, deployment.folder)
    cluster.execute(
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {SERVER}", database=deployment.database, user=OWNER
    )
    before = deployment.dump()
    for answer in deployment.run_all(["check"], ["schema", "--mode", "upgrade"], ["serve"]):
        assert answer.code == 3, answer.document
        assert code in answer.errors(), answer.document
        assert answer.finding(code)["argument"].startswith("backend_store.")
    assert deployment.dump() == before
    assert os.listdir(deployment.folder / "artifacts") == []


@pytest.mark.parametrize("release", releases.RELEASES)
def test_older_databases(deploy, cluster, release):
    deployment = deploy(cluster.old(release))
    version = cluster.execute("SELECT version_num FROM alembic_version", database=deployment.database)
    assert version == [(releases.HEADS[release],)]
    cluster.execute(
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {SERVER}", database=deployment.database, user=OWNER
    )
    before = deployment.dump()
    for answer in deployment.run_all(["check"], ["schema"], ["schema", "--mode", "initialize"], ["serve"]):
        assert answer.code == 3, answer.document
        assert "schema-older" in answer.errors()
        assert "mlflow_server_schema: upgrade" in answer.finding("schema-older")["message"]
    planned = deployment.run("schema", "--mode", "upgrade", "--dry-run")
    assert planned.code == 0
    assert planned.document["planned"][0] == "upgrade backend_store"
    assert deployment.dump() == before

    answer = deployment.run("schema", "--mode", "upgrade")
    assert answer.code == 0, answer.document
    assert answer.document["changed"]
    assert answer.document["databases"]["backend_store"]["state"] == "at_head"
    counts = "SELECT " + ", ".join(
        f"(SELECT count(*) FROM {name})" for name in ("experiments", "runs", "metrics", "model_versions")
    )
    assert cluster.execute(counts, database=deployment.database) == [(2, 3, 15, 1)]
    # The upgraded database is not told apart from one that was made new.
    assert deployment.run("check").codes == set()
    again = deployment.run("schema", "--mode", "upgrade")
    assert (again.code, again.document["changed"]) == (0, False)
    # The dump leads back to where it was.
    dump = answer.document["dumps"]["backend_store"]
    assert os.stat(dump).st_mode & 0o777 == 0o600
    restored = deploy()
    command = ["pg_restore", "--no-owner", f"--role={OWNER}", "--exit-on-error", f"--dbname={restored.database}", dump]
    subprocess.run(command, env=cluster.environment(), check=True, capture_output=True)
    assert restored.dump() == before


def test_empty_database_with_an_extension_is_empty(deploy, cluster):
    deployment = deploy()
    available = {row[0] for row in cluster.execute("SELECT name FROM pg_available_extensions")}
    extension = next(
        (name for name in ("pg_stat_statements", "pg_buffercache", "tablefunc") if name in available), None
    )
    if extension is None:
        pytest.skip("no extension of PostgreSQL with a view is installed (postgresql-contrib)")
    cluster.execute(f"CREATE EXTENSION {extension}", database=deployment.database)
    assert deployment.run("check", "--skip-store").errors() == {"schema-empty"}


def test_healthy_check_is_silent(ready):
    answer = ready.run("check")
    assert (answer.code, answer.document["findings"]) == (0, [])
    assert answer.document["databases"]["backend_store"]["state"] == "at_head"
    text = subprocess.run(
        ready.command("--format", "text", "check"), env=ready.environment(), capture_output=True, text=True, check=True
    ).stdout
    assert "check: fine" in text
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)


WARNED = [
    ("index missing", ["DROP INDEX index_latest_metrics_run_uuid"], "indexes-missing"),
    (
        "default experiment deleted",
        ["UPDATE experiments SET lifecycle_stage = 'deleted' WHERE experiment_id = 0"],
        "default-experiment",
    ),
    ("default experiment gone", ["DELETE FROM experiments WHERE experiment_id = 0"], "default-experiment"),
    (
        "sequence behind",
        ["INSERT INTO experiments (experiment_id, name, lifecycle_stage) VALUES (7, 'copied', 'active')"],
        "sequence-behind",
    ),
    ("table of one's own", ["CREATE TABLE report (day date)"], "foreign-tables-beside"),
    ("server may create", [f"GRANT CREATE ON SCHEMA public TO {SERVER}"], "server-may-create"),
    ("server is the owner's member", [f"GRANT {OWNER} TO {SERVER}"], "server-owns-tables"),
]
EXPERIMENT = "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage) VALUES "
DEFAULT = EXPERIMENT + "(0, 'Default', 'mlflow-artifacts:/0', 'active')"
SECOND = EXPERIMENT + "(1, 'one', 'mlflow-artifacts:/1', 'active')"


@pytest.mark.parametrize(("statements", "code"), [case[1:] for case in WARNED], ids=[case[0] for case in WARNED])
def test_warnings(ready, cluster, statements, code):
    cluster.execute(DEFAULT, SECOND, "SELECT setval('experiments_experiment_id_seq', 1)", database=ready.database)
    assert ready.run("check", "--skip-store").codes == set()
    try:
        cluster.execute(*statements, database=ready.database, user=None if "GRANT" in statements[0] else OWNER)
        answer = ready.run("check", "--skip-store")
        assert (answer.code, answer.errors()) == (0, set())
        assert code in answer.codes
    finally:
        if code == "server-owns-tables":
            cluster.execute(f"REVOKE {OWNER} FROM {SERVER}")


RIGHTS = [
    "REVOKE INSERT ON runs FROM",
    "REVOKE SELECT ON experiments FROM",
    "REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM",
    "REVOKE SELECT ON alembic_version FROM",
    "REVOKE USAGE ON SCHEMA mlflow_guard FROM",
]


@pytest.mark.parametrize("statement", RIGHTS)
def test_missing_rights_are_noticed_and_repaired(ready, cluster, statement):
    cluster.execute(f"{statement} {SERVER}", database=ready.database, user=OWNER)
    for answer in ready.run_all(["check"], ["serve"], ["schema"]):
        assert (answer.code, "rights-missing" in answer.errors()) == (3, True), answer.document
    answer = ready.run("schema", "--mode", "initialize")
    assert (answer.code, answer.document["changed"]) == (0, True)
    assert ready.run("check").codes == set()


def test_connection_budget(ready, cluster):
    ready.config["argv"] += ["--workers", "9"]
    found = ready.run("check", "--skip-store").finding("connection-budget")
    assert "270" in found["message"]
    ready.variables["MLFLOW_SQLALCHEMYSTORE_POOL_SIZE"] = "2"
    ready.variables["MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW"] = "2"
    assert ready.run("check", "--skip-store").codes == set()
    cluster.execute(f"ALTER DATABASE {ready.database} CONNECTION LIMIT 20")
    assert ready.run("check", "--skip-store").codes == {"connection-budget"}


def test_connection_budget_of_several_servers_beside_others(ready, cluster):
    """Three servers, a provider's limit, and strangers who hold connections: all numbers are said, also before."""
    ready.config["argv"] += ["--workers", "2"]
    assert ready.run("check", "--skip-store").codes == set()
    ready.config["servers"] = 2
    for command in (["check", "--skip-store"], ["schema", "--dry-run", "--skip-store"]):
        answer = ready.run(*command)
        message = answer.finding("connection-budget")["message"]
        assert (answer.code, answer.errors()) == (0, set())
        assert "2 servers with 2 workers each may open 120 connections; " in message
        assert "max_connections 100, 3 reserved" in message
    ready.config["servers"] = 1
    # 60 are needed; 97, and what strangers leave of them, is offered.
    url = cluster.url("postgres").set(drivername="postgresql").render_as_string(hide_password=False)
    strangers = [psycopg2.connect(url) for _ in range(40)]
    try:
        for command in (["check", "--skip-store"], ["schema", "--dry-run", "--skip-store"]):
            message = ready.run(*command).finding("connection-budget")["message"]
            others = int(re.search(r"others have (\d+) open", message).group(1))
            assert 40 <= others <= 45
            assert f"1 server with 2 workers may open 60 connections; {97 - others} are offered" in message
    finally:
        for each in strangers:
            each.close()
    # The connections of this deployment are what is counted against the offer, and do not lower it.
    url = cluster.url(ready.database, SERVER).set(drivername="postgresql").render_as_string(hide_password=False)
    own = [psycopg2.connect(url) for _ in range(40)]
    try:
        assert ready.run("check", "--skip-store").codes == set()
    finally:
        for each in own:
            each.close()
    ready.config["backend_store"]["max_connections"] = 59
    message = ready.run("check", "--skip-store").finding("connection-budget")["message"]
    assert "59 are offered" in message
    assert "backend_store.max_connections 59" in message
    ready.config["backend_store"]["max_connections"] = 60
    assert ready.run("check", "--skip-store").codes == set()


SHORT = [
    ("ALTER ROLE {role} SET statement_timeout = '5s'", "statement_timeout 5000 ms"),
    ("ALTER ROLE {role} SET statement_timeout = '20ms'", "statement_timeout 20 ms"),
    ("ALTER ROLE {role} IN DATABASE {database} SET lock_timeout = '1s'", "lock_timeout 1000 ms"),
    (
        "ALTER DATABASE {database} SET idle_in_transaction_session_timeout = '4999ms'",
        "idle_in_transaction_session_timeout 4999 ms",
    ),
    ("ALTER ROLE {role} SET statement_timeout = '30s'", None),
    ("ALTER ROLE {role} SET lock_timeout = '1min'", None),
    ("ALTER ROLE {owner} SET statement_timeout = '20ms'", None),
]


@pytest.mark.parametrize(("statement", "said"), SHORT)
def test_time_limits_of_the_servers_sessions(ready, cluster, statement, said):
    names = {"role": SERVER, "owner": OWNER, "database": ready.database}
    try:
        cluster.execute(statement.format(**names))
        for command in (["check", "--skip-store"], ["schema", "--dry-run", "--skip-store"]):
            answer = ready.run(*command)
            assert (answer.code, answer.codes) == (0, {"time-limits-short"} if said else set()), answer.document
            if said:
                message = answer.finding("time-limits-short")["message"]
                assert message.startswith("backend_store.server: ")
                assert said in message
                assert repr(SERVER) in message
    finally:
        cluster.execute(f"ALTER ROLE {SERVER} RESET ALL", f"ALTER ROLE {OWNER} RESET ALL")


@pytest.mark.parametrize(
    ("key", "value"), [("servers", 0), ("servers", "3"), ("servers", True), ("max_connections", 0)]
)
def test_numbers_that_are_none(deploy, key, value):
    deployment = deploy()
    (deployment.config if key == "servers" else deployment.config["backend_store"])[key] = value
    answer = deployment.run("check", "--skip-store")
    assert (answer.code, answer.errors()) == (2, {"configuration"})
    assert key in answer.finding("configuration")["argument"]


def test_encoding(deploy, cluster):
    deployment = deploy()
    cluster.drop(deployment.database)
    cluster.execute(
        f"CREATE DATABASE {deployment.database} OWNER {OWNER} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'"
    )
    assert deployment.run("check", "--skip-store").codes == {"schema-empty", "database-encoding"}


def test_other_schema_by_search_path(deploy, cluster):
    deployment = deploy()
    cluster.execute("CREATE SCHEMA mlf", database=deployment.database, user=OWNER)
    deployment.config["backend_store"]["query"] = {"options": "-csearch_path=mlf"}
    answer = deployment.run("schema", "--mode", "initialize")
    assert (answer.code, answer.document["changed"]) == (0, True), answer.document
    answer = deployment.run("check")
    assert answer.code == 0, answer.document
    assert answer.document["databases"]["backend_store"]["schema"] == "mlf"
    # The options were lost: a plain server would now make a second MLflow in public.
    deployment.config["backend_store"]["query"] = {}
    before = deployment.dump()
    for arguments in (["check"], ["schema", "--mode", "upgrade"], ["serve"]):
        assert "schema-elsewhere" in deployment.run(*arguments).errors()
    # Whoever means a second one makes it by the schema step; a server does not.
    answer = deployment.run("serve", "--accept", "schema-elsewhere")
    assert (answer.code, answer.errors()) == (3, {"schema-empty"})
    assert deployment.dump() == before
