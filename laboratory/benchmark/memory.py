# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory of the processes of a container, as the host's kernel counts it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

from laboratory.benchmark.processes import StepFailed, perform

PROC = Path("/proc")
# After the last request: threads end, and buffers are given back.
SETTLE_SECONDS = 10


@dataclass
class Memory:
    processes: int
    rss_mib: float
    pss_mib: float


def inspect(container: str) -> dict:
    return json.loads(perform(["docker", "inspect", container]).stdout)[0]


def _parents() -> dict[int, int]:
    """Process -> its parent, for all processes of this machine."""
    found = {}
    for folder in PROC.glob("[0-9]*"):
        try:
            # The program's name stands in parentheses and may have any character in it.
            found[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def _family(first: int) -> list[int]:
    """A process and its descendants.

    The first process of a container adopts its orphans, so nothing of the server is missed; and what `docker exec` or
    a health check runs in the container at this moment is not among its descendants, so it is not counted.
    """
    parents = _parents()
    family, added = {first}, True
    while added:
        more = {process for process, parent in parents.items() if parent in family} - family
        added = bool(more)
        family |= more
    return sorted(family)


def _rollup(process: int) -> dict[str, int]:
    """Name -> kibibytes. A process that ended meanwhile has none."""
    try:
        lines = (PROC / str(process) / "smaps_rollup").read_text().splitlines()[1:]
    except (FileNotFoundError, ProcessLookupError):
        return {}
    except PermissionError:
        raise StepFailed(
            f"The memory of process {process} cannot be read: run the benchmark as root, or leave memory out "
            "with --only."
        ) from None
    return {line.split(":")[0]: int(line.split()[1]) for line in lines}


def measure(container: str, settle: float = SETTLE_SECONDS) -> Memory:
    identity = inspect(container)
    first = identity["State"]["Pid"]
    # Where the engine runs in a virtual machine or on another host, that number is some other process here.
    try:
        is_here = identity["Id"] in (PROC / str(first) / "mountinfo").read_text()
    except OSError:
        is_here = False
    if not first or not is_here:
        raise StepFailed(
            f"The processes of {identity['Name'].lstrip('/')} are not among those of this machine, so their memory "
            "cannot be read: run the benchmark on the host of the Docker engine, or leave memory out with --only."
        )
    time.sleep(settle)
    readings = [reading for reading in map(_rollup, _family(first)) if reading]
    return Memory(
        processes=len(readings),
        rss_mib=sum(reading["Rss"] for reading in readings) / 1024,
        pss_mib=sum(reading["Pss"] for reading in readings) / 1024,
    )
