# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""The supervisor with a gate that loses a signal: the thread that took it ends with exec, before it can act."""

from __future__ import annotations

import os
import subprocess
import sys

# The gate takes the signal, and becomes the server all the same.
PROGRAM = """
import os, signal, sys
from types import SimpleNamespace
from mlflow_guard.serve import supervisor
from mlflow_guard.serve.readiness import Readiness

config = SimpleNamespace(artifacts=SimpleNamespace(destination="wasbs://nowhere"))
signal.pthread_sigmask(signal.SIG_BLOCK, supervisor.SIGNALS)
reader, writer = os.pipe()
gate = os.fork()
if gate == 0:
    os.setpgid(0, 0)
    print("gate", flush=True)
    signal.sigwait(supervisor.STOPS)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, supervisor.SIGNALS)
    supervisor.Child(None, writer).announce({})
    os.execvp("sleep", ["sleep", "600"])
os.close(writer)
settings = supervisor.Settings(port=0, timeout=2, drain=0)
os._exit(supervisor.Supervisor(gate, reader, config, settings, Readiness(), print).run())
"""


def test_a_signal_that_went_with_the_gate_is_given_again():
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "gate\n"
    process.terminate()
    assert process.wait(60) == 0
