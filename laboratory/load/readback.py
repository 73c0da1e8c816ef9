# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the server for everything that it acknowledged, in several processes, with patience but not for ever."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from multiprocessing.sharedctypes import RawValue
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from mlflow import MlflowClient
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException

from laboratory.load import content
from laboratory.load.control import CONTEXT
from laboratory.load.crew import Signals, say
from laboratory.load.record import lines, one_line
from laboratory.load.truth import KINDS, Found, Lost, Truth, Verdict, compare, writes

READERS = 4
PAUSE = 1.0
POLL = 0.1
# A reader notices the end of its time before it is killed, unless a request hangs.
GRACE_SECONDS = 10
EXAMPLES = 20
PAGE = 1000
Value = TypeVar("Value")


class Unread(Exception):
    """It could not be read in time; the message is the last error."""


class Missing(Exception):
    """The server answered that there is no such thing."""


@dataclass
class Proof:
    """Of all runs. lost_runs: acknowledged, and not there. lost_writes: number of each kind.

    not_checked: single values, artifacts and states that could not be read; reasons: why, without repetition.
    unacknowledged_runs: in the experiment, and never acknowledged: made by calls that failed, or made twice by a
    retry. None where that could not be read. examples: the first losses. checked: number of each kind.
    """

    runs: int = 0
    lost_runs: list[str] = field(default_factory=list)
    lost_writes: dict[str, int] = field(default_factory=dict)
    not_checked: int = 0
    reasons: list[str] = field(default_factory=list)
    checked: dict[str, int] = field(default_factory=dict)
    duplicated_metrics: int = 0
    unexpected_metrics: int = 0
    unacknowledged_runs: int | None = None
    examples: list[dict] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def whole(self) -> bool:
        return not (self.lost_runs or sum(self.lost_writes.values()) or self.not_checked)


class Reader:
    """Reads again and again until it has an answer or no more time; `over` is for being stopped early."""

    def __init__(self, url: str, end: float, over: Callable[[], bool], scratch: Path) -> None:
        self._client = MlflowClient(tracking_uri=url, registry_uri=url)
        self._end, self._over, self._scratch = end, over, scratch

    def read(self, function: Callable[[], Value]) -> Value:
        error: Exception | None = None
        while error is None or (time.monotonic() < self._end and not self._over()):
            if error:
                time.sleep(PAUSE)
            elif time.monotonic() >= self._end or self._over():
                raise Unread("there was no time left for it")
            try:
                return function()
            except Exception as caught:
                if isinstance(caught, MlflowException) and caught.error_code == "RESOURCE_DOES_NOT_EXIST":
                    raise Missing(str(caught)) from None
                error = caught
        raise Unread(one_line(error))

    def run_ids(self, experiment_id: str) -> set[str]:
        found: set[str] = set()
        token = None
        while True:
            page = self.read(
                lambda token=token: self._client.search_runs(
                    [experiment_id], run_view_type=ViewType.ACTIVE_ONLY, max_results=PAGE, page_token=token
                )
            )
            found.update(run.info.run_id for run in page)
            token = page.token
            if not token:
                return found

    def verdict(self, truth: Truth) -> Verdict:
        """On one run. It never raises what the server or the network does."""
        try:
            run = self.read(lambda: self._client.get_run(truth.run_id))
        except Missing:
            return Verdict(truth.run_id, lost_run=True)
        except Unread as error:
            return Verdict(truth.run_id, not_checked=writes(truth), error=str(error))
        if run.info.lifecycle_stage != "active":
            return Verdict(truth.run_id, lost_run=True)
        found = Found(params=run.data.params, tags=run.data.tags, status=run.info.status)
        errors: list[str] = []
        for name in content.METRICS:
            found.metrics[name] = self._or_none(errors, lambda name=name: self._history(truth.run_id, name))
        if truth.artifacts:
            found.artifacts = self._artifacts(truth, errors)
        verdict = compare(truth, found)
        verdict.error = errors[0] if errors else ""
        return verdict

    def _or_none(self, errors: list[str], function: Callable[[], Any]) -> Any:
        try:
            return self.read(function)
        except (Unread, Missing) as error:
            errors.append(str(error))
            return None

    def _history(self, run_id: str, name: str) -> list[tuple[int, float]]:
        return [(metric.step, metric.value) for metric in self._client.get_metric_history(run_id, name)]

    def _artifacts(self, truth: Truth, errors: list[str]) -> dict[str, str | None]:
        """Listed first: where a download fails, that alone does not tell what is not there from what is ill."""
        folders = {str(PurePosixPath(path).parent) for path in truth.artifacts}
        found: dict[str, str | None] = {}
        for folder in folders:
            listed = self._or_none(errors, lambda folder=folder: self._list(truth.run_id, folder))
            for path in truth.artifacts:
                if str(PurePosixPath(path).parent) != folder:
                    continue
                if listed is None:
                    found[path] = None
                elif path in listed:
                    found[path] = self._or_none(errors, lambda path=path: self._hash(truth.run_id, path))
        return found

    def _list(self, run_id: str, folder: str) -> set[str]:
        return {entry.path for entry in self._client.list_artifacts(run_id, folder)}

    def _hash(self, run_id: str, path: str) -> str:
        folder = tempfile.mkdtemp(dir=self._scratch)
        try:
            return content.sha256(Path(self._client.download_artifacts(run_id, path, folder)))
        finally:
            shutil.rmtree(folder)


def read_back(
    url: str, experiment_id: str, expected: dict[str, Truth], folder: Path, seconds: float, signals: Signals
) -> Proof:
    """Compare everything in `expected` with what the server has, within `seconds`.

    Scratch files are in `folder` and are gone afterwards. A first signal may have ended the load; one more than
    `signals` has counted by now ends the reading.
    """
    started = time.monotonic()
    scratch = Path(tempfile.mkdtemp(prefix="read-back-", dir=folder))
    try:
        verdicts, listed = _read(url, experiment_id, list(expected.values()), scratch, started + seconds, signals)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    proof = summarize(expected, verdicts, listed)
    proof.seconds = round(time.monotonic() - started, 3)
    return proof


def _read(
    url: str, experiment_id: str, expected: list[Truth], scratch: Path, end: float, signals: Signals
) -> tuple[list[Verdict], set[str] | str]:
    over = RawValue("b", 0)
    parent, before = os.getpid(), signals.received

    def life(number: int, share: list[Truth]) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        # Its own patience is enough, and is bounded.
        os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
        reader = Reader(url, end, lambda: bool(over.value) or os.getppid() != parent, scratch)
        with (scratch / f"{number}.jsonl").open("w", encoding="utf-8") as stream:
            for truth in share:
                print(json.dumps(reader.verdict(truth).as_dict()), file=stream, flush=True)
            if number == 0:
                try:
                    answer: dict = {"listed": sorted(reader.run_ids(experiment_id))}
                except (Unread, Missing) as error:
                    answer = {"unlisted": str(error)}
                print(json.dumps(answer), file=stream, flush=True)

    readers = max(1, min(READERS, len(expected)))
    processes = [CONTEXT.Process(target=life, args=(number, expected[number::readers])) for number in range(readers)]
    for process in processes:
        process.start()
    while any(process.is_alive() for process in processes):
        if signals.received > before and not over.value:
            over.value, end = 1, time.monotonic()
            say("Told to stop again: what is not read yet will not be checked.")
        if time.monotonic() > end + GRACE_SECONDS:
            for process in processes:
                process.kill()
        time.sleep(POLL)
    return _collect(scratch)


def _collect(scratch: Path) -> tuple[list[Verdict], set[str] | str]:
    """The verdicts, and the ids of all runs of the experiment or why they are not known."""
    verdicts: list[Verdict] = []
    listed: set[str] | str = "the process that read the list of runs ended too early"
    for path in scratch.glob("*.jsonl"):
        for line in lines(path):
            if "listed" in line:
                listed = set(line["listed"])
            elif "unlisted" in line:
                listed = line["unlisted"]
            else:
                verdicts.append(Verdict(**{**line, "lost": [Lost(**lost) for lost in line["lost"]]}))
    return verdicts, listed


def summarize(expected: dict[str, Truth], verdicts: list[Verdict], listed: set[str] | str) -> Proof:
    """A run without a verdict was not checked; one that is not in the list of runs is lost to whoever searches."""
    proof = Proof(runs=len(expected), lost_writes=dict.fromkeys(KINDS, 0), checked=dict.fromkeys(KINDS, 0))
    reasons: dict[str, None] = {}
    for verdict in verdicts:
        if verdict.lost_run:
            proof.lost_runs.append(verdict.run_id)
        for lost in verdict.lost:
            proof.lost_writes[lost.kind] += 1
            proof.examples.append({"run_id": verdict.run_id, **asdict(lost)})
        for kind, count in verdict.checked.items():
            proof.checked[kind] += count
        proof.not_checked += verdict.not_checked
        proof.duplicated_metrics += verdict.duplicated
        proof.unexpected_metrics += verdict.unexpected
        if verdict.not_checked:
            reasons[verdict.error] = None
    seen = {verdict.run_id for verdict in verdicts}
    for run_id in expected.keys() - seen:
        proof.not_checked += writes(expected[run_id])
        reasons["the process that read it back ended too early"] = None
    if isinstance(listed, str):
        proof.not_checked += 1
        reasons[f"the list of runs: {listed}"] = None
    else:
        proof.unacknowledged_runs = len(listed - expected.keys())
        proof.lost_runs += sorted((expected.keys() & seen) - listed - set(proof.lost_runs))
    proof.reasons = list(reasons)[:EXAMPLES]
    proof.examples = proof.examples[:EXAMPLES]
    return proof
