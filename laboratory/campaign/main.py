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

from laboratory.benchmark.deployment import Deployment
from laboratory.benchmark.processes import StepFailed
from laboratory.campaign import comparison, facts, options, output, repeatability
from laboratory.campaign.cycles import perform_cycle
from laboratory.campaign.deployments import COMPOSE, Candidate, Skipped, abilities, choose, discover
from laboratory.campaign.peers import images as peers_images
from laboratory.campaign.progress import Progress
from laboratory.campaign.refusals import check_name, check_port
from laboratory.campaign.state import FILE, State, locked, read_document
from laboratory.campaign.steps import Cycle, steps_between

OK, FAILED, REFUSED, INTERRUPTED = 0, 1, 2, 130


def interrupt(*_unused: object) -> None:
    raise KeyboardInterrupt


def deployment_of(candidate: Candidate, given: argparse.Namespace) -> Deployment:
    deployment = Deployment(candidate.playbook, given.port, given.prefix, name=candidate.name)
    deployment.variables = {**given.extra_vars, **candidate.variables}
    return deployment


def _chosen(given: argparse.Namespace) -> tuple[list[Candidate], list[Skipped]]:
    return choose(discover(), given.deployments, abilities(), given.extra_vars)


def _candidates(state: State) -> dict[str, Candidate]:
    """Those of the campaign, by name."""
    found = {each.name: each for each in discover()}
    gone = [name for name in state.document["deployments"] if name not in found]
    if gone:
        raise StepFailed(f"The campaign has {', '.join(gone)}, and this checkout has no such playbook.")
    return found


def begin(given: argparse.Namespace) -> State:
    """A new campaign, after everything that could be refused was looked at."""
    chosen, skipped = _chosen(given)
    if any(each.platform == COMPOSE for each in chosen):
        check_port(given.port)
    for each in chosen:
        check_name(deployment_of(each, given))
    return State.begin(
        given.output or Path(f"campaign-{time.strftime('%Y%m%d-%H%M%S')}"),
        arguments=options.kept(given),
        deployments=[each.name for each in chosen],
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
    candidates = _candidates(state)
    for name in state.document["deployments"]:
        deployment_of(candidates[name], given).clean()
    pending = [name for name, _repetition in state.pending()]
    if pending:
        if any(candidates[name].platform == COMPOSE for name in pending):
            check_port(given.port)
        state.document["interruptions"] += 1
    return state, given


def carry_out(state: State, given: argparse.Namespace) -> None:
    progress = Progress(state.folder, state.document["elapsed"])
    candidates = _candidates(state)
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
            deployment = deployment_of(candidates[name], given)
            record = state.begin_cycle(name, repetition)
            folder = state.folder / "records" / f"{name}-{repetition}-{time.strftime('%H%M%S')}"
            cycle = Cycle(given, candidates[name], deployment, folder, record, progress.say)

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
    if given.resume:
        # Before anything is taken down that may be the deployment of one that runs.
        with locked(given.resume):
            return finish(*resume(given))
    state = begin(given)
    with locked(state.folder):
        return finish(state, given)


def finish(state: State, given: argparse.Namespace) -> int:
    """Carry out what is still to do, and write the page, whatever it has."""
    try:
        carry_out(state, given)
    except KeyboardInterrupt:
        state.save()
        output.write(state.folder, state.document)
        print(f"Interrupted. Go on with: python -m laboratory.campaign --resume {state.folder}", file=sys.stderr)
        return INTERRUPTED
    print(output.write(state.folder, state.document))
    print(f"Page: {state.folder / output.PAGE}", flush=True)
    return FAILED if state.problems() else OK


def show_list(given: argparse.Namespace) -> int:
    chosen, skipped = _chosen(given)
    for each in chosen:
        print(f"{each.name:<15} runs: {', '.join(each.components)}")
    for each in skipped:
        print(f"{each.name:<15} does not: {each.reason}")
    return OK


def main(words: list[str]) -> int:
    given = options.parse(words)
    # What a shell starts in the background ignores SIGINT until it is told otherwise.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    try:
        if given.list:
            return show_list(given)
        if given.compare:
            print(comparison.write(given.compare, given.output or Path()))
            return OK
        if given.repeatability:
            print(repeatability.write(given.repeatability, given.output or Path()))
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
