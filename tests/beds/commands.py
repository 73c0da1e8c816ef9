# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the programs of the host, tell what goes on, and refuse in one sentence."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

_started = time.monotonic()


class BedFailed(Exception):
    """The bed cannot go on; the message says what was found and what to do."""


def say(text: str) -> None:
    """Progress, for whoever waits; results alone go to stdout."""
    print(f"[{time.monotonic() - _started:5.1f} s] {text}", file=sys.stderr, flush=True)


def tail(log: Path, lines: int = 15) -> str:
    """The end of a program's log."""
    with contextlib.suppress(OSError):
        return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    return "(there is no log)"


def perform(command: list[str], timeout: float = 60, check: bool = True, stdin: str | None = None) -> str:
    """Run a program to its end and return what it printed. A failure shows the last lines of what it said."""
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
    except FileNotFoundError as error:
        raise BedFailed(f"The program {error.filename} is missing: install it.") from None
    except subprocess.TimeoutExpired:
        raise BedFailed(f"`{shlex.join(command)}` did not end within {timeout:.0f} seconds.") from None
    if check and done.returncode:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise BedFailed(f"`{shlex.join(command)}` ended with {done.returncode}:\n{said}")
    return done.stdout


def perform_logged(command: list[str], log: Path, timeout: float, **options) -> None:
    """Run a long program with its output in a file; a failure shows the end of that file."""
    with log.open("a", encoding="utf-8") as output:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, **options
            )
        except FileNotFoundError as error:
            raise BedFailed(f"The program {error.filename} is missing: install it.") from None
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise BedFailed(f"`{shlex.join(command)}` did not end within {timeout:.0f} seconds; see {log}.") from None
        finally:
            end_session(process)
    if code:
        raise BedFailed(f"`{shlex.join(command)}` ended with {code}, see {log}:\n{tail(log)}")


def end_session(process: subprocess.Popen) -> None:
    """End a program and what it started: in a session of its own, Ctrl-C does not reach it."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(what: str, seconds: float, seen: Callable[[], object], pause: float = 0.1) -> None:
    """Wait until something is seen; what it is stands in the refusal."""
    end = time.monotonic() + seconds
    while not seen():
        if time.monotonic() > end:
            raise BedFailed(f"{what} within {seconds:.0f} seconds.")
        time.sleep(pause)
