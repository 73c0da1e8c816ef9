# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disturb the network between a deployment's servers and its database or store, and measure what training notices.

The deployment is on a test machine (tests/beds/machine/bed), whose kernel can delay and lose packets and limit the
bandwidth. Under each condition real MLflow clients on this host log the same number of runs, and all that was
acknowledged is read back.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from laboratory.network.conditions import CONDITIONS, Condition
from laboratory.network.machine import DeploymentThere
from laboratory.network.report import Outcome, table
from tests.beds.command_line import FAILED, REFUSED, number
from tests.beds.commands import BedFailed, say
from tests.beds.machine import checks, host, ssh

UNDISTURBED = "undisturbed"


def arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m laboratory.network", description=__doc__.splitlines()[0], allow_abbrev=False
    )
    parser.add_argument("--machine", required=True, metavar="MACHINE", help="a test machine that is up, such as zone-1")
    parser.add_argument("--deployment", required=True, metavar="NAME", help="the deployment on it")
    parser.add_argument("--port", type=number(1, 65535), default=5000, help="its public port on the machine (5000)")
    parser.add_argument(
        "--local-port", type=number(1, 65535), metavar="PORT", help="for it on this host's 127.0.0.1 (the same)"
    )
    parser.add_argument(
        "--conditions",
        nargs="+",
        choices=list(CONDITIONS),
        default=list(CONDITIONS),
        metavar="NAME",
        help=f"these only, besides {UNDISTURBED}: {', '.join(CONDITIONS)}",
    )
    parser.add_argument("--runs", type=number(1, 1000), default=4, help="of training, in each condition (4)")
    parser.add_argument("--processes", type=number(1, 16), default=2, help="clients, 1 to 16 (2)")
    parser.add_argument(
        "--seconds", type=number(10, 3600), default=300, help="after which no run is begun any more (300)"
    )
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="for the records (default: network-<time>)")
    given = parser.parse_args(words)
    given.local_port = given.local_port or given.port
    return given


def chosen(names: list[str]) -> list[Condition]:
    """The undisturbed network comes first: the others are compared with it."""
    return [CONDITIONS[name] for name in dict.fromkeys([UNDISTURBED, *names])]


def perform(condition: Condition, there: DeploymentThere, given: argparse.Namespace, folder: Path) -> Outcome:
    say(f"{condition.name}: {condition.netem or 'as it is'}")
    load = [
        sys.executable,
        "-m",
        "laboratory.load",
        "--url",
        f"http://localhost:{given.local_port}",
        "--output",
        str(folder),
    ]
    load += ["--processes", str(given.processes), "--runs", str(given.runs), "--seconds", str(given.seconds), "--clean"]
    with there.disturbed(condition):
        done = subprocess.run(load, capture_output=True, text=True, check=False)
    result = folder / "result.json"
    if not result.exists():
        raise BedFailed(f"{condition.name}: the load could not be carried out: {done.stderr.strip()[-500:]}")
    return Outcome.of(condition.name, condition.netem, json.loads(result.read_text(encoding="utf-8")))


def main(words: list[str]) -> int:
    given = arguments(words)
    output = given.output or Path(f"network-{time.strftime('%Y%m%d-%H%M%S')}")
    outcomes, failure = [], None
    try:
        checks.privileges()
        machines, machine = host.known(given.machine)
        there = DeploymentThere(machines, machine, given.deployment)
        for to in sorted({condition.to for condition in chosen(given.conditions)} - {""}):
            there.container(to)
        ssh.forward(machines, machine, given.local_port, given.port)
    except BedFailed as refusal:
        print(refusal, file=sys.stderr)
        return REFUSED
    try:
        for condition in chosen(given.conditions):
            outcomes.append(perform(condition, there, given, output / condition.name))
    except BedFailed as reason:
        failure = str(reason)
    finally:
        ssh.stop_forward(machines, given.local_port)
    if outcomes:
        print(table(outcomes))
        print(f"Records: {output}")
    if failure:
        print(failure, file=sys.stderr)
    return 0 if failure is None and all(outcome.sound for outcome in outcomes) else FAILED
