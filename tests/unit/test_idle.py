# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that take only what others leave of the processors."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.beds import idle
from tests.beds.go_programs import IDLE

TELLS = "import os, pathlib; print(os.sched_getscheduler(0)); print(pathlib.Path('/proc/self/autogroup').read_text())"


@pytest.mark.skipif(sys.platform != "linux", reason="it is a matter of Linux's scheduler")
def test_an_idle_command_and_its_session_are_the_last() -> None:
    words = TELLS if idle.AUTOGROUP.exists() else "import os; print(os.sched_getscheduler(0))"
    command = [*IDLE, sys.executable, "-c", words]
    told = subprocess.run(command, capture_output=True, text=True, check=True, start_new_session=True).stdout.split(
        "\n"
    )
    assert int(told[0]) == idle.os.SCHED_IDLE
    if idle.AUTOGROUP.exists():
        assert told[1].endswith(f"nice {idle.LOWEST}")


def test_an_idle_command_has_its_own_exit_code_and_input() -> None:
    command = [*IDLE, "sh", "-c", 'read line; test "$line" = given && exit 7']
    assert subprocess.run(command, input="given\n", text=True, check=False).returncode == 7
