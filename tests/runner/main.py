# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run stages one after the other, and end with a table and the totals."""

from __future__ import annotations

import argparse
import sys
import time

from tests.beds.command_line import heed_signals
from tests.runner import ahead, docker, versions
from tests.runner.commands import Counts, StageFailed
from tests.runner.stages import STAGES, Stage, note_leftovers


def arguments(words: list[str]) -> list[Stage]:
    parser = argparse.ArgumentParser(prog="tests/run", description="Run all tests, or the stages that are named.")
    parser.add_argument("stages", nargs="*", metavar="STAGE", help="; ".join(f"{s.name}: {s.meaning}" for s in STAGES))
    parser.add_argument("--list", action="store_true", help="print the stages")
    parser.add_argument("--all", action="store_true", help="also what otherwise runs only when it is named")
    given = parser.parse_args(words)
    if given.list:
        for stage in STAGES:
            print(f"{stage.name:<20} {stage.meaning}")
        raise SystemExit(0)
    known = [stage.name for stage in STAGES]
    for name in given.stages:
        if name not in known:
            parser.error(f"there is no stage '{name}': choose from {', '.join(known)}")
    if given.all:
        return STAGES
    if not given.stages:
        return [stage.unasked() for stage in STAGES]
    return [stage for stage in STAGES if stage.name in given.stages]


def perform(stage: Stage, elapsed_seconds: float) -> Counts:
    try:
        refusal = stage.out_of_time(elapsed_seconds)
        if refusal:
            counts = Counts()
            counts.skip(refusal)
            return counts
        return stage.run()
    except StageFailed as failure:
        return Counts(failed=1, notes=[str(failure)])
    except KeyboardInterrupt:
        return Counts(failed=1, notes=["interrupted"])


def table(results: list[tuple[Stage, Counts, float]], not_run: list[Stage]) -> None:
    print(f"\n{'stage':<20} {'passed':>7} {'failed':>7} {'skipped':>8} {'seconds':>8}")
    for stage, counts, seconds in results:
        print(f"{stage.name:<20} {counts.passed:>7} {counts.failed:>7} {counts.skipped:>8} {seconds:>8.1f}")
        for note in counts.notes:
            print(f"    {note}")
    for stage in not_run:
        print(f"{stage.name:<20} not run, because an earlier stage failed")


def main(words: list[str]) -> int:
    stages = arguments(words)
    # A runner that is told to end takes what it started with it.
    heed_signals()
    results: list[tuple[Stage, Counts, float]] = []
    begun, is_named = time.monotonic(), bool(words)
    if any(stage.name == "clean" for stage in stages):
        note_leftovers()
    try:
        with ahead.made([stage.ahead for stage in stages[1:] if stage.ahead]):
            for stage in stages:
                # What is left behind is worth knowing after a failure too.
                if any(counts.failed for _, counts, _ in results) and stage.name != "clean":
                    continue
                print(f"\n=== {stage.name}: {stage.meaning}", flush=True)
                started = time.monotonic()
                # Stages that were named have all the time that they need.
                counts = perform(stage, 0 if is_named else started - begun)
                seconds = time.monotonic() - started
                results.append((stage, counts, seconds))
                outcome = "failed" if counts.failed else "passed" if counts.passed else "skipped"
                print(f"--- {stage.name}: {outcome} after {seconds:.1f} s", flush=True)
        met = versions.of_docker()
    finally:
        docker.end_if_started_here()
    ran = [stage for stage, _, _ in results]
    table(results, [stage for stage in stages if stage not in ran])
    totals = Counts()
    for _, counts, _ in results:
        totals.add(counts)
    if met:
        print(f"\nMet: {versions.line(met)}")
    print(f"\n{totals.passed} passed, {totals.failed} failed, {totals.skipped} skipped")
    sys.stdout.flush()
    return 1 if totals.failed or not totals.passed else 0
