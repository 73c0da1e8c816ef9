# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may stand in `accept`, and how codes were called before."""

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _accept, _finding_codes
from ansible_collections.mlops.mlflow.plugins.module_utils._argument_findings import FINDINGS
from ansible_collections.mlops.mlflow.plugins.module_utils._guard_codes import GUARD_CODES

# A code, the finding that it makes (none where it may stand there), words of the sentence, and what the guard gets.
CODES = [
    # Of the check: an error, a warning.
    ("workers-invalid", "", [], []),
    ("custom-scorers-enabled", "", [], []),
    # Of the guard: what it accepts, a warning, and what nobody accepts.
    ("schema-emptied", "", [], ["schema-emptied"]),
    ("schema-elsewhere", "", [], ["schema-elsewhere"]),
    ("stored-secrets-unreadable", "", [], ["stored-secrets-unreadable"]),
    ("locations-unreachable", "", [], ["locations-unreachable"]),
    ("destination-full", "", [], []),
    ("schema-foreign", "accept-never", ["schema-foreign can never be accepted", "take it out"], []),
    ("unexpected", "accept-never", ["unexpected can never be accepted"], []),
    # Of both: an error of the check's; a warning of the check's and an error of the guard's.
    ("connection-budget", "", [], []),
    ("database-driver-missing", "", [], []),
    ("artifact-path-not-mounted", "accept-never", ["artifact-path-not-mounted can never"], []),
    # About the list itself.
    ("accept-unknown", "accept-never", ["accept-unknown can never"], []),
    ("accept-never", "accept-never", ["accept-never can never"], []),
    # Of none.
    ("schema-updgrade", "accept-unknown", ["'schema-updgrade'", "write schema-upgrade,"], []),
    ("schema_emptied", "accept-unknown", ["'schema_emptied'", "write schema-emptied,"], []),
    ("Schema-Emptied ", "accept-unknown", ["write schema-emptied,"], []),
    ("driver_missing", "accept-unknown", ["write database-driver-missing,"], []),
    ("stored-secrets", "accept-unknown", ["write stored-secrets-"], []),
    ("acept-unknown", "accept-unknown", ["which is the nearest one"], []),
    ("", "accept-unknown", ["'' is not a code", "which is the nearest one"], []),
    ("x" * 500, "accept-unknown", ["xxx...'", "which is the nearest one"], []),
]


@pytest.mark.parametrize(("code", "refused", "words", "guard"), CODES)
def test_what_may_be_accepted(code: str, refused: str, words: list[str], guard: list[str]) -> None:
    found = _accept.problems((code,))
    assert [each.code for each in found] == ([refused] if refused else [])
    for each in found:
        assert "mlflow_server_accept" in each.message
        assert [word for word in words if word not in each.message] == [], each.message
        assert each.message.count(";") == 1
    assert _accept.for_the_guard((code, code)) == guard


def test_all_problems_come_at_once() -> None:
    found = _accept.problems(("nonsense", "schema-emptied", "schema-foreign"))
    assert [each.code for each in found] == ["accept-unknown", "accept-never"]


@pytest.mark.parametrize("code", sorted({*FINDINGS, *GUARD_CODES} - _accept.OWN))
def test_a_code_is_the_nearest_to_itself_however_it_is_written(code: str) -> None:
    assert _accept.nearest(code) == _accept.nearest(code.upper()) == _accept.nearest(code.replace("-", "_")) == code


@pytest.mark.parametrize(
    ("former", "now"),
    [
        ("schema_half_migrated", "schema-half-migrated"),
        ("schema-half-migrated", "schema-half-migrated"),
        ("configuration", "configuration"),
        ("driver_missing", "database-driver-missing"),
        ("destination_relative", "artifact-path-relative"),
        ("destination_not_mounted", "artifact-path-not-mounted"),
        ("connection_budget", "connection-budget"),
        ("", ""),
    ],
)
def test_former_names_are_understood(former: str, now: str) -> None:
    assert _finding_codes.current(former) == now
    assert now in {"", *FINDINGS, *GUARD_CODES}


@pytest.mark.parametrize(
    ("message", "code", "expected"),
    [
        ("a: b; do c.", "schema_empty", "a: b; do c [schema-empty]."),
        ("a: b; do c.", "schema-empty", "a: b; do c [schema-empty]."),
        ("a: b and so o…", "schema-empty", "a: b and so o… [schema-empty]."),
        ("a: b; do c.", "", "a: b; do c."),
        ("", "schema-empty", ""),
    ],
)
def test_sentences_have_their_codes(message: str, code: str, expected: str) -> None:
    assert _finding_codes.with_code(message, code) == expected


def test_what_was_renamed_is_no_code_any_more() -> None:
    assert not set(_finding_codes.RENAMED) & {*FINDINGS, *GUARD_CODES}
    assert set(_finding_codes.RENAMED.values()) <= set(GUARD_CODES)
