# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests on bare machines share."""

from __future__ import annotations

import pytest

from tests.beds.commands import BedFailed
from tests.beds.fresh import host, root
from tests.beds.fresh.places import PATIENCE, Shared


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Shared:
    return Shared(tmp_path_factory.mktemp("shared"))


@pytest.fixture(scope="session")
def archive(shared: Shared) -> str:
    host.save_images(shared.images, shared.folder)
    return f"{PATIENCE} -e images_archive={host.SOURCE}/{host.ARCHIVE}"


@pytest.fixture(scope="session")
def possible() -> None:
    try:
        root.check()
    except BedFailed as reason:
        pytest.skip(str(reason))
