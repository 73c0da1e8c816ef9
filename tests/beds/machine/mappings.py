# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many mappings a process of the host may have.

A kernel in user mode gives a process of its machine memory page by page, and each run of pages is a mapping of a
process on the host. With the 65530 that Linux allows by itself, a process of some 300 MB is killed, such as pip.
"""

from __future__ import annotations

from pathlib import Path

from tests.beds.commands import say
from tests.beds.machine.settings import CACHE, SETS

SETTING = Path("/proc/sys/vm/max_map_count")
PAGES_PER_MEBIBYTE = 256


def before(cache: Path) -> Path:
    """The file that keeps what the setting was."""
    return cache / "max_map_count"


def allow(mebibytes: int, setting: Path = SETTING, cache: Path = CACHE) -> None:
    """As many as a process with all of a machine's memory can need, until `put_back`."""
    found, wanted = int(setting.read_text(encoding="ascii")), mebibytes * PAGES_PER_MEBIBYTE
    if found >= wanted:
        return
    try:
        setting.write_text(str(wanted), encoding="ascii")
    except OSError:
        say(f"vm.max_map_count is {found} and cannot be changed here: large processes of the machines will be killed")
        return
    if not before(cache).exists():
        before(cache).write_text(str(found), encoding="ascii")


def put_back(setting: Path = SETTING, cache: Path = CACHE, sets: Path = SETS) -> None:
    """When the last machines have ended."""
    kept = before(cache)
    if kept.exists() and not (sets.exists() and any(sets.iterdir())):
        setting.write_text(kept.read_text(encoding="ascii"), encoding="ascii")
        kept.unlink()
