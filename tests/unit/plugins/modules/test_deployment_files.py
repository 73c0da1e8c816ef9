# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module itself: its answer, check mode, diff mode, and that no secret is in any of them."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.mlops.mlflow.plugins.modules import deployment_files

SECRET = "s3cr3t-of-the-test"


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "deployment"


@pytest.fixture
def bring(run_module, folder):
    """Runs the module with two files and a secret, unless told otherwise."""

    def run(**changes: Any) -> dict[str, Any]:
        params = {
            "path": str(folder),
            "files": [
                {"path": "compose.yml", "content": "services: {}\n", "mode": "0600"},
                {"path": "conf/x.json", "content": "{}"},
            ],
            "secret_files": [{"path": "secrets/key", "content": SECRET}],
        }
        return run_module(deployment_files.main, **{**params, **changes})

    return run


def content(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


WRITTEN = {"compose.yml": "services: {}\n", "conf/x.json": "{}", "secrets/key": SECRET}


def specification(bring, monkeypatch) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    original = deployment_files.DeploymentFiles

    def record(*args, **kwargs):
        seen.update(kwargs["argument_spec"])
        return original(*args, **kwargs)

    monkeypatch.setattr(deployment_files, "DeploymentFiles", record)
    bring()
    return seen


def test_documentation_names_the_options_of_the_specification(bring, monkeypatch):
    def compare(options: dict[str, Any], documented: dict[str, Any]) -> int:
        assert set(options) == set(documented)
        for name, option in options.items():
            for key in ("type", "elements", "default"):
                assert option.get(key) == documented[name].get(key), (name, key)
            assert option.get("required", False) == documented[name].get("required", False)
            if "options" in option:
                compare(option["options"], documented[name]["suboptions"])
        return len(options)

    options = specification(bring, monkeypatch)
    assert compare(options, yaml.safe_load(deployment_files.DOCUMENTATION)["options"]) == 7


def test_answer_has_exactly_the_documented_keys(bring):
    documented = set(yaml.safe_load(deployment_files.RETURN))
    assert set(bring()) - {"changed", "invocation", "_out"} == documented
    assert set(bring(_ansible_diff=True)) - {"changed", "invocation", "_out", "diff"} == documented


def test_first_run_writes_and_second_changes_nothing(bring, folder):
    answer = bring()
    assert answer["changed"] is True
    assert answer["written"] == ["compose.yml", "conf/x.json", "secrets/key"]
    assert answer["removed"] == []
    assert content(folder) == WRITTEN
    before = looked(folder)
    answer = bring(prune=True)
    assert answer["changed"] is False
    assert answer["written"] == answer["removed"] == []
    assert looked(folder) == before


def test_an_empty_list_makes_the_folder(bring, folder):
    assert bring(files=[], secret_files=[])["changed"] is True
    assert folder.is_dir()
    assert bring(files=[], secret_files=[])["changed"] is False


def looked(folder) -> dict:
    """All that there is, as it is; when it was last read is left out, since looking changes that."""
    found = {path: path.lstat() for path in folder.rglob("*")}
    return {path: (each.st_mode, each.st_ino, each.st_size, each.st_mtime_ns) for path, each in found.items()}


@pytest.mark.parametrize("there", [False, True])
def test_check_mode_tells_the_same_but_does_nothing(bring, folder, there):
    changes: dict[str, Any] = {"prune": True, "keep": ["kept"]}
    if there:
        bring()
        for name in ("kept", "old"):
            (folder / name).write_text(name)
        changes["secret_files"] = [{"path": "secrets/key", "content": "another"}]
    before = looked(folder.parent)
    told = bring(**changes, _ansible_check_mode=True, _ansible_diff=True)
    assert looked(folder.parent) == before
    done = bring(**changes, _ansible_diff=True)
    assert told["changed"] is done["changed"] is True
    for key in ("written", "removed", "diff"):
        assert told[key] == done[key]
    assert done["removed"] == (["old"] if there else [])
    assert bring(**changes, _ansible_check_mode=True)["changed"] is False


def test_diff_is_a_list_and_only_in_diff_mode(bring):
    assert "diff" not in bring()
    assert bring(_ansible_diff=True)["diff"] == []
    answer = bring(
        _ansible_diff=True,
        files=[{"path": "compose.yml", "content": "services: {a: b}\n", "mode": "0600"}],
        secret_files=[{"path": "secrets/key", "content": "another"}],
    )
    assert answer["diff"] == [
        {
            "before_header": "compose.yml",
            "after_header": "compose.yml",
            "before": "services: {}\n",
            "after": "services: {a: b}\n",
        },
        {
            "before_header": "secrets/key (secret, not shown)",
            "after_header": "secrets/key (secret, not shown)",
            "before": "",
            "after": "changed: content\n",
        },
    ]


def test_a_lone_difference_of_a_folder_is_a_change(bring, folder):
    bring()
    (folder / "conf").chmod(0o755)
    answer = bring()
    assert answer["changed"] is True
    assert answer["written"] == []
    assert bring()["changed"] is False


@pytest.mark.parametrize("former", [SECRET, "the-former-secret"])
@pytest.mark.parametrize("check", [False, True])
def test_no_secret_in_any_answer(bring, folder, former, check):
    bring(secret_files=[{"path": name, "content": former} for name in ("secrets/key", "secrets/old", "conf/plain")])
    answer = bring(
        files=[{"path": "conf/plain", "content": "x"}], prune=True, _ansible_diff=True, _ansible_check_mode=check
    )
    assert answer["changed"] is True
    assert answer["removed"] == ["compose.yml", "conf/x.json", "secrets/old"]
    assert SECRET not in answer["_out"]
    assert former not in answer["_out"]
    assert answer["invocation"] == {"module_args": {"path": str(folder), "prune": True, "keep": []}}


@pytest.mark.parametrize("check", [False, True])
def test_what_is_in_use_stays_until_all_is_finished(bring, folder, check):
    """Old files and the record of what runs are touched by the call that finishes, and shown by it once."""
    bring(files=[{"path": "old", "content": "1"}, {"path": "record", "content": "1"}], secret_files=[])
    change = {
        "files": [{"path": "new", "content": "2"}, {"path": "record", "content": "2"}],
        "secret_files": [],
        "prune": True,
        "late": ["record"],
        "_ansible_diff": True,
        "_ansible_check_mode": check,
    }
    first = bring(**change, finish=False)
    assert (first["changed"], first["unfinished"]) == (True, True)
    assert (first["written"], first["removed"]) == (["new"], [])
    if check:
        return
    assert content(folder) == {"old": "1", "record": "1", "new": "2"}
    # A run that was cut short here has written all that it writes, and is not at its end.
    again = bring(**change, finish=False)
    assert (again["changed"], again["unfinished"]) == (False, True)
    last = bring(**change)
    assert (last["written"], last["removed"], last["unfinished"]) == (["record"], ["old"], False)
    assert not [entry for entry in last["diff"] if "record" in entry["after_header"]]
    assert content(folder) == {"record": "2", "new": "2"}
    done = bring(**change, finish=False)
    assert (done["changed"], done["unfinished"]) == (False, False)


def test_a_secret_that_stands_in_a_plain_file_too_is_masked(bring):
    answer = bring(files=[{"path": "a", "content": f"password={SECRET}\n"}], _ansible_diff=True)
    assert [entry["after"] for entry in answer["diff"] if entry["after_header"] == "a"] == ["password=********\n"]
    assert SECRET not in answer["_out"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"secret_files": [{"path": "../key", "content": SECRET}]}, "../key"),
        ({"secret_files": [{"path": "compose.yml", "content": SECRET}]}, "compose.yml is given twice"),
        ({"secret_files": [{"path": "key", "content": SECRET, "mode": "400"}]}, "'400' of key"),
        ({"secret_files": [{"path": "key", "content": SECRET, "owner": -1}]}, "owner -1 of key"),
        ({"keep": ["/etc"]}, "keep: /etc is absolute"),
        ({"keep": ["a/../.."]}, "keep: a/../.. holds '..'"),
        ({"path": "/"}, "path: / is shared"),
        ({"path": "deployment"}, "not absolute"),
        # These are refused by Ansible itself, which does not know all of the values as secrets.
        ({"secret_files": [{"path": "key", "content": "x", "contents": SECRET}]}, "contents"),
        ({"secret_files": [{"content": SECRET}]}, "path"),
        ({"secret_files": [SECRET]}, "dictionary requested"),
        ({"secret_files": SECRET}, "dictionary requested"),
        ({"secret_files": {"key": SECRET}}, "secret_files"),
        ({"secrets_files": [{"path": "key", "content": SECRET}]}, "secrets_files"),
    ],
)
def test_refusal_names_what_is_wrong_and_shows_no_secret(bring, folder, changes, words):
    answer = bring(**changes)
    assert answer["failed"] is True
    assert words in answer["msg"]
    assert SECRET not in answer["_out"]
    assert "Traceback" not in answer["_out"]
    assert answer["invocation"] == {}
    assert not folder.exists()


@pytest.fixture
def small_files():
    """No file can grow beyond four KiB, which the answer of the module does not need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("small_files")
def test_failure_tells_what_was_done_before(bring, folder):
    answer = bring(secret_files=[{"path": "secrets/key", "content": SECRET * 1000}], _ansible_diff=True)
    assert answer["failed"] is True
    assert answer["msg"].startswith(f"path: {folder}/secrets/key cannot be written (File too large); raise the limit")
    assert answer["changed"] is True
    assert answer["written"] == ["compose.yml", "conf/x.json"]
    assert answer["removed"] == []
    assert SECRET not in answer["_out"]
    assert "Traceback" not in answer["_out"]
    assert os.listdir(folder / "secrets") == []


def test_a_folder_that_cannot_be_made(bring):
    answer = bring(path="/proc/self/deployment")
    assert answer["failed"] is True
    assert answer["msg"].startswith("path: /proc/self/deployment cannot be made (")
    assert answer["changed"] is False
    assert answer["written"] == answer["removed"] == []
    assert SECRET not in answer["_out"]


def test_something_in_the_place_is_kept(bring, folder):
    (folder / "conf/x.json").mkdir(parents=True)
    answer = bring(prune=True)
    assert answer["failed"] is True
    assert f"{folder}/conf/x.json is a folder" in answer["msg"]
    assert SECRET not in answer["_out"]
    assert content(folder) == {}


def test_answer_is_json_whatever_names_are_there(bring, folder):
    bring()
    (folder / os.fsdecode(b"\xe4.txt")).write_text("x")
    answer = bring(prune=True, _ansible_diff=True)
    assert answer["removed"] == ["\\xe4.txt"]
    assert json.loads(answer["_out"])["diff"][0]["after"] == ""
    assert content(folder) == WRITTEN
