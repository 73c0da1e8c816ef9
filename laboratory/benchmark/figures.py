# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured, and how."""

from __future__ import annotations

import re

from laboratory.benchmark.deployment import GUARD, Deployment
from laboratory.benchmark.memory import Memory, inspect, measure
from laboratory.benchmark.naive_image import RECORDED_BYTES, naive_size, size
from laboratory.benchmark.plain_server import plain_server
from laboratory.benchmark.processes import BUILD_SECONDS, StepFailed, perform, say, seconds
from laboratory.benchmark.report import Report, Row

DEPLOY = "Deploy with images present"
SECOND = "Second run"
DESTROY = "Destroy"
IMAGE = "Image of the server"
MEMORY = "Memory of the server after the training tests"
MODULE = "One call of mlflow_server_args"
CHECK = "One check by the guard"
# 8 s on a machine where the playbook of two tasks takes 1.5 s.
MORE_TO_DEPLOY = 8 / 1.5
MODULE_ROW = re.compile(r"(?P<name>\S.*?)\s+(?P<median>\d+)\s+(?P<least>\d+)\s+-?\d+\s+\d+\.\d+$")


def cycles(report: Report, deployment: Deployment, repetitions: int, only: set[str], images: str) -> None:
    """Deploy, second run, docker compose alone, destroy: in turns, so that a busy machine slows all of them alike."""
    deploys, second, changes, two, destroys, lefts, with_data = [], [], [], [], [], [], []
    steps: list[dict[str, float]] = []
    for number in range(1, repetitions + 1):
        turn = f"{number} of {repetitions}"
        say(f"deploy, {turn}")
        deploys.append(seconds(deployment.deploy))
        if deployment.images() != images:
            report.settings["warning"] = "images changed meanwhile, so a deploy below built or fetched them"
        if "second" in only:
            say(f"second run, {turn}")
            second.append(seconds(lambda: changes.append(deployment.deploy())))
            two.append(seconds(deployment.two_tasks))
        if "deploy" in only:
            # The project that the playbook has just rendered, brought up again from nothing.
            say(f"docker compose alone, {turn}")
            steps.append(deployment.compose_steps())
            with_data.append(deployment.compose_up_with_data())
        # What goes now was started by either, from the same project: labels, volumes and files are the same.
        say(f"destroy, {turn}")
        destroys.append(seconds(deployment.destroy))
        lefts.append(len(deployment.left()))
    if "deploy" in only:
        totals = [sum(parts.values()) for parts in steps]
        report.add(DEPLOY, f"ansible-playbook playbooks/{deployment.playbook}.yml", "s", deploys)
        report.add(DEPLOY, "the same project by docker compose, from nothing", "s", totals)
        for part in steps[0]:
            report.add(DEPLOY, f"  {part}", "s", [parts[part] for parts in steps])
        more = [deploy - own for deploy, own in zip(deploys, totals)]
        report.add(DEPLOY, "more by the playbook", "s", more, target=15)
        if two:
            ratios = [each / least for each, least in zip(more, two)]
            report.add(DEPLOY, "more by the playbook : a playbook of two tasks", "ratio", ratios, target=MORE_TO_DEPLOY)
        # No counterpart of a deploy: here the data services have to recover what they had written.
        report.add(DEPLOY, "docker compose up --wait once more, on kept data", "s", with_data)
    if "second" in only:
        report.add(SECOND, f"ansible-playbook playbooks/{deployment.playbook}.yml", "s", second, target=10)
        report.add(SECOND, "a playbook of two tasks: a file, and Compose's own look", "s", two)
        ratios = [each / least for each, least in zip(second, two)]
        report.add(SECOND, "ours : a playbook of two tasks", "ratio", ratios, target=3)
        report.add(SECOND, "changed", "tasks", changes, target=0)
    if "destroy" in only:
        report.add(DESTROY, "ansible-playbook playbooks/destroy.yml", "s", destroys)
        report.add(DESTROY, "containers, volumes, networks and folders left", "things", lefts, target=0)


def image(report: Report, deployment: Deployment, build_naive: bool) -> None:
    ours = size(inspect(deployment.server())["Image"])
    naive, how = RECORDED_BYTES, "recorded"
    if build_naive:
        say("building the naive image")
        naive, how = naive_size(), "built now"
    report.add(IMAGE, "ours", "MB", [ours / 1e6], target=naive / 2e6)
    report.add(IMAGE, f"naive: pip install mlflow psycopg2-binary boto3, {how}", "MB", [naive / 1e6])
    report.add(IMAGE, "ours : naive", "ratio", [ours / naive], target=0.5)


def _train(url: str) -> float:
    return seconds(
        perform,
        ["python", "-m", "unittest", "-f", "playbooks.training"],
        timeout=BUILD_SECONDS,
        MLFLOW_TRACKING_URI=url,
    )


def memory(report: Report, deployment: Deployment) -> None:
    say("training tests on the deployed server")
    ours_seconds = _train(deployment.url)
    ours = measure(deployment.server())
    say("training tests on `mlflow server` with its own defaults")
    with plain_server(deployment) as (container, url):
        plain_seconds = _train(url)
        plain = measure(container)
    names: dict[str, tuple[Memory, float]] = {
        "ours": (ours, ours_seconds),
        "mlflow server, its own defaults": (plain, plain_seconds),
    }
    for name, (found, took) in names.items():
        report.add(MEMORY, f"{name}: processes", "", [found.processes])
        report.add(MEMORY, f"{name}: RSS", "MiB", [found.rss_mib])
        report.add(MEMORY, f"{name}: PSS", "MiB", [found.pss_mib])
        report.add(MEMORY, f"{name}: time of the training tests", "s", [took])
    report.add(MEMORY, "RSS, ours : its own defaults", "ratio", [ours.rss_mib / plain.rss_mib], target=1 / 3)
    report.add(MEMORY, "PSS, ours : its own defaults", "ratio", [ours.pss_mib / plain.pss_mib], target=1 / 3)


def module(report: Report, repetitions: int) -> None:
    """tools/benchmark_module.py measures it beside a module that does nothing; its tables are read here."""
    say("calls of the module")
    tool = ["python", "tools/benchmark_module.py", "--rounds", str(5 * repetitions)]
    title, before, rows = "", "", 0
    for line in perform(tool, timeout=BUILD_SECONDS).stdout.splitlines():
        if "median ms" in line:
            title = before.replace("`", "")
        found = MODULE_ROW.match(line)
        if found:
            what = f"{title}: {found['name']}"
            report.add_row(MODULE, Row(what, "ms", float(found["median"]), float(found["least"])))
            rows += 1
        before = line
    if not rows:
        raise StepFailed("No figures were found in what tools/benchmark_module.py printed.")


def check(report: Report, deployment: Deployment, repetitions: int) -> None:
    """As an operator does it, in a container of its own; and in the running server."""
    say("checks by the guard")
    server = deployment.server()
    ways = {
        "docker compose run --rm mlflow-guard check": (
            lambda: deployment.compose("run", "--rm", "--no-deps", "-T", GUARD, "check")
        ),
        "docker exec SERVER mlflow-guard check": lambda: perform(["docker", "exec", server, "mlflow-guard", "check"]),
        "docker exec SERVER mlflow-guard health": lambda: perform(["docker", "exec", server, "mlflow-guard", "health"]),
    }
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _repetition in range(repetitions):
        for way, action in ways.items():
            times[way].append(seconds(action))
    for way, samples in times.items():
        report.add(CHECK, way, "s", samples)
