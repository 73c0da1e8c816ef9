# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""The schema step: the only thing that may change a schema.

Order: every database is looked at before the first is changed; then locks on all of them, each on its own connection;
then another look, because somebody else may have been faster; dumps; MLflow's own migration code with the owner role;
the rights of the server's role; the record of the destination; and a last look.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

from mlflow_guard import database as db
from mlflow_guard import dump, fingerprint, reencrypt, rights, store
from mlflow_guard.answer import Answer, Problem, finding
from mlflow_guard.config import Config, Database, Login
from mlflow_guard.inspection import Seen, general_findings, look, opened, seen_in, state_finding
from mlflow_guard.schema_state import AT_HEAD, EMPTY, OLDER, some

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
MIGRATION_NAME = "mlflow-guard migration"


@dataclass
class Options:
    """How the step is to behave."""

    mode: str = "refuse"
    dry_run: bool = False
    adopt: bool = False
    skip_dump: bool = False
    lock_seconds: float = 300
    blocked_seconds: float = 30


@dataclass
class Plan:
    """What is to be done."""

    seen: dict[str, Seen] = field(default_factory=dict)
    initialize: list[str] = field(default_factory=list)
    upgrade: list[str] = field(default_factory=list)
    grant: list[str] = field(default_factory=list)
    record: fingerprint.Record | None = None
    fingerprint: str = ""
    not_ours: dict[str, dump.NotOurs] = field(default_factory=dict)
    reencrypt: list[str] = field(default_factory=list)

    @property
    def changes(self) -> list[str]:
        """In words, for the answer."""
        words = [f"initialize {name}" for name in self.initialize] + [f"upgrade {name}" for name in self.upgrade]
        words += [f"grant rights in {name}" for name in self.grant]
        words += [f"encrypt stored secrets in {name} anew" for name in self.reencrypt]
        return words + ([f"{self.fingerprint} the destination's marker"] if self.fingerprint else [])


def say(text: str) -> None:
    """Progress, for whoever reads the log."""
    sys.stderr.write(f"mlflow-guard: {text}\n")
    sys.stderr.flush()


def owner_of(database: Database) -> Login:
    """The role that may change the schema. SQLite has no roles."""
    login = database.owner or (database.server if database.dialect == "sqlite" else None)
    if login is None:
        raise Problem("owner_missing", f"{database.name}.owner", "no owner role is configured")
    if not login.readable():
        raise Problem(
            "owner_missing", f"{database.name}.owner.password_file", f"{login.password_file} cannot be read here"
        )
    return login


def _separate_server(database: Database) -> str | None:
    """The server's role, where it is another one than the owner and rights can be granted to it."""
    owner = owner_of(database)
    return (
        database.server.username
        if database.dialect == "postgresql" and database.server.username != owner.username
        else None
    )


def _decide_one(seen: Seen, options: Options, plan: Plan, answer: Answer) -> None:
    """Whether and how this database is to be changed."""
    name = seen.database.name
    reason = state_finding(seen)
    if seen.state.name == AT_HEAD:
        return
    if reason["code"] == "schema_elsewhere":
        answer.add(reason)
        if any(each["code"] == "schema_elsewhere" for each in answer.errors):
            return
        reason = finding("schema_empty", f"{name}.database", f"{seen.database.description}: {seen.state.detail}")
    if seen.state.name == EMPTY and options.mode in ("initialize", "upgrade"):
        plan.initialize.append(name)
    elif seen.state.name == OLDER and options.mode == "upgrade":
        plan.upgrade.append(name)
    else:
        answer.add(reason)


def _owner_findings(connection: sa.Connection, seen: Seen, config: Config, plan: Plan) -> list[dict]:
    """Whether the owner role can do what is planned, and whether the server's role needs rights."""
    database, settings = seen.database, seen.facts.settings
    found = []
    owner = rights.look(connection, settings["role"], seen.facts.observed.tables)
    argument = f"{database.name}.owner"
    changes = database.name in plan.initialize + plan.upgrade
    if changes and not owner.may_create:
        found.append(
            finding(
                "owner_lacks_rights",
                argument,
                f"role {settings['role']!r} may not create tables in schema {settings['schema']!r}",
            )
        )
    if owner.not_owned and changes:
        found.append(
            finding("owner_lacks_rights", argument, f"role {settings['role']!r} does not own {some(owner.not_owned)}")
        )
    if database is config.backend and not owner.may_create_schema and not fingerprint.exists(connection):
        found.append(
            finding(
                "owner_lacks_rights",
                argument,
                f"role {settings['role']!r} may not create the schema mlflow_guard in {database.description}",
            )
        )
    server = _separate_server(database)
    if server:
        granted = rights.look(connection, server, seen.facts.observed.tables)
        if not granted.exists:
            found.append(finding("server_role_missing", f"{database.name}.server", f"there is no role {server!r}"))
        else:
            if granted.may_create:
                found.append(
                    finding(
                        "server_may_create",
                        f"{database.name}.server",
                        f"role {server!r} may create tables in schema {settings['schema']!r}",
                    )
                )
            unfit = not granted.complete or granted.too_much or changes
            if fingerprint.exists(connection) and database is config.backend:
                unfit = unfit or not fingerprint.readable(connection, server)
            if unfit and (changes or seen.state.name == AT_HEAD):
                if owner.not_owned:
                    found.append(
                        finding(
                            "owner_lacks_rights",
                            argument,
                            f"role {settings['role']!r} does not own {some(owner.not_owned)} and cannot grant rights "
                            "on them",
                        )
                    )
                plan.grant.append(database.name)
    elif database.dialect == "postgresql":
        found.append(
            finding(
                "server_may_create",
                f"{database.name}.server",
                f"owner and server are the same role {settings['role']!r}",
            )
        )
    if changes and database.dialect == "postgresql":
        plan.not_ours[database.name] = dump.not_ours(connection)
    return found


def _plan_fingerprint(
    config: Config, record: fingerprint.Record | None, plan: Plan, options: Options, answer: Answer
) -> None:
    """Compare the destination's marker with the record and decide what to write."""
    destination = store.open_destination(config.artifacts)
    if destination is None:
        answer.add(
            finding(
                "store_scheme_unchecked",
                config.artifacts.argument,
                f"{config.artifacts.destination} is neither s3:// nor a directory",
            )
        )
    if destination:
        # Some stores make a missing bucket at the first write.
        destination.reachable()
    try:
        marker = destination.read_marker() if destination else None
    except Problem as problem:
        if problem.finding["code"] != "destination_marker_unreadable" or not options.adopt:
            raise
        marker = {"identity": "unreadable"}
    if options.mode == "refuse" and not options.adopt:
        for each in fingerprint.compare(config, record, marker, has_marker=destination is not None):
            answer.add(each)
        return
    if record is None:
        if marker is not None and not options.adopt:
            answer.add(
                finding(
                    "destination_of_another",
                    config.artifacts.argument,
                    f"{config.artifacts.destination} carries the marker of deployment "
                    f"{marker.get('deployment', 'unknown')!r},"
                    f" and {config.backend.description} has no record of it",
                )
            )
            return
        if destination and config.backend.name in plan.initialize and marker is None and not destination.is_empty():
            answer.add(
                finding(
                    "destination_not_empty",
                    config.artifacts.argument,
                    f"{config.artifacts.destination} holds objects already",
                )
            )
        plan.record, plan.fingerprint = (
            fingerprint.new_record(config.artifacts.destination),
            "adopt" if marker else "write",
        )
        return
    for each in fingerprint.compare(config, record, marker, has_marker=destination is not None):
        same = marker is not None and marker["identity"] == record.identity
        if each["code"] in ("destination_unconfirmed", "destination_moved"):
            plan.record, plan.fingerprint = record, "confirm" if same or destination is None else "write"
        elif options.adopt:
            plan.record, plan.fingerprint = record, "adopt"
        else:
            answer.add(each)


def _plan_database(
    config: Config, database: Database, options: Options, plan: Plan, answer: Answer
) -> fingerprint.Record | None:
    """Look at one database and decide; the backend store's record of the destination is given back."""
    owner, record = owner_of(database), None
    seen = look(config, database, owner)
    plan.seen[database.name] = seen
    _decide_one(seen, options, plan, answer)
    for each in general_findings(seen):
        answer.add(each)
    if not seen.facts.settings:
        # SQLite's file is not there yet.
        return None
    with opened(database, owner) as connection:
        if database.dialect == "postgresql":
            for each in _owner_findings(connection, seen, config, plan):
                if options.mode != "refuse" or each["severity"] == "warning":
                    answer.add(each)
        if database.kind == "backend" and seen.state.name in (AT_HEAD, OLDER):
            _look_at_secrets(connection, config, database, options, plan, answer)
        if database is config.backend:
            fingerprint.require_own(connection, f"{database.name}.owner", database.description)
            record = fingerprint.read_record(connection, seen.facts.settings.get("schema"))
    if record is not None and seen.state.name == EMPTY:
        found = f"{database.description} is empty, but has the record of a deployment made on {record.recorded_at}"
        answer.add(finding("schema_emptied", f"{database.name}.database", found))
    if options.mode == "refuse" and database.name in plan.grant:
        found = f"role {database.server.username!r} has not just the rights that it needs"
        answer.add(finding("rights_missing", f"{database.name}.server", found))
    return record


def _look_at_secrets(
    connection: sa.Connection, config: Config, database: Database, options: Options, plan: Plan, answer: Answer
) -> None:
    """Whether the servers will be able to decrypt what is stored."""
    todo, found = reencrypt.look(connection, config)
    for each in found:
        answer.add(each)
    if todo and options.mode == "refuse":
        names = ", ".join(work.kind.variable for work in todo)
        found = f"what is stored in {database.description} is encrypted with the value before"
        answer.add(finding("stored_secrets_former", f"secret_environment.{names}", found))
    elif todo:
        plan.reencrypt.append(database.name)


def make_plan(config: Config, options: Options, answer: Answer) -> Plan:
    """Look at everything, and say what would be done. All errors are collected in the answer."""
    plan = Plan()
    record = None
    for database in config.databases:
        try:
            record = _plan_database(config, database, options, plan, answer) or record
        except Problem as problem:
            answer.add(problem.finding)
    try:
        # Without a look at the backend store nothing can be said about its record.
        if config.backend.name in plan.seen:
            _plan_fingerprint(config, record, plan, options, answer)
        if plan.upgrade and not options.skip_dump and not answer.errors:
            for name in plan.upgrade:
                dump.require(plan.seen[name], config.schema_dumps)
    except Problem as problem:
        answer.add(problem.finding)
    return plan


@contextlib.contextmanager
def locked(database: Database, login: Login, seconds: float) -> Iterator[Callable[[], None]]:
    """Hold the lock of one database on a connection of its own. Yields a check that it is still held."""
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
                        "database_pooler",
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
                    raise Problem("lock_busy", database.name, f"the lock of {database.description} was lost")

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
                "lock_busy",
                database.name,
                f"the lock of {database.description} was held for {seconds:g} s by {holder()}",
            )
        if now - said > 10:
            say(f"waiting for the lock of {database.description}, held by {holder()}")
            said = now
        time.sleep(0.25)


def _session(pid: int, user: str, program: str, address: str | None) -> str:
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
    return "a session that has just ended" if row is None else _session(*row)


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
                    blocker = _session(*row)
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
        ]
        query = {"options": " ".join(options), "application_name": MIGRATION_NAME}
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
        db.lift_limits(engine)
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


def migrate(database: Database, login: Login, action: str, options: Options) -> None:
    """Initialise or upgrade one database."""
    say(f"{action} of {database.description} begins")
    begun = time.monotonic()
    watcher = Watcher(database, login) if database.dialect == "postgresql" else None
    if watcher:
        watcher.start()
    try:
        _run_mlflow(database, login, action, options.blocked_seconds)
    except Exception as error:
        text = db.without_secret(str(error), login.password())
        if _sql_state(error) == "55P03":
            raise Problem(
                "schema_blocked",
                f"{database.name}.database",
                f"the migration of {database.description} waited {options.blocked_seconds:g} s for "
                f"{(watcher and watcher.blocker) or 'another session'}",
            ) from None
        raise Problem(
            "migration_failed",
            f"{database.name}.database",
            f"{action} of {database.description}: {type(error).__name__}: {text}",
        ) from error
    finally:
        if watcher:
            watcher.done.set()
    say(f"{action} of {database.description} done in {time.monotonic() - begun:.1f} s")


def _grant(config: Config, plan: Plan) -> None:
    for name in plan.grant:
        database = plan.seen[name].database
        server, owner = _separate_server(database), owner_of(database)
        with opened(database, owner, read_only=False) as connection, connection.begin():
            seen = seen_in(connection, config, database)
            # What the migration made is MLflow's, also where the guard's list does not know it yet.
            made = set(seen.facts.owners) - set(plan.seen[name].facts.owners)
            rights.grant(connection, seen.facts.settings["schema"], server, seen.facts.observed.tables, made)


def _reencrypt(config: Config, plan: Plan) -> None:
    """All of a database or nothing."""
    for name in plan.reencrypt:
        database = plan.seen[name].database
        with opened(database, owner_of(database), read_only=False) as connection, connection.begin():
            todo, _found = reencrypt.look(connection, config)
            reencrypt.apply(connection, todo)
        say(f"stored secrets in {database.description} were encrypted anew")


def _record(config: Config, plan: Plan) -> None:
    """The database remembers, the destination is marked, the mark is confirmed: it can be resumed anywhere."""
    if not plan.record and config.backend.name not in plan.grant:
        return
    owner, server = owner_of(config.backend), _separate_server(config.backend)

    def keep(record: fingerprint.Record) -> None:
        with opened(config.backend, owner, read_only=False) as connection, connection.begin():
            schema = (
                connection.scalar(sa.text("SELECT current_schema()"))
                if config.backend.dialect == "postgresql"
                else None
            )
            fingerprint.write_record(connection, schema, record, server)

    if not plan.record:
        with opened(config.backend, owner) as connection:
            record = fingerprint.read_record(connection, plan.seen[config.backend.name].facts.settings.get("schema"))
        if record:
            keep(record)
        return
    record = fingerprint.Record(plan.record.identity, config.artifacts.destination, False, plan.record.recorded_at)
    keep(record)
    destination = store.open_destination(config.artifacts)
    if destination is not None and plan.fingerprint != "confirm":
        destination.write_marker(fingerprint.marker_for(config, record))
    keep(fingerprint.Record(record.identity, record.destination, True, record.recorded_at))


def apply(config: Config, plan: Plan, options: Options, answer: Answer, checks: list[Callable[[], None]]) -> None:
    """Do what was planned, under the locks."""
    dumps = {}
    for name in plan.upgrade:
        seen = plan.seen[name]
        if options.skip_dump:
            answer.add(
                finding("dump_skipped", "--skip-dump", f"{seen.database.description} was upgraded without a dump")
            )
            continue
        dumps[name] = dump.dump(config, seen, owner_of(seen.database), plan.not_ours.get(name))
        say(f"{seen.database.description} was dumped to {dumps[name]}")
    if dumps:
        answer.facts["dumps"] = dumps
    for name in [each.name for each in config.databases if each.name in plan.initialize + plan.upgrade]:
        database = plan.seen[name].database
        for check in checks:
            check()
        answer.changed = True
        try:
            migrate(database, owner_of(database), "upgrade" if name in plan.upgrade else "initialization", options)
        except Problem as problem:
            if name in dumps:
                problem.finding["dump"] = dumps[name]
            raise
    if plan.grant or plan.fingerprint or plan.reencrypt:
        answer.changed = True
    _grant(config, plan)
    _reencrypt(config, plan)
    _record(config, plan)
    for database in config.databases:
        seen = look(config, database, owner_of(database))
        plan.seen[database.name] = seen
        if seen.state.name != AT_HEAD:
            answer.add(
                finding("not_at_head", f"{database.name}.database", f"{database.description}: {seen.state.detail}")
            )


def run(config: Config, options: Options, answer: Answer) -> None:
    """The whole step."""
    plan = make_plan(config, options, answer)
    answer.facts["planned"] = plan.changes
    answer.facts["databases"] = {name: seen.document() for name, seen in plan.seen.items()}
    # To adopt is asked for by itself, and changes no schema.
    looks_only = options.mode == "refuse" and not options.adopt
    if answer.errors or looks_only or not plan.changes:
        return
    if options.dry_run:
        answer.changed = True
        return
    with contextlib.ExitStack() as stack:
        checks, places = [], set()
        for database in sorted(config.databases, key=lambda each: each.place):
            if database.place not in places:
                places.add(database.place)
                checks.append(stack.enter_context(locked(database, owner_of(database), options.lock_seconds)))
        # Whoever had the lock before may have done all of it.
        answer.findings = []
        plan = make_plan(config, options, answer)
        answer.facts["planned"] = plan.changes
        if not answer.errors:
            apply(config, plan, options, answer, checks)
    answer.facts["databases"] = {name: seen.document() for name, seen in plan.seen.items()}
