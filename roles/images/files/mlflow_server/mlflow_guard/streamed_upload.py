# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""Pass an upload on to S3 while it comes in, instead of writing it to a file first.

boto3 does the sending: it cuts what it reads into parts, sends some of them at the same time, and takes back an upload
that could not be finished, so that nothing half-written is ever there to be read.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import io
from collections.abc import AsyncIterable, AsyncIterator, Callable

from boto3.s3.transfer import TransferConfig

# S3 takes parts from 5 MiB on. What an upload needs of memory is PART_BYTES for each part under way, one that waits for
# its turn, and one that is being read.
PART_BYTES = 8 * 2**20
PARTS_AT_ONCE = 3
# The web server hands over small pieces; a change of threads for each of them would cost more than sending it.
PIECE_BYTES = 2**20
# A client that is gone without a word must not keep its thread for good.
SILENCE_SECONDS = 300.0
# Threads of their own: in those of the event loop, uploads would wait for downloads, and for each other.
UPLOADS_AT_ONCE = 32
_THREADS = concurrent.futures.ThreadPoolExecutor(UPLOADS_AT_ONCE, thread_name_prefix="upload")

CONFIG = TransferConfig(
    multipart_threshold=PART_BYTES,
    multipart_chunksize=PART_BYTES,
    max_concurrency=PARTS_AT_ONCE,
)
# boto3 reads ahead up to ten parts of an upload of unknown length; that many are not needed here.
CONFIG.max_in_memory_upload_chunks = PARTS_AT_ONCE


class Broken(Exception):
    """The client did not send all that it was going to."""


async def in_pieces(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in fewer pieces. Whatever goes wrong on the client's side is Broken."""
    collected = bytearray()
    source = chunks.__aiter__()
    while True:
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                chunk = await source.__anext__()
        except StopAsyncIteration:
            break
        except TimeoutError as error:
            raise Broken(f"nothing came for {SILENCE_SECONDS:.0f} s") from error
        except Exception as error:
            raise Broken(f"the client went away ({type(error).__name__})") from error
        collected += chunk
        if len(collected) >= PIECE_BYTES:
            yield bytes(collected)
            collected.clear()
    if collected:
        yield bytes(collected)


class Incoming(io.RawIOBase):
    """What comes in, as a file that one other thread reads.

    Each piece is asked for when the reader wants it, so a slow store slows the client down.
    """

    def __init__(self, first: bytes, pieces: AsyncIterator[bytes]) -> None:
        self._rest = memoryview(first)
        self._pieces = pieces
        self._loop = asyncio.get_running_loop()
        self._asked: concurrent.futures.Future | None = None
        self._stopped = False

    def readable(self) -> bool:
        return True

    def stop(self) -> None:
        """Make the reader fail, now or when it reads next."""
        self._stopped = True
        if self._asked:
            self._asked.cancel()

    async def _next(self) -> bytes:
        try:
            return await self._pieces.__anext__()
        except StopAsyncIteration:
            return b""

    def _ask(self) -> bytes:
        self._asked = asyncio.run_coroutine_threadsafe(self._next(), self._loop)
        if self._stopped:
            self._asked.cancel()
        return self._asked.result()

    def read(self, size: int = -1) -> bytes:
        found = bytearray()
        while size < 0 or len(found) < size:
            if not self._rest:
                self._rest = memoryview(self._ask())
                if not self._rest:
                    break
            wanted = len(self._rest) if size < 0 else size - len(found)
            found += self._rest[:wanted]
            self._rest = self._rest[wanted:]
        return bytes(found)


async def in_thread(function: Callable, *positional, **named):
    return await asyncio.get_running_loop().run_in_executor(_THREADS, lambda: function(*positional, **named))


async def stream(get_client: Callable, bucket: str, key: str, extra: dict, chunks: AsyncIterable[bytes]) -> None:
    """Send what comes in to one object. Fails, and leaves no object, when not all of it comes or can be sent."""
    pieces = in_pieces(chunks)
    first = bytearray()
    async for piece in pieces:
        first += piece
        if len(first) >= PART_BYTES:
            break
    # Making a client reads files for a while, which the event loop has no time for.
    client = await in_thread(get_client)
    if len(first) < PART_BYTES:
        await in_thread(client.put_object, Bucket=bucket, Key=key, Body=bytes(first), **extra)
        return

    incoming = Incoming(bytes(first), pieces)
    del first, piece
    sending = asyncio.ensure_future(
        in_thread(client.upload_fileobj, incoming, bucket, key, ExtraArgs=extra, Config=CONFIG)
    )
    try:
        await asyncio.shield(sending)
    except asyncio.CancelledError:
        # The server stops: let boto3 take back what it has sent.
        incoming.stop()
        await asyncio.wait([sending])
        raise
