# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run commands with the project's environment, and count what they tested."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / ".venv" / "bin"
COLLECTIONS = ROOT / "playbooks" / "collections"
# No single command takes that long, also where the machine has other work; one that does hangs.
TIMEOUT = 60 * 60


class StageFailed(Exception):
    """The stage cannot go on; the message says why."""


@dataclass
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    notes: list[str] = field(default_factory=list)

    def check(self, passed: bool, note: str = "") -> None:
        if passed:
            self.passed += 1
        else:
            self.failed += 1
            self.notes.append(note)

    def skip(self, note: str) -> None:
        self.skipped += 1
        self.notes.append(f"skipped: {note}")

    def add(self, other: Counts) -> None:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.notes += other.notes


def environment(**more: str) -> dict[str, str]:
    """The tools of .venv come first, and neither the user's settings of Ansible nor colours get in."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "MLFLOW_", "MOLECULE_"))}
    kept["PATH"] = f"{BIN}{os.pathsep}{kept.get('PATH', os.defpath)}"
    kept["VIRTUAL_ENV"] = str(BIN.parent)
    kept["MLFLOW_DISABLE_TELEMETRY"] = "true"
    kept["ANSIBLE_COLLECTIONS_PATH"] = str(COLLECTIONS)
    kept["ANSIBLE_LOCALHOST_WARNING"] = kept["ANSIBLE_INVENTORY_UNPARSED_WARNING"] = "false"
    kept.update(more)
    return kept


def run(command: list[str], cwd: Path = ROOT, timeout: int = TIMEOUT, **variables: str) -> bool:
    """Run with the output on the screen and without input; True if it succeeded."""
    print(f"$ {shlex.join(command)}", flush=True)
    process = subprocess.Popen(
        command, cwd=cwd, env=environment(**variables), stdin=subprocess.DEVNULL, start_new_session=True
    )
    try:
        return process.wait(timeout) == 0
    except subprocess.TimeoutExpired:
        print(f"{command[0]} did not end within {timeout // 60} minutes and is stopped.", flush=True)
        return False
    finally:
        # Also on Ctrl-C, which does not reach a command in a session of its own.
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
                process.wait(60)
        with contextlib.suppress(ProcessLookupError):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def output(command: list[str], cwd: Path = ROOT, **variables: str) -> subprocess.CompletedProcess:
    """Run and return what it printed."""
    return subprocess.run(
        command,
        cwd=cwd,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="mlops-mlflow-test-") as folder:
        yield Path(folder)


def pytest(*arguments: str, **variables: str) -> Counts:
    """Run pytest and count its tests; none at all is a failure."""
    with scratch() as folder:
        report = folder / "report.xml"
        # What takes long is named: a whole run has a time to keep to.
        slowest = ["--durations=10", "--durations-min=10"]
        usual = ["-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
        command = ["python", "-m", "pytest", *usual, *slowest, *arguments]
        succeeded = run(command, **variables)
        if not report.exists():
            raise StageFailed("pytest ended before it wrote its report; see above.")
        counts = Counts()
        for suite in ElementTree.parse(report).getroot().iter("testsuite"):
            numbers = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
            counts.failed += numbers["failures"] + numbers["errors"]
            counts.skipped += numbers["skipped"]
            # By name: what cannot be tested here is to be seen in the table.
            for case in suite.iter("testcase"):
                for skipped in case.iter("skipped"):
                    counts.notes.append(f"skipped: {case.get('name')}: {skipped.get('message')}")
            counts.passed += numbers["tests"] - sum(numbers[name] for name in ("failures", "errors", "skipped"))
    if counts.passed + counts.failed + counts.skipped == 0:
        raise StageFailed(f"pytest found no test in {' '.join(arguments)}.")
    if not succeeded and not counts.failed:
        raise StageFailed("pytest failed outside of the tests; see above.")
    return counts
