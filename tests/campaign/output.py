# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page and the summary of a campaign, written beside its raw data."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tests.campaign import plots
from tests.campaign.summary import summary
from tests.campaign.view import View, components, view

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


def _rows(shown: View, **labels: str) -> dict:
    """Label -> statistics in the order of the deployments, of those measures that there are."""
    found = shown.statistics
    return {
        label: [found[key].get(name) for name in shown.names]
        for label, key in ((label, key.replace("__", ".")) for key, label in labels.items())
        if key in found
    }


def draw(shown: View, document: dict) -> dict[str, list[str]]:
    """The title of a table -> the plots above it."""
    clients = document["arguments"]["clients"]
    several = f"{clients} clients"
    wanted = {
        "Times": [
            (
                "times",
                "Time",
                "s",
                {"deploy__seconds": "deploy", "rerun__seconds": "again", "destroy__seconds": "destroy"},
            )
        ],
        "Load, one client": [
            ("calls", "Calls", "1/s", {"one__calls": "one client", "several__calls": several}),
            ("metrics", "Metrics", "1/s", {"one__metrics": "one client", "several__metrics": several}),
            ("one", "A call, one client", "ms", {"one__p50": "p50", "one__p95": "p95", "one__p99": "p99"}),
            (
                "several",
                f"A call, {several}",
                "ms",
                {"several__p50": "p50", "several__p95": "p95", "several__p99": "p99"},
            ),
        ],
        "Artifacts": [
            ("large", "Large file", "MB/s", {"artifacts__large_up": "up", "artifacts__large_down": "down"}),
            ("small", "Small files", "MB/s", {"artifacts__small_up": "up", "artifacts__small_down": "down"}),
        ],
    }
    drawn: dict[str, list[str]] = {}
    for table, pictures in wanted.items():
        for name, title, unit, labels in pictures:
            rows = _rows(shown, **labels)
            if rows:
                drawn.setdefault(table, []).append(plots.bars(name, title, unit, shown.names, rows))
    for prefix, title, unit in (("memory", "Memory", "MiB"), ("cpu", "CPU", "cores")):
        parts = components(shown.statistics, prefix)
        rows = {part: [shown.statistics[f"{prefix}.{part}"].get(name) for name in shown.names] for part in parts}
        if rows:
            drawn.setdefault(title, []).append(plots.stacks(prefix, title, unit, shown.names, rows))
    for fault, lines in time_lines(document).items():
        drawn.setdefault(f"Fault: {fault}", []).append(plots.time_lines(f"fault-{fault}", fault, lines))
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
