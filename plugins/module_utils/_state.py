# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""The file that holds the arguments which were last checked and accepted."""

from __future__ import annotations

import errno
import json
import os
import stat
from typing import Any

FORMAT = 1
MODE = 0o600
KEYS = frozenset(
    (
        "mlflow_version",
        "replicas",
        "platform",
        "argv",
        "environment",
        "secret_environment",
        "effective",
        "tracking_revisions",
        "auth_revisions",
    )
)


class StateError(Exception):
    """The file cannot be used; the message is one sentence that says why and what to do."""


def read_state(path: str, to_be_written: bool = True) -> tuple[dict[str, Any] | None, bool]:
    """What the file holds (None if there is none), and whether its mode is the right one.

    A directory that is missing matters only to somebody who is going to write.
    """
    try:
        with open(path, encoding="utf-8") as stream:
            text = stream.read()
            mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
    except OSError as error:
        if error.errno == errno.ENOENT:
            parent = os.path.dirname(os.path.abspath(path))
            if to_be_written and not os.path.isdir(parent):
                raise StateError(f"path: the directory {parent} does not exist; create it first.") from error
            return None, True
        raise StateError(
            f"path: {path} cannot be read ({error.strerror}); give a file that this user may read and write."
        ) from error
    except UnicodeDecodeError as error:
        raise StateError(corrupt(path, "it is not text")) from error
    try:
        content = json.loads(text)
    except ValueError as error:
        raise StateError(corrupt(path, "it is no JSON")) from error
    if not isinstance(content, dict) or not isinstance(content.get("format"), int):
        raise StateError(corrupt(path, "it has no format number"))
    if content["format"] > FORMAT:
        raise StateError(
            f"path: {path} was written by a newer release of this collection (format {content['format']}, known is "
            f"{FORMAT}); use that release, nothing was overwritten."
        )
    state = content.get("state")
    if not isinstance(state, dict) or not KEYS.issubset(state) or not isinstance(state["effective"], dict):
        raise StateError(corrupt(path, "parts of it are missing"))
    return state, mode == MODE


def corrupt(path: str, reason: str) -> str:
    return (
        f"path: {path} does not hold the arguments of an earlier check ({reason}); restore it from a backup, or "
        "move it away to have the arguments checked without comparison, nothing was overwritten."
    )


def dump_state(state: dict[str, Any]) -> str:
    """The content of the file; the same state always gives the same text."""
    return json.dumps({"format": FORMAT, "state": state}, indent=1, sort_keys=True) + "\n"
