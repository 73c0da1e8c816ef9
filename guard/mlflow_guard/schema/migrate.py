# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""MLflow's own migration code, with the owner role, a time limit on waiting, and a word on who is waited for."""

from __future__ import annotations

import contextlib
import os
import threading
import time

import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

from mlflow_guard.answer import Problem
from mlflow_guard.config import Database, Login
from mlflow_guard.inspect import database as db
from mlflow_guard.inspect.inspection import opened
from mlflow_guard.progress import say
from mlflow_guard.schema.lock import session

CONNECT_SECONDS = 10
MIGRATION_NAME = "mlflow-guard migration"


class Watcher(threading.Thread):
    """Says who blocks the migration while it waits: afterwards nobody knows any more."""

    def __init__(self, database: Database, login: Login) -> None:
        super().__init__(daemon=True)
        self.database, self.login = database, login
        self.done = threading.Event()
        self.blocker = ""

    def run(self) -> None:
        query = """
            SELECT b.pid, b.usename, b.application_name, b.client_addr::text
            FROM pg_catalog.pg_stat_activity m, unnest(pg_blocking_pids(m.pid)) AS p
            JOIN pg_catalog.pg_stat_activity b ON b.pid = p
            WHERE m.application_name = :name AND m.datname = current_database()"""
        with contextlib.suppress(Problem, sa.exc.SQLAlchemyError), opened(self.database, self.login) as connection:
            while not self.done.wait(2):
                row = connection.execute(sa.text(query), {"name": MIGRATION_NAME}).first()
                connection.rollback()
                if row:
                    blocker = session(*row)
                    if blocker != self.blocker:
                        say(f"the migration of {self.database.description} waits for {blocker}")
                    self.blocker = blocker


def _migration_url(database: Database, login: Login, blocked_seconds: float) -> sa.URL:
    """The URL for MLflow's migration code. It makes its own connections, so time limits stand in the URL."""
    query = {}
    if database.dialect == "postgresql":
        options = [database.query["options"]] if "options" in database.query else []
        options += [
            f"-c lock_timeout={int(blocked_seconds * 1000)}",
            "-c statement_timeout=0",
            "-c idle_in_transaction_session_timeout=0",
            *db.SERVER_KEEPALIVES,
        ]
        query = {name: str(value) for name, value in db.KEEPALIVES.items()}
        query |= {"options": " ".join(options), "application_name": MIGRATION_NAME}
        # Of several hosts the first may be one that swallows packets.
        query["connect_timeout"] = str(CONNECT_SECONDS)
    return db.url(database, login, login.password(), query)


def _run_mlflow(database: Database, login: Login, action: str, blocked_seconds: float) -> None:
    """MLflow's own migration code."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["DO_NOT_TRACK"] = "true"
    address, postgres = _migration_url(database, login, blocked_seconds), database.dialect == "postgresql"
    initialises = database.kind != "auth" and action != "upgrade"
    pool = StaticPool if postgres and initialises else sa.pool.NullPool
    engine = sa.create_engine(address, poolclass=pool, hide_parameters=True)
    if postgres:
        db.settle_sessions(engine)
    if database.kind == "auth":
        from mlflow.server.auth.db.utils import migrate

        migrate(engine, "head")
        return
    from mlflow.store.db import utils

    if not initialises:
        utils._upgrade_db(engine)
        return
    # MLflow commits its five first tables before it migrates them. With a single connection under the whole engine and
    # an outer transaction, both are one: on PostgreSQL an interrupted initialisation leaves nothing behind.
    from mlflow.store.tracking.dbmodels.initial_models import Base

    try:
        if postgres:
            with engine.connect() as connection:
                Base.metadata.create_all(connection)
                utils._upgrade_db(engine)
        else:
            utils._initialize_tables(engine)
    finally:
        engine.dispose()


def _sql_state(error: BaseException | None) -> str:
    """PostgreSQL's code of an error, however MLflow wrapped it."""
    while error is not None:
        code = getattr(getattr(error, "orig", error), "pgcode", None)
        if code:
            return code
        error = error.__cause__ or error.__context__
    return ""


def migrate(database: Database, login: Login, action: str, blocked_seconds: float) -> None:
    """Initialise or upgrade one database."""
    database = database.reached_by(login)
    say(f"{action} of {database.description} begins")
    begun = time.monotonic()
    watcher = Watcher(database, login) if database.dialect == "postgresql" else None
    if watcher:
        watcher.start()
    try:
        _run_mlflow(database, login, action, blocked_seconds)
    except Exception as error:
        text = db.without_secret(str(error), login.password())
        if _sql_state(error) == "55P03":
            raise Problem(
                "schema-blocked",
                f"{database.name}.database",
                f"the migration of {database.description} waited {blocked_seconds:g} s for "
                f"{(watcher and watcher.blocker) or 'another session'}",
            ) from None
        raise Problem(
            "migration-failed",
            f"{database.name}.database",
            f"{action} of {database.description}: {type(error).__name__}: {text}",
        ) from error
    finally:
        if watcher:
            watcher.done.set()
    say(f"{action} of {database.description} done in {time.monotonic() - begun:.1f} s")
