# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The outcomes as a table."""

from __future__ import annotations

from laboratory.resilience.scenario import Outcome

HEADINGS = ("scenario", "calls", "failed", "retried", "runs", "lost runs", "lost writes", "gap s", "out s", "in s", "")


def _seconds(values: list[float]) -> str:
    return f"{max(values):.1f}" if values else "-"


def cells(outcome: Outcome) -> tuple[str, ...]:
    verdict = "ok" if outcome.passed else "NOT OK"
    if outcome.not_checked:
        verdict += f", {outcome.not_checked} not checked"
    return (
        outcome.scenario,
        str(outcome.calls),
        str(outcome.failed_calls) + (" (allowed)" if outcome.may_fail and outcome.failed_calls else ""),
        str(outcome.retried_calls),
        str(outcome.runs),
        str(outcome.lost_runs),
        str(outcome.lost_writes),
        f"{outcome.longest_gap:.1f}",
        _seconds([each.out for each in outcome.absences]),
        _seconds([each.back for each in outcome.absences if each.back is not None]),
        verdict,
    )


def table(outcomes: list[Outcome]) -> str:
    rows = [HEADINGS, *map(cells, outcomes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = []
    for row in rows:
        words = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        lines.append("  ".join(words).rstrip())
    return "\n".join(lines)
