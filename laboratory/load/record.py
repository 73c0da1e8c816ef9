# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record: one line of JSON for each call, in a file for each process."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

# Names and passwords in an address are not for a record.
CREDENTIALS = re.compile(r"//[^/@\s]*@")
ERROR_NAMES = re.compile(r"\b([A-Z]\w*(?:Error|Disconnected|Timeout)|IncompleteRead)\b")
ERROR_LENGTH = 300


@dataclass(slots=True)
class Call:
    """One call of MLflow's client.

    start: seconds since the epoch. seconds: how long the call took. ok: it returned.
    requests: HTTP requests that the client began. retries: how often urllib3 repeated one of them.
    bytes: of the artifact. metrics: number of metric values. run_id: empty where there is none (yet).
    wrote: what was sent, for a call that writes: `metrics`, `params`, `tags` as [first index, count] (content.py
    has the values), `artifact` as {path, size, sha256}, `status`, `seed`.
    """

    worker: int
    operation: str
    start: float
    seconds: float
    ok: bool
    error_class: str = ""
    error: str = ""
    requests: int = 0
    retries: int = 0
    bytes: int = 0
    metrics: int = 0
    run_id: str = ""
    wrote: dict = field(default_factory=dict)

    @property
    def end(self) -> float:
        return self.start + self.seconds


class Recorder:
    """Each line goes to the system at once: a process that is killed loses no call that has returned."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def write(self, call: Call) -> None:
        line = memoryview(json.dumps(asdict(call), ensure_ascii=False).encode() + b"\n")
        while line:
            line = line[os.write(self._file, line) :]


def calls_file(folder: Path, worker: int) -> Path:
    return folder / f"calls-{worker:02}.jsonl"


def lines(path: Path) -> Iterator[dict]:
    """The last line may have been cut short by the end of its process; then it is none."""
    with path.open(encoding="utf-8") as stream:
        for line in stream:
            if line.endswith("\n"):
                yield json.loads(line)


def read_calls(folder: Path) -> list[Call]:
    return [Call(**line) for path in sorted(folder.glob("calls-*.jsonl")) for line in lines(path)]


def error_class(error: Exception) -> str:
    """What to count it under. The client wraps most failures, so its own class would say nothing."""
    text = str(error)
    if found := re.search(r"too many (\d{3}) error responses", text):
        return f"HTTP {found[1]}"
    response = getattr(error, "response", None)
    if getattr(response, "status_code", None):
        return f"HTTP {response.status_code}"
    if type(error).__name__ not in ("MlflowException", "RestException", "ConnectionError"):
        return type(error).__name__
    if "failed with" in text and (names := ERROR_NAMES.findall(text)):
        return names[-1]
    return getattr(error, "error_code", None) or type(error).__name__


def one_line(error: Exception) -> str:
    text = CREDENTIALS.sub("//", " ".join(str(error).split()))
    return text if len(text) <= ERROR_LENGTH else text[: ERROR_LENGTH - 1] + "…"
