# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""The schema step on every PostgreSQL that MLflow takes, with the image's own pg_dump and pg_restore."""

from __future__ import annotations

import os
import subprocess

import pytest
import releases
import servers
from conftest import OWNER, Cluster, Deployment
from mlflow_guard.inspect import revisions

# One more kind of database, or way to it.
pytestmark = pytest.mark.extended
WRAPPER = servers.ROOT / "roles/images/files/mlflow_server/pg-program"


@pytest.fixture(scope="module", params=sorted(releases.POSTGRES))
def other(request, scratch):
    if reason := releases.lacking(request.param):
        pytest.skip(reason)
    server = servers.start_postgres(scratch, binaries=releases.for_any_user(request.param, scratch))
    yield Cluster(server)
    server.stop()


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """pg_dump and pg_restore as the image has them, in another folder."""
    base = tmp_path_factory.mktemp("programs")
    for major in servers.IMAGE_POSTGRES:
        target = base / str(major)
        target.mkdir()
        origin = f"/usr/lib/postgresql/{major}/bin" if major == 15 else releases.postgres(major)
        (target / "bin").symlink_to(origin)
    (base / "bin").mkdir()
    for name in ("pg_dump", "pg_restore"):
        program = base / "bin" / name
        program.write_text(WRAPPER.read_text().replace("/usr/lib/postgresql", str(base)))
        program.chmod(0o755)
    return base / "bin"


def created(other, name: str) -> str:
    """A database as the documents tell a DBA to make it: before 15 anybody may create tables in schema public."""
    other.create(name)
    owned = f"ALTER SCHEMA public OWNER TO {OWNER}"
    other.execute(owned, "REVOKE CREATE ON SCHEMA public FROM PUBLIC", database=name)
    return name


@pytest.fixture
def older(other, cluster, programs, tmp_path, extras):
    """A deployment on a database of MLflow 3.16.0."""
    cluster.old("3.16.0")
    database = created(other, "upgraded")
    other.load(database, releases.cached_sql("mlflow-3.16.0", ("3.16.0", releases.FILL), None))
    deployment = Deployment(tmp_path, other, database, extras)
    deployment.variables["PATH"] = os.pathsep.join([str(programs), deployment.environment()["PATH"]])
    yield deployment
    other.drop(database)


@pytest.fixture
def limits(other):
    """Role and template have time limits that a schema step would not get through."""
    names = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"]
    newer = "'idle_session_timeout', 'transaction_timeout'"
    names += [name for (name,) in other.execute(f"SELECT name FROM pg_settings WHERE name IN ({newer})")]
    other.execute(*(f"ALTER ROLE {OWNER} SET {name} = '500ms'" for name in names))
    yield
    other.execute(f"ALTER ROLE {OWNER} RESET ALL")


@pytest.mark.slow
def test_initialisation_under_time_limits(other, limits, tmp_path, extras):
    database = created(other, "limited")
    answer = Deployment(tmp_path, other, database, extras).run("schema", "--mode", "initialize")
    assert (answer.code, answer.codes) == (0, set()), answer.document
    other.drop(database)


@pytest.mark.slow
def test_upgrade_and_back(older, other, limits, programs):
    """The dump before an upgrade goes back into a server of the same version, by the command in docs/guard.md."""
    answer = older.run("schema", "--mode", "upgrade")
    assert (answer.code, answer.codes) == (0, set()), answer.document
    assert answer.document["databases"]["backend_store"]["revision"] == revisions.head("backend")
    back = other.create("back")
    restore = ["--no-owner", f"--role={OWNER}", "--exit-on-error", f"--dbname={back}"]
    done = subprocess.run(
        [str(programs / "pg_restore"), *restore, answer.document["dumps"]["backend_store"]],
        env=other.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert other.execute("SELECT version_num FROM alembic_version", database=back) == [(releases.HEADS["3.16.0"],)]
    other.drop(back)


def test_the_dump_program_says_the_newest_version(programs):
    said = subprocess.run([str(programs / "pg_dump"), "--version"], capture_output=True, text=True, check=True).stdout
    assert said.startswith(f"pg_dump (PostgreSQL) {max(servers.IMAGE_POSTGRES)}.")
