# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module itself: its answer, its file, check mode and diff mode."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.mlops.mlflow.plugins.module_utils import _state
from ansible_collections.mlops.mlflow.plugins.modules import mlflow_server_args

SOUND: dict[str, Any] = {
    "mlflow_version": "3.17.2",
    "args": {
        "backend_store_uri": "postgresql+psycopg2://mlflow_server@postgres:5432/mlflow",
        "artifacts_destination": "s3://mlflow",
        "host": "0.0.0.0",
        "port": 5000,
        "workers": 2,
    },
    "environment": {"MLFLOW_DISABLE_TELEMETRY": True, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
    "secret_environment": ["MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY", "MLFLOW_CRYPTO_KEK_PASSPHRASE"],
}


def sound(**changes: Any) -> dict[str, Any]:
    params = json.loads(json.dumps(SOUND))
    args = changes.pop("args", {})
    params.update(changes)
    params["args"].update(args)
    params["args"] = {name: value for name, value in params["args"].items() if value is not None}
    return params


@pytest.fixture
def check(run_module):
    return lambda **params: run_module(mlflow_server_args.main, **params)


@pytest.fixture
def path(tmp_path) -> str:
    return str(tmp_path / "arguments.json")


def test_answer_without_file(check):
    answer = check(**sound())
    assert answer["changed"] is False
    assert answer["argv"] == [
        "--backend-store-uri=postgresql+psycopg2://mlflow_server@postgres:5432/mlflow",
        "--artifacts-destination=s3://mlflow",
        "--host=0.0.0.0",
        "--port=5000",
        "--workers=2",
    ]
    assert answer["environment"] == {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    assert answer["findings"] == answer["accepted"] == answer["transitions"] == answer["withheld"] == []
    assert "warnings" not in answer


def test_answer_has_exactly_the_documented_keys(check):
    documented = set(yaml.safe_load(mlflow_server_args.RETURN))
    ansible_s_own = {"changed", "diff", "invocation", "warnings", "_out"}
    assert set(check(**sound())) - ansible_s_own == documented


def test_documentation_names_the_options_of_the_specification(check, monkeypatch):
    seen = {}
    original = mlflow_server_args.AnsibleModule

    def record(*args, **kwargs):
        seen.update(kwargs["argument_spec"])
        return original(*args, **kwargs)

    monkeypatch.setattr(mlflow_server_args, "AnsibleModule", record)
    check(**sound())
    options = yaml.safe_load(mlflow_server_args.DOCUMENTATION)["options"]
    assert set(seen) == set(options)
    for name, option in seen.items():
        assert option.get("default") == options[name].get("default")
        assert option["type"] == options[name]["type"]


def test_first_run_writes_and_second_changes_nothing(check, path):
    assert check(**sound(path=path))["changed"] is True
    before = os.stat(path)
    assert stat.S_IMODE(before.st_mode) == 0o600
    assert check(**sound(path=path))["changed"] is False
    after = os.stat(path)
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_change_is_written_in_one_step(check, path):
    check(**sound(path=path))
    inode = os.stat(path).st_ino
    answer = check(**sound(path=path, args={"workers": 3}))
    assert answer["changed"] is True
    assert os.stat(path).st_ino != inode
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert [entry["class"] for entry in answer["transitions"]] == ["restart"]
    assert os.listdir(os.path.dirname(path)) == ["arguments.json"]


def test_wrong_mode_is_a_change(check, path):
    check(**sound(path=path))
    os.chmod(path, 0o644)
    assert check(**sound(path=path))["changed"] is True
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_check_mode_tells_but_does_not_write(check, path):
    assert check(**sound(path=path, _ansible_check_mode=True))["changed"] is True
    assert not os.path.exists(path)
    check(**sound(path=path))
    content = Path(path).read_bytes()
    answer = check(**sound(path=path, args={"workers": 3}, _ansible_check_mode=True))
    assert answer["changed"] is True
    assert Path(path).read_bytes() == content
    assert check(**sound(path=path, _ansible_check_mode=True))["changed"] is False


def test_diff_shows_old_and_new(check, path):
    first = check(**sound(path=path, _ansible_diff=True))["diff"]
    assert first["before"] == ""
    assert "  --workers=2\n" in first["after"]
    second = check(**sound(path=path, args={"workers": 3}, _ansible_diff=True))["diff"]
    assert "  --workers=2\n" in second["before"]
    assert "  --workers=3\n" in second["after"]
    third = check(**sound(path=path, args={"workers": 3}, _ansible_diff=True))["diff"]
    assert third["before"] == third["after"]


def test_refusal_lists_all_and_keeps_the_file(check, path):
    check(**sound(path=path))
    content = Path(path).read_bytes()
    answer = check(**sound(path=path, args={"workers": 0, "artifacts_destination": "s3://other"}))
    assert answer["failed"] is True
    errors = [finding for finding in answer["findings"] if finding["severity"] == "error"]
    assert sorted(finding["code"] for finding in errors) == ["artifacts-destination-changed", "workers-invalid"]
    assert all(finding["message"] in answer["msg"] for finding in errors)
    assert Path(path).read_bytes() == content


def test_accepted_change_is_shown_and_written(check, path):
    check(**sound(path=path))
    answer = check(
        **sound(path=path, args={"artifacts_destination": "s3://other"}, accept=["artifacts-destination-changed"])
    )
    assert answer["changed"] is True
    assert [finding["code"] for finding in answer["accepted"]] == ["artifacts-destination-changed"]
    assert answer["transitions"][0]["class"] == "data_unreachable"
    # What was accepted once is the state now, and needs no acceptance any more.
    again = check(**sound(path=path, args={"artifacts_destination": "s3://other"}))
    assert again["changed"] is False
    assert again["accepted"] == []


def test_what_is_for_the_guard_is_given_back(check):
    answer = check(**sound(accept=["schema-emptied", "schema-upgrade", "schema-emptied"]))
    assert answer["guard_accept"] == ["schema-emptied"]
    assert check(**sound())["guard_accept"] == []


def test_warnings_reach_ansible(check):
    answer = check(**sound(args={"backend_store_uri": "postgresql://u@postgres/mlflow"}))
    assert any("database-driver-implicit" in str(warning) for warning in answer["warnings"])


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"format": "x"}',
        '{"format": 1}',
        '{"format": 1, "state": []}',
        '{"format": 1, "state": {}}',
        b"\xff\xfe",
    ],
)
def test_damaged_file_is_refused_and_kept(check, path, content):
    Path(path).write_bytes(content if isinstance(content, bytes) else content.encode())
    before = Path(path).read_bytes()
    answer = check(**sound(path=path))
    assert answer["failed"] is True
    assert path in answer["msg"]
    assert "nothing was overwritten" in answer["msg"]
    assert "Traceback" not in answer["_out"]
    assert Path(path).read_bytes() == before


def test_file_of_a_newer_format_is_refused_and_kept(check, path):
    check(**sound(path=path))
    content = json.loads(Path(path).read_text())
    content["format"] = _state.FORMAT + 1
    Path(path).write_text(json.dumps(content))
    answer = check(**sound(path=path))
    assert answer["failed"] is True
    assert "newer release of this collection" in answer["msg"]
    assert json.loads(Path(path).read_text()) == content


def test_directory_as_path(check, tmp_path):
    answer = check(**sound(path=str(tmp_path)))
    assert answer["failed"] is True
    assert "cannot be read" in answer["msg"]


def test_missing_directory(check, tmp_path):
    answer = check(**sound(path=str(tmp_path / "missing" / "arguments.json")))
    assert answer["failed"] is True
    assert "does not exist" in answer["msg"]


def test_unreadable_file(check, path):
    os.symlink(path, path)  # refused to root, too
    answer = check(**sound(path=path))
    assert answer["failed"] is True
    assert "cannot be read" in answer["msg"]


@pytest.mark.parametrize("params", [{"replicas": 0}, {"max_connections": 0}])
def test_numbers_below_one(check, params):
    answer = check(**sound(**params))
    assert answer["failed"] is True
    assert next(iter(params)) in answer["msg"]


@pytest.mark.parametrize("password", ["hunter2", "p@:/#%[]&$'\" `x", "mlflow"])
def test_no_password_in_any_answer(check, path, password):
    from urllib.parse import quote

    params = sound(
        path=path,
        args={"backend_store_uri": f"postgresql+psycopg2://u:{quote(password, safe='')}@db/d"},
        environment={
            "PGPASSWORD": password,
            "MLFLOW_REGISTRY_STORE_URI": f"postgresql+psycopg2://u:{quote(password, safe='')}@db/d",
        },
    )
    answer = check(**params)
    assert not answer.get("failed")
    assert answer["withheld"] == ["PGPASSWORD"]
    assert answer["argv"][0] == "--backend-store-uri=postgresql+psycopg2://u@db/d"
    if password != "mlflow":  # that one is a word of other values, too
        written = Path(path).read_text()
        for secret in (password, quote(password, safe="")):
            assert json.dumps(secret)[1:-1] not in answer["_out"]
            assert secret not in written


def test_no_raw_password_in_a_refusal(check):
    answer = check(
        **sound(
            args={"backend_store_uri": "postgresql+psycopg2://u:hun@ter/2#x@db/d"},
            environment={"PGPASSWORD": "hunter3"},
        )
    )
    assert answer["failed"] is True
    assert not any(part in answer["_out"] for part in ("hun@", "ter/2", "hunter3"))


def test_newer_release_is_a_warning(check):
    answer = check(**sound(mlflow_version="3.99.0"))
    assert [finding["code"] for finding in answer["findings"]] == ["version-newer"]
