# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""What the readiness endpoint looks at: the web server, each database as the server's role, the artifact store.

A look is a function that returns nothing when all is well and raises Unready or Problem with the reason otherwise.
Libraries are loaded by the look that needs them: the supervisor stays small. PostgreSQL is asked through its driver
without waiting calls, so that a server that has stopped answering, or a network that swallows packets, costs no more
than the time.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from pathlib import Path

from mlflow_guard.answer import Problem
from mlflow_guard.config import Config, Database
from mlflow_guard.findings import FINDINGS
from mlflow_guard.inspect import store
from mlflow_guard.inspect.hosts import reach
from mlflow_guard.inspect.schema_state import VERSION_TABLES
from mlflow_guard.serve import health

APPLICATION = "mlflow-guard readiness"
# A table that each kind of store reads all the time.
TABLES = {"backend": "experiments", "auth": "users"}
# How long other hosts of a database are waited for when one has answered.
GRACE_SECONDS = 0.2
CREDENTIALS_CODES = ("store-denied", "store-signature", "store-credentials-missing")


class Unready(Exception):
    """Why the replica is of no use now: one sentence without a secret."""


def server_look(argv: list[str], seconds: float) -> Callable[[], None]:
    """The web server's own /health, which knows nothing of databases and stores."""
    address, port, prefix, header = health.place(argv)

    def look() -> None:
        answer = health.request(address, port, f"{prefix}/health", header, seconds)
        if isinstance(answer, str):
            raise Unready(f"the web server: {answer}")
        if answer[0] != 200:
            raise Unready(f"the web server answers {answer[0]}")

    return look


def statement(kind: str, *more: str) -> str:
    """The revision, whether one of MLflow's tables can be read, and more columns."""
    columns = ", ".join(("version_num", f"EXISTS (SELECT 1 FROM {TABLES[kind]})", *more))
    return f"SELECT {columns} FROM {VERSION_TABLES[kind]}"


def compare(database: Database, found: list[str], expected: str) -> None:
    """The revision must be the one that the start gate saw."""
    if found != [expected]:
        revisions = " and ".join(repr(each) for each in found) or "no revision"
        raise Unready(f"{database.description} is at {revisions}, and this server was started on {expected!r}")


class PostgresLook:
    """One statement over a connection that is kept."""

    def __init__(self, database: Database, expected: str, seconds: float) -> None:
        self.database, self.expected, self.seconds = database, expected, seconds
        self.connection = None
        # A pooler between refuses settings at the start; then the time-out of this side must do.
        self.settings = True

    def __call__(self) -> None:
        import psycopg2

        end = time.monotonic() + 0.9 * self.seconds
        kept = self.connection is not None
        try:
            # A connection that was cut silently must leave time for a new one.
            rows = self._ask(time.monotonic() + self.seconds / 2 if kept else end)
        except Problem as problem:
            # None of several hosts can be reached.
            raise Unready(problem.finding["found"]) from None
        except (psycopg2.OperationalError, psycopg2.InterfaceError, TimeoutError) as error:
            if not kept or self.connection is not None:
                raise self._reason(error) from None
            try:
                rows = self._ask(end)
            except Problem as problem:
                raise Unready(problem.finding["found"]) from None
            except (psycopg2.Error, TimeoutError) as again:
                raise self._reason(again) from None
        except psycopg2.Error as error:
            raise self._reason(error) from None
        if any(read_only == "on" for _revision, _some, read_only in rows):
            raise Unready(f"{self.database.description} takes no writes")
        compare(self.database, [row[0] for row in rows], self.expected)

    def _reason(self, error: Exception) -> Unready:
        name = self.database.description
        if isinstance(error, TimeoutError):
            return Unready(f"{name} does not answer in time")
        if getattr(error, "pgcode", None) in ("55P03", "57014"):
            return Unready(f"{name} answers too slowly, or its tables are locked")
        text = " ".join(str(error).split())[:300] or type(error).__name__
        password = self.database.server.password()
        return Unready(f"{name}: " + (text.replace(password, "***") if password else text))

    def _ask(self, end: float) -> list[tuple]:
        """The rows. A connection that is of no more use is dropped."""
        import psycopg2

        try:
            if self.connection is None:
                self.connection = self._connected(end)
            cursor = self.connection.cursor()
            # Read-only is a standby, or a server that was switched over.
            cursor.execute(statement(self.database.kind, "current_setting('transaction_read_only')"))
            self._wait(self.connection, end)
            return cursor.fetchall()
        except (psycopg2.Error, TimeoutError) as error:
            if isinstance(error, TimeoutError) or self.connection is None or self.connection.closed:
                self._drop()
            raise

    def _connected(self, end: float):
        import psycopg2

        milliseconds = int(self.seconds * 1000)
        database = self.database
        arguments = {
            **database.query,
            "host": database.host,
            "dbname": database.database,
            "user": database.server.username,
            "application_name": APPLICATION,
            "tcp_user_timeout": str(milliseconds),
            "keepalives_idle": "10",
        }
        if database.port:
            arguments["port"] = str(database.port)
        if "," in database.host:
            # libpq would spend all of the time on a first host that swallows packets.
            way = reach(database, max(0.1, (end - time.monotonic()) / 2), GRACE_SECONDS)
            arguments |= {"host": way.names, "hostaddr": way.addresses} if way else {}
        password = database.server.password()
        if password is not None:
            arguments["password"] = password
        if self.settings:
            # The server's own time-out comes first, so that the reason is known and no session piles up there.
            limit = f"-c statement_timeout={milliseconds * 2 // 5}"
            arguments["options"] = f"{database.query.get('options', '')} {limit}".strip()
        connection = psycopg2.connect(**arguments, async_=1)
        try:
            self._wait(connection, end)
        except psycopg2.OperationalError as error:
            connection.close()
            if self.settings and "unsupported startup parameter" in str(error):
                self.settings = False
                return self._connected(end)
            raise
        except TimeoutError:
            connection.close()
            raise
        return connection

    @staticmethod
    def _wait(connection, end: float) -> None:
        """Until the driver is done, or the time is over."""
        from psycopg2.extensions import POLL_OK, POLL_READ

        while (state := connection.poll()) != POLL_OK:
            poller = select.poll()
            poller.register(connection.fileno(), select.POLLIN if state == POLL_READ else select.POLLOUT)
            if not poller.poll(max(0.0, end - time.monotonic()) * 1000):
                raise TimeoutError

    def _drop(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None


class OtherLook:
    """MySQL, MariaDB and SQLite, by the connections of the checks, whose time-outs are the driver's."""

    def __init__(self, database: Database, expected: str) -> None:
        self.database, self.expected = database, expected
        self.connection = None

    def __call__(self) -> None:
        import sqlalchemy as sa

        kept = self.connection is not None
        try:
            rows = self._ask()
        except sa.exc.DBAPIError as error:
            if not (kept and error.connection_invalidated):
                raise self._reason(error) from None
            try:
                rows = self._ask()
            except sa.exc.DBAPIError as again:
                raise self._reason(again) from None
        compare(self.database, [row[0] for row in rows], self.expected)

    def _reason(self, error: Exception) -> Unready:
        from mlflow_guard.inspect import database as db

        login = self.database.server
        return Unready(db.classify(self.database, login, error, login.password()).finding["found"])

    def _ask(self) -> list:
        from mlflow_guard.inspect import database as db

        try:
            if self.connection is None:
                self.connection = db.connect(self.database, self.database.server)
            rows = self.connection.exec_driver_sql(statement(self.database.kind)).all()
            self.connection.rollback()
            return rows
        except Exception:
            if self.connection is not None:
                self.connection.close()
                self.connection = None
            raise


class Marker:
    """Whether the marker is the one that the start gate saw.

    One that is gone says only that: the start gate has seen the destination, and a server that a single object could
    take away would be worse than one that goes on. Its next start is refused, so the log says now what is to be done.
    """

    def __init__(self, where: str, identity: str | None, say: Callable[[str], None]) -> None:
        self.where, self.identity, self.say = where, identity, say
        self.there = True

    def check(self, read: Callable[[], dict | None]) -> bool:
        """Read it. False if it is not there, or is nothing that the guard wrote."""
        try:
            marker = read()
        except Problem as problem:
            if problem.finding["code"] != "destination-marker-unreadable":
                raise
            marker = None
        if marker and marker["identity"] != self.identity:
            raise Unready(f"{self.where} carries the marker of another deployment")
        return marker is not None

    def tell(self, there: bool) -> None:
        """Say once that it is gone."""
        if self.there and not there:
            self.say(
                f"the marker {store.MARKER} in {self.where} is gone: this server goes on, but none starts until it is "
                f"there again; {FINDINGS['destination-marker-missing']['remedy']}"
            )
        self.there = there


class S3Look:
    """The marker, read with the server's key over a connection that is kept. That the bucket answers is enough."""

    def __init__(self, destination: store.S3, identity: str | None, seconds: float, say: Callable[[str], None]) -> None:
        self.destination, self.seconds = destination, seconds
        self.marker = Marker(destination.where, identity, say)
        # A try must leave time for another one, on a new connection.
        destination.connect_seconds = destination.read_seconds = 0.9 * seconds
        destination.attempts = 1

    def __call__(self) -> None:
        begun = time.monotonic()
        try:
            self._ask()
        except Problem as problem:
            # A connection that the store has closed meanwhile fails at once, and deserves a new one.
            if problem.finding["code"] != "store-unreachable" or time.monotonic() - begun > self.seconds / 4:
                raise
            self._ask()

    def _ask(self) -> None:
        try:
            if self.marker.identity is None:
                self.destination.reachable()
            else:
                self.marker.tell(self.marker.check(self.destination.read_marker))
        except Problem as problem:
            if problem.finding["code"] in CREDENTIALS_CODES:
                self.destination.forget_credentials()
            raise


class FolderLook:
    """The marker's file, which tells a mounted file system from the empty directory under it.

    Without it, the directory must be the very one that had it. On a file system that hangs this never returns; the
    caller does not wait for it and starts no second one.
    """

    def __init__(self, destination: store.Folder, identity: str | None, say: Callable[[str], None]) -> None:
        self.destination, self.path = destination, Path(destination.path)
        self.marker = Marker(str(self.path), identity, say)
        self.seen: tuple[int, int] | None = None

    def __call__(self) -> None:
        try:
            if self.marker.identity is None:
                os.listdir(self.path)
                return
            found = os.stat(self.path)
            place = (found.st_dev, found.st_ino)
            there = self.marker.check(self._read)
            if there:
                self.seen = place
            elif self.seen != place:
                raise Unready(f"{self.path} has no marker: it is not mounted, was emptied, or is another one")
            self.marker.tell(there)
        except FileNotFoundError:
            raise Unready(f"{self.path} is gone") from None
        except OSError as error:
            raise Unready(f"{error.filename or self.path}: {error.strerror}") from None

    def _read(self) -> dict | None:
        file = self.path / store.MARKER
        try:
            return store.parse_marker(self.destination.argument, str(file), file.read_bytes())
        except FileNotFoundError:
            return None


def all_looks(config: Config, seen: dict, seconds: float, say: Callable[[str], None]) -> dict[str, Callable[[], None]]:
    """The looks by the name of their part. `seen` is what the start gate saw: revisions and the marker's identity."""
    looks: dict[str, Callable[[], None]] = {"server": server_look(list(config.argv), seconds)}
    for database in config.databases:
        expected = seen["revisions"][database.name]
        looks[database.name] = (
            PostgresLook(database, expected, seconds)
            if database.dialect == "postgresql"
            else OtherLook(database, expected)
        )
    destination = store.open_destination(config.artifacts)
    if isinstance(destination, store.S3):
        looks["artifact_store"] = S3Look(destination, seen["marker"], seconds, say)
    elif destination is not None:
        looks["artifact_store"] = FolderLook(destination, seen["marker"], say)
    return looks
