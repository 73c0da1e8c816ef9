# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Kubernetes node on this machine, from Debian's packages, for tests: up, down, and images into it."""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.beds.command_line import FAILED, NOT_UP, REFUSED, carry_out, number
from tests.beds.commands import BedFailed, say
from tests.beds.kubernetes import cgroups, checks, host, images
from tests.beds.kubernetes.settings import CONTEXT, FOLDER, NODE_ADDRESS


def _path(word: str) -> Path:
    return Path(word).expanduser().absolute()


def arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bed", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="build what is missing, and start the node", allow_abbrev=False)
    up.add_argument("--folder", type=_path, default=FOLDER, help=f"for all of its state (default: {FOLDER})")
    up.add_argument(
        "--port", type=number(1, 65535), help="of 127.0.0.1, 1 to 65535, forwarded to the node port (default: none)"
    )
    up.add_argument("--node-port", type=number(30000, 32767), default=30500, help="30000 to 32767 (default: 30500)")
    up.add_argument("--kubeconfig", type=_path, metavar="FILE", help="write the kubeconfig there too, mode 0600")
    down = commands.add_parser("down", help="take all of it away, in whatever state it is", allow_abbrev=False)
    down.add_argument("--folder", type=_path, default=FOLDER, help="only for one whose record is lost")
    check = commands.add_parser("check", help=f"whether a bed can be here; ends with {REFUSED} and the reason if not")
    check.add_argument("--folder", type=_path, default=FOLDER, help="that it would have")
    commands.add_parser("status", help=f"what runs; ends with 0 if all does, {FAILED} if not, {NOT_UP} if no bed is up")
    load = commands.add_parser("load", help="copy images of the local Docker engine into the node")
    load.add_argument("images", nargs="+", metavar="IMAGE")
    kubeconfig = commands.add_parser("kubeconfig", help="print the path of the kubeconfig")
    kubeconfig.add_argument("--restricted", action="store_true", help="of a user without rights")
    return parser.parse_args(words)


def _up(given: argparse.Namespace) -> int:
    bed = host.up(given.folder, given.port, given.node_port, given.kubeconfig)
    say(f"The node is ready at {NODE_ADDRESS}, as context {CONTEXT} in")
    print(given.kubeconfig or bed.kubeconfig())
    return 0


def _down(given: argparse.Namespace) -> int:
    say("Nothing is left of it" if host.down(given.folder) else "No bed is up")
    return 0


def _check(given: argparse.Namespace) -> int:
    host.check(given.folder)
    print("A bed can be here.")
    return 0


def _status(_given: argparse.Namespace) -> int:
    try:
        bed = host.running()
    except BedFailed as failure:
        print(failure)
        return NOT_UP
    lines, well = host.status(bed)
    print("\n".join(lines))
    return 0 if well else FAILED


def _load(given: argparse.Namespace) -> int:
    bed = host.running()
    node = cgroups.node_processes()
    if 1 not in node:
        raise BedFailed("The node has ended: `bed down`, then `bed up`.")
    images.load(bed, node[1], given.images)
    return 0


def _kubeconfig(given: argparse.Namespace) -> int:
    print(host.running().kubeconfig("restricted" if given.restricted else "admin"))
    return 0


COMMANDS = {"check": _check, "up": _up, "down": _down, "status": _status, "load": _load, "kubeconfig": _kubeconfig}


def _perform(given: argparse.Namespace) -> int:
    checks.privileges()
    return COMMANDS[given.command](given)


def main(words: list[str]) -> int:
    given = arguments(words)
    return carry_out(lambda: _perform(given), "bed down")
