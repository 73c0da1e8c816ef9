# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from tests.beds.commands import BedFailed, perform


@pytest.fixture(scope="module")
def image() -> str:
    """A small image of the collection's own."""
    try:
        found = perform(["docker", "images", "--format", "{{.Repository}}:{{.Tag}}", "mlops-mlflow/postgres"]).split()
    except BedFailed:
        found = []
    if not found:
        pytest.skip("there is no image mlops-mlflow/postgres in a local Docker engine: deploy once")
    return found[0]
