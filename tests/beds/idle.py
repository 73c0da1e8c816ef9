# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python tests/beds/idle.py COMMAND...` becomes that command, with only what others leave of the machine.

It ends with the process that started it: nobody would notice that it goes on.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path

# Linux shares the processors among sessions first, and a session that is made of idle programs has its share as well.
AUTOGROUP = Path("/proc/self/autogroup")
LOWEST = 19
# Where memory runs out, it goes first.
MEMORY, FIRST_TO_GO = Path("/proc/self/oom_score_adj"), 1000
PR_SET_PDEATHSIG = 1


def become_idle() -> None:
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    MEMORY.write_text(str(FIRST_TO_GO), encoding="ascii")
    # The session of somebody else has its own share. A kernel may be built without these.
    if os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):
            AUTOGROUP.write_text(str(LOWEST), encoding="ascii")


if __name__ == "__main__":
    become_idle()
    os.execvp(sys.argv[1], sys.argv[1:])
