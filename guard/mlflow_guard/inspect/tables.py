# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""Looks at a database without changing it: tables, columns, revisions, and the settings that matter to MLflow."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

import sqlalchemy as sa

from mlflow_guard.inspect.schema_state import VERSION_TABLES, Observed

# Tables, views and foreign tables of the schema in use with their columns; what belongs to an extension is left out.
RELATIONS = sa.text("""
    SELECT c.relname::text, c.relkind::text, pg_get_userbyid(c.relowner)::text,
           coalesce(array_agg(a.attname::text) FILTER (WHERE a.attnum > 0 AND NOT a.attisdropped), '{}')
    FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = current_schema())
      AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass
                      AND d.objid = c.oid AND d.deptype = 'e')
    GROUP BY c.oid, c.relname, c.relkind, c.relowner""")
# Other schemas with a table like MLflow's.
ELSEWHERE = sa.text("""
    SELECT n.nspname::text FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = 'lifecycle_stage' AND NOT a.attisdropped
    WHERE c.relname = 'experiments' AND c.relkind IN ('r', 'p') AND n.nspname <> ALL (ARRAY[current_schema()])
      AND n.nspname NOT LIKE 'pg\\_%' ORDER BY 1""")
SETTINGS = sa.text("""
    SELECT current_database()::text AS database, current_schema()::text AS schema,
           current_setting('search_path') AS search_path,
           current_setting('server_version') AS server_version,
           current_setting('server_version_num')::int AS server_version_num,
           pg_encoding_to_char(encoding)::text AS encoding, datcollate::text AS collation, current_user::text AS role,
           (SELECT setting::int FROM pg_catalog.pg_settings WHERE name = 'lock_timeout') AS lock_ms,
           pg_is_in_recovery() AS in_recovery, current_setting('default_transaction_read_only') AS default_read_only
    FROM pg_catalog.pg_database WHERE datname = current_database()""")


@dataclass
class Facts:
    """What one connection sees."""

    dialect: str
    settings: dict
    observed: Observed
    owners: dict[str, str] = field(default_factory=dict)
    elsewhere: list[str] = field(default_factory=list)
    indexes: frozenset[str] | None = None
    unreadable: list[str] = field(default_factory=list)


def _version_rows(connection: sa.Connection, tables: dict) -> tuple[dict, list[str]]:
    """The rows of the version tables that are there; and those that the role may not read."""
    rows: dict[str, tuple[str, ...] | None] = {}
    unreadable = []
    for name in VERSION_TABLES.values():
        if name not in tables:
            rows[name] = None
        elif "version_num" not in tables[name]:
            rows[name] = ("(not alembic's)",)
        elif connection.dialect.name == "postgresql" and not connection.scalar(
            sa.text("SELECT has_table_privilege(quote_ident(current_schema()) || '.' || quote_ident(:name), 'SELECT')"),
            {"name": name},
        ):
            rows[name] = None
            unreadable.append(name)
        else:
            quoted = connection.dialect.identifier_preparer.quote(name)
            rows[name] = tuple(
                str(row[0])
                for row in connection.execute(sa.text(f"SELECT version_num FROM {quoted} ORDER BY 1 LIMIT 10"))
            )
    return rows, unreadable


def _postgres(connection: sa.Connection) -> Facts:
    settings = dict(connection.execute(SETTINGS).mappings().one())
    tables, owners = {}, {}
    for name, kind, owner, columns in connection.execute(RELATIONS):
        tables[name] = frozenset(columns)
        if kind in ("r", "p"):
            owners[name] = owner
    rows, unreadable = _version_rows(connection, tables)
    elsewhere = [row[0] for row in connection.execute(ELSEWHERE)] if settings["schema"] else []
    indexes = frozenset(
        row[0]
        for row in connection.execute(
            sa.text("SELECT indexname::text FROM pg_catalog.pg_indexes WHERE schemaname = current_schema()")
        )
    )
    return Facts("postgresql", settings, Observed(tables, rows), owners, elsewhere, indexes, unreadable)


def _other(connection: sa.Connection) -> Facts:
    """MySQL, MariaDB and SQLite, by SQLAlchemy's inspector."""
    inspector = sa.inspect(connection)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sa.exc.SAWarning)
        found = inspector.get_multi_columns(kind=sa.engine.reflection.ObjectKind.ANY)
    tables = {
        name: frozenset(column["name"] for column in columns)
        for (_schema, name), columns in found.items()
        if not name.startswith("sqlite_")
    }
    rows, unreadable = _version_rows(connection, tables)
    settings: dict = {"schema": None, "search_path": None}
    if connection.dialect.name == "sqlite":
        settings |= {
            "server_version": connection.scalar(sa.text("SELECT sqlite_version()")),
            "role": None,
            "database": connection.engine.url.database,
        }
    else:
        row = (
            connection.execute(
                sa.text(
                    "SELECT DATABASE() AS `database`, VERSION() AS server_version, CURRENT_USER() AS role,"
                    " @@character_set_database AS encoding, @@collation_database AS collation"
                )
            )
            .mappings()
            .one()
        )
        settings |= dict(row)
        settings["tables_collation"] = connection.scalar(
            sa.text(
                "SELECT table_collation FROM information_schema.tables WHERE table_schema = DATABASE() AND "
                "table_name = 'experiments'"
            )
        )
    return Facts(connection.dialect.name, settings, Observed(tables, rows), unreadable=unreadable)


def observe(connection: sa.Connection) -> Facts:
    """All facts that one look gives."""
    return _postgres(connection) if connection.dialect.name == "postgresql" else _other(connection)
