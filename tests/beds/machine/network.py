# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A network namespace for a set of machines: a bridge, and a tap for each."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path

from tests.beds.commands import BedFailed, perform, wait_for
from tests.beds.machine.settings import BRIDGE, HOST_ADDRESS, PREFIX, UPLINK, MachineSet


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


def connect(machines: MachineSet) -> None:
    """A way out, in user space: nothing of the host's own network is changed for it."""
    namespace = ["--netns-type=path", str(machines.namespace_path)]
    with (machines.folder / "uplink.log").open("ab") as output:
        process = subprocess.Popen(
            ["slirp4netns", "--configure", "--mtu=1500", "--disable-host-loopback", *namespace, UPLINK],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    machines.uplink.write_text(str(process.pid), encoding="ascii")

    def connected() -> bool:
        if process.poll() is not None:
            raise BedFailed(f"slirp4netns ended; see {machines.folder}/uplink.log.")
        return "default" in perform(["ip", "-n", machines.namespace, "route"])

    wait_for("The set did not get its uplink", 20, connected)
    perform(inside(machines, "sysctl", "-q", "-w", "net.ipv4.ip_forward=1"))
    perform(inside(machines, *f"iptables -t nat -A POSTROUTING -o {UPLINK} -j MASQUERADE".split()))


def disconnect(machines: MachineSet) -> None:
    with contextlib.suppress(OSError, ValueError):
        process = int(machines.uplink.read_text(encoding="ascii"))
        if b"slirp4netns" in Path(f"/proc/{process}/cmdline").read_bytes():
            os.kill(process, signal.SIGTERM)


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
