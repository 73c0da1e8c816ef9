# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""What the containers of a Compose project tell: whether they are of use, and why one never will be.

A container is the document that `docker inspect` gives. Nothing here asks the engine.
"""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._last_words import (
    ENDED,
    last_words,
    refusals,
    respawning,
    tidy,
)

Container = dict  # of str to Any, as `docker inspect` gives it
CANNOT, UNHEALTHY = "it cannot be started", "its health check fails"
# The name that Compose gives a container until the one before it is gone.
HALF_MADE = re.compile(r"[0-9a-f]{12}_")
# A program may have bad luck once.
ENDS = 2
# What Compose prints of its progress, and of errors that it prints again with a reason.
PROGRESS = re.compile(r"^(Container|Network|Volume|Image|Service) \S+ +[A-Z]\w+$|^Gracefully|^canceled$")


def service(container: Container) -> str:
    return (container["Config"].get("Labels") or {}).get("com.docker.compose.service", "")


def mark(container: Container) -> tuple[str, str]:
    """Another one for each start."""
    return container["Id"], container["State"].get("StartedAt", "")


def begun(container: Container, before: list[Container]) -> bool:
    """Whether it is Compose that started it just now, and not the engine that has been trying to for a while."""
    known = [each["State"]["Status"] for each in before if each["Id"] == container["Id"]]
    return known in ([], ["created"], ["exited"])


def leftovers(containers: list[Container]) -> list[str]:
    """The containers that Compose had made to take the place of others when it was ended; it stumbles over them."""
    return [
        each["Id"]
        for each in containers
        if each["State"]["Status"] == "created" and HALF_MADE.match(each.get("Name", "").lstrip("/"))
    ]


def useful(container: Container) -> bool:
    """Whether it runs, and its health check has found it well where it has one."""
    state = container["State"]
    return state["Status"] == "running" and (state.get("Health") or {}).get("Status", "healthy") == "healthy"


def checked(container: Container) -> str:
    """What the last health check said; of the guard's its findings."""
    results = (container["State"].get("Health") or {}).get("Log") or []
    text = (results[-1].get("Output") or "").strip() if results else ""
    try:
        findings = json.loads(text)["findings"]
    except (ValueError, TypeError, KeyError):
        return tidy(text)
    return tidy(" ".join(each["message"] for each in findings))


def ended(container: Container, log: str) -> str:
    """How it ended, as far as it can be told."""
    state, limit = container["State"], (container.get("HostConfig") or {}).get("Memory") or 0
    said = [line for line in log.splitlines() if ENDED in line]
    how = tidy(said[-1].partition(", with ")[2]) if said else f"exit code {state.get('ExitCode', '?')}"
    if state.get("OOMKilled") or (limit and how in ("SIGKILL", "exit code 137")):
        return f"it was killed, as a program is that needs more than its {limit >> 20} MiB of memory"
    if state["Status"] == "running" and not said:
        return "it ended"
    return f"it ended with {how}"


def trouble(container: Container, log: str, ends_before: int = 0, is_new: bool = True) -> str:
    """Why waiting is of no use; empty while it may be."""
    state, status = container["State"], container["State"]["Status"]
    ends = container.get("RestartCount", 0) - ends_before
    if useful(container):
        return ""
    if status in ("created", "exited", "dead"):
        if state.get("Error"):
            return f"{CANNOT}: {tidy(state['Error'])}"
        return "" if status == "created" else ended(container, log)
    if refusals(log):
        return "it refuses to start"
    # The guard's word on its web server is enough, and whatever ends at once after a start does so again.
    if (ends and ENDED in log) or ends >= ENDS:
        return ended(container, log)
    if respawning(log):
        return "its workers end as soon as they have begun"
    # One that was there before may have been waiting for what was replaced just now.
    # And one that has ended is called so, too.
    if is_new and status == "running" and (state.get("Health") or {}).get("Status") == "unhealthy":
        said = checked(container)
        return f"{UNHEALTHY}{': ' + said if said else ''}"
    return ""


def sentence(container: Container, reason: str, log: str) -> str:
    """What the user reads."""
    # What the engine says of a container that it cannot start is all there is; the log is of an earlier time.
    words = [] if reason.startswith(CANNOT) else last_words(log, complaints_only=reason.startswith(UNHEALTHY))
    text = f"{service(container)} does not start: {reason}".rstrip(".")
    return f"{text}: {' | '.join(words).rstrip('.')}." if words else f"{text}."


def state_of(services: list[str], containers: list[Container]) -> list[str]:
    """What each service that is not of use is doing."""
    found = []
    for name in services:
        mine = [each for each in containers if service(each) == name]
        if not mine:
            found.append(f"{name} has no container")
        elif not any(useful(each) for each in mine):
            state = mine[0]["State"]
            health = (state.get("Health") or {}).get("Status")
            doing = health if health and state["Status"] == "running" else state["Status"]
            said = checked(mine[0])
            found.append(f"{name} is {doing}" + (f" ({said.rstrip('.')})" if said else ""))
    return found


def complaint(text: str) -> str:
    """What Compose itself complains of, without its progress."""
    lines: list[str] = []
    for line in text.splitlines():
        # Newer releases of Compose may write each line as a document.
        if line.startswith("{"):
            try:
                document: Any = json.loads(line)
                line = document.get("message") or document.get("text") or ""
            except (ValueError, AttributeError):
                pass
        line = tidy(line, 600)
        if line and not PROGRESS.match(line) and line not in lines:
            lines.append(line)
    return " | ".join(last_words("\n".join(lines), count=2)) or "it gives no reason"


def start(command: list[str], said: Any) -> subprocess.Popen:
    """Compose beside this process, which looks at the containers meanwhile: the module's own way would wait for it."""
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
