# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""SQL for psql that prepares databases as role database_server does, for an administrator who runs it by hand."""

from __future__ import annotations

from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._database_server import KINDS

BEGIN = """\
-- Prepares a PostgreSQL server for MLflow; it can be run again. Run it as a superuser, or as a role with CREATEROLE and
-- CREATEDB:
--   psql --no-psqlrc --host=HOST --username=ADMINISTRATOR --dbname={admin_database} --file=THIS_FILE
-- psql asks for the password of a role that is new. Where nobody can answer, or for other passwords, write a file that
-- sets them and reads this one:
--   \\set ON_ERROR_STOP on
--   \\set owner_password `cat FILE`
--   \\set server_password `cat FILE`
--   \\i THIS_FILE
\\set ON_ERROR_STOP on
\\set QUIET on
SET client_min_messages = warning;
SELECT current_database() AS first_database \\gset
"""

QUIET = """
SELECT rolsuper AS is_superuser FROM pg_catalog.pg_roles WHERE rolname = current_user \\gset
\\if :is_superuser
    -- Passwords are for no log.
    SET log_statement = 'none';
    SET log_min_duration_statement = -1;
\\endif
"""

CHECK = """
-- Nothing is changed if database {name} holds something else.
SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = {literal}) AS is_there \\gset
\\if :is_there
    \\connect {quoted}
    DO $$
    DECLARE
        strange text;
    BEGIN
        -- What is neither PostgreSQL's, nor an extension's, nor the guard's, nor MLflow's.
        WITH own AS (
            SELECT c.oid, c.tableoid AS class, n.nspname, c.relname AS name, c.relkind IN ('r', 'p') AS is_table
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
            UNION ALL
            SELECT p.oid, p.tableoid, n.nspname, p.proname, false
            FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
            WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_trigger g WHERE g.tgfoid = p.oid)
        ), there AS (
            SELECT * FROM own o WHERE nspname NOT IN ('information_schema', 'mlflow_guard') AND nspname !~ '^pg_'
            AND NOT EXISTS (
                SELECT FROM pg_catalog.pg_depend d WHERE d.classid = o.class AND d.objid = o.oid AND d.deptype = 'e')
        )
        SELECT string_agg(nspname || '.' || name, ', ') INTO strange FROM there t
        WHERE NOT (is_table AND ({ours}));
        IF strange IS NOT NULL THEN
            RAISE EXCEPTION 'database {name} holds what is not MLflow''s: %', left(strange, 200);
        END IF;
    END $$;
    \\connect :"first_database"
\\endif
"""

ROLE = """
-- Role {name}: {purpose}.
SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {literal}) AS is_new \\gset
SELECT 'CREATE ROLE {quoted} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE'
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {literal}) \\gexec
DO $$
BEGIN
    IF EXISTS (
        SELECT FROM pg_catalog.pg_roles WHERE rolname = {literal} AND (rolsuper OR rolreplication OR rolbypassrls)
    ) THEN
        RAISE EXCEPTION 'role {name} is there already and may do more than a role of MLflow: choose another name';
    END IF;
END $$;
SELECT 'ALTER ROLE {quoted} LOGIN' FROM pg_catalog.pg_roles WHERE rolname = {literal} AND NOT rolcanlogin
UNION ALL SELECT 'ALTER ROLE {quoted} NOCREATEDB' FROM pg_catalog.pg_roles WHERE rolname = {literal} AND rolcreatedb
UNION ALL SELECT 'ALTER ROLE {quoted} NOCREATEROLE' FROM pg_catalog.pg_roles WHERE rolname = {literal} AND rolcreaterole
UNION ALL SELECT 'ALTER ROLE {quoted} VALID UNTIL ''infinity''' FROM pg_catalog.pg_roles
    WHERE rolname = {literal} AND rolvaliduntil < now()
\\gexec
\\if :{{?{which}_password}}
    ALTER ROLE {quoted} PASSWORD :'{which}_password';
\\elif :is_new
    \\echo Password for {name}
    \\password {quoted}
\\endif
"""

LIMIT = """\
SELECT 'ALTER ROLE {quoted} CONNECTION LIMIT {limit}' FROM pg_catalog.pg_roles
WHERE rolname = {literal} AND rolconnlimit <> {limit} \\gexec
"""

JOIN = """
-- An administrator who is no superuser has to be a member of {owner} for a while.
SELECT NOT rolsuper AND NOT pg_catalog.pg_has_role(
    {owner_literal}, CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END
) AS joins, NOT rolsuper AS keeps_connect
FROM pg_catalog.pg_roles WHERE rolname = current_user \\gset
\\if :joins
    GRANT {owner_quoted} TO CURRENT_USER;
\\endif
"""

DATABASE = """
-- Database {name}.
SELECT 'CREATE DATABASE {quoted} OWNER {owner_quoted} TEMPLATE template0 ENCODING ''UTF8''' || CASE
    WHEN pg_catalog.pg_encoding_to_char(encoding) = 'UTF8' THEN '' ELSE ' LC_COLLATE ''C'' LC_CTYPE ''C''' END
FROM pg_catalog.pg_database
WHERE datname = 'template0' AND NOT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = {literal}) \\gexec
SELECT 'ALTER DATABASE {quoted} OWNER TO {owner_quoted}' FROM pg_catalog.pg_database
WHERE datname = {literal} AND datdba <> (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = {owner_literal}) \\gexec
\\if :keeps_connect
    GRANT CONNECT ON DATABASE {quoted} TO CURRENT_USER;
\\endif
REVOKE ALL ON DATABASE {quoted} FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE {quoted} TO {server_quoted};
REVOKE GRANT OPTION FOR CONNECT, TEMPORARY ON DATABASE {quoted} FROM {server_quoted};
REVOKE CREATE ON DATABASE {quoted} FROM {server_quoted};
\\connect {quoted}
SET client_min_messages = warning;
CREATE SCHEMA IF NOT EXISTS {schema_quoted} AUTHORIZATION {owner_quoted};
ALTER SCHEMA {schema_quoted} OWNER TO {owner_quoted};
REVOKE CREATE ON SCHEMA {schema_quoted} FROM PUBLIC;
GRANT USAGE ON SCHEMA {schema_quoted} TO {server_quoted};
REVOKE GRANT OPTION FOR USAGE ON SCHEMA {schema_quoted} FROM {server_quoted};
REVOKE CREATE ON SCHEMA {schema_quoted} FROM {server_quoted};
{defaults}{search_path}\\connect :"first_database"
"""

DEFAULTS = """\
ALTER DEFAULT PRIVILEGES FOR ROLE {owner_quoted} IN SCHEMA {schema_quoted} REVOKE ALL ON {kind} FROM {server_quoted};
ALTER DEFAULT PRIVILEGES FOR ROLE {owner_quoted} IN SCHEMA {schema_quoted} GRANT {rights} ON {kind} TO {server_quoted};
"""

SEARCH_PATH = """\
ALTER ROLE {owner_quoted} IN DATABASE {quoted} SET search_path = {schema_quoted};
ALTER ROLE {server_quoted} IN DATABASE {quoted} SET search_path = {schema_quoted};
"""

END = """
\\if :joins
    REVOKE {owner_quoted} FROM CURRENT_USER;
\\endif
"""

# As the own PostgreSQL of a deployment gets them (roles/postgres/files/provision.sh).
DEFAULT_RIGHTS = (("TABLES", "SELECT, INSERT, UPDATE, DELETE"), ("SEQUENCES", "USAGE, SELECT, UPDATE"))


def quoted(name: str) -> str:
    return '"' + str(name).replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + str(text).replace("'", "''") + "'"


def ours() -> str:
    """The condition that a table is MLflow's: it has one of its names, and the oldest tables are beside it."""
    found = []
    for tables, oldest in KINDS:
        names = ", ".join(literal(name) for name in sorted(tables))
        beside = " AND ".join(
            f"EXISTS (SELECT FROM there o WHERE o.is_table AND o.nspname = t.nspname AND o.name = {literal(name)})"
            for name in sorted(oldest)
        )
        found.append(f"name IN ({names}) AND {beside}")
    return " OR ".join(found)


def role(given: dict[str, Any], which: str, purpose: str) -> str:
    name, limit = str(given[f"{which}_username"]), int(given[f"{which}_connection_limit"])
    words = {"name": name, "quoted": quoted(name), "literal": literal(name), "which": which, "limit": limit}
    return ROLE.format(purpose=purpose, **words) + (LIMIT.format(**words) if limit else "")


def script(given: dict[str, Any]) -> str:
    """The whole script. No password is in it."""
    owner, server, schema = given["owner_username"], given["server_username"], given["schema"]
    words = {
        "owner": owner,
        "owner_quoted": quoted(owner),
        "owner_literal": literal(owner),
        "server_quoted": quoted(server),
        "schema_quoted": quoted(schema or "public"),
    }
    parts = [BEGIN.format(admin_database=given["admin_database"])]
    for name in given["databases"]:
        parts.append(CHECK.format(name=name, quoted=quoted(name), literal=literal(name), ours=ours()))
    # A setting is for one connection, and looking into a database is another one.
    parts.append(QUIET)
    parts.append(role(given, "owner", "owns the databases and their schema, and only the schema step uses it"))
    parts.append(role(given, "server", "the MLflow servers, which read and write rows"))
    parts.append(JOIN.format(**words))
    defaults = "".join(DEFAULTS.format(kind=kind, rights=rights, **words) for kind, rights in DEFAULT_RIGHTS)
    for name in given["databases"]:
        own = {"name": name, "quoted": quoted(name), "literal": literal(name)}
        path = SEARCH_PATH.format(**own, **words) if schema else ""
        parts.append(DATABASE.format(defaults=defaults, search_path=path, **own, **words))
    return "".join(parts) + END.format(**words)
