# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""The parts of MLflow in whose place something of the guard stands, and which of them are switched off.

Only the standard library: the gate asks before anything large is loaded.
"""

from __future__ import annotations

import os

from mlflow_guard.answer import Problem

DISABLED = "MLFLOW_GUARD_PARTS_DISABLED"
# Part -> what there is without it.
PARTS = {
    "artifacts": "MLflow's own repositories for S3 and for folders, in which clients reach the destination's marker",
    "bounds": "no limits on what one client may take",
    "flask": "MLflow's own hand-over between its FastAPI and its Flask part",
    "gateway_timing": "MLflow's middleware that times calls of the AI gateway, for every request",
    "metrics": "MLflow's own statements for logging metrics",
    "workspace": "MLflow's middleware that looks up a workspace, for every request",
}


def disabled() -> list[str]:
    """The parts that are switched off. Raises Problem for what is no part."""
    names = {name.strip() for name in os.environ.get(DISABLED, "").split(",")} - {""}
    unknown = sorted(names.difference(PARTS))
    if unknown:
        found = f"{', '.join(unknown)} is not a part that can be switched off"
        remedy = f"use some of {', '.join(PARTS)}, separated by commas"
        raise Problem("environment-value-invalid", DISABLED, found, remedy)
    return sorted(names)


def is_on(part: str) -> bool:
    """Whether the guard's own stands in MLflow's place."""
    return part not in disabled()
