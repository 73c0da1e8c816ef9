# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures side by side: a table for people, JSON for programs."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass
class Row:
    what: str
    unit: str
    median: float
    least: float | None = None
    most: float | None = None
    target: float | None = None
    samples: list[float] = field(default_factory=list)


@dataclass
class Report:
    machine: dict[str, str]
    settings: dict[str, object]
    figures: dict[str, list[Row]] = field(default_factory=dict)

    def add(self, figure: str, what: str, unit: str, samples: Sequence[float], target: float | None = None) -> None:
        """A target is the most that is wanted. It is shown, and nothing fails by it."""
        spread = (min(samples), max(samples)) if len(samples) > 1 else (None, None)
        row = Row(what, unit, statistics.median(samples), *spread, target, list(samples))
        self.figures.setdefault(figure, []).append(row)

    def add_row(self, figure: str, row: Row) -> None:
        self.figures.setdefault(figure, []).append(row)

    def as_table(self) -> str:
        width = max([40, *(len(row.what) + 2 for rows in self.figures.values() for row in rows)])
        lines = [f"{name + ':':<20}{value}" for name, value in {**self.machine, **self.settings}.items()]
        for figure, rows in self.figures.items():
            lines += ["", f"{figure:<{width}}{'median':>10}{'least':>10}{'most':>10}{'target':>12}  unit"]
            for row in rows:
                numbers = f"{_number(row.median, row.unit)}{_number(row.least, row.unit)}{_number(row.most, row.unit)}"
                target = "" if row.target is None else f"<= {_number(row.target, row.unit).strip()}"
                lines.append(f"  {row.what:<{width - 2}}{numbers}{target:>12}  {row.unit}".rstrip())
        return "\n".join(lines)

    def write(self, path: Path) -> None:
        document = {
            "machine": self.machine,
            "settings": self.settings,
            "figures": {figure: [asdict(row) for row in rows] for figure, rows in self.figures.items()},
        }
        path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _number(value: float | None, unit: str) -> str:
    places = {"s": 1, "ratio": 2}.get(unit, 0)
    return " " * 10 if value is None else f"{value:10.{places}f}"
