# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""The file from which libpq takes a running server's passwords. It follows the files that hold them.

libpq reads it for each new connection, so a password that is changed needs no restart.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from mlflow_guard.answer import Problem
from mlflow_guard.config import Config
from mlflow_guard.inspect.passfile import passfile_entries, write_private

NAME = "pgpass"
LOOK_SECONDS = 5


def _entries(config: Config) -> str:
    """A line for each PostgreSQL database with a password."""
    logins = ((each, each.server.password()) for each in config.databases if each.dialect == "postgresql")
    return "".join(passfile_entries(each, each.server, password) for each, password in logins if password is not None)


def write(config: Config, folder: Path) -> str:
    """Write the file; its path, or nothing where no database has a password."""
    entries = _entries(config)
    return write_private(folder / NAME, entries) if entries else ""


def follow(config: Config, folder: Path, say) -> None:
    """Write the file again whenever a password has changed, as long as the process lives."""
    path = folder / NAME
    while path.exists():
        # A file that is being replaced is read the next time.
        with contextlib.suppress(Problem, OSError):
            entries = _entries(config)
            if entries != path.read_text(encoding="utf-8"):
                write_private(path, entries)
                say("a database password was changed: new connections take the new one")
        time.sleep(LOOK_SECONDS)
