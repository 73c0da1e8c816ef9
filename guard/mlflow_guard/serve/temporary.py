# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""A folder for temporary files that a server, or one of its workers, has for itself.

MLflow keeps a download there while it is passed on, which may be gigabytes, and a process that is killed cannot remove
it. Each folder is locked as long as anything of its process lives; whoever comes next removes those that nobody locks.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile

PREFIX = "mlflow-server-"


def _locked(path: str) -> int | None:
    """The folder, open and locked; None if somebody else has the lock, or it is not ours or not there."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(number).st_uid == os.geteuid() and os.path.exists(path):
            return number
    except OSError:
        pass
    os.close(number)
    return None


def sweep(folder: str) -> None:
    """Remove what dead processes have left."""
    with os.scandir(folder) as found:
        paths = [entry.path for entry in found if entry.name.startswith(PREFIX)]
    for path in paths:
        number = _locked(path)
        if number is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(number)


def claim() -> None:
    """Take a folder of its own for all temporary files of this process and its children."""
    with contextlib.suppress(OSError):
        folder = tempfile.gettempdir()
        sweep(folder)
        # Between making and locking it, another process may have removed it.
        for _try in range(3):
            path = tempfile.mkdtemp(prefix=PREFIX, dir=folder)
            number = _locked(path)
            if number is not None:
                break
        else:
            # A file system without locks.
            shutil.rmtree(path, ignore_errors=True)
            return
        # The lock ends with the last process that has it: a web server outlives a parent that was killed.
        os.set_inheritable(number, True)
        os.environ["TMPDIR"] = tempfile.tempdir = path


def release() -> None:
    """Remove the folder, at an orderly end."""
    if os.path.basename(tempfile.gettempdir()).startswith(PREFIX):
        shutil.rmtree(tempfile.gettempdir(), ignore_errors=True)
