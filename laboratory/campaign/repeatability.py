# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several campaigns of the same deployments: how far their ratios differ, which says how far to believe one of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from laboratory.benchmark.processes import StepFailed
from laboratory.campaign import words
from laboratory.campaign.comparison import Side, side
from laboratory.campaign.measures import NEITHER, measures
from laboratory.campaign.statistic import Statistic, collect, ratio, statistic
from laboratory.campaign.summary import markdown
from laboratory.campaign.view import Cell, Row, Table

SUMMARY = "repeatability.md"
# Numbers of single events, and what depends on the moment of a fault.
NOT_COMPARED = ("fault.", "left.", "rerun.changed")


def _ratios(found: Sequence[dict[str, dict[str, Statistic]]], key: str, name: str, first: str) -> list[float]:
    """Of each campaign; empty where one of them has none."""
    values = [
        ratio(each[key][name], each[key][first]) if name in each.get(key, {}) and first in each[key] else None
        for each in found
    ]
    return [] if None in values else values


def _cells(values: list[float]) -> list[Cell]:
    if not values:
        return [Cell(words.NONE), Cell(words.NONE)]
    shown = " / ".join(words.ratio(value) for value in values)
    return [Cell(shown), Cell(f"{statistic(values).spread:.0%}")]


def table(sides: Sequence[Side]) -> Table:
    """A row for each measure: the ratio to the first deployment in each campaign, and from the least to the most."""
    names = [
        name for name in sides[0].document["deployments"] if all(name in each.document["deployments"] for each in sides)
    ]
    if len(names) < 2:
        raise StepFailed("--repeatability: the campaigns have fewer than two deployments in common, so no ratio.")
    found = [collect(each.document["cycles"]) for each in sides]
    keys = set.intersection(*(set(each) for each in found))
    rows = []
    for measure in measures(keys, sides[0].document["arguments"]["clients"]):
        if measure.better == NEITHER or measure.key.startswith(NOT_COMPARED):
            continue
        ratios = [_ratios(found, measure.key, name, names[0]) for name in names[1:]]
        if any(ratios):
            rows.append(Row(measure.title, [cell for values in ratios for cell in _cells(values)]))
    heads = [head for name in names[1:] for head in (f"{name} : {names[0]}", "differ by")]
    return Table(f"Ratios to {names[0]} in {len(sides)} campaigns", heads, rows)


def write(files: Sequence[str], folder: Path) -> str:
    """Write the table into the folder, and return it."""
    if len(files) < 2:
        raise StepFailed("--repeatability: give the folders of two campaigns or more.")
    sides = [side(each) for each in files]
    shown = table(sides)
    begun = ", ".join(each.name for each in sides)
    text = "\n".join([f"{shown.title} ({begun}), and from the least to the most as a part of the median.", ""])
    text = "\n".join([text, *markdown(shown), ""])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SUMMARY).write_text(text, encoding="utf-8")
    return text
