# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a cycle. Each measures something of one deployment and returns its samples by name."""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import shutil
import statistics
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from laboratory.benchmark.deployment import Deployment
from laboratory.benchmark.processes import BUILD_SECONDS, StepFailed, perform, seconds
from laboratory.benchmark.throughput import run_load
from laboratory.campaign import artifacts, services
from laboratory.campaign.deployments import COMPOSE, Candidate
from laboratory.campaign.measures import TOTAL
from laboratory.campaign.peers import CLIENT, CLIENT_NOTE, NAMES, peers
from laboratory.campaign.refusals import check_name, check_port
from laboratory.resilience import faults
from laboratory.resilience.engine import Container
from laboratory.resilience.engine import Deployment as Running
from laboratory.resilience.faults import SCENARIOS, Target
from laboratory.resilience.scenario import Outcome, Pace, perform_scenario
from tests.runner import docker

Samples = dict[str, float]
TRAINED = re.compile(r"^Ran (\d+) tests? in ", re.MULTILINE)
# The load's own large artifacts would make a short load uneven; artifacts are measured by themselves. Its experiment
# goes with the deployment.
LOAD = ("--warm-up", "1", "--large-artifact-size", "64KiB")
# As in laboratory/benchmark/throughput.py: its job runners are still starting when it first answers.
WARM_UP_SECONDS = 8
# For records of faults and the artifacts of a load; images are there, or are made in the first deploy.
FREE_GIB = 2
STEADY_SECONDS, FAULT_SECONDS = 4, 10
PUBLIC = ("mlflow-server", "load-balancer")
# A single server cannot survive these; what its clients notice until it is back is measured all the same.
SERVER_FAULTS = ("kill-server", "stop-server")


@dataclass
class Cycle:
    """One turn of one deployment. record: its part of the document. say: tell what goes on.

    use: of each service, after the load with several clients.
    """

    given: argparse.Namespace
    candidate: Candidate
    deployment: Deployment
    folder: Path
    record: dict
    say: Callable[[str], None]
    use: dict[str, services.Use] = field(default_factory=dict)

    @property
    def running(self) -> Running:
        return Running(self.deployment.name)


def preflight(cycle: Cycle) -> Samples:
    """What would make the cycle fail later, or measure something else than the deployment."""
    if cycle.candidate.platform == COMPOSE:
        check_port(cycle.given.port)
    check_name(cycle.deployment)
    # The folder of the cycle, and the one of all cycles, are made when they are needed.
    folder = cycle.folder.parents[1]
    free = shutil.disk_usage(folder).free / 2**30
    if free < FREE_GIB:
        raise StepFailed(f"{folder} has {free:.1f} GiB free, and {FREE_GIB} are needed: free some.")
    return {}


def _images() -> set[str]:
    label = "label=mlops.mlflow.component"
    return set(perform(["docker", "image", "ls", "--quiet", "--no-trunc", "--filter", label]).stdout.split())


def _made(cycle: Cycle, before: set[str]) -> set[str]:
    """The images of the deployment that were not there before. Others may be made at the same time, by others."""
    new = _images() - before
    used = {each.image for each in cycle.running.containers()}
    return new & used if used else new


def deploy(cycle: Cycle) -> Samples:
    before = _images() if docker.engine_answers() else set()
    took = seconds(cycle.deployment.deploy, timeout=BUILD_SECONDS)
    if _made(cycle, before):
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


def verify(cycle: Cycle) -> Samples:
    """It answers with its version, all services are healthy, and none of them had to be started a second time."""
    cycle.record["details"]["version"] = {"MLflow server": version(cycle.deployment.url)}
    containers = cycle.running.containers()
    wrong = [f"{each.service} is not healthy" for each in containers if not each.healthy]
    wrong += [f"{each.service} was restarted {each.restarts} times" for each in containers if each.restarts]
    if wrong:
        raise StepFailed(", ".join(wrong))
    return {}


def version(url: str) -> str:
    """Of the MLflow server that answers at an address."""
    try:
        with urllib.request.urlopen(f"{url}/version", timeout=30) as answer:
            return answer.read().decode().strip()
    except OSError as error:
        raise StepFailed(f"{url}/version does not answer: {error}.") from None


def train(cycle: Cycle) -> Samples:
    said: list[str] = []
    command = ["python", "-m", "unittest", "-f", "playbooks.training"]

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
    if not result["whole_runs"]["runs_per_second"]:
        raise StepFailed("no client finished a run that it began after the warm-up: give more by --seconds")
    found = {f"{kind}.{name}": result["whole_runs"][f"{name}_per_second"] for name in ("runs", "metrics", "calls")}
    return found | {f"{kind}.{name}": latency[name] * 1000 for name in ("p50", "p95", "p99")}


def _keep(cycle: Cycle, kind: str, result: dict) -> None:
    """What the page has no place for, and the raw data have."""
    kept = {name: result[name] for name in ("calls", "retried_calls", "cpu_seconds", "latency")}
    cycle.record["details"].setdefault("loads", {})[kind] = kept


def load_one(cycle: Cycle) -> Samples:
    result = run_load(cycle.deployment.url, "training", 1, cycle.given.seconds, *LOAD)
    _keep(cycle, "one", result)
    return _load_samples("one", result)


def load_several(cycle: Cycle) -> Samples:
    """With the CPU that each component takes meanwhile, the reading back included."""
    containers = cycle.running.containers()
    results: list[dict] = []
    with ThreadPoolExecutor(max_workers=1) as thread:
        # The engine takes a second for its answer, and the clients take longer before their first call.
        asked = thread.submit(services.use, containers, pss=False)
        took = seconds(
            lambda: results.append(
                run_load(cycle.deployment.url, "training", cycle.given.clients, cycle.given.seconds, *LOAD)
            )
        )
        before = asked.result()
    cycle.use = services.use(containers)
    cores = {f"cpu.{name}": (each.cpu - before[name].cpu) / took for name, each in cycle.use.items()}
    if cores:
        cores[f"cpu.{TOTAL}"] = sum(cores.values())
    _keep(cycle, "several", results[0])
    return {**_load_samples("several", results[0]), **cores}


def _medians(rates: dict[str, list[float]]) -> Samples:
    return {f"artifacts.{name}": statistics.median(each) for name, each in rates.items()}


def transfer(cycle: Cycle) -> Samples:
    found = artifacts.rates(cycle.deployment.url, cycle.given.large, cycle.given.small)
    cycle.record["details"]["artifacts"] = {name: [round(rate, 3) for rate in each] for name, each in found.items()}
    return _medians(found)


def memory(cycle: Cycle) -> Samples:
    """Right after the load, which has asked for it; where the load failed, as it is now."""
    found = cycle.use or services.use(cycle.running.containers())
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


def measure_peer(cycle: Cycle, name: str, url: str) -> Samples:
    """What a peer cannot do is worth knowing, and no problem of the deployment."""
    given = cycle.given
    samples: Samples = {}

    def training(clients: int, seconds: float) -> dict:
        return run_load(url, "training", clients, seconds, *LOAD, **CLIENT)

    def transfers(large: int, small: int) -> Samples:
        return _medians(artifacts.rates(url, large, small, **CLIENT))

    def warm_up() -> Samples:
        training(1, WARM_UP_SECONDS)
        return {}

    parts: dict[str, Callable[[], Samples]] = {
        "warm-up": warm_up,
        "load, one client": lambda: _load_samples("one", training(1, given.seconds)),
        "load, several clients": lambda: _load_samples("several", training(given.clients, given.seconds)),
        "large artifacts": lambda: transfers(given.large, 0),
        "small artifacts": lambda: transfers(0, given.small),
    }
    for part, measure in parts.items():
        cycle.say(f"peer {NAMES[name]}: {part}")
        try:
            samples |= measure()
        except StepFailed as reason:
            cycle.record["details"][f"{NAMES[name]}, {part}"] = str(reason)
    return samples


def _memory_of(containers: list[Container]) -> Samples:
    return {f"memory.{TOTAL}": sum(each.memory for each in services.use(containers, pss=False).values())}


def measure_peers(cycle: Cycle) -> Samples:
    """The same loads and files; the names of the samples begin with the peer's."""
    samples: Samples = {}
    cycle.record["details"]["peers"] = CLIENT_NOTE
    with peers(cycle.deployment) as ways:
        for name, (url, containers) in ways.items():
            found = measure_peer(cycle, name, url) | _memory_of([services.by_name(each) for each in containers])
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
    """repetitions: the argument that says in how many of the first ones it is done; empty: in all."""

    name: str
    act: Callable[[Cycle], Samples]
    repetitions: str = ""


BEGINNING = (Step("preflight", preflight), Step("deploy", deploy))
TESTS = (
    Step("verify", verify),
    Step("load, one client", load_one),
    Step("load, several clients", load_several),
    # Before the large file, which is read several times: the kernel counts what it keeps of it as memory in use.
    Step("memory", memory),
    Step("artifacts", transfer),
)
# After what is measured in each repetition, so that all of them find the same.
CHECKS = (
    Step("run again", run_again, "check_repetitions"),
    Step("train", train, "check_repetitions"),
)
PEERS = Step("peers", measure_peers)
FAULTS = Step("faults", break_it, "fault_repetitions")
ENDING = (Step("destroy", destroy), Step("leftovers", look_for_leftovers))


def steps_between(given: argparse.Namespace, repetition: int) -> list[Step]:
    """What is done between deploy and destroy. The faults come last, so that they spoil no other figure."""
    steps = [*TESTS, *([PEERS] if given.peers else []), *CHECKS, *([FAULTS] if given.faults else [])]
    return [step for step in steps if not step.repetitions or repetition <= getattr(given, step.repetitions)]
