# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""The catalogue of tables and the order of revisions, against alembic and a real PostgreSQL."""

from __future__ import annotations

import json
from pathlib import Path

import make_structure
import mlflow
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from mlflow_guard import findings
from mlflow_guard.inspect import revisions, structure


@pytest.mark.parametrize("kind", revisions.KINDS)
def test_the_order_is_alembics(kind, extras, monkeypatch):
    # Alembic executes the scripts, and those of the users' database import the basic-auth app.
    monkeypatch.syspath_prepend(str(extras))
    config = Config()
    config.set_main_option("script_location", str(Path(mlflow.__file__).parent.joinpath(*revisions.FOLDERS[kind])))
    scripts = ScriptDirectory.from_config(config)
    walked = [script.revision for script in scripts.walk_revisions()]
    assert list(revisions.order(kind)) == walked[::-1]
    assert revisions.head(kind) == scripts.get_current_head()


def test_mlflow_is_found_without_importing_it():
    assert revisions.mlflow_directory() == Path(mlflow.__file__).parent
    assert revisions.mlflow_version() == mlflow.__version__


@pytest.mark.slow
def test_the_catalogue_is_what_the_migrations_make(extras, monkeypatch):
    monkeypatch.syspath_prepend(str(extras))
    made = make_structure.make()
    assert json.loads(make_structure.TARGET.read_text()) == json.loads(json.dumps(made))


@pytest.mark.parametrize("kind", revisions.KINDS)
def test_the_catalogue_knows_all_revisions(kind):
    known = [revision for revision in structure.all_of(kind) if revision != structure.INITIAL]
    assert tuple(known) == revisions.order(kind)


def test_every_finding_is_explained():
    for code, each in findings.FINDINGS.items():
        assert each["severity"] in ("error", "warning"), code
        assert all(each[key] for key in ("meaning", "why", "remedy")), code
        assert each["meaning"].endswith("."), code
        assert each["why"].endswith("."), code
        assert not each["remedy"].endswith("."), code
        assert set(each) <= {"severity", "meaning", "why", "remedy", "retry", "usage", "acceptable"}, code
        assert not (each.get("acceptable") and each["severity"] != "error"), code


def test_every_finding_that_the_code_names_exists():
    import ast

    package = Path(findings.__file__).parent
    named = set()
    for file in package.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call):
                continue
            if getattr(node.func, "id", "") in ("Problem", "finding") and isinstance(node.args[0], ast.Constant):
                named.add(node.args[0].value)
            words = [word.value for word in node.keywords if word.arg == "code"]
            named |= {word.value for word in words if isinstance(word, ast.Constant)}
    assert len(named) > 60
    assert named <= set(findings.FINDINGS)
