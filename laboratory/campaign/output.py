# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page and the summary of a campaign, written beside its raw data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from laboratory.campaign import plots
from laboratory.campaign.measures import ARTIFACTS, CPU, FAULTS, MEMORY, ONE, SEVERAL, TIMES
from laboratory.campaign.statistic import Statistic, ratio
from laboratory.campaign.summary import summary
from laboratory.campaign.view import GLANCE_TITLE, View, components, view

PAGE, SUMMARY = "report.html", "report.md"
TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **content: object) -> str:
    """One file that needs no other: the style is inside of it."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = (TEMPLATES / "page.css").read_text(encoding="utf-8")
    return environment.get_template(template).render(style=style, **content)


@dataclass(frozen=True)
class Picture:
    """Bars above a table: the keys of the measures, and how each is called in the legend."""

    table: str
    name: str
    title: str
    unit: str
    labels: dict[str, str]


def _percentiles(kind: str) -> dict[str, str]:
    return {f"{kind}.{point}": point for point in ("p50", "p95", "p99")}


def _pictures(clients: int) -> list[Picture]:
    several = SEVERAL.format(clients=clients)
    both = {"one": "one client", "several": f"{clients} clients"}
    cycle = {"deploy.seconds": "deploy", "rerun.seconds": "run again", "destroy.seconds": "destroy"}
    large = {"artifacts.large_up": "up", "artifacts.large_down": "down"}
    small = {"artifacts.small_up": "up", "artifacts.small_down": "down"}
    return [
        Picture(TIMES, "times", "Time", "s", cycle),
        Picture(ONE, "one", "A call, one client", "ms", _percentiles("one")),
        Picture(several, "calls", "Calls", "1/s", {f"{kind}.calls": label for kind, label in both.items()}),
        Picture(several, "metrics", "Metrics", "1/s", {f"{kind}.metrics": label for kind, label in both.items()}),
        Picture(several, "several", f"A call, {clients} clients", "ms", _percentiles("several")),
        Picture(ARTIFACTS, "large", "Large file", "MB/s", large),
        Picture(ARTIFACTS, "small", "Small files", "MB/s", small),
    ]


def _rows(shown: View, labels: dict[str, str]) -> dict[str, list[Statistic | None]]:
    """Label -> statistics in the order of the deployments, of those measures that there are."""
    found = shown.statistics
    return {label: [found[key].get(name) for name in shown.names] for key, label in labels.items() if key in found}


def _glance(shown: View, document: dict) -> list[str]:
    """All that is at the top as ratios to the first deployment, and how long a fault is felt."""
    first, others = shown.names[0], shown.names[1:]
    there = [each for each in shown.compared if first in shown.statistics[each.key]]
    rows = {
        name: [
            ratio(shown.statistics[each.key][name], shown.statistics[each.key][first])
            if name in shown.statistics[each.key]
            else None
            for each in there
        ]
        for name in others
    }
    drawn = []
    if any(any(found) for found in rows.values()):
        drawn.append(plots.dots("glance", f"Ratios to {first}", [each.brief for each in there], rows))
    gaps = {f"fault.{fault}.gap": fault for fault in document["arguments"]["faults"]}
    if rows := _rows(shown, gaps):
        title = "Longest time without an answer" + (f", {next(iter(rows))}" if len(rows) == 1 else "")
        drawn.append(plots.bars("gaps", title, "s", shown.names, rows, values=True))
    return drawn


def draw(shown: View, document: dict) -> dict[str, list[str]]:
    """The title of a table -> the plots above it."""
    drawn: dict[str, list[str]] = {GLANCE_TITLE: _glance(shown, document)}
    for each in _pictures(document["arguments"]["clients"]):
        rows = _rows(shown, each.labels)
        if rows:
            drawn.setdefault(each.table, []).append(plots.bars(each.name, each.title, each.unit, shown.names, rows))
    for prefix, title, unit in (("memory", MEMORY, "MiB"), ("cpu", CPU, "cores")):
        rows = _rows(shown, {f"{prefix}.{part}": part for part in components(shown.statistics, prefix)})
        if rows:
            drawn.setdefault(title, []).append(plots.stacks(prefix, title, unit, shown.names, rows))
    for fault, lines in time_lines(document).items():
        picture = plots.time_lines(f"fault-{fault}", fault, lines)
        drawn.setdefault(FAULTS.format(fault=fault), []).append(picture)
    return drawn


def time_lines(document: dict) -> dict[str, dict[str, dict]]:
    """Fault -> deployment -> the time line of its first repetition."""
    found: dict[str, dict[str, dict]] = {}
    for cycle in document["cycles"]:
        for fault, line in cycle["details"].get("time_lines", {}).items():
            found.setdefault(fault, {}).setdefault(cycle["deployment"], line)
    return found


def write(folder: Path, document: dict) -> str:
    """Write both, and return the summary."""
    shown = view(document)
    page = render("report.html.j2", view=shown, plots=draw(shown, document), document=document)
    (folder / PAGE).write_text(page, encoding="utf-8")
    text = summary(shown)
    (folder / SUMMARY).write_text(text, encoding="utf-8")
    return text
