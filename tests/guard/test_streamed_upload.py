# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""The parts of streamed uploads: collecting what comes in, sending it in parts, and taking it back."""

from __future__ import annotations

import asyncio
import os
import uuid

import boto3
import pytest
from mlflow.exceptions import MlflowException
from mlflow_guard.in_mlflow import room, streamed_upload
from mlflow_guard.in_mlflow.streamed_upload import PART_BYTES, PIECE_BYTES, Broken, in_pieces


async def chunks(*sent: bytes, end: Exception | None = None):
    for each in sent:
        yield each
    if end:
        raise end


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ([], []),
        ([b""], []),
        ([b"a", b"", b"b"], [2]),
        ([b"a" * PIECE_BYTES], [PIECE_BYTES]),
        ([b"a" * (PIECE_BYTES - 1), b"b" * 5, b"c"], [PIECE_BYTES + 4, 1]),
    ],
)
def test_small_chunks_become_pieces(sent, expected):
    async def collect():
        return [piece async for piece in in_pieces(chunks(*sent))]

    found = asyncio.run(collect())
    assert [len(piece) for piece in found] == expected
    assert b"".join(found) == b"".join(sent)


def pieces_of(source) -> list[bytes]:
    async def collect():
        return [piece async for piece in in_pieces(source)]

    return asyncio.run(collect())


def test_a_client_that_goes_away_fails_the_upload():
    with pytest.raises(Broken, match=r"the client went away \(ConnectionError\)"):
        pieces_of(chunks(b"x", end=ConnectionError()))


def test_a_silent_client_fails_the_upload(monkeypatch):
    monkeypatch.setattr(streamed_upload, "SILENCE_SECONDS", 0.05)

    async def silent():
        yield b"x"
        await asyncio.sleep(3600)

    with pytest.raises(Broken, match="nothing came"):
        pieces_of(silent())


@pytest.fixture
def small_room(monkeypatch):
    """As much memory as one part, and as much disk as four."""
    monkeypatch.setattr(room, "WAIT_SECONDS", 2)
    monkeypatch.setattr(room, "MEMORY", room.Share(PART_BYTES))
    monkeypatch.setattr(room, "DISK_SPACE", room.Share(4 * PART_BYTES))


@pytest.fixture
def s3(object_store):
    return boto3.client(
        "s3",
        endpoint_url=object_store.endpoint,
        aws_access_key_id=object_store.access_key,
        aws_secret_access_key=object_store.secret_key,
        region_name="us-east-1",
    )


@pytest.fixture
def bucket(s3):
    name = f"b{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.mark.parametrize("size", [0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 5 * PART_BYTES + 3])
@pytest.mark.usefixtures("small_room")
def test_what_comes_in_is_there(s3, bucket, size):
    """Also where the parts have to wait on the disk; and all room is given back."""
    content = os.urandom(size)
    cut = (content[begin : begin + 300_000] for begin in range(0, size, 300_000))
    asyncio.run(streamed_upload.stream(lambda: s3, bucket, "key", {"ContentType": "a/b"}, chunks(*cut)))
    found = s3.get_object(Bucket=bucket, Key="key")
    assert (found["Body"].read(), found["ContentType"]) == (content, "a/b")
    assert (room.MEMORY.used, room.DISK_SPACE.used) == (0, 0)


@pytest.mark.usefixtures("small_room")
def test_slow_uploads_keep_no_thread_and_no_more_room_than_there_is(s3, bucket):
    """More slow uploads than threads, each in the middle of its second part: a small one goes through at once."""

    arrived = []

    async def slow(for_ever: asyncio.Event):
        yield bytes(PART_BYTES)
        yield bytes(PIECE_BYTES)
        arrived.append(True)
        await for_ever.wait()

    async def load():
        for_ever = asyncio.Event()

        def upload(name: str, source) -> asyncio.Future:
            return asyncio.ensure_future(streamed_upload.stream(lambda: s3, bucket, name, {}, source))

        uploads = [upload(f"slow{number}", slow(for_ever)) for number in range(streamed_upload.UPLOADS_AT_ONCE + 8)]
        for _ in range(600):
            refused = [each for each in uploads if each.done()]
            if len(refused) + len(arrived) >= len(uploads):
                break
            await asyncio.sleep(0.1)
        # There is no room for the second parts of all.
        for each in refused:
            with pytest.raises(MlflowException, match="no room for what clients are sending"):
                each.result()
        await asyncio.wait_for(upload("small", chunks(b"nine byte")), 30)
        for_ever.set()
        await asyncio.wait(uploads)
        return len(uploads) - len(refused)

    assert asyncio.run(load()) >= 8
    assert (room.MEMORY.used, room.DISK_SPACE.used) == (0, 0)
    assert not s3.list_multipart_uploads(Bucket=bucket).get("Uploads")


def test_a_cancelled_upload_is_taken_back(s3, bucket):
    """What happens when a server stops while a client still sends."""

    def begun() -> bool:
        return bool(s3.list_multipart_uploads(Bucket=bucket).get("Uploads"))

    async def endless():
        for _ in range(20):
            yield b"x" * PIECE_BYTES
        await asyncio.sleep(3600)

    async def cancelled():
        upload = asyncio.ensure_future(streamed_upload.stream(lambda: s3, bucket, "key", {}, endless()))
        async with asyncio.timeout(30):
            while not await asyncio.to_thread(begun):
                await asyncio.sleep(0.1)
        upload.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(upload, 30)

    asyncio.run(cancelled())
    assert not begun()
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
