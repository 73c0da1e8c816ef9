# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host of the deployment: this one, or a test machine (tests/beds/machine), whose engine and port are forwarded."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from laboratory.benchmark.processes import StepFailed, perform
from tests.beds.commands import BedFailed
from tests.beds.machine import host as bed
from tests.beds.machine import ssh
from tests.beds.machine.settings import MachineSet
from tests.runner.commands import ROOT


@dataclass(frozen=True)
class Host:
    machines: MachineSet | None = None
    machine: str = ""
    inventory: Path = ROOT / "inventories/local/hosts.yml"

    @property
    def is_this(self) -> bool:
        return self.machines is None

    def perform(self, *command: str) -> None:
        """Run a command there, as root."""
        if self.machines is None:
            perform(list(command))
        else:
            perform(ssh.command(self.machines, self.machine, shlex.join(command)))


@contextlib.contextmanager
def at(machine: str | None) -> Iterator[Host]:
    """The machine of that name, or this host; `docker` means the engine of it from now on."""
    if machine is None:
        yield Host()
        return
    try:
        machines, name = bed.known(machine)
        os.environ["DOCKER_HOST"] = f"unix://{ssh.forward_engine(machines, name)}"
        inventory = machines.folder / "resilience-inventory.yml"
        inventory.write_text(ssh.inventory(machines, bed.recorded(machines)["count"]), encoding="utf-8")
    except BedFailed as failure:
        raise StepFailed(str(failure)) from None
    yield Host(machines, name, inventory)


@contextlib.contextmanager
def forwarded(host: Host, port: int) -> Iterator[None]:
    """A port of the machine as the same port here, unless it is forwarded already."""
    if host.machines is None or host.machines.forward(str(port)).exists():
        yield
        return
    try:
        ssh.forward(host.machines, host.machine, port, port)
    except BedFailed as failure:
        raise StepFailed(str(failure)) from None
    try:
        yield
    finally:
        ssh.stop_forward(host.machines, port)
