# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""Room for what clients send and for what they have not read yet: so much memory, then so much of /tmp, and no more.

A client that is slow, or that stops in the middle, keeps what it has sent so far, or what it has not read. It must not
keep more than that, and all of them together no more than a worker can spare. Only the standard library.
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


class TooLarge(Exception):
    """There will never be room, in a sentence for the client."""


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


class Disk(Share):
    """Room for files. What is in a folder that somebody else removes has it until that folder is gone."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._folders: list[tuple[str, int]] = []

    def take(self, count: int) -> bool:
        self._look()
        return super().take(count)

    def take_for(self, folder: str, count: int, what: str) -> None:
        """Take room for a file that is about to be written into this folder; or say why there is none."""
        if count <= FREE_BYTES:
            return
        if count > self.size:
            raise TooLarge(
                f"{what} has {count // MIB} MiB, and what passes through this server may have {self.size // MIB} MiB"
                f" of its /tmp ({DISK}): it needs more of them, or clients that fetch from the store themselves."
            )
        if not self.take(count):
            raise Full(
                "The server has no room for what clients are fetching at the moment"
                f" ({self.size // MIB} MiB of its /tmp, {DISK}). Try again later."
            )
        with self._lock:
            self._folders.append((folder, count))

    def _look(self) -> None:
        """Give back what was taken for folders that are gone."""
        with self._lock:
            gone = [each for each in self._folders if not os.path.exists(each[0])]
            self._folders = [each for each in self._folders if each not in gone]
            self.used -= sum(count for _folder, count in gone)


def _disk_bytes() -> int:
    text = os.environ.get(DISK, "")
    return int(text) * MIB if text.isascii() and text.isdigit() else 8192 * MIB


# Of each worker. A part of an upload has 8 MiB, so fast uploads never see the disk; and what is written there and read
# again at once seldom leaves the kernel's memory.
MEMORY = Share(128 * MIB)
# What is no longer than this is not counted: there is room for small things when large ones have taken all of it.
FREE_BYTES = 64 * 2**10
DISK_SPACE = Disk(_disk_bytes())


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
