# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""Uploads to a folder that are under way, and what killed ones leave behind.

MLflow writes an upload beside the artifact, where nobody finds it again when the server is killed: the whole
destination would have to be searched. Here all of them are in one folder of the destination, the guard's own.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time

from mlflow_guard.inspect.store import FOLDER, mount_of

PREFIX = ".artifact.uploading."
# An upload to which nothing was added for so long has nobody who sends it: a silent client is given up much earlier.
DEAD_SECONDS = 3600.0
SWEEP_SECONDS = 900.0


def place(destination: str) -> str:
    """The folder of uploads under way."""
    return os.path.join(destination, FOLDER, "uploads")


def new(folder: str) -> tuple[int, str]:
    """A new file for an upload into this folder: its number and its path."""
    from mlflow.server import ARTIFACTS_DESTINATION_ENV_VAR
    from mlflow.utils.file_utils import local_file_uri_to_path

    root = os.environ.get(ARTIFACTS_DESTINATION_ENV_VAR, "")
    if root.startswith("file:"):
        root = local_file_uri_to_path(root)
    # Elsewhere, or on another mount, the file could not be given its name in one step.
    with contextlib.suppress(OSError):
        if os.path.isabs(root) and mount_of(root) == mount_of(folder):
            os.makedirs(place(root), exist_ok=True)
            return tempfile.mkstemp(dir=place(root), prefix=PREFIX)
    return tempfile.mkstemp(dir=folder, prefix=PREFIX)


def sweep(destination: str) -> int:
    """Remove dead uploads; how many. The time is the file system's: a server of files has a clock of its own."""
    removed = 0
    try:
        number, path = tempfile.mkstemp(dir=place(destination), prefix=PREFIX)
        now = os.fstat(number).st_mtime
        os.close(number)
        os.unlink(path)
        with os.scandir(place(destination)) as found:
            entries = list(found)
    except OSError:
        # There is none yet, or it takes nothing.
        return 0
    for entry in entries:
        # Another server may be faster.
        with contextlib.suppress(OSError):
            if entry.name.startswith(PREFIX) and now - entry.stat(follow_symlinks=False).st_mtime > DEAD_SECONDS:
                os.unlink(entry.path)
                removed += 1
    return removed


def keep_swept(destination: str, say) -> None:
    """Sweep now and from time to time, as long as the process lives."""
    while True:
        removed = sweep(destination)
        if removed:
            say(f"removed {removed} uploads to {destination} that were never finished")
        time.sleep(SWEEP_SECONDS)
