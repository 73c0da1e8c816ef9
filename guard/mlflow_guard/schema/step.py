# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""The schema step: the only thing that may change a schema.

Order: every database is looked at before the first is changed, also as its server's role; then locks on all of them,
each on its own connection; then another look, because somebody else may have been faster; dumps; MLflow's own migration
code with the owner role; the rights of the server's role; the record of the deployment; and a last look.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace

import sqlalchemy as sa

from mlflow_guard.answer import Answer, Problem, finding
from mlflow_guard.config import Config, Database
from mlflow_guard.inspect import fingerprint, rights, store
from mlflow_guard.inspect.inspection import look, opened, seen_in
from mlflow_guard.inspect.schema_state import AT_HEAD
from mlflow_guard.progress import say
from mlflow_guard.schema import dump, reencrypt
from mlflow_guard.schema.lock import locked
from mlflow_guard.schema.migrate import migrate
from mlflow_guard.schema.plan import Options, Plan, look_as_servers, make_plan, owner_of, separate_server


def _grant(config: Config, plan: Plan) -> None:
    for name in plan.grant:
        database = plan.seen[name].database
        server, owner = separate_server(database), owner_of(database)
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


def _keep(config: Config, database: Database, record: fingerprint.Record) -> None:
    name = fingerprint.name_in(config, database)
    with opened(database, owner_of(database), read_only=False) as connection, connection.begin():
        schema = connection.scalar(sa.text("SELECT current_schema()")) if database.dialect == "postgresql" else None
        fingerprint.write_record(connection, schema, record, separate_server(database), name)


def _kept(config: Config, plan: Plan) -> fingerprint.Record | None:
    """What the backend store remembers now."""
    with opened(config.backend, owner_of(config.backend)) as connection:
        return fingerprint.read_record(connection, plan.seen[config.backend.name].facts.settings.get("schema"))


def _begin(config: Config, plan: Plan, database: Database) -> None:
    """A database that has no record gets one, not confirmed yet, so that the next run knows it if this one is killed.

    The backend store's is there before the others', which have its identity.
    """
    if database.name not in plan.unrecorded:
        return
    record = None
    if database is config.backend:
        record = plan.record
    elif database is config.registry_apart and plan.record_registry:
        record = _kept(config, plan)
    if record:
        _keep(config, database, replace(record, destination=config.artifacts.destination, confirmed=False))
        plan.unrecorded.discard(database.name)


def _record_destination(config: Config, plan: Plan) -> fingerprint.Record | None:
    """The database remembers, the destination is marked, the mark is confirmed: it can be resumed anywhere."""
    if not plan.record:
        record = _kept(config, plan)
        if record and config.backend.name in plan.grant:
            _keep(config, config.backend, record)
        return record
    record = replace(plan.record, destination=config.artifacts.destination, confirmed=False)
    _keep(config, config.backend, record)
    destination = store.open_destination(config.artifacts)
    if destination is not None and plan.fingerprint != "confirm":
        destination.write_marker(fingerprint.marker_for(config, record))
    record = replace(record, confirmed=True)
    _keep(config, config.backend, record)
    return record


def _record(config: Config, plan: Plan) -> None:
    """What all databases of the deployment remember."""
    registry = config.registry_apart
    of_registry = registry is not None and (plan.record_registry or registry.name in plan.grant)
    if not (plan.record or config.backend.name in plan.grant or of_registry):
        return
    record = _record_destination(config, plan)
    if record and of_registry:
        _keep(config, registry, record)


def _migrate(config: Config, plan: Plan, options: Options, dumps: dict[str, str], database: Database) -> None:
    if database.name in plan.initialize:
        # Nothing is in it, so nothing of others gets a record by a failure.
        _begin(config, plan, database)
    try:
        migrate(
            database,
            owner_of(database),
            "upgrade" if database.name in plan.upgrade else "initialization",
            options.blocked_seconds,
        )
    except Problem as problem:
        if database.name in dumps:
            problem.finding["dump"] = dumps[database.name]
        raise


def apply(config: Config, plan: Plan, options: Options, answer: Answer, checks: list[Callable[[], None]]) -> None:
    """Do what was planned, under the locks."""
    dumps = {}
    for name in plan.upgrade:
        seen = plan.seen[name]
        if options.skip_dump:
            answer.add(
                finding("dump-skipped", "--skip-dump", f"{seen.database.description} was upgraded without a dump")
            )
            continue
        dumps[name] = dump.dump(config, seen, owner_of(seen.database), plan.not_ours.get(name))
        say(f"{seen.database.description} was dumped to {dumps[name]}")
    if dumps:
        answer.facts["dumps"] = dumps
    for database in config.databases:
        if database.name in plan.initialize + plan.upgrade:
            for check in checks:
                check()
            answer.changed = True
            _migrate(config, plan, options, dumps, database)
        _begin(config, plan, database)
    if plan.grant or plan.fingerprint or plan.reencrypt or plan.record_registry:
        answer.changed = True
    _grant(config, plan)
    _reencrypt(config, plan)
    _record(config, plan)
    for database in config.databases:
        seen = look(config, database, owner_of(database))
        plan.seen[database.name] = seen
        if seen.state.name != AT_HEAD:
            answer.add(
                finding("not-at-head", f"{database.name}.database", f"{database.description}: {seen.state.detail}")
            )


def run(config: Config, options: Options, answer: Answer) -> None:
    """The whole step."""
    plan = make_plan(config, options, answer)
    before = len(answer.findings)
    look_as_servers(config, plan, answer)
    of_servers = answer.findings[before:]
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
        answer.findings = list(of_servers)
        plan = make_plan(config, options, answer)
        answer.facts["planned"] = plan.changes
        if not answer.errors:
            apply(config, plan, options, answer, checks)
    answer.facts["databases"] = {name: seen.document() for name, seen in plan.seen.items()}


def trial(config: Config, mode: str, accept: tuple[str, ...] = ()) -> dict:
    """What the step would do or say about the databases. Nothing is written, and no folder for dumps is made."""
    answer = Answer("schema", accept)
    run(config, Options(mode, dry_run=True, skip_dump=True, skip_store=True), answer)
    document = answer.document()
    return {key: document.get(key, []) for key in ("status", "exit_code", "planned", "findings")}
