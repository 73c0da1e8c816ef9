# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured, by name: the group it is shown in, its words, its unit, and whether more or less is better."""

from __future__ import annotations

from dataclasses import dataclass

LESS, MORE, NEITHER = "less", "more", ""
# What the names of the loads' groups begin with.
LOAD = "Load, "


@dataclass(frozen=True)
class Measure:
    """key: name of the samples. places: decimals that are shown."""

    key: str
    group: str
    label: str
    unit: str
    better: str = LESS
    places: int = 1

    @property
    def title(self) -> str:
        """Where it does not stand under the name of its group."""
        return f"{self.group}: {self.label}"

    @property
    def brief(self) -> str:
        """For a plot: the words, and which way is better."""
        arrow = {LESS: "↓", MORE: "↑", NEITHER: ""}[self.better]
        name = self.group.lower() if self.label == TOTAL else self.label
        clients = self.group.partition(LOAD)[2]
        return f"{name}{', ' if clients else ''}{clients} {arrow}".strip()


TIMES, TRAINING, ONE, SEVERAL, ARTIFACTS = (
    "Times",
    "Training tests",
    LOAD + "one client",
    LOAD + "{clients} clients",
    "Artifacts",
)
MEMORY, PSS, CPU, FAULTS, LEFT = "Memory", "Memory of the processes", "CPU", "Fault: {fault}", "Left behind"


def _load(kind: str, group: str) -> tuple[Measure, ...]:
    return (
        Measure(f"{kind}.runs", group, "runs", "1/s", MORE, 2),
        Measure(f"{kind}.metrics", group, "metrics", "1/s", MORE, 0),
        Measure(f"{kind}.calls", group, "calls", "1/s", MORE, 0),
        Measure(f"{kind}.p50", group, "a call, p50", "ms", LESS, 0),
        Measure(f"{kind}.p95", group, "a call, p95", "ms", LESS, 0),
        Measure(f"{kind}.p99", group, "a call, p99", "ms", LESS, 0),
    )


FIXED = (
    Measure("deploy.seconds", TIMES, "deploy", "s"),
    Measure("rerun.seconds", TIMES, "run again, no change", "s"),
    Measure("rerun.changed", TIMES, "tasks that this changed", "", LESS, 0),
    Measure("destroy.seconds", TIMES, "destroy", "s"),
    Measure("train.seconds", TRAINING, "time", "s"),
    Measure("train.tests", TRAINING, "tests passed", "", NEITHER, 0),
    *_load("one", ONE),
    *_load("several", SEVERAL),
    Measure("artifacts.large_up", ARTIFACTS, "large file, up", "MB/s", MORE, 0),
    Measure("artifacts.large_down", ARTIFACTS, "large file, down", "MB/s", MORE, 0),
    Measure("artifacts.small_up", ARTIFACTS, "small files, up", "MB/s", MORE, 2),
    Measure("artifacts.small_down", ARTIFACTS, "small files, down", "MB/s", MORE, 2),
)
LAST = (Measure("left.things", LEFT, "containers, volumes, networks, folders", "", LESS, 0),)
FAULT = (
    ("gap", "longest time without an answer", "s", 1),
    ("failed", "failed calls", "", 0),
    ("retried", "calls that were retried inside the client", "", 0),
    ("out", "server out of use after", "s", 1),
    ("back", "server in use again after", "s", 1),
    ("lost_runs", "lost runs", "", 0),
    ("lost_writes", "lost writes", "", 0),
)
# Prefixes of keys whose rest is the name of a component.
BY_COMPONENT = {
    "memory": (MEMORY, "MiB", 0),
    "pss": (PSS, "MiB", 0),
    "cpu": (CPU, "cores", 2),
}
TOTAL = "all"


def measures(keys: set[str], clients: int) -> list[Measure]:
    """Those that there are samples of, in the order in which they are shown."""
    found = [each for each in FIXED if each.key in keys]
    for prefix, (group, unit, places) in BY_COMPONENT.items():
        mine = sorted({key.split(".", 1)[1] for key in keys if key.startswith(f"{prefix}.")} - {TOTAL})
        rows = [*mine, *([TOTAL] if f"{prefix}.{TOTAL}" in keys else [])]
        found += [Measure(f"{prefix}.{name}", group, name, unit, LESS, places) for name in rows]
    for fault in sorted({key.split(".")[1] for key in keys if key.startswith("fault.")}):
        group = FAULTS.format(fault=fault)
        rows = [Measure(f"fault.{fault}.{key}", group, label, unit, LESS, places) for key, label, unit, places in FAULT]
        found += [each for each in rows if each.key in keys]
    found += [each for each in LAST if each.key in keys]
    return [
        Measure(each.key, each.group.format(clients=clients), each.label, each.unit, each.better, each.places)
        for each in found
    ]
