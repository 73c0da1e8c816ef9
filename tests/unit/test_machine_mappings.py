# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's setting is raised for machines, and put back with the last of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.beds.machine import mappings


@pytest.fixture
def setting(tmp_path: Path) -> Path:
    file = tmp_path / "setting"
    file.write_text("65530\n")
    return file


def test_it_is_raised_and_put_back_with_the_last_machines(setting: Path, tmp_path: Path) -> None:
    sets = tmp_path / "machines"
    (sets / "one").mkdir(parents=True)
    mappings.allow(1024, setting, tmp_path)
    mappings.allow(2048, setting, tmp_path)
    assert setting.read_text() == str(2048 * 256)
    mappings.put_back(setting, tmp_path, sets)
    assert setting.read_text() == str(2048 * 256)
    (sets / "one").rmdir()
    mappings.put_back(setting, tmp_path, sets)
    assert setting.read_text() == "65530"
    mappings.put_back(setting, tmp_path, sets)


def test_what_is_enough_is_left_alone(setting: Path, tmp_path: Path) -> None:
    setting.write_text("1048576")
    mappings.allow(1024, setting, tmp_path)
    mappings.put_back(setting, tmp_path, tmp_path / "none")
    assert setting.read_text() == "1048576"
