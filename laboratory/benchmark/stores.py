#!/usr/bin/env python3
# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two stores of artifacts side by side on the same host: S3 and NFS, or SeaweedFS and MinIO.

MLflow's client uploads and downloads a large file, and many small ones, through the public address; what comes back is
compared by its hash, and how long a deployment takes and how much memory its store has is told. The deployments take
turns. NFS is measured on this host, if its kernel can mount it, or with --machine on a test machine
(tests/beds/machine/bed) that is up and has the images of both. Prints a table; --plot draws it.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

# A script's own folder comes first on the path; the modules are found from the project's root instead.
sys.path[0] = str(Path(__file__).resolve().parents[2])

from laboratory.benchmark import machine, memory
from laboratory.benchmark.artifacts import SMALL_BYTES
from laboratory.benchmark.deployment import Deployment
from laboratory.benchmark.processes import BUILD_SECONDS, StepFailed, say, seconds
from laboratory.campaign.artifacts import ROUNDS, rates
from laboratory.campaign.statistic import Statistic, ratio, statistic
from laboratory.resilience.host import Host, at, forwarded
from tests.runner.stages import port_is_free


@dataclass(frozen=True)
class Setup:
    """A deployment, and the service in it that holds the artifacts."""

    playbook: str
    variables: dict[str, object]
    service: str
    colour: str


SEAWEEDFS = Setup("multi-az", {"object_store": "seaweedfs"}, "seaweedfs", "#0284c7")
# The second is compared with the first.
PAIRS = {
    "nfs": {"S3": SEAWEEDFS, "NFS": Setup("multi-az-nfs", {}, "nfs", "#d97706")},
    "minio": {"SeaweedFS": SEAWEEDFS, "MinIO": Setup("multi-az", {"object_store": "minio"}, "minio", "#d97706")},
}
DIRECTIONS = ("up", "down")
# A test machine has one processor, on which MLflow starts slowly.
PATIENCE = {"deployment_wait_timeout": 900, "load_balancer_settle_seconds": 300}

Samples = dict[str, dict[str, list[float]]]


def arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="laboratory/benchmark/stores.py", description=__doc__.splitlines()[0], allow_abbrev=False
    )
    parser.add_argument("--pair", choices=PAIRS, default="nfs", help="S3 and NFS, or SeaweedFS and MinIO (nfs)")
    parser.add_argument("--machine", metavar="MACHINE", help="a test machine that is up, such as zone-1 (this host)")
    parser.add_argument("--repetitions", type=int, default=2, metavar="N", help="of each deployment, 1 to 100 (2)")
    parser.add_argument("--large", type=int, default=64, metavar="MIB", help="size of the large file, 1 to 4096 (64)")
    parser.add_argument("--small", type=int, default=50, metavar="N", help="how many small files, 1 to 10000 (50)")
    parser.add_argument("--port", type=int, default=5000, help="public port of the deployments (default: 5000)")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw it into this SVG file")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was measured into this file")
    given = parser.parse_args(words)
    for name, most in (("repetitions", 100), ("large", 4096), ("small", 10000), ("port", 65535)):
        if not 1 <= getattr(given, name) <= most:
            parser.error(f"--{name} is {getattr(given, name)}: give 1 to {most}")
    return given


def kinds(given: argparse.Namespace) -> dict[str, str]:
    return {
        "large": f"1 file of {given.large} MiB",
        "small": f"{given.small} files of {SMALL_BYTES // 1024} KiB",
    }


def measure(given: argparse.Namespace, host: Host) -> Samples:
    """Store -> what was measured -> samples: such as large_up in MB/s, deploy in seconds, memory in MiB."""
    pair = PAIRS[given.pair]
    found: Samples = {store: {} for store in pair}
    for number in range(1, given.repetitions + 1):
        for store, setup in pair.items():
            deployment = Deployment(setup.playbook, given.port, inventory=host.inventory)
            deployment.variables = {**setup.variables, **({} if host.is_this else PATIENCE)}
            try:
                say(f"{store}, {number} of {given.repetitions}: deploying")
                took = seconds(deployment.deploy, timeout=BUILD_SECONDS)
                say(f"{store}, {number} of {given.repetitions}: {ROUNDS} rounds of artifacts")
                with forwarded(host, given.port):
                    samples = rates(deployment.url, given.large, given.small)
                # The first deployment builds the images that are not there.
                if number > 1 or given.repetitions == 1:
                    samples["deploy"] = [took]
                if host.is_this:
                    samples["memory"] = [_memory(deployment, setup)]
                for name, values in samples.items():
                    found[store].setdefault(name, []).extend(values)
            finally:
                deployment.destroy()
    return found


def _memory(deployment: Deployment, setup: Setup) -> float:
    container = deployment.compose("ps", "--quiet", setup.service).split()
    if len(container) != 1:
        raise StepFailed(f"{deployment.name} has {len(container)} services {setup.service}, and one was expected.")
    return memory.measure(container[0]).pss_mib


def statistics(found: Samples) -> dict[str, dict[str, Statistic]]:
    return {store: {name: statistic(values) for name, values in each.items()} for store, each in found.items()}


def names(meanings: dict[str, str]) -> dict[str, str]:
    """What was measured -> what it is called in the table."""
    rows = {f"{kind}_{way}": f"{meaning}, {way}, MB/s" for kind, meaning in meanings.items() for way in DIRECTIONS}
    return rows | {"deploy": "deploying, s", "memory": "memory of the store afterwards (PSS), MiB"}


def table(found: Samples, meanings: dict[str, str]) -> str:
    """In Markdown. The last column is how many times the first the second is."""
    measured = statistics(found)
    first, second = found
    lines = [f"| | {first} | {second} | {second} : {first} |", "|---|---|---|---|"]
    for name, meaning in names(meanings).items():
        if any(name not in each for each in measured.values()):
            continue
        each = [measured[store][name] for store in (first, second)]
        cells = [f"{one.median:.1f} ({one.least:.1f} to {one.most:.1f})" for one in each]
        lines.append(f"| {meaning} | {' | '.join(cells)} | {ratio(each[1], each[0]):.2f} |")
    return "\n".join(lines)


def draw(found: Samples, meanings: dict[str, str], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    # Text stays text, and the same figures make the same file.
    mpl.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "stores", "font.family": "sans-serif"}
    from matplotlib import pyplot

    measured = statistics(found)
    colours = {store: setup.colour for pair in PAIRS.values() for store, setup in pair.items()}
    figure, plots = pyplot.subplots(1, len(meanings), figsize=(10, 4), layout="constrained")
    for axes, (kind, meaning) in zip(plots, meanings.items(), strict=True):
        for number, store in enumerate(found):
            each = [measured[store][f"{kind}_{direction}"] for direction in DIRECTIONS]
            medians = [one.median for one in each]
            spread = [[one.median - one.least for one in each], [one.most - one.median for one in each]]
            places = [place + (number - 0.5) * 0.4 for place in range(len(DIRECTIONS))]
            bars = axes.bar(places, medians, 0.37, yerr=spread, capsize=3, label=store, color=colours[store])
            axes.bar_label(bars, [f"{median:.1f}" for median in medians], label_type="center", color="white")
        axes.set_xticks(range(len(DIRECTIONS)), DIRECTIONS)
        axes.set_title(f"{meaning}, MB/s")
        axes.spines[["top", "right"]].set_visible(False)
    plots[0].legend()
    figure.savefig(path, metadata={"Date": None})


def main(words: list[str]) -> int:
    given = arguments(words)
    facts = machine.facts()
    try:
        if not port_is_free(given.port):
            raise StepFailed(f"Port {given.port} is taken: stop what has it, or choose another port with --port.")
        with at(given.machine) as host:
            found = measure(given, host)
    except StepFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    meanings = kinds(given)
    where = "a test machine with one processor" if given.machine else "this host"
    facts["deployments on"] = f"{where}, {given.repetitions} of each, {ROUNDS} rounds in each"
    print("\n".join(f"{name + ':':<20}{value}" for name, value in facts.items()))
    print(f"\n{table(found, meanings)}")
    if given.plot:
        draw(found, meanings, given.plot)
    if given.json:
        document = {"machine": facts, "files": meanings, "samples": found}
        given.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
