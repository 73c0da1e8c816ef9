# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One scenario: load, a steady while, the fault, recovery, another steady while; then everything is read back."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from laboratory.benchmark.processes import StepFailed, dying_with_us, say
from laboratory.resilience import balancer
from laboratory.resilience.faults import Scenario, Target
from tests.runner.commands import ROOT, environment

# Longer than any scenario takes; the load is told to stop.
LOAD_SECONDS = 1800
# After it was told to stop: the calls under way, with their retries, and reading everything back.
END_SECONDS = 600
# A fault is seen by then, if it is to be seen.
NOTICED_SECONDS = 4
RECOVERY_SECONDS = 120
# Its processes import MLflow first, which takes some seconds on a busy machine.
BEGIN_SECONDS = 120


@dataclass(frozen=True)
class Pace:
    """How much load, and how long before and after the fault."""

    processes: int
    steady: float


@dataclass
class Outcome:
    scenario: str
    meaning: str
    may_fail: bool
    calls: int
    failed_calls: int
    retried_calls: int
    runs: int
    lost_runs: int
    lost_writes: int
    not_checked: int
    longest_gap: float
    fault_seconds: float
    absences: list[balancer.Absence] = field(default_factory=list)
    folder: str = ""

    @property
    def passed(self) -> bool:
        whole = not (self.lost_runs or self.lost_writes or self.not_checked)
        return whole and (self.may_fail or not self.failed_calls)

    def as_dict(self) -> dict:
        return {**asdict(self), "passed": self.passed}


@contextlib.contextmanager
def load(url: str, pace: Pace, folder: Path) -> Iterator[subprocess.Popen]:
    """The load generator in a process of its own; it ends with the block, at the latest."""
    words = ["--url", url, "--processes", str(pace.processes), "--seconds", str(LOAD_SECONDS), "--output", str(folder)]
    process = subprocess.Popen(
        [sys.executable, "-m", "laboratory.load", *words],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=dying_with_us(signal.SIGKILL),
    )
    try:
        yield process
    finally:
        # Still there only after a failure or Ctrl-C: asked to end, it would finish its calls and read everything back.
        if process.poll() is None:
            process.kill()
            process.wait()


def begun(process: subprocess.Popen, folder: Path) -> None:
    """Wait for the first call on record: a fault before it would hit nobody."""
    end = time.monotonic() + BEGIN_SECONDS
    while not any(file.stat().st_size for file in folder.glob("calls-*.jsonl")):
        if time.monotonic() > end:
            raise StepFailed(f"The load made no call within {BEGIN_SECONDS} s.")
        _steady(process, 0.1)


def _steady(process: subprocess.Popen, seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return
    raise StepFailed(f"The load ended too early, with {process.returncode}:\n{process.communicate()[0][-2000:]}")


def _result(process: subprocess.Popen, folder: Path) -> dict:
    process.send_signal(signal.SIGTERM)
    try:
        said = process.communicate(timeout=END_SECONDS)[0]
    except subprocess.TimeoutExpired:
        raise StepFailed(f"The load did not end within {END_SECONDS} s after it was told to.") from None
    file = folder / "result.json"
    if not file.exists():
        raise StepFailed(f"The load wrote no result:\n{said[-2000:]}")
    return json.loads(file.read_text(encoding="utf-8"))


def perform_scenario(scenario: Scenario, target: Target, pace: Pace, folder: Path) -> Outcome:
    folder.mkdir(parents=True, exist_ok=True)
    target.deployment.wait_until_healthy(target.recovery)
    say(f"{scenario.name}: {scenario.meaning}")
    with load(target.url, pace, folder) as process:
        begun(process, folder)
        _steady(process, pace.steady)
        say(f"{scenario.name}: the fault")
        start = time.time()
        scenario.fault(target)
        lasted = time.time() - start
        say(f"{scenario.name}: over after {lasted:.1f} s, waiting until all is healthy")
        _wait_for_recovery(target, start)
        _steady(process, pace.steady)
        say(f"{scenario.name}: stopping the load and reading everything back")
        result = _result(process, folder)
    if scenario.undo:
        scenario.undo(target)
    proof = result["read_back"]
    return Outcome(
        scenario=scenario.name,
        meaning=scenario.meaning,
        may_fail=scenario.may_fail,
        calls=result["calls"],
        failed_calls=result["failed_calls"],
        retried_calls=result["retried_calls"],
        runs=result["runs"],
        lost_runs=len(proof["lost_runs"]),
        lost_writes=sum(proof["lost_writes"].values()) + result["wrong_answers"],
        not_checked=proof["not_checked"] + sum(bool(worker["died"]) for worker in result["workers"]),
        longest_gap=result["longest_gap"]["seconds"],
        fault_seconds=lasted,
        absences=_absences(target, start),
        folder=str(folder),
    )


def _wait_for_recovery(target: Target, start: float) -> None:
    """Until all is healthy, and the load balancer uses every server again that it had given up."""
    time.sleep(NOTICED_SECONDS)
    end = time.monotonic() + RECOVERY_SECONDS
    while True:
        target.deployment.wait_until_healthy(target.recovery)
        missing = [each.server for each in _absences(target, start) if each.back is None]
        if not missing:
            return
        if time.monotonic() > end:
            raise StepFailed(f"The load balancer did not use {', '.join(missing)} again within {RECOVERY_SECONDS} s.")
        time.sleep(0.5)


def _absences(target: Target, start: float) -> list[balancer.Absence]:
    balancers = [each for each in target.deployment.containers() if each.service == "load-balancer"]
    if not balancers:
        return []
    return balancer.absences(balancer.parse(balancer.log_since(balancers[0].identity, start)), start)
