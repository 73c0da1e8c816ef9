# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""Whether a pooler stands between the guard and PostgreSQL that the schema step must not be run through.

Reading and serving go through any of them. The step needs sessions of its own: its locks end with a session, and its
time limits are settings of one.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

import sqlalchemy as sa

from mlflow_guard.answer import Problem, finding
from mlflow_guard.config import Database, Login
from mlflow_guard.inspect import database as db
from mlflow_guard.inspect.inspection import opened

BACKEND = sa.text("SELECT pg_backend_pid()")
# How long a second transaction may wait for a session before that is taken for a pool with a single one.
WAIT_SECONDS = 3


def drops_settings(settings: Mapping) -> bool:
    """Whether the settings that a session of ours asks for do not hold in it."""
    return settings.get("lock_ms") != db.LOCK_MS


def is_between(connection: sa.Connection) -> bool:
    """Whether the number of the session that was given at the start is not PostgreSQL's: poolers make their own."""
    driver = connection.connection.dbapi_connection
    return driver.info.backend_pid != connection.scalar(BACKEND)


def changes_sessions(connection: sa.Connection, database: Database, login: Login) -> bool:
    """Whether the connection's next transaction may be in another session.

    The session of its last one is taken by another connection meanwhile, if it was given back.
    """
    before = connection.scalar(BACKEND)
    connection.rollback()
    after: list[int] = []

    def again() -> None:
        after.append(connection.scalar(BACKEND))
        connection.rollback()

    thread = threading.Thread(target=again, daemon=True)
    try:
        with opened(database, login) as other:
            other.scalar(BACKEND)
            thread.start()
            thread.join(WAIT_SECONDS)
            same = after == [before]
    except Problem:
        # There is room for one session, and the step needs several.
        return True
    thread.join(WAIT_SECONDS)
    return not same


def findings(connection: sa.Connection, database: Database, login: Login, settings: Mapping) -> list[dict]:
    """Why the schema step must not be run over this connection, as the owner role."""
    database = database.reached_by(login)
    where = database.description
    if drops_settings(settings):
        found = f"{where} is reached through a pooler that does not pass settings of a session on"
    elif is_between(connection) and changes_sessions(connection, database, login):
        found = f"{where} is reached through a pooler that changes sessions"
    else:
        return []
    return [finding("database-pooler", f"{database.address}.host", found)]
