# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From one accepted configuration to the next."""

from __future__ import annotations

import json

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._argument_findings import FINDINGS
from ansible_collections.mlops.mlflow.plugins.module_utils._check import check
from ansible_collections.mlops.mlflow.plugins.module_utils._state import dump_state
from ansible_collections.mlops.mlflow.plugins.module_utils._transitions import as_text, as_texts, compare

from tests.unit.plugins.module_utils.argument_cases import CATALOGUE, load_cases, make_request

CASES = load_cases("transition_cases.yml")


def state_of(case: dict) -> dict:
    """The state as it comes back from the file."""
    return json.loads(dump_state(check(make_request(case), CATALOGUE).state))["state"]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_changes_are_classed(case):
    transitions, findings = compare(state_of(case.get("from", {})), state_of(case.get("to", {})))
    assert [[entry.argument, entry.kind] for entry in transitions] == case["changes"]
    assert sorted(finding.code for finding in findings) == sorted(case["codes"])
    for entry in transitions:
        # The last two classes never go unannounced, and are refused unless accepted.
        refused = FINDINGS[entry.code]["severity"] == "error" if entry.code else False
        assert refused == (entry.kind in ("schema_step", "data_unreachable"))


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_the_way_back_is_no_change_at_the_start(case):
    state = state_of(case.get("to", {}))
    assert compare(state, state) == ([], [])


def test_refused_changes_pass_when_accepted_by_code():
    before = state_of({})
    wanted = {"args": {"artifacts_destination": "s3://other"}}
    assert [finding.code for finding in check(make_request(wanted), CATALOGUE, before).errors] == [
        "artifacts-destination-changed"
    ]
    wanted["request"] = {"accept": ["artifacts-destination-changed"]}
    result = check(make_request(wanted), CATALOGUE, before)
    assert result.errors == []
    assert [finding.code for finding in result.accepted] == ["artifacts-destination-changed"]
    assert "s3://mlflow" in result.accepted[0].message
    assert "s3://other" in result.accepted[0].message


def test_no_secret_reaches_state_or_text():
    case = {
        "args": {"backend_store_uri": "postgresql+psycopg2://u:hunter2@postgres/mlflow"},
        "environment": {
            "AWS_SECRET_ACCESS_KEY": "hunter2",
            "AWS_ACCESS_KEY_ID": "AKIA",
            "PROXY": "http://u:hunter2@proxy:3128",
        },
    }
    state = state_of(case)
    assert "hunter2" not in json.dumps(state)
    assert "hunter2" not in as_text(state, set(state["fingerprints"]), set())
    assert "AWS_SECRET_ACCESS_KEY" in as_text(state, set(state["fingerprints"]), set())


def test_text_is_readable_and_stable():
    names = ("MLFLOW_SERVER_X_FRAME_OPTIONS", "MLFLOW_LOGGING_LEVEL")
    state = state_of({"environment": dict.fromkeys(names, "DENY")})
    text = as_text(state, set(), set())
    assert text.splitlines()[0] == "mlflow_version: 3.17.2"
    assert text.index(f"  {names[1]}=DENY") < text.index(f"  {names[0]}=DENY")
    assert as_text(None, set(), set()) == ""


@pytest.mark.parametrize(
    "name", ["AZURE_OPENAI_KEY", "DB_PASS", "AWS_SECRET_ACCESS_KEY", "SHOP_SETTING", "MLFLOW_SHOP"]
)
def test_a_value_that_may_be_a_secret_is_compared_and_not_shown(name):
    before, after = state_of({"environment": {name: "hunter2"}}), state_of({"environment": {name: "hunter3"}})
    for state in (before, after):
        assert "hunter" not in json.dumps(state)
    transitions, _findings = compare(before, after)
    assert [[entry.argument, entry.kind, entry.before, entry.after] for entry in transitions] == [
        [name, "restart", "(not shown)", "(not shown)"]
    ]
    was, becomes = as_texts(before, after)
    assert f"{name} (not shown)\n" in was
    assert f"{name} (not shown), another value\n" in becomes
    assert as_texts(after, after)[0] == as_texts(after, after)[1]
    # Kept by an earlier release of the collection, which knew no fingerprints.
    before["environment"][name] = "hunter2"
    del before["fingerprints"]
    transitions, _findings = compare(before, after)
    assert "hunter" not in str(transitions) + str(as_texts(before, after))
