# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python tests/beds/idle.py COMMAND...` becomes that command, with only what others leave of the processors."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

# Linux shares the processors among sessions first, and a session that is made of idle programs has its share as well.
AUTOGROUP = Path("/proc/self/autogroup")
LOWEST = 19


def become_idle() -> None:
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    # A kernel may be built without it.
    with contextlib.suppress(OSError):
        AUTOGROUP.write_text(str(LOWEST), encoding="ascii")


if __name__ == "__main__":
    become_idle()
    os.execvp(sys.argv[1], sys.argv[1:])
