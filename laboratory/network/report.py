# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What training noticed, as a table."""

from __future__ import annotations

from dataclasses import dataclass

HEADINGS = (
    "network",
    "netem, both ways",
    "seconds",
    "times",
    "p50 s",
    "p95 s",
    "calls",
    "failed",
    "retried",
    "lost",
)


@dataclass(frozen=True)
class Outcome:
    """Of one load under one condition.

    seconds: for all of its runs. lost: runs and writes that were acknowledged and are not there; not_checked: those
    that could not be read.
    """

    condition: str
    netem: str
    seconds: float
    median: float
    most: float
    calls: int
    failed: int
    retried: int
    lost: int
    not_checked: int

    @classmethod
    def of(cls, condition: str, netem: str, result: dict) -> Outcome:
        read_back, latency = result["read_back"], result["latency"].get("all", {})
        return cls(
            condition,
            netem,
            result["end"] - result["start"],
            latency.get("p50", float("nan")),
            latency.get("p95", float("nan")),
            result["calls"],
            result["failed_calls"],
            result["retried_calls"],
            len(read_back["lost_runs"]) + sum(read_back["lost_writes"].values()),
            read_back["not_checked"],
        )

    @property
    def sound(self) -> bool:
        return not self.lost and not self.not_checked


def cells(outcome: Outcome, usual: float) -> tuple[str, ...]:
    lost = str(outcome.lost) + (f", {outcome.not_checked} not checked" if outcome.not_checked else "")
    return (
        outcome.condition,
        outcome.netem or "-",
        f"{outcome.seconds:.1f}",
        f"{outcome.seconds / usual:.1f}",
        f"{outcome.median:.2f}",
        f"{outcome.most:.2f}",
        str(outcome.calls),
        str(outcome.failed),
        str(outcome.retried),
        lost,
    )


def table(outcomes: list[Outcome]) -> str:
    """The first is what the others are compared with."""
    rows = [HEADINGS, *(cells(outcome, outcomes[0].seconds) for outcome in outcomes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = []
    for row in rows:
        words = [cell.ljust(width) for cell, width in zip(row[:2], widths[:2], strict=True)]
        words += [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
        lines.append("  ".join(words).rstrip())
    return "\n".join(lines)
