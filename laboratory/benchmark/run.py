#!/usr/bin/env python3
# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print the figures of a deployment side by side. Behind `make benchmark`.

It deploys under a name of its own, and takes away what it made, also when it is interrupted; only images that the first
deployment had to build stay, as they do after every deployment. No figure makes it fail.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from pathlib import Path

# A script's own folder comes first on the path; the modules are found from the project's root instead.
sys.path[0] = str(Path(__file__).resolve().parents[2])

from laboratory.benchmark import figures, machine
from laboratory.benchmark.deployment import Deployment
from laboratory.benchmark.processes import BUILD_SECONDS, StepFailed, perform, say
from laboratory.benchmark.report import Report
from laboratory.benchmark.throughput import throughput
from tests.runner import docker
from tests.runner.stages import port_is_free

FIGURES = ("deploy", "second", "destroy", "image", "memory", "module", "guard", "throughput")
PLAYBOOKS = ("single-az", "local", "multi-az")
INTERRUPTED = 130


def arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="laboratory/benchmark/run.py", description=__doc__.splitlines()[0], allow_abbrev=False
    )
    parser.add_argument("--only", nargs="+", choices=FIGURES, default=FIGURES, help="these figures only")
    parser.add_argument("--repetitions", type=int, default=3, metavar="N", help="of what takes time (default: 3)")
    parser.add_argument("--deployment", choices=PLAYBOOKS, default=PLAYBOOKS[0], help="the playbook to measure")
    parser.add_argument("--port", type=int, default=5000, help="public port of the deployment (default: 5000)")
    parser.add_argument("--naive", action="store_true", help="build the naive image; else its recorded size is shown")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures into this file")
    given = parser.parse_args(words)
    if given.repetitions < 1:
        parser.error(f"--repetitions is {given.repetitions}: give at least 1")
    if not 1 <= given.port <= 65535:
        parser.error(f"--port is {given.port}: choose a port from 1 to 65535")
    if given.json and not given.json.resolve().parent.is_dir():
        parser.error(f"--json is {given.json}, and that folder is not there: make it, or name another file")
    return given


def check_machine(given: argparse.Namespace, deployment: Deployment) -> None:
    """Refuse before anything is made."""
    if not docker.engine_answers():
        raise StepFailed("The Docker engine does not answer: start it, or install it by `make single-az`.")
    if "memory" in given.only and os.geteuid() != 0:
        raise StepFailed(
            "Only root may read the memory of the server's processes: run the benchmark as root, or leave memory out "
            "with --only."
        )
    left = deployment.left()
    if left:
        raise StepFailed(
            f"There already is a deployment {deployment.name} ({left[0]}), most likely of a benchmark that was killed: "
            f"take it down with `ansible-playbook playbooks/destroy.yml -e deployment={deployment.name}`."
        )
    # The module is measured without a deployment.
    if set(given.only) != {"module"} and not port_is_free(given.port):
        publishers = ["docker", "ps", "--filter", f"publish={given.port}", "--format", "the container {{.Names}}"]
        holder = perform(publishers).stdout.strip() or "another process"
        raise StepFailed(f"Port {given.port} is taken by {holder}: stop that, or choose another port with --port.")


def measure(given: argparse.Namespace, deployment: Deployment, report: Report) -> None:
    only = set(given.only)
    if "module" in only:
        figures.module(report, given.repetitions)
    if only == {"module"}:
        return
    say("first deploy: not measured, it makes sure of the images and of warm caches")
    deployment.deploy(timeout=BUILD_SECONDS)
    if "image" in only:
        figures.image(report, deployment, given.naive)
    if "guard" in only:
        figures.check(report, deployment, given.repetitions)
    if "memory" in only:
        figures.memory(report, deployment)
    if "throughput" in only:
        throughput(report, deployment, given.repetitions)
    images = deployment.images()
    deployment.destroy()
    if only & {"deploy", "second", "destroy"}:
        figures.cycles(report, deployment, given.repetitions, only, images)


def clean(deployment: Deployment) -> None:
    """To the end: a second Ctrl-C would leave behind what the first one was meant to end."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: say("being removed already, please wait"))
    deployment.clean()


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def main(words: list[str]) -> int:
    given = arguments(words)
    signal.signal(signal.SIGTERM, interrupt)
    deployment = Deployment(given.deployment, given.port)
    code = 0
    try:
        check_machine(given, deployment)
        settings = {"deployment": given.deployment, "repetitions": given.repetitions}
        report = Report(machine.facts(), settings)
    except StepFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    try:
        measure(given, deployment, report)
    except StepFailed as failure:
        print(failure, file=sys.stderr)
        code = 1
    except KeyboardInterrupt:
        say("interrupted")
        code = INTERRUPTED
    finally:
        try:
            clean(deployment)
        except StepFailed as failure:
            print(failure, file=sys.stderr)
            code = code or 1
    # What was measured before a failure is worth showing too.
    if report.figures:
        print(report.as_table(), flush=True)
    if report.figures and given.json:
        report.write(given.json)
    return code


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        sys.exit(main(sys.argv[1:]))
