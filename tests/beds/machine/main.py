# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian machines with a kernel of their own (user-mode Linux), from Debian's packages, for tests."""

from __future__ import annotations

import argparse
import shlex
import subprocess
from pathlib import Path

from tests.beds.command_line import FAILED, NOT_UP, carry_out, number
from tests.beds.commands import perform, say
from tests.beds.machine import checks, host, images, ssh
from tests.beds.machine.settings import MEMORY_MIB, MOST_MACHINES, SETS

NAME_HELP = "of the set of machines: up to 10 small letters and digits"
MACHINE_HELP = "name of a machine, such as zone-2; the name of a set is its first machine"


def arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bed", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, allow_abbrev=False)

    port = number(1, 65535)
    with_images = {
        "nargs": "+",
        "default": [],
        "metavar": "IMAGE",
        "help": "of the local Docker engine, for the machines'",
    }
    add("check", "say whether machines can be started on this host, and why not")
    build = add("build", "make what the machines start from, and keep it")
    build.add_argument("--images", **with_images)
    bare = {"action": "store_true", "help": "without Docker, Python and NFS, as an installer leaves them"}
    build.add_argument("--bare", **bare)
    up = add("up", "build what is missing, and start machines NAME-1 and so on")
    up.add_argument("name", metavar="NAME", help=NAME_HELP)
    up.add_argument(
        "--count",
        type=number(1, MOST_MACHINES),
        default=1,
        help=f"how many machines, 1 to {MOST_MACHINES} (default: 1)",
    )
    up.add_argument(
        "--memory",
        type=number(512, 65536),
        default=MEMORY_MIB,
        metavar="MIB",
        help=f"of each machine, 512 to 65536 (default: {MEMORY_MIB})",
    )
    up.add_argument("--images", **with_images)
    up.add_argument("--bare", **bare)
    up.add_argument("--uplink", action="store_true", help="with a way to what the host reaches, such as mirrors")
    run = add("run", "run a command in a machine; its exit code is passed on")
    run.add_argument("machine", metavar="MACHINE", help=MACHINE_HELP)
    run.add_argument("words", nargs="+", metavar="COMMAND", help="after --")
    copy = add("copy", "copy a file or folder of the host into a machine")
    copy.add_argument("machine", metavar="MACHINE", help=MACHINE_HELP)
    copy.add_argument("source", type=Path, metavar="SOURCE")
    copy.add_argument("target", metavar="TARGET")
    load = add("load-image", "copy images of the local Docker engine into a machine that runs")
    load.add_argument("machine", metavar="MACHINE", help=MACHINE_HELP)
    load.add_argument("images", nargs="+", metavar="IMAGE")
    forward = add("forward", "forward a port of the host's 127.0.0.1 to the machine's, until down")
    forward.add_argument("machine", metavar="MACHINE", help=MACHINE_HELP)
    forward.add_argument("port", type=port, metavar="PORT", help="of the host, 1 to 65535")
    forward.add_argument("--to", type=port, default=5000, help="of the machine, 1 to 65535 (default: 5000)")
    engine = add("docker-host", "forward a machine's Docker engine until down, and print what DOCKER_HOST must be")
    engine.add_argument("machine", metavar="MACHINE", help=MACHINE_HELP)
    inventory = add("inventory", "print an inventory for Ansible, with the machines as remote hosts")
    inventory.add_argument("name", metavar="NAME", help=NAME_HELP)
    inventory.add_argument("--file", type=Path, help="write it there instead")
    down = add("down", "take sets of machines away, in whatever state they are")
    down.add_argument("names", nargs="+", metavar="NAME", help=NAME_HELP)
    status = add("status", f"what runs; ends with 0 if all does, {FAILED} if not, {NOT_UP} if nothing is up")
    status.add_argument("name", nargs="?", metavar="NAME", help=NAME_HELP)
    return parser.parse_args(words)


def _check(_given: argparse.Namespace) -> int:
    host.check()
    print("Machines can be started on this host")
    return 0


def _build(given: argparse.Namespace) -> int:
    base, images_disk = host.build(given.images, given.bare)
    print(base.image)
    if images_disk:
        print(images_disk)
    return 0


def _up(given: argparse.Namespace) -> int:
    machines = checks.name(given.name)
    host.up(machines, given.count, given.memory, given.images, given.bare, given.uplink)
    say(f"The machines {machines.name} are up: `ssh -F {machines.ssh_config} {machines.machine(1)}`")
    return 0


def _run(given: argparse.Namespace) -> int:
    machines, machine = host.known(given.machine)
    # One word is for the machine's shell, as it is; several are a command with its arguments.
    text = given.words[0] if len(given.words) == 1 else shlex.join(given.words)
    return subprocess.run(ssh.command(machines, machine, text), check=False).returncode


def _copy(given: argparse.Namespace) -> int:
    machines, machine = host.known(given.machine)
    perform(
        ["scp", "-q", "-r", "-p", "-F", str(machines.ssh_config), str(given.source), f"{machine}:{given.target}"],
        timeout=1800,
    )
    return 0


def _load(given: argparse.Namespace) -> int:
    images.load(*host.known(given.machine), given.images)
    return 0


def _forward(given: argparse.Namespace) -> int:
    ssh.forward(*host.known(given.machine), given.port, given.to)
    return 0


def _docker_host(given: argparse.Namespace) -> int:
    print(f"unix://{ssh.forward_engine(*host.known(given.machine))}")
    return 0


def _inventory(given: argparse.Namespace) -> int:
    machines = checks.name(given.name)
    text = ssh.inventory(machines, host.recorded(machines)["count"])
    if given.file:
        given.file.write_text(text, encoding="utf-8")
    else:
        print(text, end="")
    return 0


def _down(given: argparse.Namespace) -> int:
    for machines in [checks.name(word) for word in given.names]:
        say(f"Nothing is left of {machines.name}" if host.down(machines) else f"No machines {machines.name} are up")
    return 0


def _status(given: argparse.Namespace) -> int:
    names = [given.name] if given.name else sorted(path.name for path in SETS.glob("*"))
    if not names or not checks.name(names[0]).folder.exists():
        print(f"No machines {given.name} are up" if given.name else "No machines are up")
        return NOT_UP
    found = [host.status(checks.name(name)) for name in names]
    print("\n\n".join("\n".join(lines) for lines, _well in found))
    return 0 if all(well for _lines, well in found) else FAILED


COMMANDS = {
    "check": _check,
    "build": _build,
    "up": _up,
    "run": _run,
    "copy": _copy,
    "load-image": _load,
    "forward": _forward,
    "docker-host": _docker_host,
    "inventory": _inventory,
    "down": _down,
    "status": _status,
}


def _perform(given: argparse.Namespace) -> int:
    checks.privileges()
    return COMMANDS[given.command](given)


def main(words: list[str]) -> int:
    given = arguments(words)
    return carry_out(lambda: _perform(given), "bed down NAME")
