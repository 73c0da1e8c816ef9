# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""What the schema step would do: every database and the destination are looked at before the first is changed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import sqlalchemy as sa

from mlflow_guard.answer import Answer, Problem, finding
from mlflow_guard.config import Config, Database, Login, wrong
from mlflow_guard.inspect import fingerprint, pooler, rights, sessions, store
from mlflow_guard.inspect.inspection import Seen, general_findings, look, opened, state_finding, write_findings
from mlflow_guard.inspect.schema_state import AT_HEAD, EMPTY, OLDER, some
from mlflow_guard.schema import dump, reencrypt


@dataclass
class Options:
    """How the step is to behave."""

    mode: str = "refuse"
    dry_run: bool = False
    adopt: bool = False
    skip_dump: bool = False
    lock_seconds: float = 300
    blocked_seconds: float = 30
    skip_store: bool = False
    only_recorded: bool = False


def require_sound(options: Options) -> None:
    """Options that go together: a step that changes something must know the destination."""
    if options.skip_store and not options.dry_run:
        found = "it is given without --dry-run, and a schema step that may change something has to see the destination"
        raise wrong("--skip-store", found, "add --dry-run, or leave --skip-store out")


@dataclass
class Plan:
    """What is to be done."""

    seen: dict[str, Seen] = field(default_factory=dict)
    initialize: list[str] = field(default_factory=list)
    upgrade: list[str] = field(default_factory=list)
    grant: list[str] = field(default_factory=list)
    record: fingerprint.Record | None = None
    fingerprint: str = ""
    # Whether the registry's database, where it is apart, gets the record too.
    record_registry: bool = False
    # Databases that have no record yet.
    unrecorded: set[str] = field(default_factory=set)
    not_ours: dict[str, dump.NotOurs] = field(default_factory=dict)
    reencrypt: list[str] = field(default_factory=list)
    # Databases that answered, if only by turning the owner away.
    reached: list[str] = field(default_factory=list)

    @property
    def changes(self) -> list[str]:
        """In words, for the answer."""
        words = [f"initialize {name}" for name in self.initialize] + [f"upgrade {name}" for name in self.upgrade]
        words += [f"grant rights in {name}" for name in self.grant]
        words += [f"encrypt stored secrets in {name} anew" for name in self.reencrypt]
        words += [f"{self.fingerprint} the destination's marker"] if self.fingerprint else []
        return words + (["record the deployment in registry_store"] if self.record_registry else [])


def owner_of(database: Database) -> Login:
    """The role that may change the schema. SQLite has no roles."""
    login = database.owner or (database.server if database.dialect == "sqlite" else None)
    if login is None:
        raise Problem("owner-missing", f"{database.name}.owner", "no owner role is configured")
    if not login.readable():
        raise Problem(
            "owner-missing", f"{database.name}.owner.password_file", f"{login.password_file} cannot be read here"
        )
    return login


def separate_server(database: Database) -> str | None:
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
    if reason["code"] == "schema-elsewhere":
        answer.add(reason)
        if any(each["code"] == "schema-elsewhere" for each in answer.errors):
            return
        reason = finding("schema-empty", f"{name}.database", f"{seen.database.description}: {seen.state.detail}")
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
                "owner-lacks-rights",
                argument,
                f"role {settings['role']!r} may not create tables in schema {settings['schema']!r}",
            )
        )
    if owner.not_owned and changes:
        found.append(
            finding("owner-lacks-rights", argument, f"role {settings['role']!r} does not own {some(owner.not_owned)}")
        )
    record = fingerprint.name_in(config, database)
    if config.keeps_record(database) and not owner.may_create_schema and not fingerprint.exists(connection, record):
        found.append(
            finding(
                "owner-lacks-rights",
                argument,
                f"role {settings['role']!r} may not create the schema mlflow_guard in {database.description}",
            )
        )
    server = separate_server(database)
    if server:
        granted = rights.look(connection, server, seen.facts.observed.tables)
        if not granted.exists:
            found.append(finding("server-role-missing", f"{database.name}.server", f"there is no role {server!r}"))
        else:
            if granted.may_create:
                found.append(
                    finding(
                        "server-may-create",
                        f"{database.name}.server",
                        f"role {server!r} may create tables in schema {settings['schema']!r}",
                    )
                )
            unfit = not granted.complete or granted.too_much or changes
            if config.keeps_record(database) and fingerprint.exists(connection, record):
                unfit = unfit or not fingerprint.readable(connection, server, record)
            if unfit and (changes or seen.state.name == AT_HEAD):
                if owner.not_owned:
                    found.append(
                        finding(
                            "owner-lacks-rights",
                            argument,
                            f"role {settings['role']!r} does not own {some(owner.not_owned)} and cannot grant rights "
                            "on them",
                        )
                    )
                plan.grant.append(database.name)
    elif database.dialect == "postgresql":
        found.append(
            finding(
                "server-may-create",
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
    if options.skip_store:
        # Without a look at the destination only a missing record can be told, and nothing decided.
        if record is None and options.mode == "refuse" and not options.adopt:
            for each in fingerprint.compare(config, record, None):
                answer.add(each)
        return
    destination = store.open_destination(config.artifacts)
    if destination is None:
        answer.add(
            finding(
                "store-scheme-unchecked",
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
        if problem.finding["code"] != "destination-marker-unreadable" or not options.adopt:
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
                    "destination-of-another",
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
                    "destination-not-empty",
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
        if each["code"] in ("destination-unconfirmed", "destination-moved"):
            plan.record, plan.fingerprint = record, "confirm" if same or destination is None else "write"
        elif options.adopt:
            plan.record, plan.fingerprint = record, "adopt"
        else:
            answer.add(each)


def _plan_registry(
    config: Config, kept: dict[str, fingerprint.Kept], plan: Plan, options: Options, answer: Answer
) -> None:
    """Whether each database is what it is named as, and the registry of this deployment or is to become so."""
    backend = kept[config.backend.name]
    registry = kept.get(config.registry_apart.name) if config.registry_apart else None
    ours = replace(backend, own=plan.record or backend.own)
    for each in fingerprint.compare_databases(config, ours, registry or fingerprint.NOTHING):
        answer.add(each)
    if registry and (options.mode != "refuse" or options.adopt):
        # What was begun is brought to its end, and what was moved is moved here too.
        plan.record_registry = not registry.own or not registry.own.confirmed or plan.record is not None


def _plan_database(
    config: Config, database: Database, options: Options, plan: Plan, answer: Answer
) -> fingerprint.Kept:
    """Look at one database and decide; the records in it are given back."""
    owner, kept = owner_of(database), fingerprint.NOTHING
    seen = look(config, database, owner)
    plan.seen[database.name] = seen
    _decide_one(seen, options, plan, answer)
    where = database.reached_by(owner)
    for each in write_findings(where, seen.facts.settings, owner.argument) + general_findings(seen):
        answer.add(each)
    if not seen.facts.settings:
        # SQLite's file is not there yet.
        return kept
    with opened(database, owner) as connection:
        if database.dialect == "postgresql":
            for each in pooler.findings(connection, database, owner, seen.facts.settings):
                answer.add(each)
            for each in _owner_findings(connection, seen, config, plan):
                if options.mode != "refuse" or each["severity"] == "warning":
                    answer.add(each)
        if database.kind == "backend" and seen.state.name in (AT_HEAD, OLDER):
            _look_at_secrets(connection, config, database, options, plan, answer)
        if config.keeps_record(database):
            name = fingerprint.name_in(config, database)
            fingerprint.require_own(connection, f"{database.name}.owner", database.description, name)
            kept = fingerprint.read_kept(connection, config, database, seen.facts.settings.get("schema"))
    record = kept.own
    is_mlflow = seen.state.name in (AT_HEAD, OLDER)
    if record is None and options.only_recorded and config.keeps_record(database) and is_mlflow:
        found = (
            f"{database.description} holds an MLflow at revision {seen.state.revision} that no deployment has recorded"
        )
        answer.add(finding("database-unrecorded", f"{database.name}.database", found))
    # One that is not confirmed is of an initialisation that did not come to its end.
    if record is not None and record.confirmed and seen.state.name == EMPTY:
        found = f"{database.description} is empty, but has the record of a deployment made on {record.recorded_at}"
        answer.add(finding("schema-emptied", f"{database.name}.database", found))
    if options.mode == "refuse" and database.name in plan.grant:
        found = f"role {database.server.username!r} has not just the rights that it needs"
        answer.add(finding("rights-missing", f"{database.name}.server", found))
    return kept


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
        answer.add(finding("stored-secrets-former", f"secret_environment.{names}", found))
    elif todo:
        plan.reencrypt.append(database.name)


def _look_as_server(config: Config, database: Database, owners_schema: str | None) -> list[dict]:
    """Log in as the server will: what it stumbles over is to be known before a change.

    A container that has the owner's password alone cannot, and a role that is missing has its own finding.
    """
    if database.dialect != "postgresql" or not database.server.readable():
        return []
    try:
        return sessions.elsewhere(database) or sessions.look(config, database, owners_schema)
    except Problem as problem:
        return [problem.finding]


def look_as_servers(config: Config, plan: Plan, answer: Answer) -> None:
    """The servers' own sessions in every database that could be reached."""
    missing = {each["argument"] for each in answer.errors if each["code"] == "server-role-missing"}
    for database in config.databases:
        if database.name in plan.reached and database.server.argument not in missing:
            seen = plan.seen.get(database.name)
            for each in _look_as_server(config, database, seen.facts.settings.get("schema") if seen else None):
                answer.add(each)


def make_plan(config: Config, options: Options, answer: Answer) -> Plan:
    """Look at everything, and say what would be done. All errors are collected in the answer."""
    plan = Plan()
    kept = {}
    for database in config.databases:
        try:
            kept[database.name] = _plan_database(config, database, options, plan, answer)
            if kept[database.name].own is None:
                plan.unrecorded.add(database.name)
            plan.reached.append(database.name)
        except Problem as problem:
            answer.add(problem.finding)
            if not problem.retry and problem.finding["code"] != "owner-missing":
                plan.reached.append(database.name)
    try:
        # Without a look at the backend store nothing can be said about its record.
        if config.backend.name in plan.seen:
            backend = kept.get(config.backend.name, fingerprint.NOTHING)
            _plan_fingerprint(config, backend.own, plan, options, answer)
        if config.backend.name in kept:
            _plan_registry(config, kept, plan, options, answer)
        if plan.upgrade and not options.skip_dump and not answer.errors:
            for name in plan.upgrade:
                dump.require(plan.seen[name], config.schema_dumps)
    except Problem as problem:
        answer.add(problem.finding)
    return plan
