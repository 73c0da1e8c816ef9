# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a cycle. Each measures something of one deployment and returns its samples by name."""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.benchmark.deployment import Deployment
from tests.benchmark.processes import BUILD_SECONDS, StepFailed, perform, seconds
from tests.benchmark.throughput import run_load
from tests.campaign import artifacts, services
from tests.campaign.measures import TOTAL
from tests.campaign.peers import NAMES, peers
from tests.resilience import faults
from tests.resilience.engine import Container
from tests.resilience.engine import Deployment as Running
from tests.resilience.faults import SCENARIOS, Target
from tests.resilience.scenario import Outcome, Pace, perform_scenario
from tests.runner import docker

Samples = dict[str, float]
TRAINED = re.compile(r"^Ran (\d+) tests? in ", re.MULTILINE)
# The load's own large artifacts would make a short load uneven; artifacts are measured by themselves.
LOAD = ("--clean", "--warm-up", "1", "--large-artifact-size", "64KiB")
# As in tests/benchmark/throughput.py: its job runners are still starting when it first answers.
WARM_UP_SECONDS = 8
STEADY_SECONDS, FAULT_SECONDS = 4, 10
PUBLIC = ("mlflow-server", "load-balancer")
# A single server cannot survive these; what its clients notice until it is back is measured all the same.
SERVER_FAULTS = ("kill-server", "stop-server")


@dataclass
class Cycle:
    """One turn of one deployment. record: its part of the document. say: tell what goes on."""

    given: argparse.Namespace
    deployment: Deployment
    folder: Path
    record: dict
    say: Callable[[str], None]

    @property
    def running(self) -> Running:
        return Running(self.deployment.name)


def _images() -> set[str]:
    label = "label=mlops.mlflow.component"
    return set(perform(["docker", "image", "ls", "--quiet", "--no-trunc", "--filter", label]).stdout.split())


def deploy(cycle: Cycle) -> Samples:
    before = _images() if docker.engine_answers() else set()
    took = seconds(cycle.deployment.deploy, timeout=BUILD_SECONDS)
    if _images() - before:
        # With images present is what is compared; how long they took depends on mirrors and registries.
        cycle.record["details"]["deploy_with_images"] = round(took, 1)
        cycle.say("images were made, so deploying once more")
        cycle.deployment.destroy()
        took = seconds(cycle.deployment.deploy)
    cycle.record["deployed"] = True
    return {"deploy.seconds": took}


def run_again(cycle: Cycle) -> Samples:
    changed: list[int] = []
    took = seconds(lambda: changed.append(cycle.deployment.deploy()))
    if changed[0]:
        cycle.record["problems"].append(f"the second run changed {changed[0]} tasks")
    return {"rerun.seconds": took, "rerun.changed": changed[0]}


def train(cycle: Cycle) -> Samples:
    said: list[str] = []
    command = ["python", "-m", "unittest", "-f", "tests.training"]

    def tests() -> None:
        done = perform(command, timeout=BUILD_SECONDS, MLFLOW_TRACKING_URI=cycle.deployment.url)
        said.append(done.stdout + done.stderr)

    took = seconds(tests)
    found = TRAINED.search(said[0])
    if not found or found[1] == "0":
        raise StepFailed(f"The training tests did not say how many they were: {said[0][-300:]}")
    return {"train.seconds": took, "train.tests": int(found[1])}


def _load_samples(kind: str, result: dict) -> Samples:
    latency = result["latency"]["all"]
    found = {
        f"{kind}.runs": result["runs_per_second"],
        f"{kind}.metrics": result["metrics_per_second"],
        f"{kind}.calls": result["calls_per_second"],
    }
    # Where the whole load was shorter than its warm-up there are no percentiles.
    return found | {
        f"{kind}.{name}": latency[name] * 1000 for name in ("p50", "p95", "p99") if latency[name] is not None
    }


def load_one(cycle: Cycle) -> Samples:
    result = run_load(cycle.deployment.url, "training", 1, cycle.given.seconds, *LOAD)
    return _load_samples("one", result)


def load_several(cycle: Cycle) -> Samples:
    """With the CPU that each component takes meanwhile, the reading back included."""
    containers = cycle.running.containers()
    before = services.use(containers, pss=False)
    results: list[dict] = []
    took = seconds(
        lambda: results.append(
            run_load(cycle.deployment.url, "training", cycle.given.clients, cycle.given.seconds, *LOAD)
        )
    )
    after = services.use(containers, pss=False)
    cores = {f"cpu.{name}": (after[name].cpu - before[name].cpu) / took for name in after}
    if cores:
        cores[f"cpu.{TOTAL}"] = sum(cores.values())
    return {**_load_samples("several", results[0]), **cores}


def transfer(cycle: Cycle) -> Samples:
    found = artifacts.rates(cycle.deployment.url, cycle.given.large, cycle.given.small)
    return {f"artifacts.{name}": rate for name, rate in found.items()}


def memory(cycle: Cycle) -> Samples:
    found = services.use(cycle.running.containers())
    if not found:
        cycle.record["details"]["memory"] = "not measured: its services are no containers of this machine's engine"
        return {}
    samples = {f"memory.{name}": each.memory for name, each in found.items()}
    samples[f"memory.{TOTAL}"] = sum(samples.values())
    shares = {f"pss.{name}": each.pss for name, each in found.items() if each.pss is not None}
    if len(shares) == len(found):
        samples |= {**shares, f"pss.{TOTAL}": sum(shares.values())}
    else:
        cycle.record["details"]["pss"] = (
            "not measured: the processes cannot be read; as root on the engine's host they can"
        )
    return samples


# --- faults ---------------------------------------------------------------------------------------------------------


def _scenario(name: str, target: Target) -> faults.Scenario:
    """As it applies here, or StepFailed with the reason why it does not."""
    if not target.deployment.servers():
        raise StepFailed("its servers are no containers of this machine's engine")
    if name in SERVER_FAULTS and len(target.deployment.servers()) == 1:
        return dataclasses.replace(SCENARIOS[name], may_fail=True)
    faults.check([name], target)
    return SCENARIOS[name]


def _fault_samples(name: str, outcome: Outcome) -> Samples:
    found = {
        "gap": outcome.longest_gap,
        "failed": outcome.failed_calls,
        "retried": outcome.retried_calls,
        "lost_runs": outcome.lost_runs,
        "lost_writes": outcome.lost_writes,
    }
    if outcome.absences:
        found["out"] = max(each.out for each in outcome.absences)
    back = [each.back for each in outcome.absences if each.back is not None]
    if back:
        found["back"] = max(back)
    return {f"fault.{name}.{key}": value for key, value in found.items()}


def break_it(cycle: Cycle) -> Samples:
    samples: Samples = {}
    url, playbook = cycle.deployment.url, cycle.deployment.playbook
    target = Target(cycle.running, url, FAULT_SECONDS, playbook, (json.dumps(cycle.deployment.variables),))
    for name in cycle.given.faults:
        try:
            scenario = _scenario(name, target)
        except StepFailed as reason:
            cycle.record["details"][f"fault {name}"] = f"left out: {reason}"
            continue
        folder = cycle.folder / name
        outcome = perform_scenario(scenario, target, Pace(cycle.given.clients, STEADY_SECONDS), folder)
        samples |= _fault_samples(name, outcome)
        result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        cycle.record["details"].setdefault("time_lines", {})[name] = {
            **result["time_line"],
            "gap_start": result["longest_gap"]["start"] - result["start"],
            "gap_seconds": result["longest_gap"]["seconds"],
        }
        if not outcome.passed:
            cycle.record["problems"].append(
                f"{name}: {outcome.failed_calls} failed calls, {outcome.lost_runs} lost runs, "
                f"{outcome.lost_writes} lost writes, {outcome.not_checked} not checked"
            )
    return samples


# --- peers ----------------------------------------------------------------------------------------------------------


def _peer_artifacts(cycle: Cycle, name: str, url: str) -> Samples:
    """What a peer cannot do is worth knowing, and no problem of the deployment."""
    samples: Samples = {}
    for kind, large, small in (("large", cycle.given.large, 0), ("small", 0, cycle.given.small)):
        try:
            rates = artifacts.rates(url, large, small)
        except StepFailed as reason:
            cycle.record["details"][f"{NAMES[name]}, {kind} artifacts"] = str(reason)
            continue
        samples |= {f"artifacts.{key}": rate for key, rate in rates.items()}
    return samples


def _memory_of(containers: list[Container]) -> Samples:
    return {f"memory.{TOTAL}": sum(each.memory for each in services.use(containers, pss=False).values())}


def measure_peers(cycle: Cycle) -> Samples:
    """The same loads and files; the names of the samples begin with the peer's."""
    samples: Samples = {}
    given = cycle.given
    with peers(cycle.deployment) as ways:
        for name, (url, containers) in ways.items():
            cycle.say(f"peer {NAMES[name]}")
            run_load(url, "training", 1, WARM_UP_SECONDS, *LOAD)
            found = {
                **_load_samples("one", run_load(url, "training", 1, given.seconds, *LOAD)),
                **_load_samples("several", run_load(url, "training", given.clients, given.seconds, *LOAD)),
                **_peer_artifacts(cycle, name, url),
                **_memory_of([services.by_name(each) for each in containers]),
            }
            samples |= {f"peer.{name}.{key}": value for key, value in found.items()}
        # What stands for the same: what is between the clients and the data.
        public = [each for each in cycle.running.containers() if each.service.startswith(PUBLIC)]
        return samples | {f"peer.ours.{key}": value for key, value in _memory_of(public).items()}


# --- the end --------------------------------------------------------------------------------------------------------


def destroy(cycle: Cycle) -> Samples:
    return {"destroy.seconds": seconds(cycle.deployment.destroy)}


def look_for_leftovers(cycle: Cycle) -> Samples:
    left = cycle.deployment.left()
    if left:
        cycle.record["problems"].append(f"left behind: {', '.join(left)}")
    return {"left.things": len(left)}


@dataclass(frozen=True)
class Step:
    """first: only in the first repetitions, as many as --fault-repetitions says."""

    name: str
    act: Callable[[Cycle], Samples]
    first: bool = False


DEPLOY = Step("deploy", deploy)
TESTS = (
    Step("run again", run_again),
    Step("train", train),
    Step("load, one client", load_one),
    Step("load, several clients", load_several),
    Step("artifacts", transfer),
    Step("memory", memory),
)
PEERS = Step("peers", measure_peers)
FAULTS = Step("faults", break_it, first=True)
ENDING = (Step("destroy", destroy), Step("leftovers", look_for_leftovers))


def steps_between(given: argparse.Namespace, repetition: int) -> list[Step]:
    """What is done between deploy and destroy. The faults come last, so that they spoil no other figure."""
    steps = [*TESTS, *([PEERS] if given.peers else []), *([FAULTS] if given.faults else [])]
    return [step for step in steps if not step.first or repetition <= given.fault_repetitions]
