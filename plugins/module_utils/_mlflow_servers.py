# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""How many MLflow servers there are, where they run, and what they may use of the host."""

from __future__ import annotations

from typing import Any

# What a worker takes of the host in MiB, as far as the number of workers is chosen by it; nobody needs more than four.
WORKER_MB, MOST_WORKERS = 800, 4
# What a server needs in MiB: for itself, for each worker, and for the processes that carry out jobs.
SERVER_MB, OF_WORKER_MB, JOBS_MB = 350, 350, 1300
# All servers together have five sixteenths of the host's memory, and the schema step four.
SERVERS_SHARE, GUARD = 5, {"need": 512, "share": 4}


def whole(number: Any) -> int:
    """A number that was not checked yet; what is none counts as nothing."""
    try:
        return int(number)
    except (TypeError, ValueError):
        return 0


def replicas(zone_replicas: dict[str, Any], wanted: Any) -> int:
    return sum(whole(number) for number in zone_replicas.values()) if zone_replicas else whole(wanted)


def workers(wanted: Any, host_cpus: Any, host_memory_mb: Any, servers: int) -> int:
    """All servers share one host, so they share its CPUs and its memory."""
    if whole(wanted):
        return whole(wanted)
    servers = max(servers, 1)
    return max(1, min(whole(host_cpus) // servers, MOST_WORKERS, whole(host_memory_mb) // (WORKER_MB * servers)))


def place(zones: list[str], zone_replicas: dict[str, Any], number: int) -> list[tuple[str, str]]:
    """The name and the zone of each server, in the order in which they are replaced.

    That is a1, b1, a2 and so on, so that neighbours in it are in different zones.
    """
    if not zones:
        return [("mlflow-server", "")]
    spread = {zone: (number + len(zones) - 1 - index) // len(zones) for index, zone in enumerate(zones)}
    wanted = {zone: whole(zone_replicas.get(zone)) for zone in zones} if zone_replicas else spread
    return [
        (f"mlflow-server-{zone}{each}", zone) for each in range(1, number + 1) for zone in zones if each <= wanted[zone]
    ]


def servers(
    zones: list[str], zone_replicas: dict[str, Any], number: int, count: int, networks: list[str], way_out: bool
) -> list[dict[str, Any]]:
    """The servers, each with its zone, workers and networks; with a way out, one leads out of the host."""
    found = []
    for name, zone in place(zones, zone_replicas, number):
        own = [f"zone-{zone}"] if zone else list(networks)
        out = [f"egress-{zone}" if zone else "public"] if way_out else []
        found.append({"name": name, "zone": zone, "workers": count, "networks": own + out})
    return found


def memory(names: list[str], count: int, jobs: bool) -> dict[str, dict[str, Any]]:
    """What each service needs in MiB, and its share of the host in sixteenths, for the plan of the deployment."""
    need = SERVER_MB + OF_WORKER_MB * count + (JOBS_MB if jobs else 0)
    return {
        "mlflow-guard": dict(GUARD),
        **{name: {"need": need, "share": SERVERS_SHARE / len(names)} for name in names},
    }


def plan(settings: dict[str, Any]) -> dict[str, Any]:
    """All of it, from the variables of the role without their prefix."""
    zones, zone_replicas = settings["zones"], settings["zone_replicas"]
    number = replicas(zone_replicas, settings["replicas"])
    count = workers(settings["workers"], settings["host_cpus"], settings["host_memory_mb"], number)
    found = servers(zones, zone_replicas, number, count, settings["networks"], settings["way_out"])
    return {
        "replicas": number,
        "workers": count,
        "servers": found,
        "memory": memory([server["name"] for server in found], count, settings["job_execution_enabled"]),
    }
