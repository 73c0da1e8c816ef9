# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""Connects to a database within five seconds and says clearly why when it cannot."""

from __future__ import annotations

import contextlib
import importlib
import urllib.parse
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from mlflow_guard.answer import Problem
from mlflow_guard.config import Database, Login
from mlflow_guard.inspect.hosts import Way, reach

APPLICATION = "mlflow-guard"
CONNECT_SECONDS = 2
STATEMENT_MS = 10_000
# Not a round number, so that a session in which it does not hold is told from one with somebody else's setting.
LOCK_MS = 3_001

# A network that is cut without a word, or a database whose machine lost its power, is noticed within 20 seconds, on
# this side and on the database's. With the kernels' own two hours a migration's locks would stay in everybody's way.
KEEPALIVES = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 2, "tcp_user_timeout": 20_000}
SERVER_KEEPALIVES = [f"-c tcp_{name}={value}" for name, value in KEEPALIVES.items() if name.startswith("keepalives")]
# Settings of the owner's sessions, and since which PostgreSQL they are known: time limits are lifted, and a statement
# ends soon after the network to whoever waits for it was cut.
SESSION_SETTINGS = {
    "transaction_timeout": (170000, "0"),
    "idle_session_timeout": (140000, "0"),
    "tcp_user_timeout": (120000, str(KEEPALIVES["tcp_user_timeout"])),
    "client_connection_check_interval": (140000, "10s"),
}

# Words in a server's or libpq's sentence -> code. The order matters: the first that fits is taken.
POSTGRES_WORDS = (
    # With several hosts and target_session_attrs, the sentences about all of them come as one.
    ("session is read-only", "database-replica"),
    ("server is in hot standby mode", "database-replica"),
    # A network that was cut, also one with TLS.
    ("connection timed out", "database-timeout"),
    ("ssl connection has been closed unexpectedly", "database-starting"),
    # Before the words for passwords and sockets: what certificates and their files are refused with has those in it.
    ("certificate authentication failed", "database-tls"),
    ("certificate file", "database-tls"),
    ("private key file", "database-tls"),
    ("unsupported startup parameter", "database-pooler"),
    ("password authentication failed", "database-auth-failed"),
    ("no password supplied", "database-auth-failed"),
    ("authentication failed", "database-auth-failed"),
    ("is not permitted to log in", "database-auth-failed"),
    ("no pg_hba.conf entry", "database-not-admitted"),
    ("pg_hba.conf rejects", "database-not-admitted"),
    ("not currently accepting connections", "database-not-admitted"),
    ("too many clients", "database-connections-full"),
    ("too many connections", "database-connections-full"),
    ("remaining connection slots", "database-connections-full"),
    ("starting up", "database-starting"),
    ("shutting down", "database-starting"),
    ("not yet accepting connections", "database-starting"),
    ("not accepting connections", "database-starting"),
    ("in recovery mode", "database-starting"),
    ("timeout expired", "database-timeout"),
    ("could not translate host name", "database-host-unknown"),
    ("connection refused", "database-port-closed"),
    ("no such file or directory", "database-port-closed"),
    ("invalid response to ssl negotiation", "database-not-a-database"),
    ("expected authentication request", "database-not-a-database"),
    ("ssl", "database-tls"),
    ("certificate", "database-tls"),
    ("server closed the connection unexpectedly", "database-not-a-database"),
    ("permission denied for database", "database-no-connect-right"),
)
POSTGRES_STATES = {
    "55P03": "database-locked",
    "57014": "database-locked",
    # transaction_timeout, idle_session_timeout
    "25P04": "database-timeout",
    "57P05": "database-timeout",
    "53300": "database-connections-full",
    "57P03": "database-starting",
    "57P01": "database-starting",
    "3D000": "database-missing",
    "28P01": "database-auth-failed",
    "28000": "database-not-admitted",
    "42501": "rights-missing",
}
MYSQL_ERRORS = {
    1045: "database-auth-failed",
    1698: "database-auth-failed",
    1049: "database-missing",
    1044: "database-no-connect-right",
    1040: "database-connections-full",
    1203: "database-connections-full",
    1226: "database-connections-full",
    1129: "database-not-admitted",
    1130: "database-not-admitted",
    1053: "database-starting",
    2003: "database-port-closed",
    2005: "database-host-unknown",
    2013: "database-timeout",
    2026: "database-tls",
    3159: "database-tls",
    1205: "database-locked",
}


def url(
    database: Database, login: Login, password: str | None, query: dict | None = None, drivername: str = ""
) -> sa.URL:
    """The database's URL, for the guard's own driver unless another is named; hostile characters are SQLAlchemy's."""
    database = database.reached_by(login)
    if database.dialect == "sqlite":
        return sa.URL.create(database.drivername, database=database.database)
    return sa.URL.create(
        drivername or database.session_drivername,
        login.username,
        password,
        database.host,
        database.port,
        database.database,
        {**database.query, **(query or {})},
    )


def without_secret(text: str, password: str | None) -> str:
    """The first line of a driver's message, and never a password in it."""
    line = " ".join(part.strip() for part in str(text).strip().splitlines() if part.strip())
    for secret in (password, urllib.parse.quote(password or "", safe=""), urllib.parse.quote_plus(password or "")):
        if secret:
            line = line.replace(secret, "***")
    return line[:400]


def require_driver(database: Database) -> None:
    """The drivers of the server and of the guard must be importable before anything else is tried."""
    for drivername in dict.fromkeys((database.drivername, database.session_drivername)):
        try:
            sa.make_url(f"{drivername}://").get_dialect().import_dbapi()
        except (ImportError, sa.exc.ArgumentError, sa.exc.NoSuchModuleError) as error:
            code = "database-driver-missing" if isinstance(error, ImportError) else "database-driver-unknown"
            found = f"{drivername!r} cannot be loaded: {error}"
            raise Problem(code, f"{database.name}.drivername", found) from None


def classify(database: Database, login: Login, error: Exception, password: str | None) -> Problem:
    """Name the reason of a driver's error."""
    original = getattr(error, "orig", None) or error
    text = without_secret(str(original), password)
    words = text.lower()
    who = f"user {login.username!r}"
    code = "database-refused"
    if database.dialect == "postgresql":
        code = POSTGRES_STATES.get(getattr(original, "pgcode", None) or "", "")
        if not code and "does not exist" in words and 'role "' in words:
            code = "database-auth-failed"
        elif not code and "does not exist" in words and 'database "' in words:
            code = "database-missing"
        elif not code:
            code = next((name for part, name in POSTGRES_WORDS if part in words), "database-refused")
    elif database.dialect == "mysql":
        number = original.args[0] if getattr(original, "args", None) else None
        code = MYSQL_ERRORS.get(number, "database-refused") if isinstance(number, int) else "database-refused"
        if code == "database-port-closed" and "timed out" in words:
            code = "database-timeout"
    elif "locked" in words:
        code = "database-locked"
    elif "unable to open" in words:
        code = "database-missing"
    elif "not a database" in words:
        code = "schema-foreign"
    argument = {
        "database-auth-failed": login.argument,
        "database-no-connect-right": login.argument,
        "database-missing": f"{database.name}.database",
        "database-tls": f"{database.address}.query",
        "database-replica": f"{database.address}.host",
    }.get(code, database.address)
    found = {
        "database-auth-failed": f"{database.description} does not accept {who} with the password of "
        f"{login.password_file or 'no file'}"
        # A server that compares the certificate's name with the role's refuses both in the same words.
        + (f" and the certificate {database.query['sslcert']}" if "sslcert" in database.query else ""),
        "database-missing": f"{database.description} does not exist",
        "database-no-connect-right": f"{who} may not connect to {database.description}",
        "database-not-a-database": f"what answers at {database.host}:{database.port} is no {database.dialect} server",
        "database-replica": f"{database.description} has no server that takes writes",
        "database-timeout": f"{database.description} accepts the connection but does not answer in time",
    }.get(code, f"{database.description}: {text}")
    return Problem(code, argument, found)


def connect_arguments(database: Database, *, way: Way | None, settings: bool = True) -> dict[str, Any]:
    """Driver arguments: short time-outs. That checks cannot write is said to each transaction of theirs, so that what
    the session itself would be like can still be seen.
    """
    if database.dialect == "postgresql":
        options = [database.query["options"]] if "options" in database.query else []
        if settings:
            options += [
                f"-c lock_timeout={LOCK_MS}",
                f"-c statement_timeout={STATEMENT_MS}",
                "-c idle_in_transaction_session_timeout=0",
                *SERVER_KEEPALIVES,
            ]
        arguments: dict[str, Any] = {"connect_timeout": CONNECT_SECONDS, "application_name": APPLICATION, **KEEPALIVES}
        if options:
            arguments["options"] = " ".join(options)
        if way:
            # The names stay beside their addresses: a certificate is compared with the name.
            arguments["host"], arguments["hostaddr"] = way.names, way.addresses
        return arguments
    if database.dialect == "mysql":
        return {"connect_timeout": CONNECT_SECONDS, "read_timeout": STATEMENT_MS // 1000}
    return {"timeout": LOCK_MS / 1000}


def settle_sessions(engine: sa.Engine) -> None:
    """Let nothing that is set for the role or the database end a session of ours in the middle of its work, and let
    none go on for nobody.

    Not every release knows each of these settings, and one that it does not know could not stand in the URL.
    """

    @sa.event.listens_for(engine, "connect")
    def _settle(connection, _record):
        known = {name: value for name, (since, value) in SESSION_SETTINGS.items() if connection.server_version >= since}
        for name, value in known.items():
            # What the server's system cannot do is refused there, and no reason to stop.
            with contextlib.suppress(connection.Error), connection.cursor() as cursor:
                cursor.execute(f"SET {name} = '{value}'")
            connection.commit()


def engine_for(
    database: Database,
    login: Login,
    *,
    read_only: bool,
    way: Way | None = None,
    settings: bool = True,
    **extra: Any,
) -> tuple[sa.Engine, str | None]:
    """An engine without a pool, and the password for masking messages."""
    password = login.password()
    target = url(database, login, password)
    arguments = connect_arguments(database, way=way, settings=settings)
    if database.dialect == "sqlite" and read_only:
        # SQLite makes a missing file when it opens one for writing.
        target = target.set(
            database="file:" + urllib.parse.quote(database.database), query={"mode": "ro", "uri": "true"}
        )
    engine = sa.create_engine(target, poolclass=NullPool, connect_args=arguments, hide_parameters=True, **extra)
    # The server's role keeps its limits: where a pooler is between, they would be lifted for the server's sessions too.
    if database.dialect == "postgresql" and settings and login is database.owner:
        settle_sessions(engine)
    if read_only and database.dialect == "mysql":

        @sa.event.listens_for(engine, "connect")
        def _read_only(connection, _record):
            with connection.cursor() as cursor:
                cursor.execute("SET SESSION TRANSACTION READ ONLY")

    return engine, password


def with_failures(problem: Problem, way: Way | None) -> Problem:
    """The same problem, with a word on hosts that were left out because they cannot be reached."""
    if way is None or not way.failures:
        return problem
    known = problem.finding
    return Problem(known["code"], known["argument"], f"{known['found']} ({'; '.join(way.failures)})", known["remedy"])


def connect(database: Database, login: Login, *, read_only: bool = True, plain: bool = False) -> sa.Connection:
    """A connection, or a Problem that says what is wrong, within five seconds.

    A plain one has no settings of ours, but for transactions that cannot write: it is as the server's own will be.
    """
    database = database.reached_by(login)
    require_driver(database)
    importlib.import_module("sqlalchemy.dialects." + database.dialect)
    login.password()
    way = reach(database)
    for settings in (False,) if plain else (True, False):
        engine, password = engine_for(database, login, read_only=read_only, way=way, settings=settings)
        try:
            connection = engine.connect()
        except sa.exc.DBAPIError as error:
            problem = with_failures(classify(database, login, error, password), way)
            if problem.finding["code"] == "database-pooler" and settings and read_only:
                # A pooler between refuses settings at the start; reading works without them.
                continue
            raise problem from None
        if read_only and database.dialect == "postgresql":
            connection = connection.execution_options(postgresql_readonly=True)
        return connection
    raise AssertionError("not reached")
