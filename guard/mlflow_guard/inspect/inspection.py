# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""Looks at one configured database: connect, observe, decide, and collect findings. It never writes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from mlflow_guard.answer import Problem, finding
from mlflow_guard.config import Config, Database, Login
from mlflow_guard.inspect import database as db
from mlflow_guard.inspect import fingerprint, rights, schema_state, structure
from mlflow_guard.inspect.revisions import RevisionsUnknown, mlflow_version, order
from mlflow_guard.inspect.schema_state import AT_HEAD, CODES, EMPTY, Observed, State, some
from mlflow_guard.inspect.tables import Facts, observe

# Oldest server of each dialect that MLflow's tables can be made in (generated columns).
MINIMUM = {"postgresql": 120000, "sqlite": (3, 31, 0)}


@dataclass
class Seen:
    """One database as one role sees it."""

    database: Database
    facts: Facts
    state: State

    def document(self) -> dict:
        """For the JSON answer."""
        settings = self.facts.settings
        return {
            "state": self.state.name,
            "detail": self.state.detail,
            "revision": self.state.revision,
            "head": order(self.database.kind)[-1],
            "place": self.database.description,
            "server_version": settings.get("server_version"),
            "schema": settings.get("schema"),
            "search_path": settings.get("search_path"),
            "encoding": settings.get("encoding"),
            "role": settings.get("role"),
        }


def image_orders() -> dict[str, tuple[str, ...]]:
    """The revisions of this image's MLflow."""
    try:
        return {kind: order(kind) for kind in ("backend", "auth")}
    except (RevisionsUnknown, OSError, SyntaxError, ValueError) as error:
        raise Problem("mlflow-unreadable", "image", str(error)) from None


@contextmanager
def opened(database: Database, login: Login, *, read_only: bool = True, plain: bool = False) -> Iterator[sa.Connection]:
    """A connection whose later errors are named as clearly as those of connecting."""
    database = database.reached_by(login)
    connection = db.connect(database, login, read_only=read_only, plain=plain)
    try:
        yield connection
    except sa.exc.DBAPIError as error:
        raise db.classify(database, login, error, login.password()) from None
    finally:
        connection.close()
        connection.engine.dispose()


def _not_made_yet(database: Database) -> bool:
    """SQLite makes its file at the first write."""
    if database.dialect != "sqlite" or os.path.exists(database.database):
        return False
    folder = os.path.dirname(database.database)
    if not os.path.isdir(folder):
        raise Problem("database-missing", f"{database.name}.database", f"the directory {folder} does not exist")
    return True


def seen_in(connection: sa.Connection, config: Config, database: Database) -> Seen:
    """Observe over an open connection and decide."""
    facts = observe(connection)
    orders = image_orders()
    if facts.dialect == "postgresql" and facts.settings["schema"] is None:
        raise Problem(
            "schema-missing",
            f"{database.name}.query",
            f"role {facts.settings['role']!r} may use no schema of search_path {facts.settings['search_path']} in "
            f"{database.description}",
        )
    if facts.unreadable:
        raise Problem(
            "rights-missing",
            f"{database.name}.server",
            f"role {facts.settings['role']!r} may not read {some(facts.unreadable)}",
        )
    own = set(fingerprint.PLAIN_TABLES) & set(facts.observed.tables)
    if facts.dialect != "postgresql" and own:
        tables = {name: columns for name, columns in facts.observed.tables.items() if name not in own}
        facts.observed = Observed(tables, facts.observed.versions)
    state = schema_state.decide(
        database.kind,
        facts.observed,
        orders[database.kind],
        orders[schema_state.OTHER_KIND[database.kind]],
        config.kinds_in(database),
    )
    return Seen(database, facts, state)


def look(config: Config, database: Database, login: Login) -> Seen:
    """One look at a database."""
    db.require_driver(database)
    if _not_made_yet(database):
        orders = image_orders()
        state = schema_state.decide(
            database.kind, Observed({}), orders[database.kind], orders[schema_state.OTHER_KIND[database.kind]]
        )
        return Seen(database, Facts("sqlite", {}, Observed({})), state)
    with opened(database, login) as connection:
        return seen_in(connection, config, database)


def state_finding(seen: Seen) -> dict | None:
    """Why a server must not start on it; None where it may."""
    if seen.state.name == AT_HEAD:
        return None
    if seen.state.name == EMPTY and seen.facts.elsewhere:
        return finding(
            "schema-elsewhere",
            f"{seen.database.name}.query",
            f"schema {seen.facts.settings['schema']!r} of {seen.database.description} is empty, and an MLflow is in "
            f"{some(seen.facts.elsewhere)}",
        )
    said = f"{seen.database.description}: {seen.state.detail}"
    if seen.state.name in ("older", "newer"):
        said += f" (MLflow {mlflow_version()} in this image)"
    return finding(CODES[seen.state.name], f"{seen.database.name}.database", said)


def write_findings(database: Database, settings: Mapping, argument: str) -> list[dict]:
    """Whether the role of these sessions can write at all; the argument is that of its login."""
    if settings.get("in_recovery"):
        several = "put target_session_attrs=read-write into the query, so that the primary is found among the hosts"
        remedy = several if "," in database.host and "target_session_attrs" not in database.query else ""
        return [finding("database-replica", f"{database.address}.host", f"{database.description} is a replica", remedy)]
    if settings.get("default_read_only") == "on":
        found = f"role {settings['role']!r} has default_transaction_read_only=on in {database.description}"
        return [finding("role-read-only", argument, found)]
    return []


def general_findings(seen: Seen) -> list[dict]:
    """What does not depend on the role."""
    facts, database, found = seen.facts, seen.database, []
    settings = facts.settings
    version = settings.get("server_version")
    if facts.dialect == "postgresql" and settings["server_version_num"] < MINIMUM["postgresql"]:
        found.append(finding("database-too-old", database.name, f"PostgreSQL {version} is older than 12"))
    if facts.dialect == "sqlite" and version and tuple(int(part) for part in version.split(".")) < MINIMUM["sqlite"]:
        found.append(finding("database-too-old", database.name, f"SQLite {version} is older than 3.31"))
    if facts.dialect == "postgresql" and settings["encoding"] != "UTF8":
        found.append(
            finding(
                "database-encoding",
                f"{database.name}.database",
                f"{database.description} has the encoding {settings['encoding']}",
            )
        )
    if facts.dialect == "mysql":
        if not str(settings["encoding"]).startswith("utf8"):
            found.append(
                finding(
                    "database-encoding",
                    f"{database.name}.database",
                    f"{database.description} has the character set {settings['encoding']}",
                )
            )
        elif settings.get("tables_collation") not in (None, settings["collation"]):
            found.append(
                finding(
                    "database-encoding",
                    f"{database.name}.database",
                    f"experiments has the collation {settings['tables_collation']}, and new tables get "
                    f"{settings['collation']}",
                )
            )
    if seen.state.extra and seen.state.name in (AT_HEAD, "older"):
        found.append(
            finding(
                "foreign-tables-beside",
                f"{database.name}.database",
                f"{some(seen.state.extra)} stand beside MLflow's tables",
            )
        )
    if not seen.state.exact:
        found.append(
            finding(
                "structure-unknown",
                "image",
                f"revision {seen.state.revision} of MLflow {mlflow_version()} is not in the guard's list",
            )
        )
    if seen.state.name == AT_HEAD and facts.indexes is not None:
        expected, _revision = structure.nearest(database.kind, seen.state.revision, order(database.kind))
        missing = set(expected.indexes) - facts.indexes
        if missing:
            found.append(finding("indexes-missing", f"{database.name}.database", f"{some(missing)} are missing"))
    return found


def rights_findings(seen: Seen, server: rights.Rights, role: str) -> list[dict]:
    """What the server's role may do too much or too little."""
    argument, found = f"{seen.database.name}.server", []
    schema = seen.facts.settings["schema"]
    if not server.exists:
        return [finding("server-role-missing", argument, f"there is no role {role!r}")]
    if not server.may_use:
        found.append(finding("rights-missing", argument, f"role {role!r} may not use schema {schema!r}"))
    elif server.lacking:
        found.append(finding("rights-missing", argument, f"role {role!r} lacks {some(server.lacking)}"))
    if server.may_create:
        found.append(finding("server-may-create", argument, f"role {role!r} may create tables in schema {schema!r}"))
    if server.owned:
        found.append(
            finding("server-owns-tables", argument, f"role {role!r} is, or acts as, the owner of {some(server.owned)}")
        )
    return found


def _sequences(connection: sa.Connection, seen: Seen) -> list[dict]:
    names = rights.mlflow_tables(seen.facts.observed.tables)
    role = seen.facts.settings["role"]
    quote = connection.dialect.identifier_preparer.quote
    sequences = [row for row in connection.execute(rights.SEQUENCES, {"role": role, "names": names}) if row[3]]
    behind = []
    for sequence, table, column, _last in sequences:
        largest, last, called = connection.execute(
            sa.text(
                f"SELECT (SELECT max({quote(column)}) FROM {quote(table)}), last_value, is_called FROM "
                f"{quote(sequence)}"
            )
        ).one()
        if largest is not None and (largest > last or (largest == last and not called)):
            behind.append(f"{sequence} gives {last if not called else last + 1} and {table}.{column} has {largest}")
    return [finding("sequence-behind", f"{seen.database.name}.database", some(behind))] if behind else []


def _default_experiment(connection: sa.Connection, seen: Seen) -> list[dict]:
    stage = connection.scalar(sa.text("SELECT lifecycle_stage FROM experiments WHERE experiment_id = 0"))
    if stage == "active" or (stage is None and not connection.scalar(sa.text("SELECT count(*) FROM experiments"))):
        return []
    return [finding("default-experiment", f"{seen.database.name}.database", f"experiment 0 is {stage or 'missing'}")]


def inspect(config: Config, database: Database) -> tuple[Seen, list[dict], fingerprint.Kept]:
    """All that the check says about a database, as the server's role sees it; and the records in it."""
    login = database.server
    if _not_made_yet(database):
        seen = look(config, database, login)
        return seen, [state_finding(seen)], fingerprint.NOTHING
    kept = fingerprint.NOTHING
    with opened(database, login) as connection:
        seen = seen_in(connection, config, database)
        reason = state_finding(seen)
        found = [reason] if reason else []
        found += write_findings(database, seen.facts.settings, login.argument)
        found += general_findings(seen)
        ours = seen.state.name in (AT_HEAD, "older")
        if ours and seen.facts.dialect == "postgresql":
            server = rights.look(connection, seen.facts.settings["role"], seen.facts.observed.tables)
            found += rights_findings(seen, server, seen.facts.settings["role"])
            if server.complete:
                found += _sequences(connection, seen)
        if (
            seen.state.name == AT_HEAD
            and database is config.backend
            and not any(each["code"] == "rights-missing" for each in found)
        ):
            found += _default_experiment(connection, seen)
        if config.keeps_record(database):
            kept = fingerprint.read_kept(connection, config, database, seen.facts.settings.get("schema"))
    return seen, found, kept
