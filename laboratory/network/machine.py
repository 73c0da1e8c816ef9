# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deployment on a test machine, and disturbances of its network."""

from __future__ import annotations

import contextlib
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from laboratory.network.conditions import SERVICES, Condition
from tests.beds.commands import BedFailed
from tests.beds.machine import ssh
from tests.beds.machine.settings import MachineSet

SECONDS = 120
FIND = "docker ps --quiet --filter label=mlops.mlflow.deployment={} --filter label=com.docker.compose.service={}"
# Both ends of each of the container's wires: one end holds up what it sends, the other what it receives.
DISTURB = """\
set -eu
container=$1 action=$2
shift 2
process=$(docker inspect --format '{{.State.Pid}}' "$container")
inside() { nsenter --target "$process" --net -- "$@"; }
inside ip -o link show type veth | sed -n 's/^[0-9]*: \\([^@]*\\)@if\\([0-9]*\\):.*/\\1 \\2/p' |
while read -r inner index; do
    outer=$(ip -o link | sed -n "s/^$index: \\([^@:]*\\).*/\\1/p")
    inside tc qdisc "$action" dev "$inner" root netem "$@"
    tc qdisc "$action" dev "$outer" root netem "$@"
done
"""


@dataclass(frozen=True)
class DeploymentThere:
    machines: MachineSet
    machine: str
    name: str

    def container(self, to: str) -> str:
        """Of the service that is meant by database or store."""
        for service in SERVICES[to]:
            found = self._run(FIND.format(shlex.quote(self.name), service)).split()
            if found:
                return found[0]
        raise BedFailed(
            f"--deployment is {self.name}, which has no {' or '.join(SERVICES[to])} that runs on {self.machine}:"
            " deploy it there, or name another."
        )

    @contextlib.contextmanager
    def disturbed(self, condition: Condition) -> Iterator[None]:
        if not condition.to:
            yield
            return
        container = self.container(condition.to)
        try:
            self._disturb(container, "add", condition.netem)
            yield
        finally:
            # Half of it may be there. What is not there cannot be taken away, and is no failure.
            with contextlib.suppress(BedFailed):
                self._disturb(container, "del", "")

    def _disturb(self, container: str, action: str, netem: str) -> None:
        self._run(f"sh -s {container} {action} {netem}", DISTURB)

    def _run(self, line: str, text: str = "") -> str:
        try:
            done = subprocess.run(
                ssh.command(self.machines, self.machine, line),
                input=text,
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise BedFailed(f"{self.machine} did not answer within {SECONDS} seconds: see `bed status`.") from None
        if done.returncode:
            raise BedFailed(f"{self.machine} could not do it: {done.stderr.strip()[-500:]}")
        return done.stdout
