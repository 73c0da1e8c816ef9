# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""Pass an upload on to S3 while it comes in, instead of writing it to a file first.

It is cut into parts as it comes. A part is sent, in a thread, when all of it is here: so a client that is slow, or
stops in its middle, keeps no thread from the others, and of room no more than the part that it has begun (room.py). An
upload that could not be finished is taken back, so that nothing half-written is ever there to be read.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Callable

from boto3.s3.transfer import TransferConfig
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE
from s3transfer.upload import UploadSubmissionTask
from s3transfer.utils import get_filtered_dict, set_default_checksum_algorithm

from mlflow_guard.in_mlflow.room import Full, Spooled, keep

# S3 takes parts from 5 MiB on, and 10,000 of them: the later ones of a long upload are larger, for 440 GiB in all.
PART_BYTES = 8 * 2**20
PARTS_OF_A_SIZE = 1000
# An upload may have this many parts on their way to the store, and one that is coming in.
PARTS_AT_ONCE = 3
# The web server hands over small pieces; a change of threads for each of them would cost more than sending it.
PIECE_BYTES = 2**20
# A client that is gone without a word is given up by the bounds around the application; this is for all else.
SILENCE_SECONDS = 300.0
# Threads of their own: in those of the event loop, uploads would wait for downloads, and for each other. They wait for
# the store only, and never for a client.
UPLOADS_AT_ONCE = 32
_THREADS = concurrent.futures.ThreadPoolExecutor(UPLOADS_AT_ONCE, thread_name_prefix="upload")

# For what boto3 sends by itself.
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


async def in_thread(function: Callable, *positional, **named):
    return await asyncio.get_running_loop().run_in_executor(_THREADS, lambda: function(*positional, **named))


class Parts:
    """An upload in parts, each of which is sent in a thread."""

    def __init__(self, client, where: dict, extra: dict) -> None:
        self.client, self.where, self.extra = client, where, extra
        self.upload: str | None = None
        self.number = 0
        self.sending: set[asyncio.Future] = set()
        self.sent: list[dict] = []

    async def begin(self) -> None:
        # What boto3 does by itself: parts have the checksums that the upload was begun with.
        if self.client.meta.config.request_checksum_calculation == "when_supported":
            set_default_checksum_algorithm(self.extra)
        answer = await in_thread(self.client.create_multipart_upload, **self.where, **self.extra)
        self.upload = answer["UploadId"]

    async def add(self, part: Spooled) -> None:
        """Send a part, which is closed then; waits while as many as may be are on their way."""
        self.number += 1
        self.sending.add(asyncio.ensure_future(in_thread(self._send, self.number, part)))
        if len(self.sending) >= PARTS_AT_ONCE:
            await self._collect(asyncio.FIRST_COMPLETED)

    def _send(self, number: int, part: Spooled) -> None:
        extra = get_filtered_dict(self.extra, UploadSubmissionTask.UPLOAD_PART_ARGS)
        try:
            with part.opened() as body:
                answer = self.client.upload_part(
                    **self.where, UploadId=self.upload, PartNumber=number, Body=body, ContentLength=part.size, **extra
                )
        finally:
            part.close()
        algorithm = f"Checksum{self.extra.get('ChecksumAlgorithm', '').upper()}"
        checksum = {algorithm: answer[algorithm]} if algorithm in answer else {}
        self.sent.append({"PartNumber": number, "ETag": answer["ETag"], **checksum})

    async def _collect(self, until: str) -> None:
        done, self.sending = await asyncio.wait(self.sending, return_when=until)
        for each in done:
            each.result()

    async def complete(self) -> None:
        if self.sending:
            await self._collect(asyncio.ALL_COMPLETED)
        parts = sorted(self.sent, key=lambda part: part["PartNumber"])
        extra = get_filtered_dict(self.extra, UploadSubmissionTask.COMPLETE_MULTIPART_ARGS)
        upload = {"UploadId": self.upload, "MultipartUpload": {"Parts": parts}}
        await in_thread(self.client.complete_multipart_upload, **self.where, **upload, **extra)

    async def take_back(self) -> None:
        """As if it had never begun. A part that arrives afterwards would stay, so all are waited for."""
        if self.sending:
            await asyncio.wait(self.sending)
        if self.upload:
            # Why the upload failed is known, and counts.
            with contextlib.suppress(Exception):
                await in_thread(self.client.abort_multipart_upload, **self.where, UploadId=self.upload)


async def stream(get_client: Callable, bucket: str, key: str, extra: dict, chunks: AsyncIterable[bytes]) -> None:
    """Send what comes in to one object. Fails, and leaves no object, when not all of it comes or can be sent."""
    where, extra = {"Bucket": bucket, "Key": key}, dict(extra)
    parts: Parts | None = None
    part, complete = Spooled(), False
    try:
        async for piece in in_pieces(chunks):
            await keep(part, piece)
            if part.size < PART_BYTES * (1 + (parts.number if parts else 0) // PARTS_OF_A_SIZE):
                continue
            if parts is None:
                # Making a client reads files for a while, which the event loop has no time for.
                parts = Parts(await in_thread(get_client), where, extra)
                await parts.begin()
            full, part = part, Spooled()
            await parts.add(full)
        if parts is None:
            with part.opened() as body:
                await in_thread(_put, get_client, where, body, part.size, extra)
        else:
            if part.size:
                full, part = part, Spooled()
                await parts.add(full)
            await parts.complete()
        complete = True
    except Full as full:
        raise MlflowException(str(full), error_code=TEMPORARILY_UNAVAILABLE) from full
    finally:
        part.close()
        if parts and not complete:
            # Also when the server stops, which cancels this.
            await asyncio.shield(parts.take_back())


def _put(get_client: Callable, where: dict, body, length: int, extra: dict) -> None:
    get_client().put_object(**where, Body=body, ContentLength=length, **extra)
