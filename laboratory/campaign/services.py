# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory and CPU time of each service of a deployment, as the Docker engine and the kernel count them."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import docker

from laboratory.benchmark.memory import measure
from laboratory.benchmark.processes import StepFailed
from laboratory.resilience.engine import Container

MIB = 2**20
# mlflow-server-a1 and mlflow-server-b1 are the same component.
REPLICA = re.compile(r"^(mlflow-server).*")


@dataclass(frozen=True)
class Use:
    """Of one component, all its containers together.

    memory: MiB of its control groups without the page cache that the kernel would give back, as `docker stats` shows.
    pss: MiB of its processes, pages that they share counted once; None where it cannot be read.
    cpu: seconds of CPU time since its containers started.
    """

    memory: float
    pss: float | None
    cpu: float


def component(service: str) -> str:
    return REPLICA.sub(r"\1", service)


def memory_in_use(stats: dict) -> float:
    """MiB. The name of the inactive files' counter depends on the version of control groups."""
    counters = stats["memory_stats"].get("stats", {})
    inactive = counters.get("total_inactive_file", counters.get("inactive_file", 0))
    return (stats["memory_stats"]["usage"] - inactive) / MIB


def _pss(container: Container) -> float | None:
    try:
        return measure(container.identity, settle=0).pss_mib
    except StepFailed:
        return None


def use(containers: list[Container], pss: bool = True) -> dict[str, Use]:
    """By component. pss: look at the processes too."""
    engine = docker.from_env()
    try:
        found: dict[str, Use] = {}
        for each, stats in zip(containers, _stats(engine, containers), strict=True):
            if "usage" not in stats.get("memory_stats", {}):
                raise StepFailed(
                    f"The Docker engine tells nothing of the memory of {each.service}: it does not run, or the engine "
                    "is older than the control groups of this kernel."
                )
            own = Use(
                memory_in_use(stats),
                _pss(each) if pss else None,
                stats["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9,
            )
            before = found.get(component(each.service))
            found[component(each.service)] = _sum(before, own) if before else own
        return found
    except docker.errors.APIError as error:
        raise StepFailed(f"The Docker engine does not tell the use of memory and CPU: {error}.") from None
    finally:
        engine.close()


def _stats(engine: docker.DockerClient, containers: list[Container]) -> list[dict]:
    """Of all of them at once: the engine takes a second for each."""
    with ThreadPoolExecutor(max_workers=max(1, len(containers))) as threads:
        return list(threads.map(lambda each: engine.api.stats(each.identity, stream=False, one_shot=True), containers))


def _sum(one: Use, other: Use) -> Use:
    pss = None if one.pss is None or other.pss is None else one.pss + other.pss
    return Use(one.memory + other.memory, pss, one.cpu + other.cpu)


def by_name(container: str) -> Container:
    """One that is no service of a deployment; it counts as a component of its own."""
    return Container(identity=container, name=container, service=container, zone="", healthy=True)
