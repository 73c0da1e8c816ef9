# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard's list of releases is the catalogue's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
LIST = json.loads((ROOT / "guard" / "mlflow_guard" / "inspect" / "releases.json").read_text(encoding="utf-8"))


def test_what_is_generated_is_fresh():
    command = [sys.executable, str(ROOT / "tools" / "generate_guard_releases.py"), "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_releases_that_are_known_from_elsewhere():
    assert "2.9.2" in LIST["backend"]["acf3f17fdcc7"]
    assert "3.16.0" in LIST["backend"]["b7e2c1a4d9f3"]
    assert "2.9.2" in LIST["auth"]["8606fa83a998"]
