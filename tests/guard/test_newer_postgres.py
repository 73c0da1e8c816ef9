# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""The schema step on real PostgreSQL 16, 17 and 18, with the image's own pg_dump and pg_restore."""

from __future__ import annotations

import os
import shutil
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
def newer(request, scratch):
    # Out of the cache, which may be closed to the server's user.
    folder = shutil.copytree(releases.postgres(request.param).parent, scratch / f"postgresql-{request.param}")
    server = servers.start_postgres(scratch, binaries=folder / "bin")
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


@pytest.fixture
def older(newer, cluster, programs, tmp_path, extras):
    """A deployment on a database of MLflow 3.16.0."""
    cluster.old("3.16.0")
    database = newer.create("upgraded")
    newer.load(database, releases.cached_sql("mlflow-3.16.0", ("3.16.0", releases.FILL), None))
    deployment = Deployment(tmp_path, newer, database, extras)
    deployment.variables["PATH"] = os.pathsep.join([str(programs), deployment.environment()["PATH"]])
    yield deployment
    newer.drop(database)


@pytest.fixture
def limits(newer):
    """Role and template have time limits that a schema step would not get through."""
    names = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout"]
    names += [name for (name,) in newer.execute("SELECT name FROM pg_settings WHERE name = 'transaction_timeout'")]
    newer.execute(*(f"ALTER ROLE {OWNER} SET {name} = '500ms'" for name in names))
    yield
    newer.execute(f"ALTER ROLE {OWNER} RESET ALL")


@pytest.mark.slow
def test_initialisation_under_time_limits(newer, limits, tmp_path, extras):
    database = newer.create("limited")
    answer = Deployment(tmp_path, newer, database, extras).run("schema", "--mode", "initialize")
    assert (answer.code, answer.codes) == (0, set()), answer.document
    newer.drop(database)


@pytest.mark.slow
def test_upgrade_and_back(older, newer, limits, programs):
    """The dump before an upgrade goes back into a server of the same version, by the command in docs/guard.md."""
    answer = older.run("schema", "--mode", "upgrade")
    assert (answer.code, answer.codes) == (0, set()), answer.document
    assert answer.document["databases"]["backend_store"]["revision"] == revisions.head("backend")
    back = newer.create("back")
    restore = ["--no-owner", f"--role={OWNER}", "--exit-on-error", f"--dbname={back}"]
    done = subprocess.run(
        [str(programs / "pg_restore"), *restore, answer.document["dumps"]["backend_store"]],
        env=newer.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert newer.execute("SELECT version_num FROM alembic_version", database=back) == [(releases.HEADS["3.16.0"],)]
    newer.drop(back)


def test_the_dump_program_says_the_newest_version(programs):
    said = subprocess.run([str(programs / "pg_dump"), "--version"], capture_output=True, text=True, check=True).stdout
    assert said.startswith(f"pg_dump (PostgreSQL) {max(servers.IMAGE_POSTGRES)}.")
