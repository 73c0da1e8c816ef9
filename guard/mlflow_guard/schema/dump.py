# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""Dumps a database into a file before its schema is changed."""

from __future__ import annotations

import datetime
import os
import re
import shutil
import sqlite3
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from mlflow_guard.answer import Problem
from mlflow_guard.config import Config, Database, Login
from mlflow_guard.inspect import database as db
from mlflow_guard.inspect.inspection import Seen
from mlflow_guard.inspect.passfile import mysql_options, passfile_entries, write_private

# What the owner role does not own it may not be able to read, and one such table fails the whole dump.
OTHER_SCHEMAS = sa.text("""
    SELECT nspname::text FROM pg_catalog.pg_namespace WHERE nspname NOT LIKE 'pg\\_%'
     AND nspname NOT IN ('information_schema', 'mlflow_guard', current_schema())""")
OTHER_RELATIONS = sa.text("""
    SELECT n.nspname::text, c.relname::text
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('mlflow_guard', current_schema()) AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
     AND NOT pg_has_role(current_user, c.relowner, 'USAGE') ORDER BY 1, 2""")
PROGRAMS = {"postgresql": ("pg_dump",), "mysql": ("mariadb-dump", "mysqldump")}


@dataclass(frozen=True)
class NotOurs:
    """What a PostgreSQL database holds for others: schemas, and tables in ours."""

    schemas: list[str]
    relations: list[tuple[str, str]]


def not_ours(connection: sa.Connection) -> NotOurs:
    """Whatever is not of this deployment, as the owner role sees it."""
    schemas = [row[0] for row in connection.execute(OTHER_SCHEMAS)]
    return NotOurs(schemas, [tuple(row) for row in connection.execute(OTHER_RELATIONS)])


def program(database: Database) -> str | None:
    """The dump program on PATH; None for SQLite, which needs none."""
    if database.dialect == "sqlite":
        return None
    for name in PROGRAMS[database.dialect]:
        found = shutil.which(name)
        if found:
            return found
    raise Problem("dump-program-missing", "image", f"{' or '.join(PROGRAMS[database.dialect])} is not on PATH")


def require(seen: Seen, folder: str) -> None:
    """Say before anything is changed when the dump could not be made."""
    if not folder:
        raise Problem("dump-failed", "schema_dumps", "no directory for dumps is configured")
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    except OSError as error:
        raise Problem("dump-failed", "schema_dumps", f"{folder} cannot be made: {error.strerror}") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise Problem("dump-failed", "schema_dumps", f"user {os.getuid()} may not write in {folder}")
    executable = program(seen.database)
    if executable and seen.database.dialect == "postgresql":
        answer = subprocess.run([executable, "--version"], capture_output=True, text=True, check=False)
        version = re.search(r"(\d+)(?:\.|$|\s|devel|beta|rc)", answer.stdout)
        if answer.returncode or not version:
            raise Problem(
                "dump-program-missing",
                "image",
                f"{executable} does not run: {(answer.stderr or answer.stdout).strip()[:200]}",
            )
        server = seen.facts.settings["server_version_num"] // 10000
        if int(version.group(1)) < server:
            raise Problem(
                "dump-program-old",
                "image",
                f"{executable} is of PostgreSQL {version.group(1)}, and the server is {server}",
            )


def _run(command: list[str], environment: dict, secret: str | None, target: Path) -> None:
    answer = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    if answer.returncode:
        text = " ".join(answer.stderr.split())
        text = text.replace(secret, "***") if secret else text
        raise Problem(
            "dump-failed", "schema_dumps", f"{Path(command[0]).name} ended with {answer.returncode}: {text[:400]}"
        )
    if not target.stat().st_size:
        raise Problem("dump-failed", "schema_dumps", f"{Path(command[0]).name} wrote an empty file")


def _postgres(seen: Seen, login: Login, target: Path, others: NotOurs) -> None:
    from psycopg2.extensions import make_dsn

    database = seen.database.reached_by(login)
    password = login.password()
    with tempfile.TemporaryDirectory() as folder:
        environment = {"PGAPPNAME": "mlflow-guard dump", "PGCONNECT_TIMEOUT": "10"}
        if password is not None:
            environment["PGPASSFILE"] = write_private(
                Path(folder, "pgpass"), passfile_entries(database, login, password)
            )
        for name, value in database.query.items():
            # libpq's own names: sslmode, sslrootcert and their like work as variables of the same name.
            if name in LIBPQ_VARIABLES:
                environment[LIBPQ_VARIABLES[name]] = value
        environment["PGOPTIONS"] = " ".join(db.SERVER_KEEPALIVES)
        command = [
            program(database) or "pg_dump",
            "--format=custom",
            "--no-password",
            # Large objects belong to no schema; MLflow has none.
            "--no-blobs",
            f"--file={target}",
            f"--host={database.host}",
            f"--username={login.username}",
            f"--dbname={make_dsn(dbname=database.database, **db.KEEPALIVES)}",
        ]
        if database.port:
            command.append(f"--port={database.port}")
        # Other applications' schemas are none of our business, and often may not be read.
        command += [f"--exclude-schema={_pattern(name)}" for name in others.schemas]
        command += [f"--exclude-table={_pattern(schema)}.{_pattern(name)}" for schema, name in others.relations]
        _run(command, environment, password, target)


LIBPQ_VARIABLES = {
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslcrl": "PGSSLCRL",
    "gssencmode": "PGGSSENCMODE",
    "channel_binding": "PGCHANNELBINDING",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}


def _pattern(name: str) -> str:
    """A schema's name as a pattern of pg_dump that matches just it."""
    return '"' + name.replace('"', '""') + '"'


def _mysql(seen: Seen, login: Login, target: Path) -> None:
    database = seen.database.reached_by(login)
    password = login.password()
    with tempfile.TemporaryDirectory() as folder:
        options = write_private(Path(folder, "my.cnf"), mysql_options(login.username, password or "", escaped=True))
        _run(
            [
                program(database) or "mysqldump",
                f"--defaults-extra-file={options}",
                f"--host={database.host}",
                "--protocol=TCP",
                f"--port={database.port or 3306}",
                "--single-transaction",
                "--routines",
                "--no-tablespaces",
                f"--result-file={target}",
                database.database,
            ],
            {},
            password,
            target,
        )


def _sqlite(seen: Seen, target: Path) -> None:
    source, copy = sqlite3.connect(f"file:{seen.database.database}?mode=ro", uri=True), sqlite3.connect(target)
    try:
        source.backup(copy)
    finally:
        copy.close()
        source.close()


def dump(config: Config, seen: Seen, login: Login, others: NotOurs | None) -> str:
    """Write the dump with mode 0600 and return the file's name; a file with that name is always whole."""
    stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    suffix = {"postgresql": "dump", "mysql": "sql", "sqlite": "db"}[seen.database.dialect]
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", f"{config.deployment}-{seen.database.name}-{seen.state.revision}-{stamp}")
    target = Path(config.schema_dumps, f"{name}.{suffix}")
    part = target.with_name(target.name + ".part")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        if seen.database.dialect == "postgresql":
            _postgres(seen, login, part, others or NotOurs([], []))
        elif seen.database.dialect == "mysql":
            _mysql(seen, login, part)
        else:
            _sqlite(seen, part)
        with open(part, "rb") as file:
            os.fsync(file.fileno())
        part.rename(target)
    except (OSError, sqlite3.Error) as error:
        raise Problem("dump-failed", "schema_dumps", f"{target}: {error}") from None
    finally:
        part.unlink(missing_ok=True)
    return str(target)
