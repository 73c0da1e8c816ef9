# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a disk has room for a bed."""

from __future__ import annotations

import os
from pathlib import Path

from tests.beds.commands import BedFailed


def need(path: Path, gibibytes: int, remedy: str = "free some") -> None:
    """Refuse where the disk of a path, which may not exist yet, has less free."""
    nearest = next(each for each in (path, *path.parents) if each.is_dir())
    state = os.statvfs(nearest)
    free = state.f_bavail * state.f_frsize / 1024**3
    if free < gibibytes:
        raise BedFailed(f"{nearest} has {free:.1f} GiB free, and {gibibytes} are needed: {remedy}.")
