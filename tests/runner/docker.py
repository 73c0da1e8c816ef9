# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker for the stages that need it, provided by the project's own role, and what must not be left in it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from tests.runner.commands import StageFailed, output, run

LABEL = "mlops.mlflow.deployment"
PID_FILE = Path("/run/docker.pid")

_started_here = False


def engine_answers() -> bool:
    try:
        return output(["docker", "info"]).returncode == 0
    except FileNotFoundError:
        return False


def _process() -> int | None:
    try:
        pid = int(PID_FILE.read_text(encoding="ascii"))
        os.kill(pid, 0)
    except (OSError, ValueError):
        return None
    return pid


def provide() -> None:
    """Install and start what is missing; with everything there this takes a few seconds."""
    global _started_here
    answered = engine_answers()
    # Set before the role runs: an engine that starts and then does not answer is to be ended as well.
    _started_here = _started_here or (not answered and _process() is None)
    if not run(["ansible-playbook", "tests/beds/docker.yml"]):
        raise StageFailed("Docker could not be provided; see above.")


def end_if_started_here() -> None:
    """An engine that ran before goes on running."""
    if not _started_here:
        return
    if Path("/run/systemd/system").is_dir():
        run(["systemctl", "stop", "docker.service", "docker.socket"])
        return
    pid = _process()
    if pid is None:
        return
    print(f"Ending the Docker engine that was started for the tests (process {pid})", flush=True)
    os.kill(pid, signal.SIGTERM)
    for _attempt in range(300):
        if _process() != pid:
            return
        time.sleep(0.1)
    print(f"The Docker engine (process {pid}) has not ended within 30 seconds.", flush=True)


def labelled(deployment: str) -> list[str]:
    """Whatever of a deployment is in the engine."""
    found = []
    for kind, command in {
        "container": ["docker", "ps", "--all", "--format", "{{.Names}}"],
        "volume": ["docker", "volume", "ls", "--format", "{{.Name}}"],
        "network": ["docker", "network", "ls", "--format", "{{.Name}}"],
    }.items():
        listing = output([*command, "--filter", f"label={LABEL}={deployment}"])
        if listing.returncode:
            raise StageFailed(f"docker cannot list each {kind}: {listing.stderr.strip()}")
        found += [f"{kind} {name}" for name in listing.stdout.split()]
    return found
