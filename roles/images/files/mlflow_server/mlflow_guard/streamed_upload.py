# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""Pass an upload on to S3 while it comes in, instead of writing it to a file first.

boto3 does the sending: it cuts what it reads into parts, sends some of them at the same time, and takes back an upload
that could not be finished, so that nothing half-written is ever there to be read.
"""

from __future__ import annotations

import asyncio
import io
import queue
from collections.abc import AsyncIterable

from boto3.s3.transfer import TransferConfig

# S3 takes parts from 5 MiB on. What an upload needs of memory is PART_BYTES for each part under way and in the queue.
PART_BYTES = 8 * 2**20
PARTS_AT_ONCE = 3
# The web server hands over small pieces; a change of threads for each of them would cost more than sending it.
PIECE_BYTES = 2**20
PIECES_WAITING = 4
# Between two looks whether the other side is still there.
LOOK_SECONDS = 1.0

CONFIG = TransferConfig(
    multipart_threshold=PART_BYTES,
    multipart_chunksize=PART_BYTES,
    max_concurrency=PARTS_AT_ONCE,
)
# boto3 reads ahead up to ten parts of an upload of unknown length; that many are not needed here.
CONFIG.max_in_memory_upload_chunks = PARTS_AT_ONCE


class Broken(Exception):
    """The client did not send all that it was going to."""


class Incoming(io.RawIOBase):
    """A file that one thread fills and another one reads: bounded, so that a slow store slows the client down."""

    def __init__(self) -> None:
        self._pieces: queue.Queue = queue.Queue(PIECES_WAITING)
        self._rest = memoryview(b"")
        self._ended = False
        self._given_up = False

    def readable(self) -> bool:
        return True

    def put(self, piece: bytes | None | BaseException) -> None:
        """A piece; None for the end; an exception to make the reader fail. Returns at once if nobody reads any more."""
        while not self._given_up:
            try:
                self._pieces.put(piece, timeout=LOOK_SECONDS)
                return
            except queue.Full:
                continue

    def give_up(self) -> None:
        """Nobody reads any more."""
        self._given_up = True

    def read(self, size: int = -1) -> bytes:
        found = bytearray()
        while size < 0 or len(found) < size:
            if not self._rest:
                if self._ended:
                    break
                piece = self._pieces.get()
                if isinstance(piece, BaseException):
                    self._ended = True
                    raise Broken(f"The upload broke off: {type(piece).__name__}") from piece
                if piece is None:
                    self._ended = True
                    break
                self._rest = memoryview(piece)
            wanted = len(self._rest) if size < 0 else size - len(found)
            found += self._rest[:wanted]
            self._rest = self._rest[wanted:]
        return bytes(found)


async def _pieces(chunks: AsyncIterable[bytes]):
    """The same bytes in fewer pieces."""
    collected = bytearray()
    async for chunk in chunks:
        collected += chunk
        if len(collected) >= PIECE_BYTES:
            yield bytes(collected)
            collected.clear()
    if collected:
        yield bytes(collected)


async def stream(client, bucket: str, key: str, extra: dict, chunks: AsyncIterable[bytes]) -> None:
    """Send what comes in to one object. Fails, and leaves no object, when not all of it comes or can be sent."""
    incoming = Incoming()

    def send() -> None:
        try:
            client.upload_fileobj(incoming, bucket, key, ExtraArgs=extra, Config=CONFIG)
        finally:
            incoming.give_up()

    # A small one comes whole before anything is sent.
    pieces = _pieces(chunks)
    first = bytearray()
    async for piece in pieces:
        first += piece
        if len(first) >= PART_BYTES:
            break
    else:
        await asyncio.to_thread(client.put_object, Bucket=bucket, Key=key, Body=bytes(first), **extra)
        return

    sending = asyncio.ensure_future(asyncio.to_thread(send))
    try:
        await asyncio.to_thread(incoming.put, bytes(first))
        first.clear()
        async for piece in pieces:
            await asyncio.to_thread(incoming.put, piece)
            if sending.done():
                break
        await asyncio.to_thread(incoming.put, None)
    except BaseException as reason:
        # The client went away, or the server stops: let boto3 take back what it has sent.
        await asyncio.shield(asyncio.to_thread(incoming.put, reason))
        await asyncio.shield(asyncio.wait([sending]))
        raise
    await sending
