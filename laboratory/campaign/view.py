# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is shown of a campaign, the same for the page and for the summary: tables of words, made from the document."""

from __future__ import annotations

import itertools
import shlex
import time
from dataclasses import dataclass, field

from laboratory.campaign import words
from laboratory.campaign.measures import TOTAL, Measure, measures
from laboratory.campaign.peers import NAMES
from laboratory.campaign.state import FAILED, FINISHED
from laboratory.campaign.statistic import Statistic, collect, collect_peers, ratio

GLANCE_TITLE = "At a glance"
# What stands in the table at the top.
GLANCE = (
    "deploy.seconds",
    "destroy.seconds",
    "one.p50",
    "several.metrics",
    "several.p99",
    "artifacts.large_up",
    "artifacts.large_down",
    f"memory.{TOTAL}",
)


@dataclass(frozen=True)
class Cell:
    """base: the ratio to the first column, where it is of interest."""

    text: str
    spread: str = ""
    base: str = ""
    mark: str = ""


@dataclass(frozen=True)
class Row:
    label: str
    cells: list[Cell]
    total: bool = False


@dataclass(frozen=True)
class Table:
    title: str
    heads: list[str]
    rows: list[Row]
    note: str = ""


@dataclass
class View:
    names: list[str]
    verdict: str
    good: bool
    glance: Table
    tables: list[Table]
    peers: list[Table]
    problems: list[str]
    notes: list[str]
    skipped: list[dict]
    facts: dict[str, dict[str, str]]
    statistics: dict[str, dict[str, Statistic]] = field(repr=False, default_factory=dict)
    # Measures at the top whose ratios say something.
    compared: list[Measure] = field(default_factory=list)


def cell(found: Statistic | None, measure: Measure, base: Statistic | None = None) -> Cell:
    compared = f"× {words.ratio(ratio(found, base))}" if found and base and base.median else ""
    return Cell(words.median(found, measure), words.spread(found, measure), compared)


def _row(measure: Measure, found: dict[str, Statistic], names: list[str], with_base: bool = False) -> Row:
    first = found.get(names[0]) if with_base else None
    cells = [cell(found.get(name), measure, first if name != names[0] else None) for name in names]
    label = measure.title if with_base else measure.label
    return Row(label, cells, measure.label == TOTAL and not with_base)


NOTES = {
    "Times": "With images present. A second run changes nothing, so it is the time to look at everything.",
    "Artifacts": "By MLflow's client through the public address. 1 MB is 1,000,000 bytes.",
    "Memory": "Of all containers of a component, after the loads, without the page cache that can be given back.",
    "Memory of the processes": "PSS: programs and files in use included, and pages that processes share counted once.",
    "CPU": "Cores in use on average during the load of several clients and the reading back after it.",
}


def _verdict(document: dict) -> tuple[str, bool]:
    cycles = [each for each in document["cycles"] if each["status"] in FINISHED]
    failed = sorted({each["deployment"] for each in cycles if each["status"] == FAILED})
    wanted = len(document["deployments"]) * document["arguments"]["repetitions"]
    if failed:
        return f"Problems with {', '.join(failed)}", False
    if not document["ended"]:
        return f"Not finished: {len(cycles)} of {wanted} cycles", False
    return f"{len(cycles)} of {wanted} cycles passed, nothing lost, nothing left behind", True


def _notes(document: dict) -> list[str]:
    """What was left out of single cycles, each said once."""
    found: dict[str, None] = {}
    for each in document["cycles"]:
        for name, detail in each["details"].items():
            if isinstance(detail, str):
                found[f"{each['deployment']}, {name}: {detail}"] = None
            elif name == "deploy_with_images":
                found[f"{each['deployment']}: the first deploy made or fetched images, and took {detail:g} s"] = None
    return list(found)


def command(document: dict) -> str:
    given = document["arguments"]
    parts = ["python", "-m", "laboratory.campaign", "--deployments", *document["deployments"]]
    for name, value in given.items():
        if name in ("extra_vars", "prefix", "port") or value is False:
            continue
        option = f"--{name.replace('_', '-')}"
        parts += [option] if value is True else [option, *map(str, value if isinstance(value, list) else [value])]
    parts += [f"--extra-vars={name}=..." for name in given["extra_vars"]]
    return shlex.join(parts)


def _images(document: dict) -> dict[str, str]:
    """Component -> references, in which deployments may differ."""
    found: dict[str, dict[str, None]] = {}
    for record in document["images"].values():
        for name, reference in record.items():
            found.setdefault(name, {})[reference] = None
    return {f"image of {name}": ", ".join(references) for name, references in sorted(found.items())}


def _facts(document: dict) -> dict[str, dict[str, str]]:
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(document["started"]))
    took = words.duration(document["elapsed"])
    times = document["interruptions"]
    cut = f", interrupted {times} {'time' if times == 1 else 'times'}" if times else ""
    return {
        "Campaign": {"begun": when, "took": f"{took}{cut}", "command": command(document)},
        "Machine": document["machine"],
        "Versions": {**document["versions"], **_images(document)},
    }


def peer_tables(document: dict, all_measures: dict[str, Measure]) -> list[Table]:
    found = collect_peers(document["cycles"], NAMES)
    tables = []
    for name, rows in found.items():
        heads = ["here"] + [head for way in NAMES for head in (NAMES[way], "ratio")]
        shown = []
        for key, ways in rows.items():
            if key not in all_measures or "" not in ways:
                continue
            measure = all_measures[key]
            cells = [cell(ways[""], measure)]
            for way in NAMES:
                value = ways.get(way)
                cells += [cell(value, measure), Cell(words.ratio(ratio(ways[""], value)) if value else words.NONE)]
            label = "Memory of what serves" if key == f"memory.{TOTAL}" else measure.title
            shown.append(Row(label, cells))
        tables.append(Table(name, heads, shown, "The ratio is here : there."))
    return tables


def view(document: dict) -> View:
    found = collect(document["cycles"])
    names = document["deployments"]
    shown = measures(set(found), document["arguments"]["clients"])
    by_key = {each.key: each for each in shown}
    compared = [by_key[key] for key in GLANCE if key in by_key]
    glance = compared + [
        each for each in shown if each.key.startswith("fault.") and each.key.endswith((".gap", ".lost_writes"))
    ]
    tables = [
        Table(group, names, [_row(each, found[each.key], names) for each in rows], NOTES.get(group, ""))
        for group, rows in ((group, list(rows)) for group, rows in itertools.groupby(shown, lambda each: each.group))
    ]
    problems = [
        f"{each['deployment']}, repetition {each['repetition']}: {text}"
        for each in document["cycles"]
        for text in each["problems"]
    ]
    verdict, good = _verdict(document)
    return View(
        names=names,
        verdict=verdict,
        good=good,
        glance=Table(GLANCE_TITLE, names, [_row(each, found[each.key], names, with_base=True) for each in glance]),
        tables=tables,
        peers=peer_tables(document, by_key),
        problems=problems,
        notes=_notes(document),
        skipped=document["skipped"],
        facts=_facts(document),
        statistics=found,
        compared=compared,
    )


def components(statistics: dict[str, dict[str, Statistic]], prefix: str) -> list[str]:
    """Those that there are samples of, without their sum."""
    return sorted({key.split(".", 1)[1] for key in statistics if key.startswith(f"{prefix}.")} - {TOTAL})
