# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run met: the releases of Docker, Compose and all that was deployed with them."""

from __future__ import annotations

import json
from typing import Any

from tests.runner.commands import output

COMPONENT = "mlops.mlflow.component"
TITLE, VERSION = "org.opencontainers.image.title", "org.opencontainers.image.version"


def of_engine(answer: dict[str, Any]) -> dict[str, set[str]]:
    """From the server's half of `docker version`."""
    found = {}
    for component in answer.get("Components") or []:
        name = {"Engine": "Docker Engine"}.get(component["Name"], component["Name"])
        if name in ("Docker Engine", "containerd", "runc"):
            found[name] = {component["Version"]}
    return found


def of_images(labels: list[dict[str, str] | None]) -> dict[str, set[str]]:
    """From the labels of images; those without a version, such as a base, are no programs."""
    found: dict[str, set[str]] = {}
    for each in labels:
        if each and each.get(COMPONENT) and each.get(TITLE) and each.get(VERSION):
            found.setdefault(each[TITLE], set()).add(each[VERSION])
    return found


def line(found: dict[str, set[str]]) -> str:
    return ", ".join(f"{name} {' and '.join(sorted(versions))}" for name, versions in found.items())


def _answer(*command: str) -> str:
    try:
        answered = output(list(command))
    except FileNotFoundError:
        return ""
    return answered.stdout.strip() if answered.returncode == 0 else ""


def of_docker() -> dict[str, set[str]]:
    """What the engine that answers has; nothing where none does."""
    server = _answer("docker", "version", "--format", "{{json .Server}}")
    if not server or server == "null":
        return {}
    found = of_engine(json.loads(server))
    if compose := _answer("docker", "compose", "version", "--short"):
        found["Compose"] = {compose}
    images = _answer("docker", "image", "ls", "--quiet", "--filter", f"label={COMPONENT}").split()
    if images:
        labels = _answer("docker", "image", "inspect", "--format", "{{json .Config.Labels}}", *sorted(set(images)))
        found |= of_images([json.loads(each) for each in labels.splitlines()])
    return found
