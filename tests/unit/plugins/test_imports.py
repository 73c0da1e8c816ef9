# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters are light: Ansible imports one anew in each process of a task that uses it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.runner.commands import ROOT

# Each takes a quarter of a second or more.
HEAVY = ("kubernetes", "requests", "mlflow", "boto3", "sqlalchemy")
IMPORTED = """
import importlib, sys
importlib.import_module("ansible_collections.mlops.mlflow.plugins.filter." + sys.argv[1])
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "plugins/filter").glob("[a-z]*.py")))
def test_a_filter_imports_no_client(name: str) -> None:
    told = subprocess.run(
        [sys.executable, "-c", IMPORTED, name],
        env={"PYTHONPATH": str(ROOT / "playbooks/collections")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    modules = told.stdout.split()
    assert "ansible_collections" in modules
    assert not set(HEAVY).intersection(modules)
