# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""Why a program ended, in its own words: the few lines of its log that say so."""

from __future__ import annotations

import re

from ansible_collections.mlops.mlflow.plugins.module_utils._finding_codes import with_code

LINES = 3
WIDTH = 300
GUARD = "mlflow-guard: "
REFUSED = GUARD + "refused: "
ENDED = GUARD + "the web server ended without"

COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
# A URI with a password does not belong into messages, whoever wrote it into a log.
PASSWORD = re.compile(r"(?<=://)([^/\s:@]*):[^/\s@]+@")
NUMBER = re.compile(r"\d+")
TRACE = "Traceback (most recent call last):"
TROUBLE = re.compile(
    r"error|exception|fatal|panic|alert|critical|cannot|can't|could not|failed|denied|no such|not found|"
    r"unable|unknown|invalid|refused|killed|out of memory",
    re.IGNORECASE,
)
# Consequences of what was said before them, and what stands in every log.
IDLE = re.compile(
    r"^(Usage: |Try '|\[SQL: |\(Background on this error|During handling of the above|The above exception was)|"
    r"Child process \[\d+\] died|Waiting for child process|Stopping parent process|Terminated child process"
)
# uvicorn says so of a worker that ended, and begins another one, for ever.
WORKER_DIED = re.compile(r"Child process \[\d+\] died")
DEATHS = 6


def tidy(line: str, width: int = WIDTH) -> str:
    """One line of a bearable length, without colours, control characters and passwords."""
    text = " ".join("".join(each if each.isprintable() else " " for each in COLOUR.sub("", line)).split())
    text = PASSWORD.sub(r"\1:***@", text)
    return text if len(text) <= width else text[: width - 1] + "…"


def refusals(log: str) -> list[str]:
    """What the guard refused to start with: its findings, each once, with their codes at the end."""
    found = []
    for line in log.splitlines():
        if REFUSED in line:
            code, _colon, message = line.partition(REFUSED)[2].partition(": ")
            text = tidy(message, 2 * WIDTH)
            if text and with_code(text, code) not in found:
                found.append(with_code(text, code))
    return found


def without_frames(lines: list[str]) -> list[str]:
    """The lines with each traceback cut down to what was raised."""
    kept, inside = [], False
    for line in lines:
        if line.strip() == TRACE or line.strip().startswith("+ Exception Group Traceback"):
            inside = True
        elif not inside or (line[:1].strip() and not line.startswith(("During ", "The above"))):
            inside = False
            kept.append(line)
    return kept


def respawning(log: str) -> bool:
    """Whether workers end and are begun again, for ever."""
    return len(WORKER_DIED.findall(log)) >= DEATHS


def last_words(log: str, complaints_only: bool = False, count: int = LINES) -> list[str]:
    """The lines of the log that say why, the last ones of those; of a log that complains of nothing its end.

    With `complaints_only` nothing of such a log: the end of what goes on running says nothing.
    """
    refused = refusals(log)
    if refused:
        return refused
    lines: dict[str, str] = {}
    for line in without_frames(COLOUR.sub("", log).splitlines()):
        text = tidy(line)
        if text and GUARD not in text and not IDLE.search(text):
            # What is said again at another time is the same.
            lines.pop(NUMBER.sub("", text), None)
            lines[NUMBER.sub("", text)] = text
    complaints = [line for line in lines.values() if TROUBLE.search(line)]
    return (complaints or ([] if complaints_only else list(lines.values())))[-count:]
