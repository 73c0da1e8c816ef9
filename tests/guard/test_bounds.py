# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""What one client may take of a server: bodies, answers, and the room for both. No network."""

from __future__ import annotations

import asyncio
import json
import os

import pytest
from mlflow_guard.in_mlflow import bounds, room
from mlflow_guard.in_mlflow.bounds import MIB, Bounded
from mlflow_guard.in_mlflow.room import Disk, Full, Share, Spooled, TooLarge

UPLOAD = "/ml/api/2.0/mlflow-artifacts/artifacts/0/model"


async def echo(scope, receive, send):
    """An application that counts the bytes of a body."""
    count, more = 0, True
    while more:
        message = await receive()
        count, more = count + len(message.get("body", b"")), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(count).encode()})


async def failing(scope, receive, send):
    """As frameworks do it: an exception becomes a 500, and is raised again."""
    try:
        await echo(scope, receive, send)
    except Exception:
        await send({"type": "http.response.start", "status": 500, "headers": []})
        await send({"type": "http.response.body", "body": b"Internal Server Error"})
        raise


def exchange(app, *parts, path="/api/2.0/mlflow/runs/search", method="POST", headers=(), sending=None) -> list[dict]:
    """What is sent for a body of these parts, in which a number is a pause."""

    async def receive():
        while parts:
            part = queue.pop(0)
            if isinstance(part, float):
                await asyncio.sleep(part)
                continue
            return {"type": "http.request", "body": part, "more_body": bool(queue)}
        raise AssertionError("asked again")

    async def send(message):
        if sending:
            await sending(message)
        sent.append(message)

    queue, sent = list(parts), []
    scope = {"type": "http", "path": path, "method": method, "headers": list(headers)}
    asyncio.run(asyncio.wait_for(Bounded(app)(scope, receive, send), 20))
    return sent


def answer(sent: list[dict]) -> tuple[int, dict, bytes]:
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(each["body"] for each in sent[1:])


@pytest.mark.parametrize("app", [echo, failing])
@pytest.mark.parametrize(
    ("parts", "path", "method", "status"),
    [
        ([b"x"] * 10, "/api/2.0/mlflow/runs/search", "POST", 200),
        ([bytes(MIB)] * 64, "/api/2.0/mlflow/runs/search", "POST", 200),
        ([bytes(MIB)] * 65, "/api/2.0/mlflow/runs/search", "POST", 413),
        ([bytes(MIB)] * 65, "/v1/traces", "POST", 413),
        ([bytes(MIB)] * 65, UPLOAD, "POST", 413),
        ([bytes(MIB)] * 65, UPLOAD, "PUT", 200),
        ([b"x", 0.5, b"y"], "/api/2.0/mlflow/runs/search", "POST", 408),
        ([b"x", 0.5, b"y"], UPLOAD, "PUT", 408),
        ([b"x"] + [0.1, b"y"] * 5, UPLOAD, "PUT", 408),
        ([bytes(100_000), 0.5, b"y"], UPLOAD, "PUT", 200),
    ],
)
def test_bodies(monkeypatch, app, parts, path, method, status):
    """A fifth of a second to begin with, and a second more for every 100 kB."""
    monkeypatch.setattr(bounds, "GRACE_SECONDS", 0.2)
    monkeypatch.setattr(bounds, "LEAST_BYTES_PER_SECOND", 100_000)
    found, headers, body = answer(exchange(app, *parts, path=path, method=method))
    assert found == status
    if status == 200:
        assert int(body) == sum(len(part) for part in parts if isinstance(part, bytes))
    else:
        assert headers["connection"] == "close"
        assert json.loads(body)["message"]


def test_the_time_in_which_the_server_does_not_read_is_not_the_client_s(monkeypatch):
    monkeypatch.setattr(bounds, "GRACE_SECONDS", 0.2)

    async def slow_store(scope, receive, send):
        await receive()
        await asyncio.sleep(0.5)
        await echo(scope, receive, send)

    assert answer(exchange(slow_store, b"x", b"y", path=UPLOAD, method="PUT"))[0] == 200


@pytest.mark.parametrize("length", [0, 1, bounds.PIECE_BYTES, 3 * MIB + 1])
def test_a_long_answer_goes_in_pieces(length):
    content = os.urandom(length)

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})
        await send({"type": "http.response.body", "body": content, "more_body": True})
        await send({"type": "http.response.body", "body": content})

    sent = exchange(app)
    assert max(len(each["body"]) for each in sent[1:]) <= bounds.PIECE_BYTES
    assert answer(sent) == (200, {"a": "b"}, 2 * content)
    assert [each.get("more_body", False) for each in sent[1:]] == [True] * (len(sent) - 2) + [False]


def test_who_does_not_read_is_cut(monkeypatch):
    monkeypatch.setattr(bounds, "UNREAD_SECONDS", 0.1)
    given = []

    async def sending(message):
        given.append(message)
        if len(given) > 2:
            await asyncio.sleep(3600)

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": bytes(8 * MIB)})

    sent = exchange(app, sending=sending)
    assert len(given) == 3
    # The web server closes a connection whose answer has no end.
    assert sent[-1]["more_body"]


@pytest.mark.parametrize(
    ("status", "given", "expected"), [(503, [], "1"), (503, [(b"retry-after", b"9")], "9"), (200, [], None)]
)
def test_a_503_says_when_to_come_again(status, given, expected):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": status, "headers": given})
        await send({"type": "http.response.body", "body": b""})

    assert answer(exchange(app))[1].get("retry-after") == expected


def test_a_server_that_drains_gives_its_connections_up(monkeypatch, tmp_path):
    monkeypatch.setenv(bounds.DRAINING_FILE, str(tmp_path / "draining"))
    assert "connection" not in answer(exchange(echo, b"x"))[1]
    (tmp_path / "draining").touch()
    assert answer(exchange(echo, b"x"))[1]["connection"] == "close"


def test_room_is_memory_then_disk_then_none(monkeypatch, tmp_path):
    monkeypatch.setattr(room.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(room, "FREE_BYTES", 2)
    memory, disk = Share(10), Share(30)

    def spooled(*pieces: bytes) -> Spooled:
        made = Spooled(memory, disk)
        for piece in pieces:
            made.write(piece)
        return made

    first, second = spooled(b"12345"), spooled(b"abc", b"def")
    assert (memory.used, disk.used) == (5, 6)
    third = spooled(b"x" * 24)
    with pytest.raises(Full, match="no room for what clients are sending.*MLFLOW_GUARD_TMP_MIB"):
        third.write(b"x")
    # What is small has room all the same.
    fourth = spooled(b"s", b"", b"m")
    assert (memory.used, disk.used) == (5, 30)
    for made, content in ((fourth, b"sm"), (first, b"12345"), (second, b"abcdef"), (third, b"x" * 24)):
        with made.opened() as file:
            assert file.read() == content
        made.close()
    assert (memory.used, disk.used) == (0, 0)
    # No name is left behind, whatever ends the process.
    assert not list(tmp_path.iterdir())


def test_room_for_downloads_comes_back_with_their_folders(monkeypatch, tmp_path):
    monkeypatch.setattr(room, "FREE_BYTES", 2)
    disk = Disk(10)
    folders = [tmp_path / name for name in "abc"]
    for each in folders:
        each.mkdir()
    disk.take_for(str(folders[0]), 6, "a")
    with pytest.raises(Full, match="no room for what clients are fetching.*MLFLOW_GUARD_TMP_MIB"):
        disk.take_for(str(folders[1]), 5, "b")
    disk.take_for(str(folders[1]), 4, "b")
    # What is small has room all the same, and uploads have none.
    disk.take_for(str(folders[2]), 2, "c")
    assert not disk.take(1)
    folders[0].rmdir()
    assert disk.take(6)
    assert not disk.take(1)
    disk.give_back(6)
    folders[1].rmdir()
    with pytest.raises(TooLarge, match="large.bin has .*MLFLOW_GUARD_TMP_MIB"):
        disk.take_for(str(folders[2]), 11, "large.bin")
    disk.take_for(str(folders[2]), 10, "all")
