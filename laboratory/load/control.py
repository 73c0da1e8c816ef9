# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the main process and its workers share while the load runs."""

from __future__ import annotations

import multiprocessing
import os
import time
from multiprocessing.sharedctypes import RawArray, RawValue

# Fork: the workers have mlflow imported already, and its pages are shared.
CONTEXT = multiprocessing.get_context("fork")
STEP = 0.05


class Control:
    """Plain shared memory, each cell with one writer. Without locks, a process that is killed blocks no other."""

    def __init__(self, processes: int) -> None:
        self._main = os.getpid()
        self._ready = RawArray("b", processes)
        self._begin = RawValue("d", 0)
        self._end = RawValue("d", 0)
        self.calls = RawArray("q", processes)
        self.failed = RawArray("q", processes)
        self.runs = RawArray("q", processes)

    def ready(self, worker: int) -> None:
        self._ready[worker] = 1

    def is_ready(self, worker: int) -> bool:
        return bool(self._ready[worker])

    def begin(self, when: float, end: float) -> None:
        """Times of the system's clock."""
        self._end.value = end
        self._begin.value = when

    def stop(self) -> None:
        self._end.value = time.time()

    def over(self) -> bool:
        """Also when the main process is gone: nobody would ever stop us."""
        return time.time() >= self._end.value or os.getppid() != self._main

    def wait_for_begin(self) -> bool:
        while not self._begin.value:
            if os.getppid() != self._main:
                return False
            time.sleep(STEP / 10)
        time.sleep(max(0.0, self._begin.value - time.time()))
        return True

    def sleep_until(self, when: float) -> bool:
        """Until a time of the monotonic clock; False when the load is over before."""
        while not self.over():
            left = when - time.monotonic()
            if left <= 0:
                return True
            time.sleep(min(left, STEP))
        return False
