# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""What the server's own sessions will be like: one login as its role, without any setting of ours."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from mlflow_guard.answer import finding
from mlflow_guard.config import Config, Database, Login
from mlflow_guard.inspect import budget
from mlflow_guard.inspect.inspection import opened, write_findings

# Of other roles' sessions PostgreSQL shows neither kind nor address, but always who and in which database. Processes of
# its own have no role or no database, but for workers of a parallel query, which only who may see everything can tell.
CONNECTIONS = sa.text("""
    SELECT current_setting('max_connections')::int AS most,
           current_setting('superuser_reserved_connections')::int
           + coalesce(current_setting('reserved_connections', true), '0')::int AS reserved,
           (SELECT count(*) FROM pg_catalog.pg_stat_activity
            WHERE usename <> ALL (:ours) AND datid IS NOT NULL
              AND coalesce(backend_type, 'client backend') = 'client backend')::int AS others,
           (SELECT datconnlimit FROM pg_catalog.pg_database WHERE datname = current_database()) AS database,
           (SELECT rolconnlimit FROM pg_catalog.pg_roles WHERE rolname = current_user) AS role""")

# Time limits in milliseconds, 0 for none, under which MLflow fails in ordinary use: a search in a large database takes
# seconds, and writers of one experiment wait for one another.
SHORTEST = {
    "statement_timeout": 30_000,
    "transaction_timeout": 30_000,
    "lock_timeout": 5_000,
    "idle_in_transaction_session_timeout": 5_000,
}
# What the session began with. Not every release knows all of them.
TIME_LIMITS = sa.text("""
    SELECT name::text, reset_val::bigint FROM pg_catalog.pg_settings WHERE name = ANY (:names)""")
# The schema in which a role works, whether it has a right to use it yet or not: the schema step grants that.
SCHEMA = """
    SELECT n.nspname::text
    FROM unnest(string_to_array(current_setting('search_path'), ',')) WITH ORDINALITY AS path(name, place)
    JOIN pg_catalog.pg_namespace n
      ON n.nspname = CASE btrim(name) WHEN '"$user"' THEN current_user ELSE btrim(btrim(name), '"') END
    ORDER BY place LIMIT 1"""
SETTINGS = sa.text(f"""
    SELECT current_user::text AS role, pg_is_in_recovery() AS in_recovery,
           current_setting('default_transaction_read_only') AS default_read_only,
           current_setting('search_path') AS search_path, ({SCHEMA}) AS schema""")
# Who may log in may ask both. A server that is started again between two looks at it is taken for another one, once.
IDENTITY = sa.text("""
    SELECT extract(epoch FROM pg_postmaster_start_time())::text, oid::text FROM pg_catalog.pg_database
    WHERE datname = current_database()""")


def identity(database: Database, login: Login) -> tuple:
    """What tells the database that this role reaches from all others."""
    with opened(database, login) as connection:
        return tuple(connection.execute(IDENTITY).one())


def elsewhere(database: Database) -> list[dict]:
    """Whether the owner, who has an address of its own, reaches the database that the servers work in."""
    owner = database.owner
    if owner is None or not owner.has_address or not owner.readable():
        return []
    if identity(database, owner) == identity(database, database.server):
        return []
    there = database.reached_by(owner).description
    found = f"{there}, which the owner reaches, is another database than {database.description}, which servers reach"
    return [finding("owner-elsewhere", f"{owner.argument}.host", found)]


def roles(config: Config) -> list[str]:
    """The roles of this configuration: their connections are those that are counted."""
    logins = [login for each in config.databases for login in (each.server, each.owner) if login]
    return sorted({login.username for login in logins})


def short_limits(database: Database, role: str, limits: Mapping[str, int]) -> list[dict]:
    """Time limits of the server's sessions that are too short for it."""
    short = [f"{name} {limits[name]} ms" for name in SHORTEST if 0 < limits.get(name, 0) < SHORTEST[name]]
    if not short:
        return []
    found = f"sessions of role {role!r} in {database.description} have {', '.join(short)}"
    return [finding("time-limits-short", database.server.argument, found)]


def other_schema(database: Database, settings: Mapping, owners: str | None) -> list[dict]:
    """Whether the servers look for their tables where the owner has them. A pooler may have dropped the setting."""
    if owners is None or settings["schema"] == owners:
        return []
    found = (
        f"role {settings['role']!r} works in schema {settings['schema']!r} of {database.description} (search_path "
        f"{settings['search_path']}), and the owner in {owners!r}"
    )
    return [finding("schema-differs", f"{database.name}.query", found)]


def look(config: Config, database: Database, owners_schema: str | None = None) -> list[dict]:
    """Log in as the server's role and judge; a Problem says why that cannot be done."""
    found = []
    with opened(database, database.server, plain=True) as connection:
        # For this transaction alone: through a pooler the session is the server's as well.
        connection.exec_driver_sql("SET LOCAL statement_timeout = 10000")
        settings = connection.execute(SETTINGS).mappings().one()
        found += write_findings(database, settings, database.server.argument)
        found += other_schema(database, settings, owners_schema)
        limits = dict(connection.execute(TIME_LIMITS, {"names": list(SHORTEST)}).tuples().all())
        found += short_limits(database, settings["role"], limits)
        if database is config.backend:
            numbers = connection.execute(CONNECTIONS, {"ours": roles(config)}).mappings().one()
            found += budget.judge(budget.need(config), budget.Offer(**numbers, given=database.max_connections))
    return found
