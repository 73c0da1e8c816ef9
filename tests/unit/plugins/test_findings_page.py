# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One vocabulary of codes, of the check and of the guard, and the page about it."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._argument_findings import FINDINGS

ROOT = Path(__file__).resolve().parents[3]
GUARD = runpy.run_path(str(ROOT / "guard" / "mlflow_guard" / "findings.py"))["FINDINGS"]
PAGE = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")
# The last column, by what the check and the guard say of it.
ACCEPT = {
    "workers-invalid": "yes",
    "custom-scorers-enabled": "not needed",
    "schema-emptied": "yes",
    "schema-foreign": "never",
    "destination-full": "not needed",
    "accept-never": "never",
    "accept-unknown": "never",
    "connection-budget": "*check*: yes, *guard*: not needed",
    "database-driver-missing": "*check*: yes, *guard*: never",
    "artifact-path-not-mounted": "*check*: not needed, *guard*: never",
}


def rows() -> dict[str, list[str]]:
    found = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| `")]
    return {cells[0].strip("`"): cells for cells in found}


def test_what_is_generated_is_fresh():
    command = [sys.executable, str(ROOT / "tools" / "generate_findings_doc.py"), "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("code", sorted({*FINDINGS, *GUARD}))
def test_every_code_has_its_line(code):
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code)
    _code, found_by, meaning, remedy, accept = rows()[code]
    for program, table in (("check", FINDINGS), ("guard", GUARD)):
        assert (f"{program}: {table[code]['severity']}" in found_by) if code in table else (program not in found_by)
        if code in table:
            assert meaning.startswith(table[code]["meaning"])
            assert table[code]["remedy"][1:] in remedy
    assert accept == ACCEPT.get(code, accept)
    assert set(re.findall("yes|never|not needed", accept))


def test_the_page_has_no_other_codes():
    assert set(rows()) == {*FINDINGS, *GUARD}


@pytest.mark.parametrize("code", sorted({*FINDINGS} & {*GUARD}))
def test_a_code_means_the_same_to_both(code):
    assert FINDINGS[code]["meaning"] == GUARD[code]["meaning"]


def test_what_both_find_has_one_code():
    assert {*FINDINGS} & {*GUARD} == {
        "accept-never",
        "accept-unknown",
        "artifact-path-not-mounted",
        "artifact-path-relative",
        "artifact-scheme-unsupported",
        "artifacts-destination-missing",
        "connection-budget",
        "database-driver-missing",
        "database-driver-unknown",
        "database-host-invalid",
        "database-host-missing",
        "database-in-memory",
        "database-name-missing",
        "database-port-invalid",
        "database-scheme-unsupported",
        "environment-value-invalid",
        "sqlite-relative-path",
    }
    meanings = [entry["meaning"] for entry in {**GUARD, **FINDINGS}.values()]
    assert len(set(meanings)) == len(meanings)
