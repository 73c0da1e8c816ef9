# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the resilience scenarios that need nothing running."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from laboratory.benchmark.processes import StepFailed
from laboratory.resilience import balancer, host, main, scenario
from laboratory.resilience.faults import SCENARIOS
from laboratory.resilience.report import table
from laboratory.resilience.scenario import Outcome
from tests.beds.machine.settings import MachineSet

ROOT = Path(__file__).resolve().parents[2]
DAY = balancer.parse_time("2026-03-01T00:00:00Z")


def line(seconds: float, text: str) -> str:
    return f"2026-03-01T00:00:{seconds:012.9f}Z {text}"


DOWN = "Server api/b1 is DOWN, reason: Layer4 timeout, check duration: 1001ms. 1 active and 0 backup servers left."
DRAINING = "Server api/b1 is stopping, reason: Layer7 check conditionally passed, code: 404, check duration: 1ms."
GONE = "Server api/b1 was DOWN and now enters maintenance (No IP for server)."
UP = "Server api/b1 is UP, reason: Layer7 check passed, code: 200, check duration: 1ms. 2 active servers online."


def test_time_stamps_keep_their_fractions() -> None:
    assert balancer.parse_time("2026-03-01T00:00:01.250000000Z") == pytest.approx(DAY + 1.25)


@pytest.mark.parametrize(("text", "out"), [(DOWN, True), (DRAINING, True), (GONE, True), (UP, False)])
def test_a_change_of_state_is_read(text: str, out: bool) -> None:
    assert balancer.parse(line(2.5, text)) == [balancer.Change(pytest.approx(DAY + 2.5), "b1", out)]


def test_requests_are_no_changes() -> None:
    assert balancer.parse(line(1, '10.0.0.1:4711 public api/b1 0/0/1/2/3 200 "GET /api HTTP/1.1"')) == []


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], []),
        ([(1, UP)], []),
        ([(4, DOWN), (9, UP)], [balancer.Absence("b1", 1, 6)]),
        ([(1, DOWN), (2, UP), (4, DOWN), (6, UP), (7, DOWN), (9, UP)], [balancer.Absence("b1", 1, 6)]),
        ([(4, DOWN)], [balancer.Absence("b1", 1, None)]),
    ],
)
def test_absence_is_counted_from_the_fault(lines: list, expected: list) -> None:
    changes = balancer.parse("\n".join(line(*each) for each in lines))
    found = balancer.absences(changes, DAY + 3)
    assert [(each.server, pytest.approx(each.out), each.back) for each in found] == [
        (each.server, each.out, each.back if each.back is None else pytest.approx(each.back)) for each in expected
    ]


def outcome(**changes) -> Outcome:
    fine = {
        "scenario": "kill-server",
        "meaning": "",
        "may_fail": False,
        "calls": 100,
        "failed_calls": 0,
        "retried_calls": 2,
        "runs": 5,
        "lost_runs": 0,
        "lost_writes": 0,
        "not_checked": 0,
        "longest_gap": 1.0,
        "fault_seconds": 0.1,
    }
    return Outcome(**{**fine, **changes})


@pytest.mark.parametrize(
    ("changes", "passed"),
    [
        ({}, True),
        ({"failed_calls": 1}, False),
        ({"failed_calls": 1, "may_fail": True}, True),
        ({"lost_runs": 1, "may_fail": True}, False),
        ({"lost_writes": 1, "may_fail": True}, False),
        ({"not_checked": 1, "may_fail": True}, False),
    ],
)
def test_nothing_may_be_lost_and_a_lost_server_may_fail_no_call(changes: dict, passed: bool) -> None:
    assert outcome(**changes).passed is passed
    assert ("NOT OK" in table([outcome(**changes)])) is not passed


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--processes", "0"], "--processes is 0"),
        (["--steady", "1"], "--steady is 1"),
        (["--seconds", "601"], "--seconds is 601"),
        (["--recovery", "9"], "--recovery is 9: give 10 to 1800 seconds"),
        (["--scenarios", "flood"], "kill-server"),
    ],
)
def test_bad_arguments_are_refused(words: list[str], expected: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as refusal:
        main.arguments(words)
    assert refusal.value.code == 2
    assert expected in capsys.readouterr().err


def test_the_playbook_carries_out_all_scenarios() -> None:
    text = (ROOT / "playbooks" / "resilience.yml").read_text(encoding="utf-8")
    variables = yaml.safe_load(text)[0]["vars"]
    named = variables["scenarios_of_servers"] + variables["scenarios_of_stores"]
    assert [name for name in SCENARIOS if name not in named] == []


def started(script: str, folder: Path) -> subprocess.Popen:
    return subprocess.Popen(
        ["sh", "-c", script], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def test_a_fault_waits_for_the_first_call_of_the_load(tmp_path: Path) -> None:
    (tmp_path / "calls-01.jsonl").touch()
    with started("sleep 0.4; echo call > calls-00.jsonl; exec sleep 30", tmp_path) as process:
        scenario.begun(process, tmp_path)
        assert (tmp_path / "calls-00.jsonl").read_text() == "call\n"
        process.kill()


def test_a_load_that_ends_before_its_first_call_is_told(tmp_path: Path) -> None:
    with (
        started("echo no server; exit 2", tmp_path) as process,
        pytest.raises(StepFailed, match="ended too early, with 2:\nno server"),
    ):
        scenario.begun(process, tmp_path)


@pytest.mark.parametrize(
    ("where", "command"),
    [
        (host.Host(), ["ip", "link", "set", "dev", "br 1", "down"]),
        (
            host.Host(MachineSet("zone"), "zone-1"),
            ["ssh", "-F", str(MachineSet("zone").ssh_config), "zone-1", "ip link set dev 'br 1' down"],
        ),
    ],
)
def test_a_host_is_this_one_or_a_machine(where: host.Host, command: list[str], monkeypatch) -> None:
    done = []
    monkeypatch.setattr(host, "perform", done.append)
    where.perform("ip", "link", "set", "dev", "br 1", "down")
    assert done == [command]
    assert where.is_this == (where.machines is None)


def test_nfs_is_broken_where_it_is_asked_for_only() -> None:
    assert not {"kill-nfs", "restart-nfs"} & set(main.arguments([]).scenarios)
    assert main.arguments(["--scenarios", "kill-nfs"]).scenarios == ["kill-nfs"]
