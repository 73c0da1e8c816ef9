# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Break a running deployment under load, and measure what its clients notice.

For each scenario real MLflow clients log runs, metrics and artifacts; the fault comes; at the end everything that was
acknowledged is read back and compared. Nothing may be lost by any fault, and the loss of one server or one zone may
fail no call.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

from laboratory.benchmark.processes import StepFailed
from laboratory.resilience.engine import HEALTHY_SECONDS, Deployment, deployments
from laboratory.resilience.faults import SCENARIOS, Scenario, Target, check
from laboratory.resilience.host import at, forwarded
from laboratory.resilience.report import table
from laboratory.resilience.scenario import Pace, perform_scenario

FAILED, REFUSED = 1, 2


def arguments(
    words: list[str], scenarios: dict[str, Scenario] = SCENARIOS, module: str = "laboratory.resilience"
) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {module}", description=__doc__.splitlines()[0], allow_abbrev=False
    )
    parser.add_argument("--deployment", metavar="NAME", help="the deployment to break (default: the one that runs)")
    parser.add_argument("--machine", metavar="MACHINE", help="a test machine on which it runs (default: this host)")
    parser.add_argument("--playbook", metavar="NAME", help="its playbook, for rolling-change (default: its name)")
    parser.add_argument("--extra-vars", action="append", default=[], metavar="VARS", help="for that playbook")
    parser.add_argument(
        "--scenarios",
        nargs="+",
        choices=list(scenarios),
        default=[name for name, scenario in scenarios.items() if not scenario.of_nfs],
        metavar="NAME",
        help=f"these only: {', '.join(scenarios)}",
    )
    parser.add_argument("--processes", type=int, default=4, metavar="N", help="clients, 1 to 64 (default: 4)")
    parser.add_argument("--steady", type=float, default=8, metavar="SECONDS", help="of load before and after (8)")
    parser.add_argument("--seconds", type=float, default=15, metavar="SECONDS", help="that a fault lasts (15)")
    parser.add_argument(
        "--recovery", type=float, default=HEALTHY_SECONDS, metavar="SECONDS", help="until all is healthy again (180)"
    )
    parser.add_argument("--leave", action="store_true", help="do not run the playbook again to undo a rolling-change")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="for the records (default: resilience-<time>)")
    given = parser.parse_args(words)
    if not 1 <= given.processes <= 64:
        parser.error(f"--processes is {given.processes}: give 1 to 64")
    for name, least, most in (("steady", 3, 600), ("seconds", 1, 600), ("recovery", 10, 1800)):
        if not least <= getattr(given, name) <= most:
            parser.error(f"--{name} is {getattr(given, name):g}: give {least} to {most} seconds")
    return given


def chosen(name: str | None) -> Deployment:
    running = deployments()
    if name is None and len(running) == 1:
        return Deployment(running[0])
    if name in running:
        return Deployment(name)
    found = f"running are {', '.join(running)}" if running else "none is running"
    raise StepFailed(f"--deployment is {name or 'not given'}, and {found}: name one, or deploy one first.")


def carry_out(given: argparse.Namespace, target: Target, scenarios: dict[str, Scenario] = SCENARIOS) -> int:
    """One scenario after the other, up to the first that cannot be carried out; the table is printed in any case."""
    output = given.output or Path(f"resilience-{time.strftime('%Y%m%d-%H%M%S')}")
    outcomes = []
    failure = None
    for name in given.scenarios:
        scenario = replace(scenarios[name], undo=None) if given.leave else scenarios[name]
        try:
            outcomes.append(perform_scenario(scenario, target, Pace(given.processes, given.steady), output / name))
        except StepFailed as reason:
            failure = f"{name} could not be carried out: {reason}"
            break
    output.mkdir(parents=True, exist_ok=True)
    (output / "resilience.json").write_text(
        json.dumps([outcome.as_dict() for outcome in outcomes], indent=2) + "\n", encoding="utf-8"
    )
    print(table(outcomes))
    print(f"Records: {output}")
    if failure:
        print(failure, file=sys.stderr)
        return FAILED
    return 0 if all(outcome.passed for outcome in outcomes) else FAILED


def main(words: list[str]) -> int:
    given = arguments(words)
    try:
        with at(given.machine) as host:
            deployment = chosen(given.deployment)
            playbook = given.playbook or deployment.name
            url = deployment.public_url()
            target = Target(deployment, url, given.seconds, playbook, tuple(given.extra_vars), host, given.recovery)
            check(given.scenarios, target)
            with forwarded(host, int(url.rsplit(":", 1)[1])):
                return carry_out(given, target)
    except StepFailed as failure:
        print(failure, file=sys.stderr)
        return REFUSED
