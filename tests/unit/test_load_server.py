# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The load generator on a real `mlflow server`, also one whose data somebody spoils behind its back."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from laboratory.load.record import Call, read_calls

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60
END_SECONDS = 60


@dataclass
class Server:
    folder: Path
    port: int
    process: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        environment = {
            **os.environ,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
        log = (self.folder / "server.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port), "--workers=1"]
            + ["--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db"]
            + ["--artifacts-destination", str(self.folder / "artifacts")],
            cwd=self.folder,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        log.close()
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{self.url}/health", timeout=5).close()
                return
            assert self.process.poll() is None, (self.folder / "server.log").read_text()
            time.sleep(0.1)
        raise AssertionError((self.folder / "server.log").read_text())

    def stop(self) -> None:
        if self.process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def spoil(self, statement: str, *values: object) -> None:
        """Behind its back."""
        with contextlib.closing(sqlite3.connect(self.folder / "mlflow.db", timeout=30)) as database, database:
            assert database.execute(statement, values).rowcount == 1, statement


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = Server(tmp_path_factory.mktemp("server"), port)
    try:
        made.start()
        yield made
    finally:
        made.stop()


def start(server: Server, folder: Path, *options: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "laboratory.load", "--url", server.url, "--output", str(folder), *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(load: subprocess.Popen, folder: Path, code: int) -> dict:
    try:
        said, _ = load.communicate(timeout=END_SECONDS)
    finally:
        load.kill()
        load.wait()
    assert load.returncode == code, said
    return json.loads((folder / "result.json").read_text(encoding="utf-8"))


def load(server: Server, folder: Path, *options: str, code: int = 0) -> dict:
    return finish(start(server, folder, *options), folder, code)


def wait_for_calls(folder: Path, count: int) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if len(read_calls(folder)) >= count:
            return
        time.sleep(0.05)
    raise AssertionError("the load does not begin")


def last(calls: list[Call], operation: str) -> Call:
    return next(call for call in reversed(calls) if call.ok and call.operation == operation)


def test_whole_load_and_then_what_somebody_spoiled(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    small = ["--processes", "2", "--runs", "3", "--batch", "20", "--large-artifact-size", "1MiB", "--warm-up", "0"]
    result = load(server, folder, *small)
    calls = read_calls(folder)

    assert (result["runs"], result["failed_calls"], result["problems"]) == (3, 0, [])
    assert result["calls"] == len(calls)
    assert result["metrics"] == 3 * 5 * (20 + 1)
    assert {call.worker for call in calls} == {0, 1}
    assert all(call.requests >= 1 and call.retries == 0 for call in calls)
    proof = result["read_back"]
    # Three runs with an ordinary artifact each, and the first of the first process with a large one.
    assert proof["checked"] == {"metric": 315, "param": 15, "tag": 6, "artifact": 4, "status": 3}
    assert (proof["lost_runs"], proof["not_checked"], proof["unacknowledged_runs"]) == ([], 0, 0)
    assert result["upload"]["bytes"] == 3 * 65536 + 2**20
    assert sum(result["time_line"]["ok"]) == result["calls"]
    assert sorted(path.suffix for path in folder.iterdir()) == [".json", ".json", ".jsonl", ".jsonl"]

    batch, upload = last(calls, "log_batch"), last(calls, "upload")
    server.spoil(
        "UPDATE metrics SET value = value + 0.25 WHERE run_uuid = ? AND key = 'loss' AND step = 2", batch.run_id
    )
    server.spoil("DELETE FROM metrics WHERE run_uuid = ? AND key = 'accuracy' AND step = 1", batch.run_id)
    server.spoil("UPDATE params SET value = 'other' WHERE run_uuid = ? AND key = 'param_001'", batch.run_id)
    server.spoil("DELETE FROM tags WHERE run_uuid = ? AND key = 'tag_001'", batch.run_id)
    (stored,) = (server.folder / "artifacts").rglob(f"{upload.run_id}/artifacts/{upload.wrote['artifact']['path']}")
    spoiled = bytearray(stored.read_bytes())
    spoiled[1000] ^= 1
    stored.write_bytes(spoiled)
    (model,) = (server.folder / "artifacts").rglob("model_001.bin")
    model.unlink()
    with_model = model.parts[-4]
    deleted = next(call.run_id for call in calls if call.run_id not in ("", batch.run_id, with_model))
    server.spoil("UPDATE runs SET lifecycle_stage = 'deleted' WHERE run_uuid = ?", deleted)

    proof = load(server, folder, "--read-back-only", code=1)["read_back"]
    assert proof["lost_runs"] == [deleted]
    lost = {(one["run_id"], one["kind"], one["name"]): one["why"] for one in proof["examples"]}
    assert (
        lost.items()
        >= {
            (batch.run_id, "metric", "loss at step 2"): "different",
            (batch.run_id, "metric", "accuracy at step 1"): "missing",
            (batch.run_id, "param", "param_001"): "different",
            (batch.run_id, "tag", "tag_001"): "missing",
            (upload.run_id, "artifact", upload.wrote["artifact"]["path"]): "different",
        }.items()
    )
    assert proof["not_checked"] == 0


def test_ends_early_by_signal_and_by_file(server: Server, tmp_path: Path) -> None:
    def by_signal(process: subprocess.Popen, _folder: Path) -> None:
        process.send_signal(signal.SIGTERM)

    def by_file(_process: subprocess.Popen, folder: Path) -> None:
        (folder / "stop").touch()

    ways: list[Callable[[subprocess.Popen, Path], None]] = [by_signal, by_file]
    for way in ways:
        folder = tmp_path / way.__name__
        process = start(server, folder, "--processes", "2", "--seconds", "600", "--profile", "metrics")
        wait_for_calls(folder, 10)
        way(process, folder)
        result = finish(process, folder, 0)
        assert result["ended"]
        assert result["end"] - result["start"] < 60
        assert result["read_back"]["checked"]["metric"] == result["metrics"] > 0


def test_a_dead_process_does_not_stop_the_others(server: Server, tmp_path: Path) -> None:
    process = start(server, tmp_path, "--processes", "2", "--seconds", "3", "--profile", "reads", "--pace", "20")
    wait_for_calls(tmp_path, 10)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    killed = time.time()
    result = finish(process, tmp_path, 1)
    assert result["problems"] == ["process 0 died: by SIGKILL"]
    assert max(call.start for call in read_calls(tmp_path) if call.worker == 1) > killed + 1
    assert result["read_back"]["not_checked"] == 0
    # Twenty calls a second, in at most three seconds and a moment.
    assert result["calls"] <= 2 * 20 * 3 + 2


def test_a_read_that_contradicts_a_write_is_noticed_at_once(server: Server, tmp_path: Path) -> None:
    process = start(server, tmp_path, "--processes", "1", "--runs", "1", "--profile", "reads", "--pace", "20")
    wait_for_calls(tmp_path, 10)
    server.spoil("DELETE FROM params WHERE run_uuid = ? AND key = 'param_003'", read_calls(tmp_path)[0].run_id)
    result = finish(process, tmp_path, 1)
    assert result["wrong_answers"] > 0
    assert result["failures"]["by_operation"].keys() == {"get_run"}
    assert "lacks its params param_003" in result["failures"]["examples"]["WrongAnswer"]
    assert result["read_back"]["lost_writes"]["param"] == 1


def test_nothing_is_passed_while_the_server_is_away(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    process = start(server, folder, "--processes", "2", "--seconds", "3", "--retries", "none", "--read-back-seconds=2")
    wait_for_calls(folder, 10)
    server.stop()
    try:
        result = finish(process, folder, 1)
    finally:
        server.start()
    assert result["failures"]["by_error"]["NewConnectionError"] > 0
    # A pause follows each failure.
    assert result["failed_calls"] < 2 * 3 / 0.2 + 4
    assert result["read_back"]["lost_runs"] == []
    assert result["read_back"]["not_checked"] > 0
    assert "could not be checked" in result["problems"][0]
    assert result["longest_gap"]["seconds"] > 1

    again = load(server, folder, "--read-back-only", "--clean")
    assert again["problems"] == []
    assert again["cleaned"]
    assert again["failed_calls"] == result["failed_calls"]


def test_server_that_does_not_answer_is_refused_in_a_sentence(tmp_path: Path) -> None:
    nobody = Server(tmp_path, 1)
    process = start(nobody, tmp_path / "out")
    said, _ = process.communicate(timeout=END_SECONDS)
    assert process.returncode == 2
    assert said.count("\n") == 1
    assert "deploy first" in said


def test_experiment_of_others_is_refused(server: Server, tmp_path: Path) -> None:
    process = start(server, tmp_path / "out", "--experiment", "Default")
    said, _ = process.communicate(timeout=END_SECONDS)
    assert process.returncode == 2
    assert "'Default' is there already" in said
