# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the programs that are measured, and tell what goes on."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.runner.commands import ROOT, environment

COMMAND_SECONDS = 5 * 60
PLAYBOOK_SECONDS = 15 * 60
# The first deployment may build all images.
BUILD_SECONDS = 45 * 60

_started = time.monotonic()
# prctl(2), which only Linux has.
_LIBRARY = ctypes.CDLL(None) if sys.platform == "linux" else None
PR_SET_PDEATHSIG = 1


class StepFailed(Exception):
    """A step of the benchmark could not be done; the message says which and why."""


def say(text: str) -> None:
    """Progress, for whoever waits; the figures alone go to stdout."""
    print(f"[{time.monotonic() - _started:6.0f} s] {text}", file=sys.stderr, flush=True)


def dying_with_us(number: int = signal.SIGTERM) -> Callable[[], None]:
    """For a program's start: it gets this signal if we are killed. In a session of its own nobody else would end it."""

    def before_it_starts() -> None:
        # What a shell starts in the background ignores SIGINT, and so would all that we start.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if _LIBRARY:
            _LIBRARY.prctl(PR_SET_PDEATHSIG, number)

    return before_it_starts


def _end(process: subprocess.Popen, kindly: bool) -> None:
    """End a program and all that it started: in a session of their own, Ctrl-C does not reach them."""
    for number, seconds in ([(signal.SIGINT, 60)] if kindly else []) + [(signal.SIGKILL, 10)]:
        if process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(process.pid, number)
            process.communicate(timeout=seconds)


def perform(
    command: list[str],
    cwd: Path = ROOT,
    timeout: float = COMMAND_SECONDS,
    stdin: str = "",
    check: bool = True,
    expendable: bool = False,
    **variables: str,
) -> subprocess.CompletedProcess:
    """Run a program to its end with the project's environment. A failure shows the last lines of what it said.

    expendable: there is nothing that the program has to bring to an end, so it is killed where it is to end early, or
    if we are killed; others are asked to end, and have a minute for it.
    """
    try:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=environment(**variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=dying_with_us(signal.SIGKILL if expendable else signal.SIGTERM),
        )
    except FileNotFoundError as error:
        raise StepFailed(f"{error.filename} is missing: `make venv` installs the project's tools.") from None
    try:
        out, err = process.communicate(stdin, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise StepFailed(f"`{shlex.join(command)}` did not end within {timeout:.0f} seconds and was stopped.") from None
    finally:
        _end(process, kindly=not expendable)
    if check and process.returncode:
        said = "\n".join((out + err).strip().splitlines()[-15:])
        raise StepFailed(f"`{shlex.join(command)}` ended with {process.returncode}:\n{said}")
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def seconds(action, *arguments, **options) -> float:
    """Wall time of a call."""
    start = time.perf_counter()
    action(*arguments, **options)
    return time.perf_counter() - start
