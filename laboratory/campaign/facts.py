# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was measured, and on what: the machine, and the versions of all that took part."""

from __future__ import annotations

import json
import platform
from importlib.metadata import version
from pathlib import Path

import yaml

from laboratory.benchmark import machine
from laboratory.benchmark.deployment import Deployment
from laboratory.benchmark.processes import perform
from tests.runner.commands import ROOT


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def machine_facts() -> dict[str, str]:
    return {**machine.facts(), "processor": _processor()}


def _revision() -> str:
    """Of the checkout; with a + where files differ from it."""
    done = perform(["git", "describe", "--always", "--dirty=+", "--abbrev=12"], check=False)
    return done.stdout.strip() if done.returncode == 0 else "no git checkout"


def versions() -> dict[str, str]:
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))
    return {
        "collection": f"{galaxy['version']}, {_revision()}",
        "MLflow client": version("mlflow"),
        "scikit-learn": version("scikit-learn"),
    }


def images(deployment: Deployment) -> dict[str, str]:
    """Component -> image, by the deployment's own record; empty where it keeps none."""
    try:
        components = json.loads(deployment.images())["components"]
    except (OSError, ValueError, KeyError):
        return {}
    return {name: each["reference"] for name, each in components.items() if each.get("reference")}
