# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control groups of a bed: what runs in them is the bed's, whoever started it, and nothing else is."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from tests.beds.commands import BedFailed, wait_for
from tests.beds.kubernetes.settings import CGROUP

NEEDED = ("cpu", "cpuacct", "cpuset", "memory", "pids")
# The programs of the bed; pods have theirs beside it.
LEAF = "system"


@dataclass(frozen=True)
class Mount:
    path: Path
    version: int
    controllers: tuple[str, ...]


def mounts(table: str) -> list[Mount]:
    """The hierarchies in a table of mounts (/proc/mounts)."""
    found = {}
    for line in table.splitlines():
        _, path, kind, options = line.split()[:4]
        if kind in ("cgroup", "cgroup2"):
            found[path] = Mount(Path(path), 2 if kind == "cgroup2" else 1, tuple(options.split(",")))
    return list(found.values())


def tracking(hierarchies: list[Mount]) -> Mount:
    """The hierarchy by which the processes of a bed are known."""
    ones = [each for each in hierarchies if each.version == 1]
    if ones:
        lacking = [name for name in NEEDED if not any(name in each.controllers for each in ones)]
        if lacking:
            raise BedFailed(f"A kubelet needs the control group {', '.join(lacking)}, which is not mounted: mount it.")
        return next(each for each in ones if "pids" in each.controllers)
    if hierarchies:
        return hierarchies[0]
    raise BedFailed("There are no control groups under /sys/fs/cgroup, which a kubelet needs: mount them.")


def here() -> list[Mount]:
    return mounts(Path("/proc/mounts").read_text(encoding="utf-8"))


def make() -> Path:
    """In every hierarchy; returns the file that takes the bed's processes."""
    hierarchies = here()
    for each in hierarchies:
        group = each.path / CGROUP
        group.mkdir(exist_ok=True)
        if "cpuset" in each.controllers and each.version == 1:
            for name in ("cpuset.cpus", "cpuset.mems"):
                (group / name).write_text((each.path / name).read_text(encoding="ascii"), encoding="ascii")
    leaf = tracking(hierarchies).path / CGROUP / LEAF
    leaf.mkdir(exist_ok=True)
    return leaf / "cgroup.procs"


def exist() -> list[Path]:
    return [each.path / CGROUP for each in here() if (each.path / CGROUP).is_dir()]


def processes() -> list[int]:
    """Of all groups of a bed. A hierarchy of version 1 has all of them; pods are in others too."""
    found = set()
    for group in exist():
        for file in group.rglob("cgroup.procs"):
            with contextlib.suppress(OSError):
                found.update(int(word) for word in file.read_text(encoding="ascii").split())
    return sorted(found)


def inner_number(status: str) -> tuple[int, ...]:
    """The numbers of a process in the namespaces below this one, from /proc/<process>/status."""
    for line in status.splitlines():
        if line.startswith("NSpid:"):
            return tuple(int(word) for word in line.split()[2:])
    return ()


def node_processes() -> dict[int, int]:
    """Processes of the node itself, its number there and its number here; 1 is the first process of the node."""
    found = {}
    for process in processes():
        with contextlib.suppress(OSError):
            numbers = inner_number(Path(f"/proc/{process}/status").read_text(encoding="utf-8"))
            # Those in containers have one number more.
            if len(numbers) == 1:
                found[numbers[0]] = process
    return found


def kill() -> int:
    """All of them, at once and without warning, since nothing of a bed is kept; returns how many there were."""
    seen = set()

    def gone() -> bool:
        left = processes()
        for process in left:
            seen.add(process)
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        return not left

    wait_for("Processes of the bed did not end", 30, gone)
    return len(seen)


def remove() -> None:
    def removed() -> bool:
        for group in exist():
            for folder, _folders, _files in os.walk(group, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)
        return not exist()

    wait_for("The control groups of the bed could not be removed", 20, removed)
