# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Try an NFS export as its clients will use it: mount it, write, fsync, rename, and read through the other mounts.

What is found is a pair of a word, for the remedy, and the rest of a sentence that begins with the export.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import socket
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

PORT = 2049
# Where the guard of the servers keeps its own; for the servers it is not an artifact.
FOLDER = ".mlflow-guard"
CONTENT = 256 * 1024
CLONE_NEWNS = 0x00020000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC, MS_PRIVATE = 2, 4, 8, 0x4000, 1 << 18


# What the engine makes flags of, and what says for how long servers wait: neither is for a try.
NOT_TRIED = {"hard", "timeo", "retrans", "retry", "noatime", "nodiratime", "relatime", "nosuid", "nodev", "noexec"}


class Finding(Exception):
    """What is wrong with the export: the word, and the rest of the sentence."""

    def __init__(self, word: str, reason: str) -> None:
        super().__init__(reason)
        self.word, self.reason = word, reason


# What the kernel says to a mount, and to the calls of a user.
MOUNT_ERRORS = {
    errno.ENOENT: ("path", "does not exist on the server"),
    errno.ENOTDIR: ("path", "is not a folder on the server"),
    errno.EACCES: ("denied", "is refused by the server"),
    errno.EPERM: ("denied", "is refused by the server"),
    errno.EPROTONOSUPPORT: ("version", "is not served with this version of NFS"),
    errno.EINVAL: ("options", "cannot be mounted with these options"),
    errno.ECONNREFUSED: ("unreachable", "is on a server that takes no connections"),
    errno.ETIMEDOUT: ("unreachable", "is on a server that does not answer"),
    errno.EHOSTUNREACH: ("unreachable", "is on a server that cannot be reached"),
    errno.ENETUNREACH: ("unreachable", "is on a server that cannot be reached"),
}
USE_ERRORS = {
    errno.EROFS: ("read_only", "is read-only"),
    errno.EACCES: ("squashed", "may not be written to"),
    errno.EPERM: ("squashed", "may not be written to"),
    errno.ENOSPC: ("full", "is full"),
    errno.EDQUOT: ("full", "has no quota left"),
    errno.ESTALE: ("stale", "is stale"),
    errno.ETIMEDOUT: ("hangs", "does not answer"),
}


def mount_finding(error: OSError) -> Finding:
    word, reason = MOUNT_ERRORS.get(error.errno or 0, ("failed", "cannot be mounted"))
    return Finding(word, f"{reason} ({os.strerror(error.errno or 0)})")


def use_finding(error: OSError, uid: int, step: str) -> Finding:
    word, reason = USE_ERRORS.get(error.errno or 0, ("failed", "is of no use"))
    who = f" by user {uid}" if word == "squashed" else ""
    return Finding(word, f"{reason}{who} ({step}: {os.strerror(error.errno or 0)})")


def mount_data(address: str, options: Sequence[str]) -> str:
    """The options as the kernel takes them. A try must end, whatever the servers' own mounts do: soft.

    Mounts that share a cache would see each other's writes in any case, and not show what the server does.
    """
    kept = [each for each in options if each.partition("=")[0] not in NOT_TRIED]
    return ",".join((f"addr={address}", *kept, "soft", "timeo=50", "retrans=1", "nosharecache"))


def resolve(address: str, seconds: float) -> str:
    """The address of a name, where a server takes connections."""
    try:
        found = socket.getaddrinfo(address, PORT, socket.AF_INET, socket.SOCK_STREAM)[0][4][0]
    except OSError as error:
        raise Finding("unreachable", f"is on a server whose name is not known ({error.strerror})") from None
    try:
        socket.create_connection((found, PORT), seconds).close()
    except OSError as error:
        reason = error.strerror or "no answer in time"
        raise Finding("unreachable", f"is on a server that takes no connections on port {PORT} ({reason})") from None
    return str(found)


def _call(library: ctypes.CDLL, name: str, *arguments: object) -> None:
    if getattr(library, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


@contextlib.contextmanager
def _step(name: str, uid: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise use_finding(error, uid, name) from None


def mount_all(places: Sequence[Path], source: str, data: str) -> None:
    """Mount the export once for each place, in a namespace of this process alone."""
    library = ctypes.CDLL(None, use_errno=True)
    try:
        _call(library, "unshare", CLONE_NEWNS)
        _call(library, "mount", b"none", b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None)
    except OSError as error:
        raise Finding("privileges", f"cannot be tried by this user ({error.strerror})") from None
    flags = ctypes.c_ulong(MS_NOSUID | MS_NODEV | MS_NOEXEC)
    for place in places:
        try:
            _call(library, "mount", source.encode(), bytes(place), b"nfs", flags, data.encode())
        except OSError as error:
            raise mount_finding(error) from None


def _write(path: Path, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _compare(path: Path, content: bytes) -> None:
    """What was closed through one mount must be there for who opens it through another."""
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        found = b""
    if found != content:
        raise Finding("stale", "does not show a zone what another one has written")


def use(places: Sequence[Path], uid: int, minimum_free: int) -> dict:
    """Write, fsync, rename, read and delete, through each mount what the one before it wrote."""
    first = places[0]
    with _step("reading the folder", uid):
        os.listdir(first)
        space = os.statvfs(first)
    free = space.f_bavail * space.f_frsize
    parent, name = FOLDER, f"{FOLDER}/try-{uuid.uuid4()}"
    made: list[Path] = []
    try:
        with _step("making a folder", uid):
            if not (first / parent).exists():
                (first / parent).mkdir()
                made.append(first / parent)
            (first / name).mkdir()
            made.append(first / name)
        for number, place in enumerate(places):
            other = places[(number + 1) % len(places)]
            content = os.urandom(CONTENT)
            # A name of its own: to the server all mounts of a host are one client, so it does not tell one of them that
            # another has replaced a file that was delegated to it.
            whole = f"whole-{number}"
            with _step("writing a file", uid):
                _write(place / name / "part", content)
            with _step("renaming a file", uid):
                (place / name / "part").rename(place / name / whole)
            with _step("reading a file", uid):
                _compare(other / name / whole, content)
            with _step("deleting a file", uid):
                (place / name / whole).unlink()
    finally:
        with contextlib.suppress(OSError):
            for file in list((first / name).iterdir()) if made else []:
                file.unlink()
        for folder in reversed(made):
            with contextlib.suppress(OSError):
                folder.rmdir()
    if free < minimum_free:
        raise Finding("full", f"has {free // 1024**2} MiB left")
    return {"free_mib": free // 1024**2}
