# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests that take a node of the test bed away, so nothing else may use the cluster; MLOPS_MLFLOW_CLUSTER says which."""

from __future__ import annotations

from tests.kubernetes.conftest import api, space, variables

__all__ = ["api", "space", "variables"]
