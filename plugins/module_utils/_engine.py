# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""What a Docker engine has, as far as deployments are concerned. Nothing here asks the engine."""

from __future__ import annotations

from typing import Any

LABEL = "mlops.mlflow.deployment"
FILES_LABEL = "mlops.mlflow.files"
REMOVED_LABEL = "mlops.mlflow.removed"
COMPOSE = "com.docker.compose."
# A node of a minikube cluster, and the load balancer that role minikube puts before several of them.
CLUSTER_LABELS = ("name.minikube.sigs.k8s.io", "mlops.mlflow.minikube")


def container(found: dict[str, Any]) -> dict[str, Any]:
    """A container as the roles see it, from what the engine lists."""
    labels = found.get("Labels") or {}
    ports = [port["PublicPort"] for port in found.get("Ports") or [] if "PublicPort" in port]
    return {
        "id": found["Id"],
        "name": (found.get("Names") or [""])[0].lstrip("/"),
        "deployment": labels.get(LABEL, ""),
        "cluster": next((labels[each] for each in CLUSTER_LABELS if labels.get(each)), ""),
        "home": labels.get(f"{COMPOSE}project.working_dir", ""),
        "service": labels.get(f"{COMPOSE}service", ""),
        "image": found["Image"],
        "files": labels.get(FILES_LABEL, ""),
        # One that serves a file system goes when nobody has that mounted any more.
        "last": labels.get(REMOVED_LABEL) == "last",
        "healthy": found["State"] == "running" and "(healthy)" in found["Status"],
        "ports": list(dict.fromkeys(ports)),
    }


def named(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Volumes or networks, each with the deployment that it belongs to."""
    return [{"name": each["Name"], "deployment": (each.get("Labels") or {}).get(LABEL, "")} for each in found]


def contents(host: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Containers, volumes and networks."""
    return {
        "containers": [container(each) for each in host["containers"]],
        "volumes": named(host["volumes"]),
        "networks": named(host["networks"]),
    }


def settled(containers: list[dict[str, Any]], deployment: str, services: dict[str, dict[str, Any]]) -> list[str]:
    """The services that are healthy and are what the plan says.

    That may not be so where an earlier run was interrupted between writing the files and starting it.
    """
    found = []
    for each in containers:
        planned = services.get(each["service"]) or {}
        same_files = each["files"] == (planned.get("labels") or {}).get(FILES_LABEL, "")
        if (
            each["deployment"] == deployment
            and each["healthy"]
            and each["image"] == planned.get("image")
            and same_files
        ):
            found.append(each["service"])
    return found
