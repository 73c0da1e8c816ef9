# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a campaign knows, on disk: enough to go on after an interruption, and to make the page from.

The document, campaign.json, is the raw data too. A cycle is one turn of one deployment, from its deploy to its destroy.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

from laboratory.benchmark.processes import StepFailed

FORMAT = 1
FILE = "campaign.json"
RUNNING, DONE, FAILED, INTERRUPTED = "running", "done", "failed", "interrupted"
FINISHED = (DONE, FAILED)


class State:
    def __init__(self, folder: Path, document: dict) -> None:
        self.folder, self.document = folder, document

    @classmethod
    def begin(cls, folder: Path, **content: object) -> State:
        """A new one. content: arguments, deployments (names), skipped, machine, versions, started."""
        if (folder / FILE).exists():
            raise StepFailed(f"--output {folder} holds a campaign already: give another folder, or --resume {folder}.")
        folder.mkdir(parents=True, exist_ok=True)
        return cls(
            folder, {"format": FORMAT, **content, "ended": None, "elapsed": 0.0, "interruptions": 0, "cycles": []}
        )

    @classmethod
    def load(cls, folder: Path) -> State:
        return cls(folder, read_document(folder / FILE))

    def save(self) -> None:
        """Whole or not at all."""
        path = self.folder / FILE
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(self.document, indent=1) + "\n", encoding="utf-8")
        os.replace(draft, path)

    def pending(self) -> list[tuple[str, int]]:
        """What is still to do: deployment and repetition, all deployments in turn.

        One that could not be deployed is not tried again.
        """
        finished = {(each["deployment"], each["repetition"]) for each in self._finished()}
        hopeless = {each["deployment"] for each in self._finished() if not each["deployed"]}
        return [
            (name, repetition)
            for repetition in range(1, self.document["arguments"]["repetitions"] + 1)
            for name in self.document["deployments"]
            if (name, repetition) not in finished and name not in hopeless
        ]

    def _finished(self) -> list[dict]:
        return [each for each in self.document["cycles"] if each["status"] in FINISHED]

    def begin_cycle(self, deployment: str, repetition: int) -> dict:
        """A new record, in the place of what an interruption left."""
        self.document["cycles"] = self._finished()
        cycle = {
            "deployment": deployment,
            "repetition": repetition,
            "status": RUNNING,
            "deployed": False,
            "steps": [],
            "problems": [],
            "samples": {},
            "details": {},
        }
        self.document["cycles"].append(cycle)
        return cycle

    def problems(self) -> list[str]:
        return [
            f"{each['deployment']}, repetition {each['repetition']}: {problem}"
            for each in self.document["cycles"]
            for problem in each["problems"]
        ]


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One process at a time carries out the campaign of a folder; the system unlocks it when that is killed, too."""
    if not folder.is_dir():
        raise StepFailed(f"There is no folder {folder}: give that of a campaign.")
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise StepFailed(f"The campaign in {folder} is running: wait for its end, or interrupt it first.") from None
    finally:
        os.close(descriptor)


def read_document(path: Path) -> dict:
    """The raw data of a campaign, or a refusal that says what is wrong with the file."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StepFailed(f"There is no file {path}: give the {FILE} of a campaign, or its folder.") from None
    except (OSError, ValueError) as error:
        raise StepFailed(f"{path} cannot be read as JSON ({error}): give the {FILE} of a campaign.") from None
    if not isinstance(document, dict) or "cycles" not in document:
        raise StepFailed(f"{path} is not the {FILE} of a campaign.")
    if document.get("format") != FORMAT:
        raise StepFailed(f"{path} has the format {document.get('format')}, and this is for format {FORMAT}.")
    return document
