# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""The lock of a database: one schema step at a time, on a connection of its own that holds it."""

from __future__ import annotations

import contextlib
import fcntl
import secrets
import time
from collections.abc import Callable, Iterator

import sqlalchemy as sa

from mlflow_guard.answer import Problem
from mlflow_guard.config import Database, Login
from mlflow_guard.inspect import database as db
from mlflow_guard.progress import say

# One lock for each database: PostgreSQL's advisory locks are the database's own. The number spells "mlflgrd".
LOCK_NUMBER = 0x6D6C666C677264
LOCK_NAME = "mlflow_guard"
# A second lock marks the sessions of this run: a database that two stores name in different words is locked once.
RUN_NUMBER = secrets.randbits(62)
TRY_LOCK = sa.text("SELECT pg_try_advisory_lock(:number)")
HELD_BY_US = sa.text("""
    SELECT count(*) = 2 FROM pg_catalog.pg_locks
    WHERE locktype = 'advisory' AND granted AND objsubid = 1
      AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
      AND (classid::bigint << 32 | objid::bigint) IN (:number, :run)""")
NUMBERS = {"number": LOCK_NUMBER, "run": RUN_NUMBER}


@contextlib.contextmanager
def locked(database: Database, login: Login, seconds: float) -> Iterator[Callable[[], None]]:
    """Hold the lock of one database on a connection of its own. Yields a check that it is still held."""
    database = database.reached_by(login)
    if database.dialect == "sqlite":
        with _file_lock(database, seconds) as check:
            yield check
        return
    connection = db.connect(database, login, read_only=False).execution_options(isolation_level="AUTOCOMMIT")
    try:
        if database.dialect == "postgresql":
            connection.exec_driver_sql("SET statement_timeout = 0")
            backend = connection.scalar(sa.text("SELECT pg_backend_pid()"))
            _wait_for_lock(
                lambda: connection.scalar(TRY_LOCK, {"number": LOCK_NUMBER}) or connection.scalar(HELD_BY_US, NUMBERS),
                lambda: _holder(connection),
                database,
                seconds,
            )
            connection.scalar(TRY_LOCK, {"number": RUN_NUMBER})

            def check() -> None:
                if connection.scalar(sa.text("SELECT pg_backend_pid()")) != backend:
                    raise Problem(
                        "database-pooler",
                        database.name,
                        f"{database.description} is reached through a pooler that changes sessions",
                    )
        else:
            names = {"name": f"{LOCK_NAME}.{database.database}"[:64], "run": f"{LOCK_NAME}.{RUN_NUMBER}"}
            name = names["name"]
            _wait_for_lock(
                lambda: connection.scalar(
                    sa.text("SELECT GET_LOCK(:name, 0) OR IS_USED_LOCK(:name) = IS_USED_LOCK(:run)"), names
                ),
                lambda: f"connection {connection.scalar(sa.text('SELECT IS_USED_LOCK(:name)'), {'name': name})}",
                database,
                seconds,
            )
            connection.scalar(sa.text("SELECT GET_LOCK(:run, 0)"), names)

            def check() -> None:
                if connection.scalar(sa.text("SELECT IS_USED_LOCK(:name) = IS_USED_LOCK(:run)"), names) != 1:
                    raise Problem("lock-busy", database.name, f"the lock of {database.description} was lost")

        yield check
    except sa.exc.DBAPIError as error:
        raise db.classify(database, login, error, login.password()) from None
    finally:
        # The lock ends with its session.
        with contextlib.suppress(sa.exc.DBAPIError):
            connection.close()
        connection.engine.dispose()


@contextlib.contextmanager
def _file_lock(database: Database, seconds: float) -> Iterator[Callable[[], None]]:
    """SQLite knows no advisory lock: a lock on a file beside the database, which holds on this machine."""
    with open(database.database + ".mlflow-guard-lock", "a", encoding="utf-8") as file:

        def attempt() -> bool:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                return False

        _wait_for_lock(attempt, lambda: "another process on this machine", database, seconds)
        yield lambda: None


def _wait_for_lock(
    attempt: Callable[[], object], holder: Callable[[], str], database: Database, seconds: float
) -> None:
    end = time.monotonic() + seconds
    said = 0.0
    while not attempt():
        now = time.monotonic()
        if now >= end:
            raise Problem(
                "lock-busy",
                database.name,
                f"the lock of {database.description} was held for {seconds:g} s by {holder()}",
            )
        if now - said > 10:
            say(f"waiting for the lock of {database.description}, held by {holder()}")
            said = now
        time.sleep(0.25)


def session(pid: int, user: str, program: str, address: str | None) -> str:
    """A session for messages. PostgreSQL hides the address of other roles' sessions."""
    return f"session {pid} of {user} ({program or 'no name'})" + (f" from {address}" if address else "")


def _holder(connection: sa.Connection) -> str:
    query = """
        SELECT a.pid, a.usename, a.application_name, a.client_addr::text
        FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
        WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
          AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
          AND (l.classid::bigint << 32 | l.objid::bigint) = :number"""
    row = connection.execute(sa.text(query), {"number": LOCK_NUMBER}).first()
    return "a session that has just ended" if row is None else session(*row)
