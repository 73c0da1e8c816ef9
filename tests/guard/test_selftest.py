# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""The self-test of an image: what the guard needs of MLflow is there, and nothing that it uses was forgotten."""

from __future__ import annotations

import ast
import os
import subprocess
import sys

import mlflow.store.db.utils
import pytest
from conftest import GUARD
from mlflow_guard import selftest
from mlflow_guard.answer import Answer

SOURCES = sorted((GUARD / "mlflow_guard").rglob("*.py"))
# Private names of others than MLflow: the standard library's own.
OTHERS = {"_exit", "_replace"}


def made(tree: ast.AST) -> set[str]:
    """Names that the guard itself gives to something."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self":
            names.add(node.attr)
    return names


def used(tree: ast.AST) -> set[str]:
    """Private names that it takes from anything."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.ImportFrom):
            names.update(each.name for each in node.names)
    return {name for name in names if name.startswith("_") and not name.startswith("__")}


def test_every_private_name_is_looked_for():
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES]
    own = set().union(*map(made, trees))
    known = {place.replace(":", ".").rsplit(".", 1)[1] for place in selftest.PRIVATE_NAMES}
    taken = set().union(*map(used, trees))
    assert "_upgrade_db" in taken
    assert taken - own - OTHERS - known == set()
    assert known - taken - own == set(), "no longer used"


def test_a_name_that_is_gone_is_an_error(monkeypatch):
    monkeypatch.delattr(mlflow.store.db.utils, "_upgrade_db")
    answer = Answer("selftest")
    selftest.run(answer)
    (error,) = [each for each in answer.errors if "_upgrade_db" in each["argument"]]
    assert error["code"] == "import-failed"
    assert "the schema step" in error["message"]


@pytest.mark.parametrize("place", ["mlflow.store.db.utils:_no_such", "mlflow.no.such:name"])
def test_what_is_not_there(place):
    assert not selftest.is_there(place)


def test_this_release_has_them_all():
    environment = {**os.environ, "PYTHONPATH": str(GUARD), "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [sys.executable, "-m", "mlflow_guard", "selftest"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "does not have it" not in done.stdout
    assert '"command": "selftest"' in done.stdout
