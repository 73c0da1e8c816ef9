# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the load balancer saw of the servers, from its log: when each went out, and when it came in again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from laboratory.benchmark.processes import perform

CHANGE = re.compile(r"^(?P<time>\S+)\s.*Server (?P<backend>[^/\s]+)/(?P<server>\S+) (is|was) (?P<state>[^,.(]+)")
OUT = re.compile(r"DOWN|going DOWN|stopping|entering maintenance", re.IGNORECASE)
IN = re.compile(r"UP|READY|leaving", re.IGNORECASE)


@dataclass(frozen=True)
class Change:
    """A server went out or came in; the time is in seconds since the epoch."""

    time: float
    server: str
    out: bool


@dataclass(frozen=True)
class Absence:
    """Seconds from the fault until the server was given no more requests, and until it was given some again."""

    server: str
    out: float
    back: float | None


def parse_time(text: str) -> float:
    """A time stamp of Docker's, which has nanoseconds."""
    whole, _, rest = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + (float(f"0.{rest}") if rest else 0.0)


def parse(log: str) -> list[Change]:
    changes = []
    for line in log.splitlines():
        found = CHANGE.match(line)
        if found and (OUT.match(found["state"]) or IN.match(found["state"])):
            changes.append(Change(parse_time(found["time"]), found["server"], bool(OUT.match(found["state"]))))
    return sorted(changes, key=lambda change: change.time)


def absences(changes: list[Change], fault: float) -> list[Absence]:
    """The first time out of each server after the fault, and the last time that it came in after that."""
    found = []
    for server in sorted({change.server for change in changes}):
        own = [change for change in changes if change.server == server and change.time >= fault]
        outs = [change.time for change in own if change.out]
        if outs:
            ins = [change.time for change in own if not change.out and change.time > outs[0]]
            found.append(Absence(server, outs[0] - fault, ins[-1] - fault if ins else None))
    return found


def log_since(container: str, start: float) -> str:
    done = perform(["docker", "logs", "--timestamps", "--since", f"{start:.3f}", container])
    return done.stdout + done.stderr
