# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the bed needs of the machine, looked at before anything is changed."""

from __future__ import annotations

import json
import os
import platform
import sys
import urllib.error
import urllib.request

from tests.beds import packages, space
from tests.beds.commands import BedFailed, perform
from tests.beds.kubernetes.settings import CACHE, SUITE

GIBIBYTES = 12
# Where minikube, its node image and Kubernetes' images come from, where they can be reached.
UPSTREAM = ("https://registry.k8s.io/v2/", "https://gcr.io/v2/", "https://dl.k8s.io/release/stable.txt")
ANSWER_SECONDS = 4


def answers(url: str) -> bool:
    """Whether somebody is there; registries ask for a login, which is an answer as well."""
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_SECONDS):
            return True
    except urllib.error.HTTPError as error:
        return error.code == 401
    except (OSError, ValueError):
        return False


def upstream_answers() -> bool:
    return all(answers(url) for url in UPSTREAM)


def machine() -> None:
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise BedFailed(f"This is {sys.platform} on {platform.machine()}, and the bed is for Linux on x86_64.")
    if os.geteuid() != 0:
        raise BedFailed("The bed makes file systems and gives the engine a runtime, which needs root: run it as root.")
    space.need(CACHE, GIBIBYTES)


def engine() -> dict:
    """What the Docker engine says of itself."""
    try:
        told = perform(["docker", "info", "--format", "{{json .}}"], check=False)
    except BedFailed:
        told = ""
    info = json.loads(told) if told.lstrip().startswith("{") else {}
    if not info.get("ServerVersion"):
        why = "; ".join(info.get("ServerErrors") or ["nothing answers"])
        raise BedFailed(
            f"minikube's nodes are containers, and there is no Docker engine here ({why}):"
            " run `ansible-playbook tests/beds/docker.yml`."
        )
    if any("rootless" in each or "userns" in each for each in info.get("SecurityOptions") or []):
        raise BedFailed(
            "minikube's nodes are privileged containers, which this Docker engine has not: use one of root's."
        )
    return info


def distribution() -> None:
    """Only where things are built."""
    if packages.distribution()[0] != "debian" and not os.path.exists("/usr/share/keyrings/debian-archive-keyring.gpg"):
        raise BedFailed(
            f"This is {' '.join(packages.distribution())}, and no registry can be reached: the nodes are made from"
            f" packages of Debian {SUITE}, so run it on Debian."
        )
    packages.mirror(SUITE)
