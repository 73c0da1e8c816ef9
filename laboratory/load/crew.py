# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The main process's part of the load: start the workers together, watch them, end them."""

from __future__ import annotations

import shutil
import signal
import sys
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

from laboratory.load.control import CONTEXT, Control
from laboratory.load.options import Options
from laboratory.load.worker import SCRATCH, error_file, work

START_SECONDS = 60
POLL = 0.1
PROGRESS_SECONDS = 5
# So that all of them see the start before it comes.
HEAD_START_SECONDS = 0.02


class Signals:
    """Count the requests to stop."""

    def __init__(self) -> None:
        self.received = 0

    def install(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note)

    def ignore(self) -> None:
        """From here on. While Python ends, a handler of ours would be gone, and a signal would spoil the exit code."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)

    def _note(self, *_unused: object) -> None:
        self.received += 1


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Crew:
    def __init__(self, options: Options, experiment_id: str, signals: Signals) -> None:
        self._options, self._signals = options, signals
        self._control = Control(options.processes)
        self._processes: list[BaseProcess] = [
            CONTEXT.Process(target=work, args=(options, self._control, number, experiment_id), daemon=False)
            for number in range(options.processes)
        ]
        self._reported: set[int] = set()
        self._killed: set[int] = set()

    def run(self) -> tuple[float, float]:
        """From the common start to the end of the last process, in seconds since the epoch."""
        for process in self._processes:
            process.start()
        self._wait_until_ready()
        start = time.time() + HEAD_START_SECONDS
        self._control.begin(start, start + self._options.seconds)
        self._watch(start)
        end = time.time()
        # Of those that were killed.
        for scratch in self._options.output.glob(f"{SCRATCH}*"):
            shutil.rmtree(scratch)
        return start, end

    def _alive(self) -> list[int]:
        return [number for number, process in enumerate(self._processes) if process.is_alive()]

    def _wait_until_ready(self) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and not self._must_stop():
            if all(self._control.is_ready(number) for number in self._alive()):
                return
            time.sleep(POLL / 10)

    def _must_stop(self) -> bool:
        return bool(self._signals.received) or (self._options.output / "stop").exists()

    def _watch(self, start: float) -> None:
        stopped_early = False
        following = time.monotonic() + PROGRESS_SECONDS
        deadline = start + self._options.seconds
        while alive := self._alive():
            self._report_dead(alive)
            if not stopped_early and time.time() < deadline and self._must_stop():
                stopped_early, deadline = True, time.time()
                self._control.stop()
                say("Told to stop: the calls under way are finished, then everything is read back.")
            if time.time() > deadline + self._options.finish_seconds:
                self._kill(alive)
            if time.monotonic() >= following:
                following += PROGRESS_SECONDS
                self._progress(start)
            time.sleep(POLL)
        self._report_dead([])

    def _progress(self, start: float) -> None:
        calls, failed, runs = (sum(cells) for cells in (self._control.calls, self._control.failed, self._control.runs))
        say(f"{time.time() - start:6.0f} s  {calls} calls, {failed} failed, {runs} runs")

    def _report_dead(self, alive: list[int]) -> None:
        for number, process in enumerate(self._processes):
            if number not in alive and process.exitcode and number not in self._reported:
                self._reported.add(number)
                say(f"Process {number} died: {self._how(number)}.")

    def _kill(self, numbers: list[int]) -> None:
        for number in numbers:
            self._killed.add(number)
            self._processes[number].kill()
            self._processes[number].join()

    def _how(self, number: int) -> str:
        code = self._processes[number].exitcode or 0
        if number in self._killed:
            return f"killed, since its last call took more than {self._options.finish_seconds:g} s after the end"
        if code < 0:
            return f"by {signal.Signals(-code).name}"
        last = _last_line(error_file(self._options.output, number))
        return f"exit code {code}" + (f", {last}" if last else "")

    def outcome(self) -> list[dict]:
        """For each process: number, exit_code (negative: the signal), and died, empty where it ended as it should."""
        return [
            {"number": number, "exit_code": process.exitcode, "died": self._how(number) if process.exitcode else ""}
            for number, process in enumerate(self._processes)
        ]


def _last_line(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip().splitlines()[-1] if path.exists() else ""
