# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be there, by the record; and the comparison with what is there. Nothing here asks a server.

A call that returned is a promise. A call that failed may have written or not, so it promises nothing, but what it
may have written is no surprise either.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field

from laboratory.load import content
from laboratory.load.record import Call

KINDS = ("metric", "param", "tag", "artifact", "status")
# What a run has before anybody ends it.
RUNNING = "RUNNING"


@dataclass
class Truth:
    """Of one run. `metrics`, `params`, `tags`: spans of indices, [first, count]. `artifacts`: path to SHA-256.

    may_metrics: spans that failed calls may have written. statuses: each of them is right.
    """

    run_id: str
    seed: int
    metrics: list[list[int]] = field(default_factory=list)
    may_metrics: list[list[int]] = field(default_factory=list)
    params: list[list[int]] = field(default_factory=list)
    tags: list[list[int]] = field(default_factory=list)
    artifacts: dict[str, str] = field(default_factory=dict)
    statuses: set[str] = field(default_factory=lambda: {RUNNING})


@dataclass
class Found:
    """What the server says of one run. None in place of a value: it could not be read.

    metrics: of each name, (step, value) in any order. artifacts: path to SHA-256; a path that is missing is not there.
    """

    metrics: dict[str, list[tuple[int, float]] | None] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    artifacts: dict[str, str | None] = field(default_factory=dict)
    status: str = RUNNING


@dataclass
class Lost:
    """kind: one of KINDS. why: `missing` or `different`."""

    kind: str
    name: str
    why: str


@dataclass
class Verdict:
    """On one run. error: why something was not checked. duplicated, unexpected: metric values that are there once more
    than they were written, or were never written; neither is a loss."""

    run_id: str
    lost_run: bool = False
    lost: list[Lost] = field(default_factory=list)
    not_checked: int = 0
    error: str = ""
    checked: dict[str, int] = field(default_factory=dict)
    duplicated: int = 0
    unexpected: int = 0

    def as_dict(self) -> dict:
        return asdict(self)


def truths(calls: Iterable[Call]) -> dict[str, Truth]:
    """Of each acknowledged run, from all calls in the order of each process."""
    found: dict[str, Truth] = {}
    for call in calls:
        if call.operation == "create_run":
            if call.ok:
                found[call.run_id] = Truth(call.run_id, call.wrote["seed"])
        elif call.wrote:
            _add(found[call.run_id], call)
    return found


def _add(truth: Truth, call: Call) -> None:
    wrote = call.wrote
    if "metrics" in wrote:
        (truth.metrics if call.ok else truth.may_metrics).append(wrote["metrics"])
    elif "status" in wrote:
        truth.statuses = {wrote["status"]} if call.ok else truth.statuses | {wrote["status"]}
    elif call.ok and "artifact" in wrote:
        truth.artifacts[wrote["artifact"]["path"]] = wrote["artifact"]["sha256"]
    elif call.ok:
        for kind in ("params", "tags"):
            if kind in wrote:
                getattr(truth, kind).append(wrote[kind])


def indices(spans: Iterable[list[int]]) -> Iterator[int]:
    for first, count in spans:
        yield from range(first, first + count)


def writes(truth: Truth) -> int:
    """How many single things are promised of a run: the run itself, values, artifacts, and the status."""
    return 2 + len(truth.artifacts) + sum(count for _first, count in truth.metrics + truth.params + truth.tags)


def compare(truth: Truth, found: Found) -> Verdict:
    verdict = Verdict(truth.run_id, checked=dict.fromkeys(KINDS, 0))
    _compare_metrics(truth, found, verdict)
    for kind, spans, there in (("param", truth.params, found.params), ("tag", truth.tags, found.tags)):
        for index in indices(spans):
            name = content.text_name(kind, index)
            _judge(verdict, kind, name, content.text_value(truth.seed, kind, index), there.get(name))
    for path, expected in truth.artifacts.items():
        if path in found.artifacts and found.artifacts[path] is None:
            verdict.not_checked += 1
        else:
            _judge(verdict, "artifact", path, expected, found.artifacts.get(path))
    right = found.status if found.status in truth.statuses else "/".join(sorted(truth.statuses))
    _judge(verdict, "status", "status", right, found.status)
    return verdict


def _judge(verdict: Verdict, kind: str, name: str, expected: str, there: str | None) -> None:
    verdict.checked[kind] += 1
    if there != expected:
        verdict.lost.append(Lost(kind, name, "missing" if there is None else "different"))


def _compare_metrics(truth: Truth, found: Found, verdict: Verdict) -> None:
    values: dict[int, list[float]] = {}
    unread = {name for name, history in found.metrics.items() if history is None}
    for name, history in found.metrics.items():
        for step, value in history or ():
            values.setdefault(content.metric_index(name, step), []).append(value)
    promised = list(indices(truth.metrics))
    for index in promised:
        name, step = content.metric_place(index)
        if name in unread:
            verdict.not_checked += 1
            continue
        verdict.checked["metric"] += 1
        there = values.get(index)
        if not there or content.metric_value(truth.seed, index) not in there:
            verdict.lost.append(Lost("metric", f"{name} at step {step}", "different" if there else "missing"))
    possible = set(promised).union(indices(truth.may_metrics))
    for index, there in values.items():
        right = there.count(content.metric_value(truth.seed, index)) if index in possible else 0
        verdict.duplicated += max(0, right - 1)
        verdict.unexpected += len(there) - right
