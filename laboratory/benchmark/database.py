#!/usr/bin/env python3
# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deployment with a PostgreSQL of its own and one on a PostgreSQL of somebody else, side by side on the same host.

The other PostgreSQL is a container in a network of its own, with TLS by an authority of its own. The deployments take
turns. Each is deployed, run again without a change, checked by hand, and destroyed; a check by hand is also told of a
database that does not answer. Prints a table. No figure makes it fail.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# A script's own folder comes first on the path; the modules are found from the project's root instead.
sys.path[0] = str(Path(__file__).resolve().parents[2])

from laboratory.benchmark import machine
from laboratory.benchmark.deployment import GUARD, Deployment
from laboratory.benchmark.processes import BUILD_SECONDS, StepFailed, perform, say, seconds
from laboratory.benchmark.report import Report
from tests.databases.conftest import given
from tests.databases.rig import OWNER, SERVER, Rig
from tests.images.conftest import Role, network_of_its_own
from tests.runner.stages import port_is_free

OWN, OTHERS = "its own", "of somebody else"
DATABASE = "models"
STEPS = {"deploy": "Deploy with images present", "second": "Second run", "destroy": "Destroy"}
CHECKS = "One check by hand"
REACHABLE = "docker compose run --rm mlflow-guard check, database {}"
SILENT = "mlflow-guard check in the server, of a database at an address that says nothing"
# In a container: the guard's configuration, and the guard with another one.
OWN_CONFIGURATION = 'cat "${MLFLOW_GUARD_CONFIG:-/etc/mlflow-guard/config.json}"'
CHECK_ANOTHER = 'cat > /tmp/another.json && mlflow-guard --config /tmp/another.json check; test "$?" -ge 2'

Samples = dict[str, dict[str, list[float]]]


def arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="laboratory/benchmark/database.py", description=__doc__.splitlines()[0], allow_abbrev=False
    )
    parser.add_argument("--repetitions", type=int, default=3, metavar="N", help="of each deployment, 1 to 100 (3)")
    parser.add_argument("--port", type=int, default=5000, help="public port of the deployments (default: 5000)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was measured into this file")
    found = parser.parse_args(words)
    for name, most in (("repetitions", 100), ("port", 65535)):
        if not 1 <= getattr(found, name) <= most:
            parser.error(f"--{name} is {getattr(found, name)}: give 1 to {most}")
    return found


@contextmanager
def somebody_elses() -> Iterator[Rig]:
    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder, "images")
        images.mkdir()
        image = Role(images)(images_components=["postgres"]).resolved["postgres"]["reference"]
        with network_of_its_own("benchmark") as (network, address):
            rig = Rig(network, address, Path(folder, "rig"), image)
            try:
                rig.start()
                yield rig
            finally:
                rig.remove()


def silent(deployment: Deployment, rig: Rig) -> float:
    """A check of an address in the database's network that nobody has."""
    inside = ["docker", "exec", "--interactive", deployment.server(), "sh", "-c"]
    config = json.loads(perform([*inside, OWN_CONFIGURATION]).stdout)
    config["backend_store"]["host"] = f"{rig.address.rpartition('.')[0]}.250"
    return seconds(perform, [*inside, CHECK_ANOTHER], stdin=json.dumps(config))


def measure(rig: Rig, repetitions: int, port: int) -> tuple[Samples, list[float]]:
    """Database -> step -> seconds, and the checks of what does not answer."""
    found: Samples = {which: {step: [] for step in (*STEPS, "check")} for which in (OWN, OTHERS)}
    silences: list[float] = []
    # The first of each is not measured: it makes sure of the images and of warm caches.
    for number in range(repetitions + 1):
        for which, samples in found.items():
            say(f"database {which}, {number} of {repetitions}")
            deployment = Deployment("single-az", port)
            if which == OTHERS:
                rig.database(DATABASE, OWNER, SERVER)
                deployment.variables = given(rig, DATABASE)
            try:
                took = {"deploy": seconds(deployment.deploy, timeout=BUILD_SECONDS)}
                took["second"] = seconds(deployment.deploy)
                took["check"] = seconds(deployment.compose, "run", "--rm", "--no-deps", "-T", GUARD, "check")
                silence = silent(deployment, rig)
                took["destroy"] = seconds(deployment.destroy)
            finally:
                deployment.clean()
                rig.drop(DATABASE)
            if number:
                silences.append(silence)
                for step, value in took.items():
                    samples[step].append(value)
    return found, silences


def fill(report: Report, found: Samples, silences: list[float]) -> None:
    for step, title in STEPS.items():
        for which, samples in found.items():
            report.add(title, f"database {which}", "s", samples[step])
        ratios = [others / own for own, others in zip(found[OWN][step], found[OTHERS][step], strict=True)]
        report.add(title, f"{OTHERS} : {OWN}", "ratio", ratios, target=1.0)
    for which, samples in found.items():
        report.add(CHECKS, REACHABLE.format(which), "s", samples["check"], target=2)
    report.add(CHECKS, SILENT, "s", silences, target=5)


def main(words: list[str]) -> int:
    asked = arguments(words)
    try:
        if not port_is_free(asked.port):
            raise StepFailed(f"Port {asked.port} is taken: stop what has it, or choose another port with --port.")
        report = Report(machine.facts(), {"repetitions": asked.repetitions})
        with somebody_elses() as rig:
            fill(report, *measure(rig, asked.repetitions, asked.port))
    except StepFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    print(report.as_table())
    if asked.json:
        report.write(asked.json)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
