# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""Room for what clients send and for what they have not read yet: so much memory, then so much of /tmp, and no more.

A client that is slow, or that stops in the middle, keeps what it has sent so far. It must not keep more than that, and
all of them together no more than a worker can spare. Only the standard library.
"""

from __future__ import annotations

import asyncio
import io
import os
import tempfile
import threading
import time

MIB = 2**20
DISK = "MLFLOW_GUARD_TMP_MIB"


# Room is given back all the time. Meanwhile the client is not read from.
WAIT_SECONDS = 20.0
POLL_SECONDS = 0.1


class Full(Exception):
    """There is no room, in a sentence for the client."""


class Share:
    """A number of bytes of which parts are taken and given back, by any thread."""

    def __init__(self, size: int) -> None:
        self.size, self.used = size, 0
        self._lock = threading.Lock()

    def take(self, count: int) -> bool:
        """Whether there was as much."""
        with self._lock:
            if self.used + count > self.size:
                return False
            self.used += count
            return True

    def give_back(self, count: int) -> None:
        with self._lock:
            self.used -= count


def _disk_bytes() -> int:
    text = os.environ.get(DISK, "")
    return int(text) * MIB if text.isascii() and text.isdigit() else 8192 * MIB


# Of each worker. A part of an upload has 8 MiB, so fast uploads never see the disk; and what is written there and read
# again at once seldom leaves the kernel's memory.
MEMORY = Share(128 * MIB)
# What is no longer than this is not counted: there is room for small things when large ones have taken all of it.
FREE_BYTES = 64 * 2**10
DISK_SPACE = Share(_disk_bytes())


class Spooled:
    """Bytes that are written once and then read: in memory while there is room, else in a file without a name."""

    def __init__(self, memory: Share | None = None, disk: Share | None = None) -> None:
        self.memory, self.disk = memory or MEMORY, disk or DISK_SPACE
        self.size = 0
        self._pieces: list[bytes] = []
        self._in_memory = self._on_disk = 0
        self._file = None

    def write(self, piece: bytes) -> None:
        """Keep it. What is in memory moves to the disk as soon as there is no more room for the rest."""
        if self.size + len(piece) <= FREE_BYTES:
            self._pieces.append(piece)
        elif self._file is None and self.memory.take(self.size + len(piece) - self._in_memory):
            self._in_memory = self.size + len(piece)
            self._pieces.append(piece)
        else:
            self._to_disk(piece)
        self.size += len(piece)

    def _to_disk(self, piece: bytes) -> None:
        wanted = self.size + len(piece) - self._on_disk
        if not self.disk.take(wanted):
            raise Full(
                "The server has no room for what clients are sending at the moment"
                f" ({self.disk.size // MIB} MiB of its /tmp, {DISK}). Try again later."
            )
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115
            self._file.seek(self._on_disk)
            self._file.writelines((*self._pieces, piece))
            self._file.flush()
        except OSError as error:
            self.disk.give_back(wanted)
            raise Full(f"The server's /tmp does not take what clients are sending: {error.strerror}.") from error
        self._on_disk += wanted
        self._pieces.clear()
        self.memory.give_back(self._in_memory)
        self._in_memory = 0

    def opened(self):
        """All of it as a file, at its beginning. Nothing is written any more."""
        if self._file is None:
            # In one piece from now on, or it would be there twice.
            self._pieces = [b"".join(self._pieces)]
            return io.BytesIO(self._pieces[0])
        os.lseek(self._file.fileno(), 0, os.SEEK_SET)
        return io.BufferedReader(io.FileIO(self._file.fileno(), closefd=False), MIB)

    def close(self) -> None:
        """Give the room back."""
        self._pieces.clear()
        self.memory.give_back(self._in_memory)
        if self._file is not None:
            self._file.close()
        self.disk.give_back(self._on_disk)
        self._in_memory = self._on_disk = 0


async def keep(spooled: Spooled, piece: bytes) -> None:
    """Write, and wait for room if there is none."""
    end = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            spooled.write(piece)
            return
        except Full:
            if time.monotonic() > end:
                raise
        await asyncio.sleep(POLL_SECONDS)
