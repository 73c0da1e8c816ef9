# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One server of Debian's PostgreSQL and one of the newest, emptied before each test."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guard import releases, servers

from .servers import Server

NEWEST = max(releases.POSTGRES)


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A folder that the server's user can enter."""
    path = Path(tempfile.mkdtemp(prefix="database-server-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def debians(scratch: Path) -> Iterator[servers.Postgres]:
    server = servers.start_postgres(scratch)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def newest(scratch: Path) -> Iterator[servers.Postgres]:
    server = servers.start_postgres(scratch, binaries=releases.for_any_user(NEWEST, scratch))
    yield server
    server.stop()


def prepared(postgres: servers.Postgres, folder: Path, superuser: bool) -> Server:
    server = Server(postgres, folder, superuser)
    server.clear()
    return server


@pytest.fixture
def server(debians: servers.Postgres, tmp_path: Path) -> Server:
    return prepared(debians, tmp_path, superuser=True)


@pytest.fixture(params=["debians", "newest"])
def cloud(request: pytest.FixtureRequest, tmp_path: Path) -> Server:
    """A server whose administrator is no superuser; from PostgreSQL 16 on CREATEROLE means something else."""
    return prepared(request.getfixturevalue(request.param), tmp_path, superuser=False)


@pytest.fixture(scope="session", params=sorted(releases.POSTGRES))
def release(request: pytest.FixtureRequest, scratch: Path) -> Iterator[servers.Postgres]:
    """Every PostgreSQL that MLflow takes, but for Debian's own."""
    if reason := releases.lacking(request.param):
        pytest.skip(reason)
    server = servers.start_postgres(scratch, binaries=releases.for_any_user(request.param, scratch))
    yield server
    server.stop()


@pytest.fixture(params=["superuser", "administrator"])
def released(request: pytest.FixtureRequest, release: servers.Postgres, tmp_path: Path) -> Server:
    return prepared(release, tmp_path, superuser=request.param == "superuser")


@pytest.fixture(params=["superuser", "debians", "newest"])
def each(request: pytest.FixtureRequest, tmp_path: Path) -> Server:
    """The three ways of making things: a superuser, and an administrator on an older and on a newer server."""
    name = "debians" if request.param == "superuser" else request.param
    return prepared(request.getfixturevalue(name), tmp_path, superuser=request.param == "superuser")
