# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One process's calls: in their turn, timed, and on record."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from mlflow import MlflowClient

from laboratory.load.attempts import Attempts
from laboratory.load.control import Control
from laboratory.load.options import Options
from laboratory.load.record import Call, Recorder, error_class, one_line

# Without it, a server that refuses connections would be asked thousands of times a second.
PAUSE_AFTER_FAILURE = 0.2


class LoadIsOver(Exception):
    """Raised in place of a call that would begin after the end."""


class WrongAnswer(Exception):
    """The server answered, and what it said is not what it had acknowledged before."""


class Answer(NamedTuple):
    ok: bool
    value: Any = None


class Session:
    def __init__(
        self,
        options: Options,
        control: Control,
        worker: int,
        experiment_id: str,
        recorder: Recorder,
        attempts: Attempts,
        scratch: Path,
    ) -> None:
        self.options, self.worker, self.experiment_id, self.scratch = options, worker, experiment_id, scratch
        self.client = MlflowClient(tracking_uri=options.url, registry_uri=options.url)
        self._control, self._recorder, self._attempts = control, recorder, attempts
        self._next = time.monotonic()

    def call(
        self,
        operation: str,
        function: Callable[[], Any],
        *,
        run_id: str | Callable[[Any], str] = "",
        size: int = 0,
        metrics: int = 0,
        wrote: dict | None = None,
    ) -> Answer:
        """Make the call and record it. A failure is an answer, too; only the end of the load is raised."""
        self._wait_for_turn()
        before = (self._attempts.requests, self._attempts.retries)
        call = Call(self.worker, operation, time.time(), 0.0, ok=True, bytes=size, metrics=metrics, wrote=wrote or {})
        clock = time.perf_counter()
        value = None
        try:
            value = function()
        except Exception as error:
            call.ok, call.error_class, call.error = False, error_class(error), one_line(error)
        call.seconds = round(time.perf_counter() - clock, 6)
        call.requests, call.retries = self._attempts.requests - before[0], self._attempts.retries - before[1]
        call.run_id = run_id if isinstance(run_id, str) else run_id(value) if call.ok else ""
        self._recorder.write(call)
        self._count(call)
        if not call.ok:
            self._next = max(self._next, time.monotonic() + PAUSE_AFTER_FAILURE)
        return Answer(call.ok, value)

    def _wait_for_turn(self) -> None:
        if not self._control.sleep_until(self._next):
            raise LoadIsOver
        if self.options.pace:
            # Time lost by a slow call is not made up for: what follows keeps the pace, and no burst comes.
            self._next = max(self._next + 1 / self.options.pace, time.monotonic())

    def _count(self, call: Call) -> None:
        self._control.calls[self.worker] += 1
        self._control.failed[self.worker] += not call.ok
        self._control.runs[self.worker] += call.ok and call.operation == "create_run"
