# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bare Debian with systemd: a test machine with a kernel of its own, on which neither Docker nor Python is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.beds.commands import perform
from tests.beds.fresh import host
from tests.beds.machine import checks, ssh
from tests.beds.machine import host as machines
from tests.beds.machine.settings import NAME_SERVER, MachineSet

SET = MachineSet("fresh")
MEMORY_MIB = 6144


def check() -> None:
    """Why there can be no such machine on this one."""
    checks.privileges()
    checks.system()
    checks.tap()
    checks.not_up(SET)


class Machine:
    name = "machine"

    def command(self, line: str, **variables: str) -> list[str]:
        settings = "".join(f"export {name}='{value}'\n" for name, value in {**host.variables(), **variables}.items())
        return ssh.command(SET, SET.machine(1), settings + line)


@contextlib.contextmanager
def up(shared: Path, references: list[str]) -> Iterator[Machine]:
    """With the images on the disk of its engine to be, since loading them takes minutes there."""
    try:
        machines.up(SET, 1, MEMORY_MIB, references, bare=True, uplink=True)
        machine = Machine()
        for path, content in {**host.files(), "/etc/resolv.conf": f"nameserver {NAME_SERVER}\n"}.items():
            perform(machine.command(f"cat > {path}"), stdin=content)
        _copy(shared / host.PROJECT)
        yield machine
    finally:
        machines.down(SET)


def _copy(source: Path) -> None:
    target = f"{SET.machine(1)}:{host.SOURCE}/{host.PROJECT}"
    perform(["scp", "-q", "-r", "-F", str(SET.ssh_config), str(source), target], timeout=300)
