# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One cycle from its deploy to its end: what fails is on record, and whatever happens the deployment is taken down."""

from __future__ import annotations

import signal
import time
import traceback
from collections.abc import Callable, Sequence

from laboratory.benchmark.processes import StepFailed
from laboratory.campaign.state import DONE, FAILED, INTERRUPTED
from laboratory.campaign.steps import BEGINNING, ENDING, Cycle, Step

Save = Callable[[], None]


def perform_step(cycle: Cycle, step: Step, save: Save) -> bool:
    """Carry it out and put its samples, its time and its problem on record. True if it succeeded."""
    cycle.say(step.name)
    start = time.monotonic()
    problem = ""
    try:
        cycle.record["samples"] |= {name: round(value, 4) for name, value in step.act(cycle).items()}
    except StepFailed as failure:
        problem = str(failure)
    except Exception as error:
        # An error of ours must not take the other deployments' turns away.
        problem = f"{type(error).__name__}: {error}"
        cycle.say(traceback.format_exc())
    if problem:
        cycle.say(f"{step.name} failed: {problem}")
        cycle.record["problems"].append(f"{step.name}: {problem}")
    entry = {"name": step.name, "seconds": round(time.monotonic() - start, 1), "problem": problem}
    cycle.record["steps"].append(entry)
    save()
    return not problem


def perform_cycle(cycle: Cycle, tests: Sequence[Step], save: Save) -> None:
    try:
        if all(perform_step(cycle, step, save) for step in BEGINNING):
            for step in tests:
                perform_step(cycle, step, save)
            for step in ENDING:
                perform_step(cycle, step, save)
        take_down(cycle)
    except BaseException:
        cycle.record["status"] = INTERRUPTED
        cycle.say("interrupted, taking the deployment down")
        take_down(cycle)
        save()
        raise
    cycle.record["status"] = FAILED if cycle.record["problems"] else DONE
    save()


def take_down(cycle: Cycle) -> None:
    """To the end: a second Ctrl-C would leave behind what the first one was meant to end."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda *_unused: cycle.say("being taken down already, please wait"))
    try:
        cycle.deployment.clean()
    except StepFailed as failure:
        cycle.record["problems"].append(str(failure))
        cycle.say(str(failure))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
