# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters are documented as they are, and light: Ansible loads all of them in each process of a task that uses one."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest
import yaml
from ansible_collections.mlops.mlflow.plugins.filter import decisions

from tests.runner.commands import ROOT

FOLDER = ROOT / "plugins/filter"
# Each takes a quarter of a second or more.
HEAVY = ("kubernetes", "requests", "mlflow", "boto3", "sqlalchemy")
LOADED = """
import sys
from ansible_collections.mlops.mlflow.plugins.filter import decisions
ours = [name for name in sys.modules if ".module_utils._" in name and "mlops" in name]
assert not ours, ours
if sys.argv[1:]:
    decisions.function_of(sys.argv[1])
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def modules_of(*names: str) -> set[str]:
    told = subprocess.run(
        [sys.executable, "-c", LOADED, *names],
        env={"PYTHONPATH": str(ROOT / "playbooks/collections")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(told.stdout.split())


def test_loading_the_filters_imports_nothing_that_they_call() -> None:
    assert "ansible_collections" in modules_of()


@pytest.mark.parametrize("module", sorted({target.partition(".")[0] for target in decisions.FUNCTIONS.values()}))
def test_a_filter_imports_no_client(module: str) -> None:
    name = next(name for name, target in decisions.FUNCTIONS.items() if target.partition(".")[0] == module)
    assert not modules_of(name).intersection(HEAVY)


def test_each_filter_has_a_document_and_each_document_a_filter() -> None:
    assert sorted(decisions.FUNCTIONS) == sorted(path.stem for path in FOLDER.glob("*.yml"))
    assert [path.name for path in FOLDER.glob("*.py")] == ["decisions.py"]


@pytest.mark.parametrize("name", sorted(decisions.FUNCTIONS))
def test_the_documented_options_are_those_of_the_function(name: str) -> None:
    document = yaml.safe_load((FOLDER / f"{name}.yml").read_text(encoding="utf-8"))["DOCUMENTATION"]
    assert document["name"] == name
    given, *options = list(document["options"])
    assert given == "_input"
    _input, *parameters = inspect.signature(decisions.function_of(name)).parameters.values()
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters):
        return
    assert sorted(options) == sorted(each.name for each in parameters)
    required = {each.name for each in parameters if each.default is inspect.Parameter.empty}
    assert {option for option in options if document["options"][option].get("required")} == required


def test_what_can_be_read_once_only_is_made_a_list() -> None:
    found = decisions.filter_of("trial_files")((each for each in [{"path": "a"}]), trials=(each for each in ()))
    assert isinstance(found, list)
