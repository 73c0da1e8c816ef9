# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""What of an artifacts destination is the guard's own: no path that a client names leads there.

Without it one request of any client, to delete or to replace the marker, would be taken for another destination. The
name is reserved at every depth: then it does not matter where an experiment, a run or a model says that its artifacts
are, and nobody has to work out which of these places hold the destination's root.
"""

from __future__ import annotations

import os
import re
import unicodedata
import urllib.parse

from mlflow_guard.inspect.store import FOLDER

# Whoever decodes a path once more than we do must not find the name.
DECODINGS = 8


def _plain(part: str) -> str:
    """A part of a path as file systems see it that do not tell cases apart or drop dots and blanks at an end."""
    return unicodedata.normalize("NFKC", part).casefold().rstrip(" .")


def is_reserved(path: str | os.PathLike | None) -> bool:
    """Whether the path is, or is below, a folder of the guard."""
    text = os.fspath(path or "")
    for _number in range(DECODINGS):
        if any(_plain(part) == FOLDER for part in re.split(r"[/\\]", text)):
            return True
        text, before = urllib.parse.unquote(text), text
        if text == before:
            break
    return False


def refuse_reserved(*paths: str | os.PathLike | None) -> None:
    """Refuse paths of the guard's own."""
    if any(is_reserved(path) for path in paths):
        # MLflow itself loads the repositories that need this.
        from mlflow.exceptions import MlflowException
        from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

        raise MlflowException(
            f"{FOLDER} is reserved: it holds what tells this server that its artifacts are where they should be. "
            "Choose another name.",
            error_code=PERMISSION_DENIED,
        )
