# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""SSH into the machines from the host: through the set's network namespace, with the disk's keys."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

import yaml

from tests.beds.commands import BedFailed, perform
from tests.beds.machine.settings import HOST_KEY_ALIAS, Disk, MachineSet, address

CONFIG = """\
Host *
  User root
  IdentityFile {key}
  IdentitiesOnly yes
  UserKnownHostsFile {known_hosts}
  HostKeyAlias {alias}
  StrictHostKeyChecking yes
  ConnectTimeout 10
  LogLevel ERROR
  ProxyCommand nsenter --net={namespace} -- socat STDIO TCP:%h:%p
"""


def write_config(machines: MachineSet, disk: Disk, count: int) -> None:
    blocks = [f"Host {machines.machine(n)}\n  HostName {address(n)}\n" for n in range(1, count + 1)]
    common = CONFIG.format(
        key=disk.key, known_hosts=disk.known_hosts, alias=HOST_KEY_ALIAS, namespace=machines.namespace_path
    )
    machines.ssh_config.write_text("".join((*blocks, common)), encoding="utf-8")


def command(machines: MachineSet, machine: str, *words: str) -> list[str]:
    return ["ssh", "-F", str(machines.ssh_config), machine, *words]


def answers(machines: MachineSet, machine: str) -> bool:
    """Whether the machine is up: all that it starts has started."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        done = subprocess.run(
            command(machines, machine, "systemctl is-system-running --wait"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.stdout.strip() in ("running", "degraded")
    return False


def forward(machines: MachineSet, machine: str, port: int, target: int) -> None:
    """A port of the host's loopback to one of the machine's, until the set goes."""
    if not _forward(machines, machine, machines.forward(str(port)), f"127.0.0.1:{port}:127.0.0.1:{target}"):
        raise BedFailed(f"Port {port} of 127.0.0.1 could not be forwarded: end what has it, or choose another.")


def forward_engine(machines: MachineSet, machine: str) -> Path:
    """A socket on the host that is the machine's Docker engine, until the set goes."""
    socket = machines.folder / f"{machine}.docker"
    control = machines.forward(f"{machine}.docker")
    if not control.exists() and not _forward(machines, machine, control, f"{socket}:/run/docker.sock"):
        raise BedFailed(f"The Docker engine of {machine} could not be forwarded to {socket}.")
    return socket


def _forward(machines: MachineSet, machine: str, control: Path, what: str) -> bool:
    options = ["-f", "-N", "-M", "-S", str(control), "-o", "ExitOnForwardFailure=yes", "-L", what]
    try:
        # Output in no pipe, which the process in the background would keep open.
        done = subprocess.run(
            ["ssh", "-F", str(machines.ssh_config), *options, machine],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            timeout=60,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BedFailed(f"{machine} did not answer within 60 seconds: see `bed status`.") from None
    return done.returncode == 0


def stop_forward(machines: MachineSet, port: int) -> None:
    _stop(machines, machines.forward(str(port)))


def _stop(machines: MachineSet, control: Path) -> None:
    perform(["ssh", "-S", str(control), "-O", "exit", machines.name], check=False)


def stop_forwards(machines: MachineSet) -> None:
    for control in machines.folder.glob("forward-*"):
        _stop(machines, control)


def inventory(machines: MachineSet, count: int) -> str:
    """For Ansible: the machines as the remote hosts of the group mlflow."""
    hosts = {machines.machine(number): {"bed_address": address(number)} for number in range(1, count + 1)}
    variables = {
        "ansible_ssh_common_args": f"-F {machines.ssh_config}",
        "ansible_user": "root",
        "ansible_python_interpreter": "/usr/bin/python3",
        # Each connection costs a second.
        "ansible_pipelining": True,
    }
    return yaml.safe_dump(
        {"all": {"vars": variables, "children": {"mlflow": {"hosts": hosts}}}}, sort_keys=False, explicit_start=True
    )
