# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say what goes on: the time so far, which deployment, which step. To stderr, and to a file that can be followed."""

from __future__ import annotations

import sys
import time
from pathlib import Path

FILE = "progress.log"


def clock(seconds: float) -> str:
    """Hours are left out where there are none."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Progress:
    def __init__(self, folder: Path, before: float = 0.0) -> None:
        """before: seconds that the campaign took until it was interrupted."""
        self._file = folder / FILE
        self._start = time.monotonic() - before
        self.where = ""

    def elapsed(self) -> float:
        return time.monotonic() - self._start

    def say(self, text: str) -> None:
        line = f"[{clock(self.elapsed()):>7}] {self.where + ': ' if self.where else ''}{text}"
        print(line, file=sys.stderr, flush=True)
        with self._file.open("a", encoding="utf-8") as stream:
            stream.write(f"{line}\n")
