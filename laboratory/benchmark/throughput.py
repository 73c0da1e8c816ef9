# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics logged by several clients at once: the deployment beside MLflow the plain way behind nginx, in turns.

Both have the same PostgreSQL, the same store, the same machine and the same load; the plain way is `pip install mlflow`
with MLflow's own defaults behind nginx with its own defaults.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from pathlib import Path

from laboratory.benchmark.deployment import Deployment
from laboratory.benchmark.memory import measure
from laboratory.benchmark.naive_image import RECIPE, TAG, built
from laboratory.benchmark.nginx import behind_nginx
from laboratory.benchmark.plain_server import plain_server
from laboratory.benchmark.processes import perform, say
from laboratory.benchmark.report import Report

FIGURE = "Metrics logged by {clients} clients at once, {batch} in a call"
MEMORY = "Memory after that load"
# Clients at once, and metrics of a call: mlflow.log_metric sends one, log_metrics and autologging send more.
LOADS = ((4, 50), (12, 50), (12, 1))
SECONDS = 20
WARM_UP_SECONDS = 8
OURS, PLAIN = "ours", "mlflow server behind nginx, their own defaults"


def run_load(url: str, profile: str, clients: int, seconds: float, *more: str, **variables: str) -> dict:
    """What the load generator says of one run; a failed or lost call stops the benchmark.

    variables: of the clients' environment.
    """
    with tempfile.TemporaryDirectory(prefix="mlops-mlflow-benchmark-") as folder:
        perform(
            ["python", "-m", "laboratory.load", "--url", url, "--profile", profile, "--processes", str(clients)]
            + ["--seconds", str(seconds), "--output", folder, "--fail-on-failed-calls", *more],
            timeout=seconds + 300,
            # Asked to end, it would finish its calls and read everything back first.
            expendable=True,
            **variables,
        )
        return json.loads((Path(folder) / "result.json").read_text(encoding="utf-8"))


def _memory(containers: list[str]) -> float:
    return sum(measure(container).pss_mib for container in containers)


def _in_turns(report: Report, urls: dict[str, str], clients: int, batch: int, repetitions: int) -> None:
    figure = FIGURE.format(clients=clients, batch=batch)
    rates: dict[str, list[float]] = {way: [] for way in urls}
    tails: dict[str, list[float]] = {way: [] for way in urls}
    for number in range(1, repetitions + 1):
        for way, url in urls.items():
            say(f"{way}, {clients} clients, {batch} metrics in a call, {number} of {repetitions}")
            result = run_load(url, "metrics", clients, SECONDS, "--clean", "--batch", str(batch))
            rates[way].append(result["metrics_per_second"])
            tails[way].append(result["latency"]["all"]["p99"] * 1000)
    for way in urls:
        report.add(figure, f"{way}: metrics per second", "1/s", rates[way])
        report.add(figure, f"{way}: p99 of a call", "ms", tails[way])
    rate = {way: statistics.median(rates[way]) for way in urls}
    tail = {way: statistics.median(tails[way]) for way in urls}
    report.add(figure, "metrics per second, plain : ours", "ratio", [rate[PLAIN] / rate[OURS]], target=0.5)
    report.add(figure, "p99, ours : plain", "ratio", [tail[OURS] / tail[PLAIN]], target=0.5)


def throughput(report: Report, deployment: Deployment, repetitions: int) -> None:
    say("preparing MLflow the plain way")
    with (
        built(TAG, RECIPE) as image,
        plain_server(deployment, image, "/opt/mlflow/bin/mlflow") as (plain, _),
        behind_nginx(deployment, plain) as (nginx, plain_url),
    ):
        urls = {OURS: deployment.url, PLAIN: plain_url}
        for way, url in urls.items():
            say(f"{way}, to warm up")
            run_load(url, "metrics", 2, WARM_UP_SECONDS, "--clean")
        for clients, batch in LOADS:
            _in_turns(report, urls, clients, batch, repetitions)
        memory = {OURS: _memory(deployment.public_side()), PLAIN: _memory([plain, nginx])}
    for way, mib in memory.items():
        report.add(MEMORY, f"{way}: PSS", "MiB", [mib])
    report.add(MEMORY, "PSS, ours : plain", "ratio", [memory[OURS] / memory[PLAIN]], target=0.5)
