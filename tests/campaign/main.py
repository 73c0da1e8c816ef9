# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The campaign from beginning to end."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path

from tests.benchmark.deployment import Deployment
from tests.benchmark.processes import StepFailed, perform
from tests.campaign import comparison, facts, options, output
from tests.campaign.cycles import perform_cycle
from tests.campaign.deployments import COMPOSE, Candidate, Skipped, abilities, choose, discover
from tests.campaign.peers import images as peers_images
from tests.campaign.progress import Progress
from tests.campaign.state import FILE, State, read_document
from tests.campaign.steps import Cycle, steps_between
from tests.runner import docker
from tests.runner.stages import port_is_free

OK, FAILED, REFUSED, INTERRUPTED = 0, 1, 2, 130


def interrupt(*_unused: object) -> None:
    raise KeyboardInterrupt


def deployment_of(name: str, given: argparse.Namespace) -> Deployment:
    deployment = Deployment(name, given.port, given.prefix)
    deployment.variables = dict(given.extra_vars)
    return deployment


def _chosen(given: argparse.Namespace) -> tuple[list[Candidate], list[Skipped]]:
    return choose(discover(), given.deployments, abilities(), given.extra_vars)


def _check_port(port: int, names: list[str]) -> None:
    """What the Docker engine is to publish; a cluster has its port already."""
    on_compose = [each.name for each in discover() if each.platform == COMPOSE and each.name in names]
    if not on_compose or port_is_free(port):
        return
    publishers = ["docker", "ps", "--filter", f"publish={port}", "--format", "the container {{.Names}}"]
    holder = perform(publishers, check=False).stdout.strip() or "another process"
    raise StepFailed(f"Port {port} is taken by {holder}: stop that, or choose another port with --port.")


def _check_names(names: list[str], given: argparse.Namespace) -> None:
    for name in names:
        deployment = deployment_of(name, given)
        left = deployment.left() if docker.engine_answers() else []
        if left:
            raise StepFailed(
                f"There already is a deployment {deployment.name} ({left[0]}), most likely of a campaign that was "
                f"killed: go on with that by --resume, take it down by `ansible-playbook playbooks/destroy.yml -e "
                f"deployment={deployment.name}`, or choose other names by --prefix."
            )


def begin(given: argparse.Namespace) -> State:
    """A new campaign, after everything that could be refused was looked at."""
    chosen, skipped = _chosen(given)
    names = [each.name for each in chosen]
    _check_port(given.port, names)
    _check_names(names, given)
    return State.begin(
        given.output or Path(f"campaign-{time.strftime('%Y%m%d-%H%M%S')}"),
        arguments=options.kept(given),
        deployments=names,
        skipped=[asdict(each) for each in skipped],
        machine=facts.machine_facts(),
        versions=facts.versions(),
        images={},
        started=time.time(),
    )


def resume(given: argparse.Namespace) -> tuple[State, argparse.Namespace]:
    """An interrupted one; what it left running is taken down."""
    state = State.load(given.resume)
    given = options.resumed(given, state.document["arguments"])
    for name in state.document["deployments"]:
        deployment_of(name, given).clean()
    pending = [name for name, _repetition in state.pending()]
    if pending:
        _check_port(given.port, pending)
        state.document["interruptions"] += 1
    return state, given


def carry_out(state: State, given: argparse.Namespace) -> None:
    progress = Progress(state.folder, state.document["elapsed"])
    total = len(state.document["deployments"]) * given.repetitions

    def save() -> None:
        state.document["elapsed"] = round(progress.elapsed(), 1)
        state.save()

    save()
    pending = state.pending()
    for each in state.document["skipped"]:
        progress.say(f"without {each['name']}: {each['reason']}")
    if given.peers and pending:
        progress.say("making the images of the peers, where they are missing")
    with peers_images() if given.peers and pending else contextlib.nullcontext():
        while pending:
            name, repetition = pending[0]
            progress.where = f"{total - len(pending) + 1} of {total}, {name}, repetition {repetition}"
            deployment = deployment_of(name, given)
            record = state.begin_cycle(name, repetition)
            folder = state.folder / "records" / f"{name}-{repetition}-{time.strftime('%H%M%S')}"
            cycle = Cycle(given, deployment, folder, record, progress.say)

            def keep(deployment: Deployment = deployment, name: str = name) -> None:
                state.document["images"].setdefault(name, {}).update(facts.images(deployment))
                save()

            perform_cycle(cycle, steps_between(given, repetition), keep)
            pending = state.pending()
    progress.where = ""
    state.document["ended"] = time.time()
    save()
    progress.say(f"{len(state.problems())} problems")


def run(given: argparse.Namespace) -> int:
    state, given = resume(given) if given.resume else (begin(given), given)
    try:
        carry_out(state, given)
    except KeyboardInterrupt:
        state.save()
        output.write(state.folder, state.document)
        print(f"Interrupted. Go on with: python -m tests.campaign --resume {state.folder}", file=sys.stderr)
        return INTERRUPTED
    print(output.write(state.folder, state.document))
    print(f"Page: {state.folder / output.PAGE}", flush=True)
    return FAILED if state.problems() else OK


def show_list(given: argparse.Namespace) -> int:
    chosen, skipped = _chosen(given)
    for each in chosen:
        print(f"{each.name:<14} runs: {', '.join(each.components)}")
    for each in skipped:
        print(f"{each.name:<14} does not: {each.reason}")
    return OK


def main(words: list[str]) -> int:
    given = options.parse(words)
    signal.signal(signal.SIGTERM, interrupt)
    try:
        if given.list:
            return show_list(given)
        if given.compare:
            print(comparison.write(given.compare, given.output or Path()))
            return OK
        if given.report:
            print(output.write(given.report, read_document(given.report / FILE)))
            return OK
        return run(given)
    except StepFailed as failure:
        print(failure, file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        return INTERRUPTED
