# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two campaigns side by side: before and after a change, this machine and that one, or two deployments of either."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from laboratory.benchmark.processes import StepFailed
from laboratory.campaign import plots, words
from laboratory.campaign.measures import MORE, NEITHER, Measure, measures
from laboratory.campaign.output import render
from laboratory.campaign.state import FILE, read_document
from laboratory.campaign.statistic import Statistic, apart, collect, ratio
from laboratory.campaign.summary import markdown
from laboratory.campaign.view import Cell, Row, Table, cell, view

PAGE, SUMMARY = "compare.html", "compare.md"
BETTER, WORSE = "better", "worse"
CLASSES = {BETTER: "good", WORSE: "bad", "": ""}


@dataclass(frozen=True)
class Side:
    """A campaign, or one of its deployments."""

    name: str
    document: dict
    deployment: str = ""


@dataclass(frozen=True)
class Difference:
    """Of one measure: ratio is B : A, mark says whether B is better or worse by more than the samples' spread."""

    measure: Measure
    a: Statistic
    b: Statistic
    ratio: float | None
    mark: str


def side(text: str) -> Side:
    """FILE, its folder, or FILE:DEPLOYMENT."""
    name, colon, deployment = text.rpartition(":")
    if not colon or Path(text).exists():
        name, deployment = text, ""
    path = Path(name)
    document = read_document(path / FILE if path.is_dir() else path)
    if deployment and deployment not in document["deployments"]:
        have = ", ".join(document["deployments"])
        raise StepFailed(f"--compare {text}: the campaign has no deployment {deployment}, it has {have}.")
    # Not its whole path, which is nobody else's.
    shown = (path if path.is_dir() else path.resolve().parent).name
    return Side(f"{shown}:{deployment}" if deployment else shown, document, deployment)


def pairs(a: Side, b: Side) -> list[tuple[str, str]]:
    """Which deployment of A is compared with which of B."""
    if bool(a.deployment) != bool(b.deployment):
        raise StepFailed("--compare: name a deployment of both campaigns, as FILE:DEPLOYMENT, or of none.")
    if a.deployment:
        return [(a.deployment, b.deployment)]
    found = [(name, name) for name in a.document["deployments"] if name in b.document["deployments"]]
    if not found:
        raise StepFailed("--compare: the campaigns have no deployment in common; name one of each as FILE:DEPLOYMENT.")
    return found


def _mark(measure: Measure, a: Statistic, b: Statistic) -> str:
    if measure.better == NEITHER or not apart(a, b):
        return ""
    return BETTER if (b.median > a.median) == (measure.better == MORE) else WORSE


def differences(a: Side, b: Side, first: str, second: str) -> list[Difference]:
    ours, theirs = collect(a.document["cycles"]), collect(b.document["cycles"])
    both = {key for key in ours.keys() & theirs.keys() if first in ours[key] and second in theirs[key]}
    clients = {each.document["arguments"]["clients"] for each in (a, b)}
    found = []
    for measure in measures(both, clients.pop() if len(clients) == 1 else 0):
        one, other = ours[measure.key][first], theirs[measure.key][second]
        found.append(Difference(measure, one, other, ratio(other, one), _mark(measure, one, other)))
    return found


def table(title: str, found: list[Difference]) -> Table:
    rows = [
        Row(
            each.measure.title,
            [
                cell(each.a, each.measure),
                cell(each.b, each.measure),
                Cell(words.ratio(each.ratio), each.mark, mark=CLASSES[each.mark]),
            ],
        )
        for each in found
    ]
    return Table(title, ["A", "B", "B : A"], rows)


def _plot(title: str, number: int, found: list[Difference]) -> str:
    shown = [
        each
        for each in found
        if each.ratio and each.measure.better != NEITHER and not each.measure.key.startswith("cpu.")
    ]
    labels = [each.measure.title for each in shown]
    return plots.ratios(
        f"ratio-{number}", f"{title}, B : A", labels, [each.ratio for each in shown], [each.mark for each in shown]
    )


def unlike(a: dict, b: dict) -> list[str]:
    """In what else they differ: arguments, machine, versions. What differs there may be the reason of a difference."""
    found = []
    for part, title in (("arguments", "argument"), ("machine", "machine"), ("versions", "version")):
        for name in sorted(a[part].keys() | b[part].keys()):
            one, other = a[part].get(name, words.NONE), b[part].get(name, words.NONE)
            if one != other and name not in ("load at the start", "port", "prefix"):
                found.append(f"{title} {name}: {one} in A, {other} in B")
    return found


def _single(a: list[str], b: list[str]) -> list[str]:
    return [f"{each}: only in A" for each in a if each not in b] + [f"{each}: only in B" for each in b if each not in a]


def compare(a: Side, b: Side) -> tuple[str, str]:
    """The page and the summary."""
    single = [] if a.deployment else _single(a.document["deployments"], b.document["deployments"])
    tables, pictures = [], []
    for number, (first, second) in enumerate(pairs(a, b)):
        title = first if first == second else f"{first} (A), {second} (B)"
        found = differences(a, b, first, second)
        if not found:
            single.append(f"{title}: nothing was measured in both")
            continue
        tables.append(table(title, found))
        if any(each.ratio for each in found):
            pictures.append(_plot(title, number, found))
    sides = {"A": view(a.document).facts, "B": view(b.document).facts}
    other = unlike(a.document, b.document)
    page = render("compare.html.j2", a=a, b=b, tables=tables, plots=pictures, single=single, unlike=other, sides=sides)
    lines = [f"A: {a.name}, {sides['A']['Campaign']['begun']}. B: {b.name}, {sides['B']['Campaign']['begun']}."]
    for each in tables:
        lines += ["", f"**{each.title}**", "", *markdown(each)]
    for title, found in (("Not compared", single), ("What else differs", other)):
        if found:
            lines += ["", f"{title}:", "", *(f"- {each}" for each in found)]
    return page, "\n".join([*lines, ""])


def write(files: list[str], folder: Path) -> str:
    """Write both into the folder, and return the summary."""
    page, text = compare(*(side(each) for each in files))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PAGE).write_text(page, encoding="utf-8")
    (folder / SUMMARY).write_text(text, encoding="utf-8")
    return f"{text}\nPage: {folder / PAGE}"
