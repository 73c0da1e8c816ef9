# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""What is in a database that exists already and is to be adopted: one look, with the owner's login if it is at hand.

Nothing is judged here, so a strange database is no error: what the schema step would say stands beside it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import sqlalchemy as sa

from mlflow_guard.answer import Answer, Problem
from mlflow_guard.config import Artifacts, Config, Database, Login
from mlflow_guard.inspect import fingerprint, locations
from mlflow_guard.inspect.check import serves_artifacts
from mlflow_guard.inspect.inspection import Seen, look, opened
from mlflow_guard.inspect.revisions import order

MODES = ("refuse", "initialize", "upgrade")
# What people ask for first. A database has those that its revision knows.
MAIN_TABLES = {
    "backend": (
        *("experiments", "experiment_tags", "runs", "metrics", "latest_metrics", "params", "tags", "datasets"),
        *("registered_models", "model_versions", "model_version_tags", "logged_models", "trace_info", "spans"),
        *("assessments", "evaluation_datasets", "webhooks", "secrets"),
    ),
    "auth": ("users", "experiment_permissions", "registered_model_permissions"),
}
# More rows than these are estimated, and no table is counted for longer than this.
MOST_ROWS = 1_000_000
COUNT_MS = 5_000
ESTIMATES = sa.text("""
    SELECT c.relname::text, c.reltuples::bigint FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = current_schema() AND c.relname = ANY (:names)""")
# Of other roles' sessions PostgreSQL shows neither address nor program to everybody. A session of this survey that was
# just closed may still be there, and is nobody else.
CLIENTS = sa.text("""
    SELECT usename::text AS user, nullif(application_name, '') AS application_name, client_addr::text AS address,
           count(*) AS count
    FROM pg_catalog.pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename IS NOT NULL
      AND coalesce(backend_type, 'client backend') = 'client backend'
      AND (application_name, client_addr) IS DISTINCT FROM (current_setting('application_name'), inet_client_addr())
    GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3""")
SIZES = {
    "postgresql": "SELECT pg_database_size(current_database())",
    "mysql": "SELECT sum(data_length + index_length) FROM information_schema.tables WHERE table_schema = DATABASE()",
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
}


@lru_cache
def releases() -> dict[str, dict[str, list[str]]]:
    """For each kind of database: the releases that leave it at a revision."""
    return json.loads(Path(__file__).with_name("releases.json").read_bytes())


def behind(kind: str, revision: str | None) -> int | None:
    """How many revisions this image has after that one; None where it does not know it."""
    known = order(kind)
    return len(known) - 1 - known.index(revision) if revision in known else None


def without_login(location: str) -> str:
    """A location without the user and password that an address may have."""
    return re.sub(r"//[^/@]*@", "//***@", location)


def reachable(kind: str, inside: bool, artifacts: Artifacts, serves: bool) -> tuple[bool | None, str]:
    """Whether clients of this deployment reach such a location, None where that depends; and how."""
    if kind == "proxied":
        if not serves:
            return False, "through the server's proxy, which is off"
        if artifacts.mode == "proxied":
            return True, f"through the server, as far as they are in {artifacts.destination}"
        return None, "through the server's proxy, which has another destination than the configured root"
    if kind == "host":
        return None, "through the server that it names, as long as that name leads to this one"
    if kind == "reference":
        return None, "it points to something else, and not to a store"
    if kind == "local":
        return None, "only where this path is, on each client's own machine"
    where = "in the configured store" if inside else "in another store than the configured one"
    if artifacts.mode == "direct" and inside:
        return True, f"directly, {where}"
    return None, f"directly, {where}, by clients that have its keys"


def _exact(connection: sa.Connection, name: str) -> int | None:
    """The number of rows, up to one more than the bound; None where it takes too long."""
    quoted = connection.dialect.identifier_preparer.quote(name)
    query = sa.text(f"SELECT count(*) FROM (SELECT 1 FROM {quoted} LIMIT {MOST_ROWS + 1}) AS counted")
    if connection.dialect.name != "postgresql":
        return connection.scalar(query)
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = {COUNT_MS}")
            return connection.scalar(query)
    except sa.exc.DBAPIError as error:
        # Too slow, locked, or not this role's to read.
        if getattr(error.orig, "pgcode", None) not in ("57014", "55P03", "42501"):
            raise
        return None


def rows(connection: sa.Connection, names: list[str]) -> dict[str, dict]:
    """The rows of each table, exact up to a bound and estimated above."""
    estimates: dict[str, int] = {}
    if connection.dialect.name == "postgresql":
        estimates = dict(connection.execute(ESTIMATES, {"names": names}).tuples().all())
    found = {}
    for name in names:
        estimate = estimates.get(name, -1)
        exact = None if estimate > MOST_ROWS else _exact(connection, name)
        if exact is not None and exact <= MOST_ROWS:
            found[name] = {"rows": exact, "exact": True}
        else:
            # A table that was never analysed has an estimate of -1, or an old one.
            known = max(estimate, exact or 0)
            found[name] = {"rows": known if known > 0 else None, "exact": False}
    return found


def artifact_locations(connection: sa.Connection, tables: dict, config: Config) -> dict:
    """The distinct beginnings of all locations, with what reaches them; and columns that took too long."""
    found, unread = locations.read(connection, tables, config.artifacts.destination)
    serves, said = serves_artifacts(config), []
    for each in found:
        kind = locations.kind_of(each.example)
        reached, how = reachable(kind, each.within == each.count, config.artifacts, serves)
        texts = {"prefix": without_login(each.prefix), "example": without_login(each.example)}
        said.append(
            {"column": each.column, **texts, "count": each.count, "kind": kind, "reachable": reached, "by": how}
        )
    return {"locations": said, "locations_unread": unread}


def _record(connection: sa.Connection, schema: str | None, name: str) -> dict | None:
    """The record of a deployment of ours."""
    try:
        record = fingerprint.read_record(connection, schema, name)
    except Problem as problem:
        return {"unreadable": problem.finding["found"]}
    return vars(record) if record else None


def login_of(database: Database) -> Login:
    """The owner's login if it is at hand, else the server's."""
    return database.owner if database.owner and database.owner.readable() else database.server


def of_database(config: Config, database: Database) -> dict:
    """All that can be said of one database."""
    login = login_of(database)
    seen = look(config, database, login)
    answer = {**seen.document(), "login": login.username or None, "behind": behind(database.kind, seen.state.revision)}
    answer["releases"] = releases()[database.kind].get(seen.state.revision or "", [])
    answer |= {"beside": list(seen.state.extra), "elsewhere": list(seen.facts.elsewhere)}
    if database.dialect == "sqlite" and not os.path.exists(database.database):
        return {**answer, "size": None, "rows": {}, "clients": [], "record": None}
    with opened(database, login) as connection:
        return {**answer, **_inside(connection, config, seen)}


def _inside(connection: sa.Connection, config: Config, seen: Seen) -> dict:
    database, tables = seen.database, seen.facts.observed.tables
    size = connection.scalar(sa.text(SIZES[database.dialect]))
    found: dict = {"size": None if size is None else int(size)}
    postgres = database.dialect == "postgresql"
    found["clients"] = [dict(row) for row in connection.execute(CLIENTS).mappings()] if postgres else []
    found["record"] = None
    if config.keeps_record(database):
        name = fingerprint.name_in(config, database)
        found["record"] = _record(connection, seen.facts.settings.get("schema"), name)
    # Tables of another application may have the same names.
    ours = seen.state.name not in ("empty", "foreign", "other_purpose")
    found["rows"] = rows(connection, [name for name in MAIN_TABLES[database.kind] if name in tables]) if ours else {}
    if ours and database.kind == "backend":
        found |= artifact_locations(connection, tables, config)
    return found


def run(config: Config, answer: Answer, trial: Callable[[str], dict]) -> None:
    """The survey of every database, and what the schema step would do in each mode, as `trial` finds out."""
    answer.facts["databases"] = {}
    for database in config.databases:
        try:
            answer.facts["databases"][database.name] = of_database(config, database)
        except Problem as problem:
            answer.add(problem.finding)
    answer.facts["schema_step"] = {} if answer.errors else {mode: trial(mode) for mode in MODES}
