# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the network scenario that need no machine."""

from __future__ import annotations

import re

import pytest

from laboratory.network.conditions import CONDITIONS, SERVICES
from laboratory.network.main import arguments, chosen, main
from laboratory.network.report import Outcome, table

RESULT = {
    "start": 100.0,
    "end": 110.0,
    "calls": 80,
    "failed_calls": 2,
    "retried_calls": 3,
    "latency": {"all": {"p50": 0.1, "p95": 0.25}},
    "read_back": {"lost_runs": [], "lost_writes": {"metric": 0, "artifact": 0}, "not_checked": 0},
}


def outcome(name: str = "undisturbed", **changes) -> Outcome:
    return Outcome.of(name, "", RESULT | changes)


def test_the_undisturbed_network_comes_first_and_once() -> None:
    assert [each.name for each in chosen(["store-loss"])] == ["undisturbed", "store-loss"]
    assert [each.name for each in chosen(list(CONDITIONS))] == list(CONDITIONS)
    assert next(iter(CONDITIONS)) == "undisturbed"


def test_every_condition_but_the_first_disturbs_a_service() -> None:
    for condition in list(CONDITIONS.values())[1:]:
        assert condition.to in SERVICES
        assert re.fullmatch(r"(delay \d+ms|loss \d+%|rate \d+mbit)", condition.netem)


def test_the_table_compares_with_the_first() -> None:
    lines = table([outcome(), outcome("store-loss", end=125.0)]).splitlines()
    assert lines[1].split() == ["undisturbed", "-", "10.0", "1.0", "0.10", "0.25", "80", "2", "3", "0"]
    assert lines[2].split()[:4] == ["store-loss", "-", "25.0", "2.5"]


@pytest.mark.parametrize(
    "read_back",
    [
        {"lost_runs": ["a"], "lost_writes": {}, "not_checked": 0},
        {"lost_runs": [], "lost_writes": {"metric": 1}, "not_checked": 0},
        {"lost_runs": [], "lost_writes": {}, "not_checked": 1},
    ],
)
def test_what_is_lost_or_not_checked_is_not_sound(read_back) -> None:
    assert outcome().sound
    assert not outcome(read_back=read_back).sound


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--runs", "0", "0 is not between 1 and 1000"),
        ("--seconds", "5", "5 is not between 10 and 3600"),
        ("--conditions", "storm", "invalid choice: 'storm'"),
    ],
)
def test_what_cannot_be_asked_for(option, value, sentence, capsys) -> None:
    with pytest.raises(SystemExit) as refusal:
        arguments(["--machine", "zone", "--deployment", "single-az", option, value])
    assert refusal.value.code == 2
    assert sentence in capsys.readouterr().err


def test_a_machine_that_is_not_up(monkeypatch, capsys) -> None:
    monkeypatch.setattr("tests.beds.machine.checks.privileges", lambda: None)
    assert main(["--machine", "notup", "--deployment", "single-az"]) == 2
    assert capsys.readouterr().err == "No machines notup are up: `bed up notup` starts them.\n"
