# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""Who may do what in a PostgreSQL database: the owner changes the schema, the server reads and writes rows."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from mlflow_guard.inspect import structure
from mlflow_guard.inspect.schema_state import VERSION_TABLES

ROW_RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE")
# The servers only read the revision; nobody but the schema step has a reason to write it.
READ_ONLY_TABLES = frozenset(VERSION_TABLES.values())

TABLE_RIGHTS = sa.text("""
    SELECT c.relname::text, has_table_privilege(:role, c.oid, 'SELECT'), has_table_privilege(:role, c.oid, 'INSERT'),
           has_table_privilege(:role, c.oid, 'UPDATE'), has_table_privilege(:role, c.oid, 'DELETE'),
           pg_has_role(:role, c.relowner, 'USAGE')
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') AND c.relname = ANY (:names)""")
SEQUENCES = sa.text("""
    SELECT s.relname::text, c.relname::text, a.attname::text,
           has_sequence_privilege(:role, s.oid, 'USAGE') AND has_sequence_privilege(:role, s.oid, 'SELECT')
    FROM pg_catalog.pg_class s JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
    JOIN pg_catalog.pg_depend d ON d.objid = s.oid AND d.classid = 'pg_catalog.pg_class'::regclass
         AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.deptype IN ('a', 'i')
    JOIN pg_catalog.pg_class c ON c.oid = d.refobjid
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
    WHERE s.relkind = 'S' AND n.nspname = current_schema() AND c.relname = ANY (:names) ORDER BY 1""")
ROLE_RIGHTS = sa.text("""
    SELECT has_schema_privilege(:role, current_schema(), 'CREATE'),
           has_schema_privilege(:role, current_schema(), 'USAGE'),
           has_database_privilege(:role, current_database(), 'CREATE')""")
ROLE_EXISTS = sa.text("SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = :role)")


@dataclass(frozen=True)
class Rights:
    """What one role may do."""

    exists: bool
    may_create: bool = False
    may_use: bool = False
    may_create_schema: bool = False
    lacking: tuple[str, ...] = ()
    too_much: tuple[str, ...] = ()
    owned: tuple[str, ...] = ()
    not_owned: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether the server could work with them."""
        return self.exists and self.may_use and not self.lacking


def mlflow_tables(tables) -> list[str]:
    """The tables that are MLflow's, with the tables of the revisions."""
    names = structure.table_names("backend") | structure.table_names("auth") | READ_ONLY_TABLES
    return sorted(name for name in tables if name in names)


def look(connection: sa.Connection, role: str, tables) -> Rights:
    """The rights of a role on the schema in use and on MLflow's tables in it."""
    if not connection.scalar(ROLE_EXISTS, {"role": role}):
        return Rights(False)
    may_create, may_use, may_create_schema = connection.execute(ROLE_RIGHTS, {"role": role}).one()
    lacking, too_much, owned, not_owned = [], [], [], []
    names = mlflow_tables(tables)
    for name, *row_rights, owner in connection.execute(TABLE_RIGHTS, {"role": role, "names": names}):
        has = dict(zip(ROW_RIGHTS, row_rights, strict=True))
        wanted = ("SELECT",) if name in READ_ONLY_TABLES else ROW_RIGHTS
        lacking += [f"{right} on {name}" for right in wanted if not has[right]]
        too_much += [f"{right} on {name}" for right in ROW_RIGHTS if right not in wanted and has[right]]
        (owned if owner else not_owned).append(name)
    lacking += [
        f"USAGE on sequence {name}"
        for name, _table, _column, granted in connection.execute(SEQUENCES, {"role": role, "names": names})
        if not granted
    ]
    return Rights(
        True, may_create, may_use, may_create_schema, tuple(lacking), tuple(too_much), tuple(owned), tuple(not_owned)
    )


def grant(connection: sa.Connection, schema: str, role: str, tables, made=frozenset()) -> None:
    """Give the server's role its rights on rows, and the same on tables that the owner makes later.

    `made` are tables that the migration has just made.
    """
    quote = connection.dialect.identifier_preparer.quote_identifier
    target, where = quote(role), quote(schema)
    names = sorted({*mlflow_tables(tables), *made})
    statements = [f"GRANT USAGE ON SCHEMA {where} TO {target}"]
    statements += [
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {where}.{quote(name)} TO {target}"
        for name in names
        if name not in READ_ONLY_TABLES
    ]
    for name in READ_ONLY_TABLES & set(names):
        statements += [
            f"REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON {where}.{quote(name)} FROM {target}",
            f"GRANT SELECT ON {where}.{quote(name)} TO {target}",
        ]
    sequences = connection.execute(SEQUENCES, {"role": role, "names": names}).all()
    statements += [f"GRANT USAGE, SELECT ON SEQUENCE {where}.{quote(name)} TO {target}" for name, *_rest in sequences]
    statements += [
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA {where} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {target}",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA {where} GRANT USAGE, SELECT ON SEQUENCES TO {target}",
    ]
    for statement in statements:
        connection.exec_driver_sql(statement.replace("%", "%%"))
