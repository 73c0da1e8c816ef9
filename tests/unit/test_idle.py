# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that take only what others leave of the processors."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.beds import idle
from tests.beds.go_programs import IDLE

TELLS = """
import os, pathlib
print(os.sched_getscheduler(0))
for path in ("/proc/self/oom_score_adj", "/proc/self/autogroup"):
    print(pathlib.Path(path).read_text() if os.path.exists(path) else "none")
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it is a matter of Linux's scheduler")


def test_an_idle_command_and_its_session_are_the_last() -> None:
    command = [*IDLE, sys.executable, "-c", TELLS]
    done = subprocess.run(command, capture_output=True, text=True, check=True, start_new_session=True)
    scheduler, memory, group = (line for line in done.stdout.splitlines() if line)
    assert int(scheduler) == os.SCHED_IDLE
    assert int(memory) == idle.FIRST_TO_GO
    assert group.endswith(f"nice {idle.LOWEST}" if idle.AUTOGROUP.exists() else "none")


def test_the_session_of_others_keeps_its_share() -> None:
    before = idle.AUTOGROUP.read_text() if idle.AUTOGROUP.exists() else "none"
    subprocess.run([*IDLE, "true"], check=True)
    assert (idle.AUTOGROUP.read_text() if idle.AUTOGROUP.exists() else "none") == before


def test_an_idle_command_has_its_own_exit_code_and_input() -> None:
    command = [*IDLE, "sh", "-c", 'read line; test "$line" = given && exit 7']
    done = subprocess.run(command, input="given\n", text=True, check=False, start_new_session=True)
    assert done.returncode == 7


STARTS = """
import subprocess, sys
process = subprocess.Popen([*sys.argv[1:], "sleep", "600"], start_new_session=True)
print(process.pid, flush=True)
process.wait()
"""


def test_an_idle_command_does_not_outlive_who_started_it() -> None:
    starter = subprocess.Popen([sys.executable, "-c", STARTS, *IDLE], stdout=subprocess.PIPE, text=True)
    place = Path("/proc", starter.stdout.readline().strip())
    until = time.monotonic() + 60
    while b"sleep" not in (place / "cmdline").read_bytes()[:6] and time.monotonic() < until:
        time.sleep(0.01)
    starter.kill()
    starter.wait()
    while place.exists() and time.monotonic() < until:
        time.sleep(0.01)
    assert not place.exists()
