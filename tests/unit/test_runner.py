# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of the tests is blamed for, and what it takes away when it is interrupted."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.runner import ahead, docker, main, stages, versions


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(docker, "engine_answers", lambda: False)
    monkeypatch.setattr(stages, "port_is_free", lambda port: True)
    monkeypatch.setattr(stages, "_from_before", set())
    return tmp_path


def leave(home: Path, scenario: str) -> Path:
    folder = home / ".local/share/mlops.mlflow" / f"molecule-{scenario}"
    folder.mkdir(parents=True)
    return folder


def test_what_was_there_before_is_named_at_the_beginning_and_not_blamed_on_the_run(home, capsys) -> None:
    old = leave(home, "k8s")
    stages.note_leftovers()
    said = capsys.readouterr().out
    assert str(old) in said
    assert "molecule destroy -s k8s" in said
    assert stages.clean().failed == 0


def test_what_the_run_leaves_is_a_failure(home, capsys) -> None:
    leave(home, "k8s")
    stages.note_leftovers()
    new = leave(home, "local")
    counts = stages.clean()
    assert counts.failed == 1
    assert str(new) in counts.notes[0]
    assert "k8s" not in counts.notes[0]


@pytest.mark.parametrize("ends", [KeyboardInterrupt, False])
def test_a_scenario_that_does_not_come_to_its_end_is_taken_away(home, monkeypatch, ends) -> None:
    asked = []

    def run(command: list[str], **_variables: str) -> bool:
        asked.append(command[1])
        if command[1] == "test" and ends is KeyboardInterrupt:
            raise KeyboardInterrupt
        return command[1] == "destroy"

    monkeypatch.setattr(docker, "provide", lambda: None)
    monkeypatch.setattr(stages, "run", run)
    if ends is KeyboardInterrupt:
        with pytest.raises(KeyboardInterrupt):
            stages.molecule("local")
    else:
        assert stages.molecule("local").failed == 1
    assert asked == ["test", "destroy"]


def test_what_a_run_met_is_told_in_a_line() -> None:
    engine = {"Components": [{"Name": "Engine", "Version": "20.10"}, {"Name": "docker-init", "Version": "0.19"}]}
    title, version = "org.opencontainers.image.title", "org.opencontainers.image.version"
    labels = [
        {"mlops.mlflow.component": "minio", title: "MinIO", version: "2"},
        {"mlops.mlflow.component": "minio", title: "MinIO", version: "1"},
        {"mlops.mlflow.component": "base", title: "Debian"},
        {title: "somebody else's", version: "1"},
        None,
    ]
    met = versions.of_engine(engine) | versions.of_images(labels)
    assert versions.line(met) == "Docker Engine 20.10, MinIO 1 and 2"


def test_an_engine_that_tells_nothing_of_its_parts_is_no_fault() -> None:
    assert versions.of_engine({"Components": None}) == {}


@pytest.mark.parametrize(
    ("minutes", "elapsed_seconds", "is_there_time"),
    [
        (0, 24 * 3600, True),
        (20, 0, True),
        (20, 67 * 60, True),
        (20, 68 * 60, False),
        (45, 42 * 60, True),
        (45, 43 * 60, False),
        (100, 0, False),
    ],
)
def test_a_stage_that_takes_long_needs_time_to_be_left(minutes: int, elapsed_seconds: int, is_there_time: bool) -> None:
    stage = stages.Stage("long", "takes long", stages.clean, minutes=lambda: minutes)
    refusal = stage.out_of_time(elapsed_seconds)
    assert bool(refusal) is not is_there_time
    if refusal:
        assert f"{minutes} minutes" in refusal
        assert refusal.endswith("make test STAGES=long")


def test_a_stage_without_time_is_counted_as_skipped() -> None:
    counts = main.perform(stages.Stage("long", "takes long", stages.clean, minutes=lambda: 20), 4200)
    assert (counts.passed, counts.failed, counts.skipped) == (0, 0, 1)


WAITS = """
import pathlib, sys, time
place = pathlib.Path(sys.argv[1])
try:
    place.write_text("begun")
    time.sleep(600)
except KeyboardInterrupt:
    place.write_text("taken away")
"""


def wait_until_begun(place: Path) -> None:
    until = time.monotonic() + 60
    while not place.exists() or place.read_text() != "begun":
        assert time.monotonic() < until
        time.sleep(0.01)


def test_what_is_made_ahead_ends_with_the_run(tmp_path) -> None:
    place = tmp_path / "place"
    with ahead.made([[sys.executable, "-c", WAITS, str(place)]]):
        wait_until_begun(place)
    assert place.read_text() == "taken away"


@pytest.mark.parametrize("failure", [KeyboardInterrupt, RuntimeError])
def test_what_is_made_ahead_ends_with_a_run_that_fails(tmp_path, failure) -> None:
    place = tmp_path / "place"

    def fail() -> None:
        with ahead.made([[sys.executable, "-c", WAITS, str(place)]]):
            wait_until_begun(place)
            raise failure

    pytest.raises(failure, fail)
    assert place.read_text() == "taken away"


HEEDS = """
import pathlib, sys, time
from tests.beds.command_line import carry_out

def wait() -> int:
    pathlib.Path(sys.argv[1]).write_text("begun")
    time.sleep(600)
    return 0

sys.exit(carry_out(wait, "rm"))
"""


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_a_job_of_the_background_heeds_signals_all_the_same(tmp_path, told) -> None:
    """A shell starts such a job with Ctrl-C ignored, and so would be all that the job starts."""
    place = tmp_path / "place"
    ignoring = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", sys.executable, "-c", HEEDS, str(place)]
    process = subprocess.Popen(ignoring, cwd=stages.ROOT, stderr=subprocess.PIPE, text=True)
    wait_until_begun(place)
    process.send_signal(told)
    assert "Interrupted" in process.communicate(timeout=60)[1]
    assert process.returncode == 1


def test_what_is_left_out_is_not_made_ahead() -> None:
    stage = stages.Stage("long", "takes long", stages.clean, ahead=["make"])
    assert stage.unasked().ahead == ["make"]
    assert stages.replace(stage, on_request="it takes long").unasked().ahead == []
