#!/usr/bin/env python3
# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Throughput and latency of multi-az with 1, 2 and 4 servers, and with more and more runs in the database.

Behind `make scalability`. The load is the same for each number of servers: real clients that train, in processes of
their own, as fast as they can. Prints a table; --plot draws it, --json keeps it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

# A script's own folder comes first on the path; the modules are found from the project's root instead.
sys.path[0] = str(Path(__file__).resolve().parents[2])

from laboratory.benchmark import machine
from laboratory.benchmark.deployment import Deployment
from laboratory.benchmark.processes import BUILD_SECONDS, StepFailed, say
from laboratory.benchmark.throughput import run_load
from tests.runner.stages import port_is_free

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

ZONES = ("a", "b")
FILLERS = 8
SEARCHES = 30
# The operations that are shown, by the names of the load generator.
OPERATIONS = {
    "create_run": "create run",
    "log_batch": "log batch",
    "search_runs": "search",
    "upload": "artifact up",
    "download": "artifact down",
}


@dataclass(frozen=True)
class Point:
    """One measurement: so many servers, so many runs in an experiment; what the load said, and a search among them."""

    servers: int
    runs: int
    result: dict
    search_seconds: float

    def row(self) -> list[str]:
        latency = self.result["latency"]
        times = [latency.get(name, {}) for name in OPERATIONS]
        return [
            str(self.servers),
            str(self.runs),
            f"{self.result['calls_per_second']:.0f}",
            f"{self.result['metrics_per_second']:.0f}",
            f"{self.result['runs_per_second']:.1f}",
            f"{self.search_seconds * 1000:.0f}",
            *(f"{time['p50'] * 1000:.0f} / {time['p99'] * 1000:.0f}" if time.get("count") else "-" for time in times),
        ]


HEADINGS = ["servers", "runs", "calls/s", "metrics/s", "runs/s", "search among them, ms p50"] + [
    f"{name}, ms p50 / p99" for name in OPERATIONS.values()
]


def arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="laboratory/benchmark/scalability.py", description=__doc__.splitlines()[0], allow_abbrev=False
    )
    parser.add_argument("--servers", type=int, nargs="+", default=[1, 2, 4], metavar="N", help="default: 1 2 4")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="of load for each, on ever more runs (3)")
    parser.add_argument("--fill", type=int, default=1000, metavar="N", help="runs that are added between rounds (1000)")
    parser.add_argument("--clients", type=int, default=4, metavar="N", help="processes of the load (default: 4)")
    parser.add_argument("--seconds", type=float, default=20, help="of load in each round (default: 20)")
    parser.add_argument("--port", type=int, default=5000, help="public port of the deployment (default: 5000)")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw it into this SVG file")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was measured into this file")
    given = parser.parse_args(words)
    for name, least, most in (
        ("rounds", 1, 100),
        ("fill", 1, 10**6),
        ("clients", 1, 64),
        ("seconds", 5, 3600),
        ("port", 1, 65535),
    ):
        if not least <= getattr(given, name) <= most:
            parser.error(f"--{name} is {getattr(given, name):g}: give {least} to {most}")
    if min(given.servers) < 1 or max(given.servers) > 64:
        parser.error(f"--servers is {' '.join(map(str, given.servers))}: give 1 to 64")
    return given


def add_runs(url: str, experiment: str, count: int) -> None:
    """Runs as short trainings leave them, in one experiment."""
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

    client = MlflowClient(url)

    def add(number: int) -> None:
        run = client.create_run(experiment).info.run_id
        now = int(time.time() * 1000)
        metrics = [Metric(f"metric-{index}", number * 0.001 + index, now, 0) for index in range(5)]
        client.log_batch(run, metrics, [Param(f"param-{index}", str(number % 7)) for index in range(5)])

    with ThreadPoolExecutor(FILLERS) as pool:
        list(pool.map(add, range(count)))


def time_search(url: str, experiment: str) -> float:
    """Seconds, in the middle, for one page of runs that a metric selects and orders."""
    from mlflow import MlflowClient

    client = MlflowClient(url)
    times = []
    for _ in range(SEARCHES):
        start = time.perf_counter()
        client.search_runs(
            [experiment], "metrics.`metric-0` >= 0.5", order_by=["metrics.`metric-1` DESC"], max_results=20
        )
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def measure(given: argparse.Namespace, deployment: Deployment) -> list[Point]:
    from mlflow import MlflowClient

    points = []
    for servers in given.servers:
        say(f"{servers} servers: deploying from nothing")
        # A zone without a server is refused, so a single one has a single zone.
        zones = list(ZONES[: min(servers, len(ZONES))])
        deployment.variables = {"mlflow_server_replicas": servers, "mlflow_server_zones": zones}
        deployment.deploy(timeout=BUILD_SECONDS)
        experiment = MlflowClient(deployment.url).create_experiment("runs to search among")
        for number in range(given.rounds):
            if number:
                say(f"{servers} servers: adding {given.fill} runs")
                add_runs(deployment.url, experiment, given.fill)
            runs = number * given.fill
            say(f"{servers} servers: round {number + 1} of {given.rounds}, {runs} runs")
            result = run_load(deployment.url, "training", given.clients, given.seconds)
            points.append(Point(servers, runs, result, time_search(deployment.url, experiment)))
        deployment.destroy()
    return points


def table(points: list[Point]) -> str:
    rows = [HEADINGS, *(point.row() for point in points)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def draw(points: list[Point], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    # Text stays text, and the same figures make the same file.
    mpl.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "scalability", "font.family": "sans-serif"}
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    servers = sorted({point.servers for point in points})
    first = [next(point for point in points if point.servers == number) for number in servers]
    left.bar(
        [str(number) for number in servers], [point.result["calls_per_second"] for point in first], color="#0284c7"
    )
    left.set(title="Calls per second, empty database", xlabel="servers")
    for number in servers:
        mine = [point for point in points if point.servers == number]
        times = [point.search_seconds * 1000 for point in mine]
        label = f"{number} server{'s' if number > 1 else ''}"
        right.plot([point.runs for point in mine], times, marker="o", label=label)
    right.set(title="Search by a metric, ms (p50)", xlabel="runs in the experiment", ylim=(0, None))
    right.legend()
    figure.savefig(path, metadata={"Date": None})


def main(words: list[str]) -> int:
    given = arguments(words)
    deployment = Deployment("multi-az", given.port)
    points: list[Point] = []
    code = 0
    try:
        if not port_is_free(given.port):
            raise StepFailed(f"Port {given.port} is taken: stop what has it, or choose another port with --port.")
        points = measure(given, deployment)
    except StepFailed as failure:
        print(failure, file=sys.stderr)
        code = 1
    finally:
        deployment.clean()
    if points:
        print("\n".join(f"{name + ':':<20}{value}" for name, value in machine.facts().items()))
        print(f"\n{table(points)}")
    if points and given.plot:
        draw(points, given.plot)
    if points and given.json:
        document = [
            {"servers": each.servers, "runs": each.runs, "search_seconds": each.search_seconds, "load": each.result}
            for each in points
        ]
        given.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
