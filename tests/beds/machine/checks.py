# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the machines need of the host, looked at before anything is changed."""

from __future__ import annotations

import os
import platform
import re
import sys
from pathlib import Path

from tests.beds.commands import BedFailed
from tests.beds.machine import disk, network
from tests.beds.machine.settings import MachineSet
from tests.beds.packages import distribution

NAME = re.compile("[a-z][a-z0-9]{0,9}")


def privileges() -> None:
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise BedFailed(
            f"This is {sys.platform} on {platform.machine()}, and the machines need Linux on x86_64:"
            " use a Debian 12 there."
        )
    if os.geteuid() != 0:
        raise BedFailed("The machines get a network namespace of their own, which needs root: run it as root.")


def system() -> None:
    if distribution() != ("debian", disk.SUITE):
        raise BedFailed(
            f"This is {' '.join(distribution())}, and the machines are made from the packages of Debian {disk.SUITE}:"
            " run it there."
        )


def tap() -> None:
    if not Path("/dev/net/tun").exists():
        raise BedFailed(
            "There is no /dev/net/tun, by which the machines get a network: load its module (modprobe tun)."
        )


def name(word: str) -> MachineSet:
    if not NAME.fullmatch(word):
        raise BedFailed(f"NAME is {word}: give up to 10 small letters and digits, with a letter first.")
    return MachineSet(word)


def not_up(machines: MachineSet) -> None:
    if machines.folder.exists() or network.exists(machines):
        raise BedFailed(
            f"Machines {machines.name} are there already: `bed status {machines.name}` shows them,"
            f" `bed down {machines.name}` ends them."
        )


def claim(machines: MachineSet) -> None:
    """Making the folder is the lock."""
    machines.folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        machines.folder.mkdir(mode=0o700)
    except FileExistsError:
        not_up(machines)


def memory(count: int, mebibytes: int) -> None:
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    available = next(int(line.split()[1]) // 1024 for line in lines if line.startswith("MemAvailable"))
    if count * mebibytes > available:
        raise BedFailed(
            f"{count} machines of {mebibytes} MiB need more than the {available} MiB that are free:"
            " give a smaller --memory, or free some."
        )
