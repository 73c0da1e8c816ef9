# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/findings.md is what the code says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ansible_collections.mlops.mlflow.plugins.module_utils._findings import FINDINGS

ROOT = Path(__file__).resolve().parents[3]


def test_page_is_fresh():
    command = [sys.executable, str(ROOT / "tools" / "generate_findings_doc.py"), "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_page_has_every_code():
    page = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")
    assert all(f"#### `{code}`" in page for code in FINDINGS)
