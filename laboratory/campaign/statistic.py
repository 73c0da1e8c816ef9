# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Medians and spreads of samples, by measure and deployment. Nothing here knows where they come from."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from laboratory.campaign.state import FINISHED

PEER = "peer."


@dataclass(frozen=True)
class Statistic:
    median: float
    least: float
    most: float
    count: int

    @property
    def spread(self) -> float:
        """From least to most, as a part of the median; 0 where there is one sample, or nothing but zeros."""
        return (self.most - self.least) / abs(self.median) if self.median else 0.0


def statistic(samples: Sequence[float]) -> Statistic:
    return Statistic(statistics.median(samples), min(samples), max(samples), len(samples))


def collect(cycles: Iterable[dict]) -> dict[str, dict[str, Statistic]]:
    """Measure -> deployment -> statistic, of all cycles that came to their end. Peers are left out."""
    samples: dict[str, dict[str, list[float]]] = {}
    for cycle in cycles:
        if cycle["status"] not in FINISHED:
            continue
        for key, value in cycle["samples"].items():
            if not key.startswith(PEER):
                samples.setdefault(key, {}).setdefault(cycle["deployment"], []).append(value)
    return {key: {name: statistic(values) for name, values in found.items()} for key, found in samples.items()}


def collect_peers(cycles: Iterable[dict], ways: Iterable[str]) -> dict[str, dict[str, dict[str, Statistic]]]:
    """Deployment -> measure -> way -> statistic, for what a peer was measured too. The way of the deployment is "".

    What the peers are compared with in memory is the public side of the deployment alone, which has its own sample.
    """
    samples: dict[str, dict[str, dict[str, list[float]]]] = {}
    ways = list(ways)
    for cycle in cycles:
        if cycle["status"] not in FINISHED:
            continue
        own = cycle["samples"]
        for key in own:
            for way in ways:
                measure = key.removeprefix(f"{PEER}{way}.")
                if measure == key:
                    continue
                rows = samples.setdefault(cycle["deployment"], {}).setdefault(measure, {})
                rows.setdefault(way, []).append(own[key])
                if way == ways[0]:
                    ours = own.get(f"{PEER}ours.{measure}", own.get(measure))
                    if ours is not None:
                        rows.setdefault("", []).append(ours)
    return {
        name: {key: {way: statistic(values) for way, values in rows.items()} for key, rows in found.items()}
        for name, found in samples.items()
    }


def ratio(one: Statistic, other: Statistic) -> float | None:
    """Of the medians, one : other; None where it would say nothing."""
    return one.median / other.median if other.median else None


def apart(one: Statistic, other: Statistic) -> bool:
    """Whether the two differ by more than their samples do: the ranges do not touch. Single samples never tell."""
    if min(one.count, other.count) < 2:
        return False
    return one.least > other.most or one.most < other.least
