# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where everything of a set of machines is. Each set has a network namespace of its own, with the same addresses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

CACHE = Path("~/.cache/mlops.mlflow").expanduser()
SETS = CACHE / "machines"
NAMESPACES = Path("/run/netns")
NAMESPACE_PREFIX = "mlops-"

# These exist inside of a set's namespace only, so every set has the same.
BRIDGE = "br0"
HOST_ADDRESS = "10.213.38.1"
PREFIX = 24
NETMASK = "255.255.255.0"
INTERFACE = "vec0"
# The addresses 10.213.38.11 and so on.
FIRST_ADDRESS = 10
MOST_MACHINES = 9

MEMORY_MIB = 4096
DISK_GIB = 20
# The set's end of its uplink, and the name server there, which asks the host's.
UPLINK, NAME_SERVER = "uplink", "10.0.2.3"
# Of the machines' SSH host key: all have the disk's.
HOST_KEY_ALIAS = "mlops-mlflow-machine"


@dataclass(frozen=True)
class Disk:
    """What is in the cache for every machine."""

    folder: Path

    @property
    def image(self) -> Path:
        return self.folder / "disk.img"

    @property
    def key(self) -> Path:
        return self.folder / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    @property
    def registers(self) -> Path:
        """The library that lets the kernel run on processors with large registers."""
        return self.folder / "whole_registers.so"


@dataclass(frozen=True)
class MachineSet:
    name: str

    @property
    def folder(self) -> Path:
        return SETS / self.name

    @property
    def namespace(self) -> str:
        return NAMESPACE_PREFIX + self.name

    @property
    def namespace_path(self) -> Path:
        return NAMESPACES / self.namespace

    @property
    def record(self) -> Path:
        """How many machines, on which disk."""
        return self.folder / "set.json"

    @property
    def ssh_config(self) -> Path:
        return self.folder / "ssh_config"

    def machine(self, number: int) -> str:
        return f"{self.name}-{number}"

    def log(self, number: int) -> Path:
        """The console of a machine."""
        return self.folder / f"{number}.log"

    @property
    def uplink(self) -> Path:
        """The process by which the set reaches what the host reaches."""
        return self.folder / "uplink.pid"

    def forward(self, what: str) -> Path:
        """By which a forwarding is ended."""
        return self.folder / f"forward-{what}"


def address(number: int) -> str:
    return f"{HOST_ADDRESS.rpartition('.')[0]}.{FIRST_ADDRESS + number}"
