# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""The parts of streamed uploads: collecting what comes in, reading it in another thread, and taking it back."""

from __future__ import annotations

import asyncio
import concurrent.futures
import uuid

import boto3
import pytest
from mlflow_guard import streamed_upload
from mlflow_guard.streamed_upload import PIECE_BYTES, Broken, Incoming, in_pieces


async def chunks(*sent: bytes, end: Exception | None = None):
    for each in sent:
        yield each
    if end:
        raise end


async def read_all(first: bytes, source, sizes: list[int]) -> list[bytes]:
    incoming = Incoming(first, in_pieces(source))
    return await asyncio.to_thread(lambda: [incoming.read(size) for size in sizes])


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


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([-1], [b"firstsecond"]),
        ([5, 6, 1], [b"first", b"second", b""]),
        ([7, 100, 100], [b"firstse", b"cond", b""]),
        ([0, 1, -1], [b"", b"f", b"irstsecond"]),
    ],
)
def test_reads_of_any_size(sizes, expected):
    assert asyncio.run(read_all(b"first", chunks(b"sec", b"ond"), sizes)) == expected


def test_a_client_that_goes_away_fails_the_reader():
    with pytest.raises(Broken, match=r"the client went away \(ConnectionError\)"):
        asyncio.run(read_all(b"first", chunks(b"x", end=ConnectionError()), [-1]))


def test_a_silent_client_fails_the_reader(monkeypatch):
    monkeypatch.setattr(streamed_upload, "SILENCE_SECONDS", 0.05)

    async def silent():
        yield b"x"
        await asyncio.sleep(3600)

    with pytest.raises(Broken, match="nothing came"):
        asyncio.run(read_all(b"", silent(), [-1]))


def test_a_reader_that_waits_can_be_stopped():
    async def stopped():
        waiting = asyncio.Event()

        async def never():
            waiting.set()
            await asyncio.sleep(3600)
            yield b""

        incoming = Incoming(b"first", in_pieces(never()))
        reading = asyncio.ensure_future(asyncio.to_thread(incoming.read, 6))
        await waiting.wait()
        incoming.stop()
        await asyncio.wait([reading], timeout=10)
        with pytest.raises((asyncio.CancelledError, concurrent.futures.CancelledError)):
            reading.result()
        # And it does not begin again.
        with pytest.raises((asyncio.CancelledError, concurrent.futures.CancelledError)):
            await asyncio.to_thread(incoming.read, 6)

    asyncio.run(stopped())


def test_a_cancelled_upload_is_taken_back(object_store):
    """What happens when a server stops while a client still sends."""
    s3 = boto3.client(
        "s3",
        endpoint_url=object_store.endpoint,
        aws_access_key_id=object_store.access_key,
        aws_secret_access_key=object_store.secret_key,
        region_name="us-east-1",
    )
    bucket = f"b{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=bucket)

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
