# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""The schema step: rights, locks, races, interruptions, dumps, several databases."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import time
from pathlib import Path

import psycopg2
import pytest
import releases
import servers
from conftest import HOSTILE, OWNER, SERVER
from mlflow_guard.inspect import revisions
from mlflow_guard.schema import lock

HEAD, AUTH_HEAD = revisions.head("backend"), revisions.head("auth")


def connection(cluster, database, user=None):
    return psycopg2.connect(
        host=cluster.server.host,
        port=cluster.server.port,
        dbname=database,
        user=user or cluster.server.superuser,
        password=HOSTILE if user else cluster.server.password,
    )


def test_an_empty_database_is_initialised_once(deploy, cluster):
    deployment = deploy()
    planned = deployment.run("schema", "--mode", "initialize", "--dry-run")
    assert (planned.code, planned.document["changed"]) == (0, True)
    assert cluster.execute(
        "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", database=deployment.database
    ) == [(0,)]
    first = deployment.run("schema", "--mode", "initialize")
    assert (first.code, first.document["changed"]) == (0, True), first.document
    assert first.document["databases"]["backend_store"]["revision"] == HEAD
    before = deployment.dump()
    for mode in ("refuse", "initialize", "upgrade"):
        again = deployment.run("schema", "--mode", mode)
        assert (again.code, again.document["changed"], again.document["findings"]) == (0, False, []), mode
    assert deployment.dump() == before


def test_without_the_store_it_looks_at_the_databases_only(deploy):
    """Before anything is deployed there may be no store yet: a destination that cannot be opened does not matter."""
    deployment = deploy()
    deployment.config["artifacts"]["destination"] = "/nowhere/at/all"
    assert deployment.run("schema", "--mode", "initialize", "--dry-run").errors() == {"destination-missing"}
    answer = deployment.run("schema", "--mode", "initialize", "--dry-run", "--skip-store")
    assert (answer.code, answer.codes) == (0, set()), answer.document
    assert answer.document["planned"] == ["initialize backend_store", "grant rights in backend_store"]
    refused = deployment.run("schema", "--dry-run", "--skip-store")
    assert (refused.code, refused.errors()) == (3, {"schema-empty", "destination-unrecorded"})
    usage = deployment.run("schema", "--mode", "initialize", "--skip-store")
    assert (usage.code, usage.document["status"], usage.errors()) == (2, "usage", {"configuration"})
    assert "--dry-run" in usage.finding("configuration")["message"]
    assert usage.document["changed"] is False


def test_without_the_store_a_database_at_head_is_fine(ready):
    ready.config["artifacts"]["destination"] = "/nowhere/at/all"
    for mode in ("refuse", "initialize", "upgrade"):
        answer = ready.run("schema", "--mode", mode, "--dry-run", "--skip-store")
        assert (answer.code, answer.codes, answer.document["planned"]) == (0, set(), []), answer.document


def test_the_servers_role_may_work_with_rows_and_nothing_else(deploy, cluster):
    deployment = deploy()
    assert deployment.run("schema", "--mode", "initialize").code == 0
    server = connection(cluster, deployment.database, SERVER)
    server.autocommit = True
    with server.cursor() as cursor:
        cursor.execute("INSERT INTO experiments (name, lifecycle_stage) VALUES ('a', 'active') RETURNING experiment_id")
        number = cursor.fetchone()[0]
        cursor.execute("UPDATE experiments SET name = 'b' WHERE experiment_id = %s", (number,))
        cursor.execute("DELETE FROM experiments WHERE experiment_id = %s", (number,))
        cursor.execute("SELECT version_num FROM alembic_version")
        cursor.execute("SELECT identity FROM mlflow_guard.destination")
        for forbidden in (
            "CREATE TABLE t (id int)",
            "CREATE SCHEMA s",
            "DROP TABLE runs",
            "ALTER TABLE runs ADD COLUMN x int",
            "TRUNCATE runs",
            "CREATE INDEX i ON runs (name)",
            "UPDATE alembic_version SET version_num = 'x'",
            "DELETE FROM alembic_version",
            "UPDATE mlflow_guard.destination SET identity = 'x'",
            "DELETE FROM mlflow_guard.destination",
        ):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute(forbidden)
    server.close()
    # Tables that a later migration makes are open to the server as well.
    cluster.execute("CREATE TABLE later (id serial)", database=deployment.database, user=OWNER)
    assert cluster.execute(
        f"SELECT has_table_privilege('{SERVER}', 'later', 'INSERT'), has_sequence_privilege('{SERVER}', "
        "'later_id_seq', 'USAGE')",
        database=deployment.database,
    ) == [(True, True)]


@pytest.mark.slow
def test_ten_at_once_on_an_empty_database(deploy):
    deployment = deploy()
    answers = deployment.run_all(*[["schema", "--mode", "initialize"]] * 10)
    assert [answer.code for answer in answers] == [0] * 10, [answer.document for answer in answers if answer.code]
    assert sum(answer.document["changed"] for answer in answers) == 1
    assert all(answer.document["databases"]["backend_store"]["revision"] == HEAD for answer in answers)
    assert deployment.run("check").codes == set()


@pytest.mark.slow
def test_ten_at_once_on_an_older_database(deploy, cluster):
    deployment = deploy(cluster.old("3.16.0"))
    answers = deployment.run_all(*[["schema", "--mode", "upgrade"]] * 10)
    assert [answer.code for answer in answers] == [0] * 10, [answer.document for answer in answers if answer.code]
    assert sum(answer.document["changed"] for answer in answers) == 1
    assert len(os.listdir(deployment.folder / "dumps")) == 1
    assert deployment.run("check").codes == set()


def test_who_holds_the_lock_is_said(deploy, cluster):
    deployment = deploy()
    holder = connection(cluster, deployment.database)
    try:
        with holder.cursor() as cursor:
            cursor.execute("SET application_name = 'somebody else'")
            cursor.execute("SELECT pg_advisory_lock(%s)", (lock.LOCK_NUMBER,))
            before = deployment.dump()
            answer = deployment.run("schema", "--mode", "initialize", "--lock-timeout", "1")
        assert (answer.code, answer.errors()) == (4, {"lock-busy"})
        assert "somebody else" in answer.finding("lock-busy")["message"]
        assert str(holder.info.backend_pid) in answer.finding("lock-busy")["message"]
        assert deployment.dump() == before
    finally:
        holder.close()
    assert deployment.run("schema", "--mode", "initialize").code == 0


def test_a_lock_in_another_database_does_not_matter(deploy, cluster):
    deployment = deploy()
    holder = connection(cluster, "postgres")
    try:
        with holder.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", (lock.LOCK_NUMBER,))
            assert deployment.run("schema", "--mode", "initialize", "--lock-timeout", "1").code == 0
    finally:
        holder.close()


def test_a_blocked_migration_is_undone_and_names_the_blocker(deploy, cluster):
    deployment = deploy(cluster.old("2.22.1"))
    holder = connection(cluster, deployment.database)
    try:
        with holder.cursor() as cursor:
            cursor.execute("SET application_name = 'a long report'")
            cursor.execute("SELECT count(*) FROM experiments")
            before = deployment.dump()
            answer = deployment.run("schema", "--mode", "upgrade", "--blocked-timeout", "5")
        assert (answer.code, answer.errors()) == (4, {"schema-blocked"}), answer.document
        assert "a long report" in answer.finding("schema-blocked")["message"]
        assert os.path.exists(answer.document["dumps"]["backend_store"])
        assert deployment.dump() == before
    finally:
        holder.close()
    assert deployment.run("schema", "--mode", "upgrade").code == 0


@pytest.mark.parametrize("mode", ["initialize", "upgrade"])
def test_killed_in_the_middle_it_can_be_run_again(deploy, cluster, mode):
    deployment = deploy(cluster.old("2.22.1") if mode == "upgrade" else "template0")
    before = deployment.dump()
    if mode == "upgrade":
        holder = connection(cluster, deployment.database)
        holder.cursor().execute("SELECT count(*) FROM experiments")
    else:
        # Nothing can stop an initialisation at a certain point: it is killed while it works.
        holder = connection(cluster, "postgres")
    process = deployment.start("schema", "--mode", mode, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    working = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'mlflow-guard migration'"
        f" AND datname = '{deployment.database}' AND backend_xid IS NOT NULL"
    )
    servers.wait_until(lambda: cluster.execute(working) != [(0,)], "the migration")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    holder.close()
    servers.wait_until(lambda: cluster.execute(working) == [(0,)], "the end of its session")
    if mode == "initialize":
        # Only what says whose it is to be, by which the next run knows it.
        tables = (
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        assert cluster.execute(tables, database=deployment.database) == [("mlflow_guard", "destination")]
    else:
        assert deployment.dump() == before
    only = ["--only-recorded"] if mode == "initialize" else []
    answer = deployment.run("schema", "--mode", mode, *only)
    assert (answer.code, answer.document["changed"]) == (0, True), answer.document
    assert deployment.run("check").errors() == set()


def test_a_migration_whose_session_the_server_ends(deploy, cluster):
    """As an administrator does, or a restart of the server."""
    deployment = deploy(cluster.old("2.22.1"))
    before = deployment.dump()
    holder = connection(cluster, deployment.database)
    holder.cursor().execute("SELECT count(*) FROM experiments")
    process = deployment.start("schema", "--mode", "upgrade", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    ended = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        f" WHERE datname = '{deployment.database}' AND application_name = 'mlflow-guard migration'"
        " AND backend_xid IS NOT NULL"
    )
    servers.wait_until(lambda: cluster.execute(ended) != [(0,)], "the migration")
    said, log = process.communicate(timeout=60)
    holder.close()
    answer = deployment.answered(process.returncode, said, log)
    assert (answer.code, answer.errors()) == (3, {"migration-failed"}), answer.document
    assert os.path.exists(answer.finding("migration-failed")["dump"])
    assert deployment.dump() == before
    assert deployment.run("schema", "--mode", "upgrade").code == 0


def test_killed_between_the_steps_it_can_be_run_again(deploy, cluster):
    deployment = deploy(cluster.head())
    # As after a kill between the record and its marker.
    assert deployment.run("schema", "--mode", "initialize").code == 0
    cluster.execute("UPDATE mlflow_guard.destination SET confirmed = false", database=deployment.database)
    for path in (deployment.folder / "artifacts" / ".mlflow-guard").iterdir():
        path.unlink()
    assert deployment.run("check").errors() == {"destination-unconfirmed"}
    answer = deployment.run("schema", "--mode", "initialize")
    assert (answer.code, answer.document["planned"]) == (0, ["write the destination's marker"])
    assert deployment.run("check").codes == set()
    # As after a kill between the marker and its confirmation.
    cluster.execute("UPDATE mlflow_guard.destination SET confirmed = false", database=deployment.database)
    assert deployment.run("schema", "--mode", "initialize").document["planned"] == ["confirm the destination's marker"]
    assert deployment.run("check").codes == set()


@pytest.mark.slow
def test_backend_registry_and_users_in_three_databases(deploy, cluster):
    deployment, registry, users = (
        deploy(),
        deploy(cluster.old("3.16.0")),
        deploy(cluster.old("2.9.2", releases.FILL_AUTH)),
    )
    deployment.config["registry_store"] = deployment.store(registry.database)
    deployment.config["auth_store"] = deployment.store(users.database)
    before = [each.dump() for each in (deployment, registry, users)]
    answer = deployment.run("schema", "--mode", "initialize")
    assert answer.code == 3
    assert [each["argument"] for each in answer.document["findings"]] == [
        "registry_store.database",
        "auth_store.database",
    ]
    # The empty one was not touched either: all are looked at before the first is changed.
    assert [each.dump() for each in (deployment, registry, users)] == before
    answer = deployment.run("schema", "--mode", "upgrade")
    assert answer.code == 0, answer.document
    assert {name: each["revision"] for name, each in answer.document["databases"].items()} == {
        "backend_store": HEAD,
        "registry_store": HEAD,
        "auth_store": AUTH_HEAD,
    }
    assert set(answer.document["dumps"]) == {"registry_store", "auth_store"}
    assert "record the deployment in registry_store" in answer.document["planned"]
    assert deployment.run("check").codes == set()
    assert cluster.execute("SELECT username, is_admin FROM users", database=users.database) == [("ada", True)]
    assert deployment.run("schema", "--mode", "upgrade").document["changed"] is False


@pytest.mark.slow
def test_users_in_the_tracking_database(deploy, cluster):
    deployment = deploy()
    deployment.config["auth_store"] = deployment.store(deployment.database)
    answer = deployment.run("schema", "--mode", "initialize")
    assert answer.code == 0, answer.document
    assert deployment.run("check").codes == set()
    # Without basic-auth the same database is still fine; the users' tables are mentioned.
    deployment.config["auth_store"] = None
    assert deployment.run("check").codes == {"foreign-tables-beside"}


def test_exchanged_databases(deploy, cluster, ready):
    users = deploy(cluster.old("2.9.2", releases.FILL_AUTH))
    users.config["auth_store"] = users.store(ready.database)
    answer = users.run("schema", "--mode", "upgrade")
    assert (answer.code, answer.errors()) == (3, {"schema-other-purpose"})
    assert len(answer.document["findings"]) == 2


def test_owner_without_rights(deploy, cluster):
    deployment = deploy(owner="super" if cluster.server.superuser == "super" else cluster.server.superuser)
    answer = deployment.run("schema", "--mode", "initialize")
    assert (answer.code, answer.errors()) == (3, {"owner-lacks-rights"})
    messages = " ".join(each["message"] for each in answer.document["findings"])
    assert "create tables in schema 'public'" in messages
    assert "create the schema mlflow_guard" in messages


def test_owner_that_does_not_own_the_tables(deploy, cluster):
    deployment = deploy(cluster.old("3.16.0"))
    cluster.execute(f"ALTER TABLE runs OWNER TO {cluster.server.superuser}", database=deployment.database)
    before = deployment.dump()
    answer = deployment.run("schema", "--mode", "upgrade")
    assert (answer.code, answer.errors()) == (3, {"owner-lacks-rights"})
    assert "runs" in answer.finding("owner-lacks-rights")["message"]
    assert deployment.dump() == before


def test_missing_server_role(deploy):
    deployment = deploy()
    deployment.config["backend_store"]["server"]["username"] = "mlflow_srever"
    answer = deployment.run("schema", "--mode", "initialize")
    assert (answer.code, answer.errors()) == (3, {"server-role-missing"})
    assert "mlflow_srever" in answer.finding("server-role-missing")["message"]


@pytest.mark.parametrize("mode", ["initialize", "upgrade"])
def test_time_limits_of_the_owner_do_not_hold(deploy, cluster, mode):
    """Far shorter ones than a migration with its dump takes."""
    deployment = deploy(cluster.old("2.22.1") if mode == "upgrade" else "template0")
    limits = {"statement_timeout": 50, "lock_timeout": 50, "idle_in_transaction_session_timeout": 300}
    limits["idle_session_timeout"] = 300
    try:
        cluster.execute(*(f"ALTER ROLE {OWNER} SET {name} = {limit}" for name, limit in limits.items()))
        with connection(cluster, deployment.database, OWNER) as limited, pytest.raises(psycopg2.errors.QueryCanceled):
            limited.cursor().execute("SELECT pg_sleep(1)")
        limited.close()
        answer = deployment.run("schema", "--mode", mode)
        assert (answer.code, answer.codes, answer.document["changed"]) == (0, set(), True), answer.document
    finally:
        cluster.execute(f"ALTER ROLE {OWNER} RESET ALL")
    assert deployment.run("check").codes == set()


def wrong_server_password(deployment, _cluster):
    (deployment.folder / "wrong").write_text("not this")
    deployment.config["backend_store"]["server"]["password_file"] = str(deployment.folder / "wrong")


def no_right_to_connect(deployment, cluster):
    cluster.execute(
        f"REVOKE CONNECT ON DATABASE {deployment.database} FROM PUBLIC",
        f"GRANT CONNECT ON DATABASE {deployment.database} TO {OWNER}",
    )


def server_may_not_log_in(_deployment, cluster):
    cluster.execute(f"ALTER ROLE {SERVER} NOLOGIN")


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (wrong_server_password, "database-auth-failed"),
        (no_right_to_connect, "database-no-connect-right"),
        (server_may_not_log_in, "database-auth-failed"),
    ],
)
def test_a_server_that_cannot_log_in_is_noticed_before_anything_is_changed(deploy, cluster, spoil, code):
    deployment = deploy()
    spoil(deployment, cluster)
    before = deployment.dump()
    try:
        for options in (["--dry-run", "--skip-store"], []):
            for mode in ("initialize", "upgrade"):
                answer = deployment.run("schema", "--mode", mode, *options)
                assert (answer.code, answer.errors()) == (3, {code}), answer.document
                assert answer.finding(code)["argument"] == "backend_store.server"
                assert not answer.document["changed"]
        refused = deployment.run("schema", "--dry-run", "--skip-store")
        assert {code, "schema-empty"} <= refused.errors()
        assert deployment.dump() == before
    finally:
        cluster.execute(f"ALTER ROLE {SERVER} LOGIN")


def test_both_passwords_may_be_wrong_at_once(deploy):
    deployment = deploy()
    wrong_server_password(deployment, None)
    deployment.config["backend_store"]["owner"]["password_file"] = str(deployment.folder / "wrong")
    answer = deployment.run("schema", "--mode", "initialize", "--dry-run", "--skip-store")
    assert [each["argument"] for each in answer.document["findings"]] == ["backend_store.owner", "backend_store.server"]


def test_the_server_logs_in_once(deploy, cluster):
    """A step with its two looks, its lock and its migration makes one connection as the server's role."""
    deployment = deploy()
    log = next(Path(cluster.server.options["unix_socket_directories"]).glob("log"))
    cluster.execute("ALTER SYSTEM SET log_connections = on", "SELECT pg_reload_conf()")
    try:
        begun = log.stat().st_size
        assert deployment.run("schema", "--mode", "initialize").code == 0
        with log.open("rb") as file:
            file.seek(begun)
            lines = file.read().decode(errors="replace").splitlines()
    finally:
        cluster.execute("ALTER SYSTEM RESET log_connections", "SELECT pg_reload_conf()")
    admitted = [
        line for line in lines if "connection authorized" in line and f"database={deployment.database} " in line
    ]
    assert sum(f"user={SERVER} " in line for line in admitted) == 1
    assert sum(f"user={OWNER} " in line for line in admitted) > 3


def test_a_step_without_the_servers_password_goes_on(deploy):
    """A Job that has the owner's password alone."""
    deployment = deploy()
    deployment.config["backend_store"]["server"]["password_file"] = "/run/secrets/not_here"
    answer = deployment.run("schema", "--mode", "initialize")
    assert (answer.code, answer.codes) == (0, set()), answer.document


@pytest.mark.parametrize("owner", [None, {"username": OWNER, "password_file": "/run/secrets/nowhere"}])
def test_no_owner_here(deploy, owner):
    deployment = deploy()
    deployment.config["backend_store"]["owner"] = owner
    answer = deployment.run("schema", "--mode", "initialize")
    assert (answer.code, answer.errors()) == (3, {"owner-missing"})
    # A server's container has no owner: the check does without.
    assert deployment.run("check", "--skip-store").errors() == {"schema-empty"}


def only_programs(folder, **programs):
    """A PATH with nothing but these programs."""
    path = folder / "bin"
    path.mkdir()
    for name, text in programs.items():
        (path / name).write_text(text)
        (path / name).chmod(stat.S_IRWXU)
    return str(path)


@pytest.mark.parametrize(
    ("programs", "code"),
    [
        ({}, "dump-program-missing"),
        ({"pg_dump": "#!/bin/sh\necho 'pg_dump (PostgreSQL) 11.22'\n"}, "dump-program-old"),
        (
            {
                "pg_dump": "#!/bin/sh\ncase $1 in --version) echo 'pg_dump (PostgreSQL) 99.1';; *) echo 'No space "
                "left on device' >&2; exit 1;; esac\n"
            },
            "dump-failed",
        ),
    ],
    ids=["missing", "old", "failing"],
)
def test_no_upgrade_without_a_dump(deploy, cluster, programs, code):
    deployment = deploy(cluster.old("3.16.0"))
    before = deployment.dump()
    environment = deployment.environment()
    environment["PATH"] = only_programs(deployment.folder, **programs)
    process = subprocess.run(
        deployment.command("schema", "--mode", "upgrade"), env=environment, capture_output=True, text=True, check=False
    )
    answer = deployment.answered(process.returncode, process.stdout, process.stderr)
    assert (answer.code, answer.errors()) == (3, {code}), answer.document
    assert deployment.dump() == before
    dumps = deployment.folder / "dumps"
    assert not dumps.exists() or os.listdir(dumps) == []


FULL_DISK = 'mount -t tmpfs -o size=16k,mode=700 tmpfs "$1" && shift && exec "$@"'


def test_no_room_for_the_dump(deploy, cluster):
    """On a real file system that is full, which only this process has."""
    deployment = deploy(cluster.old("3.16.0"))
    before, dumps = deployment.dump(), deployment.folder / "dumps"
    dumps.mkdir(mode=0o700)
    command = ["unshare", "--mount", "sh", "-c", FULL_DISK, "sh", str(dumps)]
    process = subprocess.run(
        [*command, *deployment.command("schema", "--mode", "upgrade")],
        env=deployment.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    answer = deployment.answered(process.returncode, process.stdout, process.stderr)
    assert (answer.code, answer.errors()) == (3, {"dump-failed"}), answer.document
    assert "No space left on device" in answer.finding("dump-failed")["message"]
    assert deployment.dump() == before
    again = deployment.run("schema", "--mode", "upgrade")
    assert (again.code, len(os.listdir(dumps))) == (0, 1), again.document


def test_a_directory_for_dumps_that_cannot_be_made(deploy, cluster):
    deployment = deploy(cluster.old("3.16.0"))
    deployment.config["schema_dumps"] = "/proc/nowhere"
    assert deployment.run("schema", "--mode", "upgrade").errors() == {"dump-failed"}


def test_upgrade_without_a_dump_on_demand(deploy, cluster):
    deployment = deploy(cluster.old("3.16.0"))
    answer = deployment.run("schema", "--mode", "upgrade", "--skip-dump")
    assert (answer.code, answer.codes) == (0, {"dump-skipped"})
    assert not (deployment.folder / "dumps").exists()


def test_the_dump_leaves_other_schemas_out(deploy, cluster):
    deployment = deploy(cluster.old("3.16.0"))
    cluster.execute(
        'CREATE SCHEMA "Other.app"', 'CREATE TABLE "Other.app".secret (id int)', database=deployment.database
    )
    answer = deployment.run("schema", "--mode", "upgrade")
    assert answer.code == 0, answer.document
    listing = subprocess.run(
        ["pg_restore", "--list", answer.document["dumps"]["backend_store"]], capture_output=True, text=True, check=True
    ).stdout
    assert "experiments" in listing
    assert "Other" not in listing


def test_the_dump_leaves_out_what_belongs_to_others(deploy, cluster):
    """The public schema, and tables beside MLflow's own, that the owner role may not read."""
    deployment = deploy(cluster.old("3.16.0"))
    cluster.execute(
        "ALTER SCHEMA public RENAME TO mlflow",
        "CREATE SCHEMA public",
        "CREATE TABLE public.theirs (id serial)",
        'CREATE TABLE mlflow."Their.table" (id serial)',
        'ALTER TABLE mlflow."Their.table" ENABLE ROW LEVEL SECURITY',
        "CREATE SEQUENCE mlflow.their_sequence",
        "SELECT lo_from_bytea(0, 'theirs')",
        f"GRANT USAGE, CREATE ON SCHEMA mlflow TO {OWNER}",
        f"GRANT USAGE ON SCHEMA mlflow TO {SERVER}",
        database=deployment.database,
    )
    deployment.config["backend_store"]["query"] = {"options": "-csearch_path=mlflow"}
    answer = deployment.run("schema", "--mode", "upgrade")
    assert (answer.code, answer.codes) == (0, {"foreign-tables-beside"}), answer.document
    dumped = answer.document["dumps"]["backend_store"]
    listing = subprocess.run(["pg_restore", "--list", dumped], capture_output=True, text=True, check=True).stdout
    assert "experiments" in listing
    assert "heir" not in listing
    assert "BLOB" not in listing
    back = cluster.create(f"{deployment.database}back")
    try:
        restore = ["pg_restore", "--no-owner", f"--role={OWNER}", "--exit-on-error", f"--dbname={back}", dumped]
        done = subprocess.run(restore, env=cluster.environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert cluster.execute("SELECT count(*) FROM mlflow.experiments", database=back) == [(2,)]
    finally:
        cluster.drop(back)


def test_a_second_deployment_with_another_owner_is_refused(ready, cluster):
    """Both would keep their record in one schema, which only one of them owns."""
    other = ready.copy()
    other.config["backend_store"]["owner"]["username"] = "other_owner"
    other.config["backend_store"]["query"] = {"options": "-csearch_path=other"}
    cluster.execute(f"CREATE ROLE other_owner LOGIN PASSWORD '{HOSTILE.replace(chr(39), chr(39) * 2)}'")
    try:
        cluster.execute(
            "CREATE SCHEMA other AUTHORIZATION other_owner",
            f"GRANT USAGE ON SCHEMA other TO {SERVER}",
            f"GRANT CREATE ON DATABASE {ready.database} TO other_owner",
            database=ready.database,
        )
        before = ready.dump()
        answer = other.run("schema", "--mode", "initialize")
        expected = ("record-of-another-owner", "schema-elsewhere", "destination-of-another")
        assert (answer.code, answer.errors()) == (3, set(expected)), answer.document
        message = answer.finding("record-of-another-owner")["message"]
        assert OWNER in message
        assert "other_owner" in message
        assert ready.dump() == before
    finally:
        cluster.execute("DROP OWNED BY other_owner", database=ready.database)
        cluster.execute("DROP ROLE other_owner")


def test_the_record_counts_and_not_the_schema_that_it_is_in(ready, cluster):
    """As after a dump that an administrator restored, who then gave the tables away."""
    cluster.execute(
        f"ALTER SCHEMA mlflow_guard OWNER TO {cluster.server.superuser}",
        f"GRANT USAGE ON SCHEMA mlflow_guard TO {OWNER}, {SERVER}",
        database=ready.database,
    )
    answer = ready.run("schema", "--mode", "initialize")
    assert (answer.code, answer.errors()) == (0, set()), answer.document
    assert ready.run("check").errors() == set()


def test_one_database_in_different_words_is_locked_once(deploy):
    """A backend store and a registry that name the same database must not wait for each other."""
    deployment = deploy()
    deployment.config["registry_store"] = {**deployment.store(deployment.database), "host": "localhost"}
    answer = deployment.run("schema", "--mode", "initialize", "--lock-timeout", "3")
    assert (answer.code, answer.errors()) == (0, set()), answer.document
    assert deployment.run("check").errors() == set()


def test_data_that_the_migration_cannot_take_is_named(deploy, cluster):
    deployment = deploy(cluster.old("2.22.1"))
    # An index of the migration's name is in the way.
    cluster.execute(
        "CREATE INDEX index_logged_models_experiment_id ON runs (name)",
        "CREATE TYPE logged_models AS ENUM ('x')",
        database=deployment.database,
        user=OWNER,
    )
    before = deployment.dump()
    answer = deployment.run("schema", "--mode", "upgrade")
    assert (answer.code, answer.errors()) == (3, {"migration-failed"})
    assert "logged_models" in answer.finding("migration-failed")["message"]
    assert deployment.dump() == before


def test_a_database_whose_tables_were_dropped(ready, cluster):
    cluster.execute("DROP SCHEMA public CASCADE", "CREATE SCHEMA public", database=ready.database, user=OWNER)
    answer = ready.run("schema", "--mode", "initialize")
    assert (answer.code, "schema-emptied" in answer.errors()) == (3, True)
    cluster.execute(f"GRANT USAGE ON SCHEMA public TO {SERVER}", database=ready.database, user=OWNER)
    assert ready.run("schema", "--mode", "initialize", "--accept", "schema-emptied").code == 0


def test_waiting_for_a_database(deploy):
    deployment = deploy()
    port, deployment.config["backend_store"]["port"] = deployment.config["backend_store"]["port"], servers.free_port()
    begun = time.monotonic()
    answer = deployment.run("schema", "--mode", "initialize", "--wait", "2")
    assert (answer.code, answer.errors()) == (4, {"database-port-closed"})
    assert time.monotonic() - begun >= 2
    deployment.config["backend_store"]["port"] = port
    assert deployment.run("schema", "--dry-run", "--mode", "initialize", "--wait", "30").code == 0
