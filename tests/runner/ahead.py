# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a later stage needs and takes long to make is made from the beginning, with what the stages before it leave."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
from collections.abc import Iterator

from tests.runner.commands import ROOT, environment

END_SECONDS = 60


@contextlib.contextmanager
def made(commands: list[list[str]]) -> Iterator[None]:
    """These run beside what is done meanwhile. What one of them could not make is told by the stage that needs it."""
    with contextlib.ExitStack() as stack:
        for command in commands:
            print(f"$ {shlex.join(command)} &", flush=True)
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
            stack.callback(_end, process)
        yield


def _end(process: subprocess.Popen) -> None:
    """As by Ctrl-C, on which it takes away what it has begun."""
    if process.poll() is not None:
        return
    try:
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(process.pid, signal.SIGINT)
            process.wait(END_SECONDS)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
