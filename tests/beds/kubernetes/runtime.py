# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A runtime of the Docker engine for nodes, where root lacks a capability that privileged containers ask for.

The engine reads its settings again while it runs. Only the nodes have the runtime; the engine's default stays as it is.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from pathlib import Path

from tests.beds.commands import BedFailed, perform, say, wait_for
from tests.beds.kubernetes.settings import HOME, RUNTIME

SETTINGS = Path("/etc/docker/daemon.json")
PID_FILES = (Path("/run/docker.pid"), Path("/var/run/docker.pid"))
SOURCE = Path(__file__).with_name("runc-without-sys-resource")
# Not in HOME: a container that is left behind could not be started without it.
PROGRAM = Path("/usr/local/lib/mlops-mlflow-bed/runc-without-sys-resource")
RECORD = HOME / "daemon.json"
SYS_RESOURCE = 24


def lacks(status: str) -> bool:
    """Whether a process, by its file in /proc, can never have CAP_SYS_RESOURCE."""
    found = re.search(r"^CapBnd:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return bool(found) and not int(found[1], 16) >> SYS_RESOURCE & 1


def _engine() -> int:
    for path in PID_FILES:
        if path.is_file():
            return int(path.read_text(encoding="ascii"))
    raise BedFailed(f"The Docker engine has no file {PID_FILES[0]}, by which it is told to read its settings again.")


def is_needed() -> bool:
    return lacks(Path("/proc/self/status").read_text(encoding="ascii"))


def with_runtime(settings: dict) -> dict:
    return {**settings, "runtimes": {**settings.get("runtimes", {}), RUNTIME: {"path": str(PROGRAM)}}}


def without_runtime(settings: dict) -> dict:
    runtimes = {name: value for name, value in settings.get("runtimes", {}).items() if name != RUNTIME}
    rest = {name: value for name, value in settings.items() if name != "runtimes"}
    return {**rest, "runtimes": runtimes} if runtimes else rest


def _is_known() -> bool:
    return RUNTIME in json.loads(perform(["docker", "info", "--format", "{{json .Runtimes}}"]))


def enable() -> None:
    """Nothing where root has all capabilities."""
    if not is_needed():
        return
    PROGRAM.parent.mkdir(parents=True, exist_ok=True)
    lines = SOURCE.read_text(encoding="utf-8").splitlines(keepends=True)
    # It starts in a moment, as every process in a node waits for it; a virtual environment could go away.
    python = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
    text = "".join([f"#!{python} -IS\n", *lines[1:]])
    if not PROGRAM.exists() or PROGRAM.read_text(encoding="utf-8") != text:
        PROGRAM.write_text(text, encoding="utf-8")
        PROGRAM.chmod(0o755)
    if _is_known():
        return
    before = SETTINGS.read_text(encoding="utf-8") if SETTINGS.exists() else ""
    after = json.dumps(with_runtime(json.loads(before or "{}")), indent=2) + "\n"
    say(f"Giving the engine a runtime without CAP_SYS_RESOURCE, which root lacks here, in {SETTINGS}")
    RECORD.parent.mkdir(parents=True, exist_ok=True)
    RECORD.write_text(json.dumps({"existed": SETTINGS.exists(), "before": before, "after": after}), encoding="utf-8")
    SETTINGS.parent.mkdir(parents=True, exist_ok=True)
    SETTINGS.write_text(after, encoding="utf-8")
    os.kill(_engine(), signal.SIGHUP)
    wait_for(f"The Docker engine did not take the runtime of {SETTINGS}", 20, _is_known)


def restored(now: str, record: dict) -> str | None:
    """What the engine's settings become; nothing where there was no such file. What others changed since is kept."""
    if now == record["after"]:
        return record["before"] if record["existed"] else None
    settings = without_runtime(json.loads(now or "{}"))
    return json.dumps(settings, indent=2) + "\n"


def disable() -> None:
    if RECORD.exists():
        now = SETTINGS.read_text(encoding="utf-8") if SETTINGS.exists() else ""
        text = restored(now, json.loads(RECORD.read_text(encoding="utf-8")))
        if text is None:
            SETTINGS.unlink(missing_ok=True)
        elif now:
            SETTINGS.write_text(text, encoding="utf-8")
        RECORD.unlink()
        say(f"Put {SETTINGS} back as it was")
