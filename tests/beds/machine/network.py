# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A network namespace for a set of machines: a bridge, and a tap for each."""

from __future__ import annotations

import os
import signal

from tests.beds.commands import perform, wait_for
from tests.beds.machine.settings import BRIDGE, HOST_ADDRESS, PREFIX, MachineSet


def inside(machines: MachineSet, *command: str) -> list[str]:
    """A command in the set's network."""
    return ["nsenter", f"--net={machines.namespace_path}", "--", *command]


def make(machines: MachineSet, count: int) -> None:
    perform(["ip", "netns", "add", machines.namespace])
    lines = [
        "link set lo up",
        f"link add {BRIDGE} type bridge",
        f"addr add {HOST_ADDRESS}/{PREFIX} dev {BRIDGE}",
        f"link set {BRIDGE} up",
    ]
    for number in range(1, count + 1):
        lines += [
            f"tuntap add tap{number} mode tap",
            f"link set tap{number} master {BRIDGE}",
            f"link set tap{number} up",
        ]
    for line in lines:
        perform(["ip", "-n", machines.namespace, *line.split()])


def exists(machines: MachineSet) -> bool:
    return machines.namespace_path.exists()


def processes(machines: MachineSet) -> list[int]:
    """All that run in the set's network, and so are the set's."""
    if not exists(machines):
        return []
    return [int(word) for word in perform(["ip", "netns", "pids", machines.namespace]).split()]


def remove(machines: MachineSet) -> None:
    """End what runs in it; bridge and taps go with the namespace."""

    def ended() -> bool:
        found = processes(machines)
        for process in found:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        return not found

    wait_for(f"The processes of {machines.name} did not end", 20, ended)
    perform(["ip", "netns", "del", machines.namespace])
