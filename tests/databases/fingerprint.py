# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hash over all of a PostgreSQL server: every row of every table of every database, and who may do what.

    python -m tests.databases.fingerprint "host=db.example.com user=postgres dbname=postgres"

prints it, a line for each database, with what they share, such as roles, at `*`. Two runs with the same lines mean that
nothing was changed between them.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator

import psycopg2
import psycopg2.extensions

# Of the whole server: roles with their passwords, memberships, databases with their rights, settings.
SHARED = """
SELECT 'role', to_jsonb(a) - 'oid' FROM pg_authid a
UNION ALL
SELECT 'member', jsonb_build_array(
    m.roleid::regrole, m.member::regrole, m.grantor::regrole, to_jsonb(m) - 'oid' - 'roleid' - 'member' - 'grantor')
FROM pg_auth_members m
UNION ALL
SELECT 'database', jsonb_build_array(
    datname, datdba::regrole, encoding, datcollate, datctype, datistemplate, datallowconn, datconnlimit, datacl::text)
FROM pg_database
UNION ALL
SELECT 'setting', jsonb_build_array(d.datname, s.setrole::regrole, s.setconfig)
FROM pg_db_role_setting s LEFT JOIN pg_database d ON d.oid = s.setdatabase
UNION ALL
SELECT 'tablespace', jsonb_build_array(spcname, spcowner::regrole, spcacl::text) FROM pg_tablespace
"""
# Of one database: who owns what, and who has which rights on it.
CATALOG = """
SELECT 'schema', jsonb_build_array(nspname, nspowner::regrole, nspacl::text) FROM pg_namespace
WHERE nspname !~ '^pg_(toast|temp)'
UNION ALL
SELECT 'relation', jsonb_build_array(relnamespace::regnamespace, relname, relkind, relowner::regrole, relacl::text)
FROM pg_class WHERE relnamespace::regnamespace::text !~ '^pg_(toast|temp)'
UNION ALL
SELECT 'column', jsonb_build_array(attrelid::regclass, attname, atttypid::regtype, attnotnull, attacl::text)
FROM pg_attribute WHERE attrelid >= 16384 AND attnum > 0
UNION ALL
SELECT 'function', jsonb_build_array(oid::regprocedure, proowner::regrole, proacl::text, prosrc) FROM pg_proc
UNION ALL
SELECT 'type', jsonb_build_array(typnamespace::regnamespace, typname, typowner::regrole, typacl::text)
FROM pg_type WHERE oid >= 16384
UNION ALL
SELECT 'default', jsonb_build_array(
    defaclrole::regrole, defaclnamespace::regnamespace, defaclobjtype, defaclacl::text)
FROM pg_default_acl
UNION ALL
SELECT 'extension', jsonb_build_array(extname, extowner::regrole, extversion) FROM pg_extension
UNION ALL
SELECT 'constraint', jsonb_build_array(conrelid::regclass, conname, pg_get_constraintdef(oid))
FROM pg_constraint WHERE oid >= 16384
UNION ALL
SELECT 'index', jsonb_build_array(pg_get_indexdef(indexrelid)) FROM pg_index WHERE indrelid >= 16384
UNION ALL
SELECT 'sequence', jsonb_build_array(schemaname, sequencename, last_value) FROM pg_sequences
"""
TABLES = """
SELECT format('%I.%I', nspname, relname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind IN ('r', 'm') AND c.oid >= 16384 AND nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY 1
"""
DATABASES = "SELECT datname FROM pg_database WHERE datallowconn ORDER BY 1"


def lines(cursor: psycopg2.extensions.cursor, query: str) -> list[str]:
    """The rows as text in an order that depends on nothing else; names without what search_path makes of them."""
    cursor.execute("SET search_path = pg_catalog")
    cursor.execute(query)
    return sorted(json.dumps(row, sort_keys=True, default=str) for row in cursor.fetchall())


def contents(dsn: str, database: str) -> Iterator[str]:
    """All that a fingerprint is made of, as lines."""
    connection = psycopg2.connect(dsn, dbname=database)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield from lines(cursor, CATALOG)
            cursor.execute(TABLES)
            for (table,) in cursor.fetchall():
                yield table
                yield from lines(cursor, f"SELECT to_jsonb(t) FROM {table} t")
    finally:
        connection.close()


def shared(dsn: str) -> list[str]:
    connection = psycopg2.connect(dsn, dbname="postgres")
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            return lines(cursor, SHARED)
    finally:
        connection.close()


def without_passwords(texts: list[str]) -> list[str]:
    """The lines of what is shared, to compare two servers: a password has another salt each time that it is set."""
    return [re.sub(r'"rolpassword": "[^"]*"', '"rolpassword": "set"', text) for text in texts]


def databases(dsn: str) -> list[str]:
    connection = psycopg2.connect(dsn, dbname="postgres")
    try:
        with connection.cursor() as cursor:
            cursor.execute(DATABASES)
            return [name for (name,) in cursor.fetchall()]
    finally:
        connection.close()


def digest(texts: Iterator[str] | list[str]) -> str:
    found = hashlib.sha256()
    for text in texts:
        found.update(text.encode() + b"\n")
    return found.hexdigest()


def fingerprint(dsn: str) -> dict[str, str]:
    """A hash for each database that takes connections, and one for what they share at `*`.

    The user of `dsn` is a superuser. Every row of every table counts, and all roles, owners, rights and settings.
    """
    return {"*": digest(shared(dsn)), **{name: digest(contents(dsn, name)) for name in databases(dsn)}}


if __name__ == "__main__":
    for database, value in fingerprint(sys.argv[1]).items():
        print(f"{value}  {database}")
