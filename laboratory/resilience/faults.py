# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults: what is done to a running deployment, and how it is mended.

Each is a function of the deployment and of the seconds that the fault lasts. It returns when the fault is over, but not
when its consequences are.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from laboratory.benchmark.processes import PLAYBOOK_SECONDS, StepFailed, perform
from laboratory.resilience.engine import HEALTHY_SECONDS, Deployment, docker
from laboratory.resilience.host import Host
from tests.runner.commands import ROOT

STORES = ("seaweedfs", "minio")


@dataclass(frozen=True)
class Target:
    """What is broken: the deployment, its address and its host, the seconds that it stays so, and its playbook.

    recovery: seconds after which all of it has to be healthy again.
    """

    deployment: Deployment
    url: str
    seconds: float
    playbook: str
    extra_vars: tuple[str, ...] = ()
    host: Host = Host()
    recovery: float = HEALTHY_SECONDS


def kill_server(target: Target) -> None:
    """All processes of the last server at once, from inside; the engine's restart policy brings it back."""
    docker("exec", target.deployment.servers()[-1].identity, "sh", "-c", "kill -9 -1", check=False)


def stop_server(target: Target) -> None:
    server = target.deployment.servers()[-1].identity
    docker("stop", server)
    time.sleep(target.seconds)
    docker("start", server)


def cut_zone(target: Target) -> None:
    """The bridge of the last zone goes down: packets vanish, and nobody is told."""
    bridge = target.deployment.bridge(f"zone-{target.deployment.zones()[-1]}")
    target.host.perform("ip", "link", "set", "dev", bridge, "down")
    try:
        time.sleep(target.seconds)
    finally:
        target.host.perform("ip", "link", "set", "dev", bridge, "up")


def _killed(target: Target, *services: str) -> None:
    container = target.deployment.service(*services).identity
    docker("kill", "--signal", "KILL", container)
    try:
        time.sleep(target.seconds)
    finally:
        docker("start", container)


def _restarted(target: Target, *services: str) -> None:
    docker("restart", target.deployment.service(*services).identity)


def kill_postgres(target: Target) -> None:
    _killed(target, "postgres")


def restart_postgres(target: Target) -> None:
    _restarted(target, "postgres")


def kill_object_store(target: Target) -> None:
    _killed(target, *STORES)


def restart_object_store(target: Target) -> None:
    _restarted(target, *STORES)


def kill_nfs(target: Target) -> None:
    """The servers' mounts lose their server. They are hard, so calls wait for it."""
    _killed(target, "nfs")


def restart_nfs(target: Target) -> None:
    _restarted(target, "nfs")


def restart_load_balancer(target: Target) -> None:
    _restarted(target, "load-balancer")


def play(target: Target, variables: dict) -> None:
    """Run the deployment's playbook again, with these variables."""
    extra = [json.dumps({"deployment_name": target.deployment.name, **variables}), *target.extra_vars]
    perform(
        ["ansible-playbook", f"--inventory={target.host.inventory}", f"playbooks/{target.playbook}.yml"]
        + [f"--extra-vars={each}" for each in extra],
        timeout=PLAYBOOK_SECONDS,
    )


def _deploy(target: Target, variables: dict) -> None:
    play(target, {"deployment_public_port": int(target.url.rsplit(":", 1)[1]), **variables})


def rolling_change(target: Target) -> None:
    """Another argument of `mlflow server`, which every server must be started anew for."""
    _deploy(target, {"mlflow_server_args": {"x_frame_options": "DENY"}})


def undo_change(target: Target) -> None:
    _deploy(target, {})


@dataclass(frozen=True)
class Scenario:
    """A fault, and whether clients may notice it: nothing may be lost by any."""

    name: str
    meaning: str
    fault: Callable[[Target], None]
    may_fail: bool = False
    undo: Callable[[Target], None] | None = None
    # It takes an NFS server, so it is carried out where it is asked for only.
    of_nfs: bool = False


SCENARIOS = {
    each.name: each
    for each in (
        Scenario("kill-server", "kill -9 of all processes of a server", kill_server),
        Scenario("stop-server", "a server is stopped gracefully, and started again", stop_server),
        Scenario("cut-zone", "the network of a zone drops everything", cut_zone),
        Scenario("rolling-change", "the playbook runs with a changed argument", rolling_change, undo=undo_change),
        Scenario("restart-postgres", "PostgreSQL is restarted", restart_postgres, may_fail=True),
        Scenario("kill-postgres", "PostgreSQL is killed, and started again", kill_postgres, may_fail=True),
        Scenario("restart-object-store", "the store is restarted", restart_object_store, may_fail=True),
        Scenario("kill-object-store", "the store is killed, and started again", kill_object_store, may_fail=True),
        Scenario("restart-nfs", "the NFS server is restarted", restart_nfs, may_fail=True, of_nfs=True),
        Scenario("kill-nfs", "the NFS server is killed, and started again", kill_nfs, may_fail=True, of_nfs=True),
        Scenario("restart-load-balancer", "the load balancer is restarted", restart_load_balancer, may_fail=True),
    )
}


def check(names: list[str], target: Target) -> None:
    """Say what cannot be done here before anything is done."""
    services = [each.service for each in target.deployment.containers()]
    servers = target.deployment.servers()
    if len(servers) < 2 and {"kill-server", "stop-server", "cut-zone", "rolling-change"} & set(names):
        raise StepFailed(
            f"The deployment {target.deployment.name} has {len(servers)} server: to survive the loss of one takes two, "
            "as in playbooks/multi-az.yml. Choose other scenarios with --scenarios."
        )
    if "cut-zone" in names and target.host.is_this and os.geteuid() != 0:
        raise StepFailed("cut-zone takes a network interface down: run it as root, or leave it out with --scenarios.")
    if "cut-zone" in names and not target.deployment.zones():
        raise StepFailed(f"The deployment {target.deployment.name} has no zones: leave cut-zone out with --scenarios.")
    stores = {"kill-object-store", "restart-object-store"} & set(names)
    if stores and not set(STORES) & set(services):
        raise StepFailed(f"The object store is not part of the deployment: leave {', '.join(sorted(stores))} out.")
    if {"kill-nfs", "restart-nfs"} & set(names) and "nfs" not in services:
        raise StepFailed(
            f"The deployment {target.deployment.name} has no NFS server of its own: leave kill-nfs and restart-nfs out."
        )
    if "restart-load-balancer" in names and "load-balancer" not in services:
        raise StepFailed(f"The deployment {target.deployment.name} has no load balancer: leave its restart out.")
    if "rolling-change" in names and not (Path(ROOT) / "playbooks" / f"{target.playbook}.yml").exists():
        raise StepFailed(f"There is no playbook {target.playbook}.yml to change the deployment: name it by --playbook.")
