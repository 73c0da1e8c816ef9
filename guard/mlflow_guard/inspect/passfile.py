# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""Password files for database clients, so that no password stands in an environment or a command line."""

from __future__ import annotations

import os
from pathlib import Path

from mlflow_guard.config import Database, Login


def escape(field: str) -> str:
    """libpq reads a password file by colons; a colon or backslash within a field is escaped."""
    return field.replace("\\", "\\\\").replace(":", "\\:")


def passfile_entries(database: Database, login: Login, password: str) -> str:
    """Lines of a libpq password file for one database."""
    hosts = [each.strip() for each in database.host.split(",")]
    # libpq looks for "localhost" when it connects through its default socket directory.
    hosts += ["localhost"] if any(host.startswith("/") for host in hosts) else []
    port = str(database.port) if database.port else "*"
    return "".join(
        ":".join(
            escape(field) if field != "*" else field
            for field in (host, port, database.database, login.username, password)
        )
        + "\n"
        for host in hosts
    )


def mysql_options(username: str, password: str, *, escaped: bool) -> str:
    """An option file. MySQL's own clients read a backslash as an escape, PyMySQL takes every character as it is."""

    def quote(text: str) -> str:
        if escaped:
            text = text.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{text}"'

    return f"[client]\nuser={quote(username)}\npassword={quote(password)}\n"


def write_private(path: Path, content: str) -> str:
    """Write a file that only this user may read, at once or not at all."""
    part = path.with_name(path.name + f".{os.getpid()}")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
    part.replace(path)
    return str(path)
