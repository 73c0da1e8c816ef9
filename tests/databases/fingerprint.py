# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hash over all of a PostgreSQL server: every row of every table of every database, and who may do what.

    python -m tests.databases.fingerprint "host=db.example.com user=postgres"

prints it, a line for each database. Two runs with equal lines mean that nothing was changed between them.
"""

from __future__ import annotations

import hashlib
import sys

import psycopg2
from psycopg2 import sql

DATABASES = "SELECT datname FROM pg_database WHERE datallowconn ORDER BY datname"
RELATIONS = """
    SELECT n.nspname, c.relname, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
    ORDER BY 1, 2"""
# What is not in a table of somebody: names, kinds, owners, rights and settings, each as text.
CATALOGS = (
    "SELECT nspname, nspowner::regrole::text, nspacl::text FROM pg_namespace WHERE nspname !~ '^pg_(toast|temp)'",
    "SELECT oid::regclass::text, relkind, relowner::regrole::text, relacl::text FROM pg_class"
    " WHERE relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^(pg_|information_schema$)')",
    "SELECT attrelid::regclass::text, attnum, attname, atttypid::regtype::text, attnotnull, attacl::text"
    " FROM pg_attribute WHERE NOT attisdropped AND attrelid IN (SELECT oid FROM pg_class WHERE relnamespace NOT IN"
    " (SELECT oid FROM pg_namespace WHERE nspname ~ '^(pg_|information_schema$)'))",
    "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid <> 0",
    "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid > 16383",
    "SELECT oid::regprocedure::text, proowner::regrole::text, proacl::text FROM pg_proc WHERE oid > 16383",
    "SELECT defaclrole::regrole::text, defaclnamespace::regnamespace::text, defaclacl::text FROM pg_default_acl",
    "SELECT extname, extversion FROM pg_extension",
)
SHARED = (
    "SELECT datname, datdba::regrole::text, datacl::text, datconnlimit FROM pg_database",
    "SELECT rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolconnlimit, rolpassword,"
    " rolvaliduntil::text FROM pg_authid",
    "SELECT roleid::regrole::text, member::regrole::text, admin_option FROM pg_auth_members",
    "SELECT setdatabase::text, setrole::regrole::text, setconfig::text FROM pg_db_role_setting",
)


def hashed(cursor, query) -> str:
    """A hash over the rows of a query, in an order of their own."""
    cursor.execute(query)
    rows = sorted(repr(row) for row in cursor.fetchall())
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def of_database(dsn: str, name: str) -> str:
    whole = hashlib.sha256()
    connection = psycopg2.connect(dsn, dbname=name)
    try:
        # One moment for all of it.
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        with connection.cursor() as cursor:
            for query in CATALOGS:
                whole.update(hashed(cursor, query).encode())
            cursor.execute(RELATIONS)
            for schema, table, kind in cursor.fetchall():
                relation = sql.Identifier(schema, table)
                whole.update(f"{schema}.{table}.{kind}".encode())
                if kind in "rp":
                    whole.update(hashed(cursor, sql.SQL("SELECT t::text FROM {} t").format(relation)).encode())
                elif kind == "S":
                    values = sql.SQL("SELECT last_value, is_called FROM {}").format(relation)
                    whole.update(hashed(cursor, values).encode())
    finally:
        connection.close()
    return whole.hexdigest()


def fingerprint(dsn: str) -> dict[str, str]:
    """By database; what they share, such as roles, is at `*`."""
    connection = psycopg2.connect(dsn)
    try:
        with connection.cursor() as cursor:
            cursor.execute(DATABASES)
            names = [name for (name,) in cursor.fetchall()]
            shared = hashlib.sha256("".join(hashed(cursor, query) for query in SHARED).encode()).hexdigest()
    finally:
        connection.close()
    return {"*": shared, **{name: of_database(dsn, name) for name in names}}


if __name__ == "__main__":
    for database, value in fingerprint(sys.argv[1]).items():
        print(f"{value}  {database}")
