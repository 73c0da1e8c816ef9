# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""What a killed server leaves behind is removed by the next one, and nothing that somebody still uses."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import servers
from mlflow_guard.in_mlflow import unfinished_uploads
from test_readiness import client, s3, serving  # noqa: F401 - s3 is a fixture

MIB = 2**20
CLAIM = """
import os, sys, tempfile
from mlflow_guard.serve import temporary
temporary.claim()
open(os.path.join(tempfile.gettempdir(), "download"), "wb").write(b"x" * 1000)
print(tempfile.gettempdir(), flush=True)
if sys.argv[1:]:
    os.execvp(sys.argv[1], sys.argv[1:])
sys.stdin.read()
"""


def claim(folder: Path, *then: str) -> tuple[subprocess.Popen, Path]:
    """A process with a folder of its own in this one."""
    path = os.pathsep.join(sys.path)
    process = subprocess.Popen(
        [sys.executable, "-c", CLAIM, *then],
        env={**os.environ, "TMPDIR": str(folder), "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    return process, Path(process.stdout.readline().strip())


def test_only_folders_of_dead_processes_are_removed(tmp_path):
    (tmp_path / "somebody else's").mkdir()
    first, its = claim(tmp_path)
    # A web server that takes the process over keeps the folder.
    second, same = claim(tmp_path, "sleep", "60")
    assert its != same
    first.kill()
    first.wait()
    third, new = claim(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {same.name, new.name, "somebody else's"}
    assert (same / "download").exists()
    for process in (second, third):
        process.kill()
        process.wait()
    last, new = claim(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {new.name, "somebody else's"}
    last.communicate()
    for process in (first, second, third):
        process.communicate()


def test_only_dead_uploads_are_removed(tmp_path):
    folder = Path(unfinished_uploads.place(str(tmp_path)))
    assert unfinished_uploads.sweep(str(tmp_path)) == 0
    folder.mkdir(parents=True)
    (folder.parent / "marker.json").write_text("{}")
    for name, age in (
        ("dead", unfinished_uploads.DEAD_SECONDS + 60),
        ("slow", unfinished_uploads.DEAD_SECONDS - 600),
        ("new", 0),
    ):
        path = folder / f"{unfinished_uploads.PREFIX}{name}"
        path.write_text("part")
        os.utime(path, (time.time() - age,) * 2)
    other = folder / "something else"
    other.write_text("")
    os.utime(other, (0, 0))
    assert unfinished_uploads.sweep(str(tmp_path)) == 1
    assert {path.name for path in folder.iterdir()} == {
        f"{unfinished_uploads.PREFIX}slow",
        f"{unfinished_uploads.PREFIX}new",
        other.name,
    }
    assert (folder.parent / "marker.json").exists()


def killed(process: subprocess.Popen) -> None:
    """End a server as a lack of memory would, with its child."""
    os.killpg(servers.child_of(process), signal.SIGKILL)
    process.send_signal(signal.SIGKILL)
    process.wait(10)


@pytest.mark.slow
def test_downloads_of_a_killed_server(s3, object_store):  # noqa: F811 - the fixture
    client(object_store).put_object(Bucket=s3.database, Key="a/large", Body=bytes(64 * MIB))

    def taken() -> int:
        return sum(path.stat().st_size for path in s3.temporary.rglob("*") if path.is_file())

    with serving(s3) as process:
        usual = taken()
        connection = http.client.HTTPConnection("127.0.0.1", s3.port, timeout=60)
        connection.request("GET", "/api/2.0/mlflow-artifacts/artifacts/large")
        connection.getresponse().read(10)
        assert taken() > usual + 60 * MIB
        killed(process)
    assert taken() > 60 * MIB
    with serving(s3, "again.log"):
        assert taken() < MIB
    connection.close()


def large(folder: Path) -> list[Path]:
    """Files of more than 1 MiB. Some of them go away meanwhile."""
    found = []
    for place, _folders, files in os.walk(folder):
        for file in files:
            with contextlib.suppress(FileNotFoundError):
                found += [Path(place, file)] if Path(place, file).stat().st_size > MIB else []
    return found


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/api/2.0/mlflow-artifacts/artifacts/", "/get-artifact?run_uuid={run}&path="])
def test_downloads_have_so_much_room_and_no_more(s3, object_store, path):  # noqa: F811 - the fixture
    """By MLflow's two ways: one is FastAPI's, the other the Flask part's. Who goes away gives the room back."""
    s3.variables["MLFLOW_GUARD_TMP_MIB"] = "40"
    store = client(object_store)

    def ask(name: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", s3.port, timeout=60)
        connection.request("GET", path.format(run=run) + name)
        return connection.getresponse()

    def status(name: str) -> int:
        answer = ask(name)
        content = answer.read()
        assert answer.status != 200 or content == bytes(sizes[name])
        return answer.status

    with serving(s3):
        body = json.dumps({"experiment_id": "0", "start_time": 1}).encode()
        url = f"http://127.0.0.1:{s3.port}/api/2.0/mlflow/runs/create"
        headers = {"Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=20) as made:
            run = json.load(made)["run"]["info"]["run_id"]
        sizes = {"a": 24 * MIB, "b": 16 * MIB, "c": 60 * 1024, "d": 48 * MIB}
        folder = "a/" if "artifacts/" in path else f"a/0/{run}/artifacts/"
        for name, size in sizes.items():
            store.put_object(Bucket=s3.database, Key=folder + name, Body=bytes(size))
        reading = ask("a")
        assert (reading.status, reading.read(10)) == (200, bytes(10))
        assert status("b") == 200
        refused = ask("a")
        assert (refused.status, refused.getheader("Retry-After")) == (503, "1")
        assert "no room for what clients are fetching" in json.load(refused)["message"]
        # What is small has room all the same; and what never has any, is not to be tried again.
        assert status("c") == 200
        never = ask("d")
        assert never.status == 400
        assert "MLFLOW_GUARD_TMP_MIB" in json.load(never)["message"]
        reading.close()
        servers.wait_until(lambda: status("a") == 200, "the room of a client that went away", 20)
        # A copy goes when its answer is over, which the client knows a little earlier.
        servers.wait_until(lambda: not large(s3.temporary), "no copy is left", 20)


@pytest.mark.slow
def test_uploads_of_a_killed_server(ready):
    folder = Path(unfinished_uploads.place(str(ready.folder / "artifacts")))
    with serving(ready) as process:
        connection = http.client.HTTPConnection("127.0.0.1", ready.port, timeout=60)
        connection.putrequest("PUT", "/api/2.0/mlflow-artifacts/artifacts/0/run/large")
        connection.putheader("Content-Length", str(64 * MIB))
        connection.endheaders(bytes(20 * MIB))
        servers.wait_until(lambda: folder.exists() and any(each.stat().st_size for each in folder.iterdir()), "a part")
        assert list((ready.folder / "artifacts/0/run").iterdir()) == []
        killed(process)
    (part,) = folder.iterdir()
    os.utime(part, (time.time() - unfinished_uploads.DEAD_SECONDS - 60,) * 2)
    with serving(ready, "again.log"):
        servers.wait_until(lambda: not part.exists(), "the part is removed")
        assert "removed 1 uploads" in (ready.folder / "again.log").read_text()
    connection.close()
