# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""The files of a deployment's folder: what is wanted, what is there, and the steps from one to the other.

Everything below the folder is reached through open descriptors, one folder at a time, so that no symlink can lead out
of it, not even one that is put there meanwhile.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

FOLDER_MODE = 0o700
# For a secret whose reader cannot be made its owner: the folders keep other users out.
UNOWNED_SECRET_MODE = 0o444
# The leading zero is a must: YAML reads an unquoted 0644 as the number 420, which would be an octal number, too.
MODE = re.compile(r"0[0-7]{3}")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# Folders that no deployment has for itself. The mode 0700 would lock others out of them, and pruning empty them.
# fmt: off
SHARED = frozenset(
    (
        "/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/media", "/mnt",
        "/opt", "/proc", "/root", "/run", "/sbin", "/srv", "/sys", "/tmp", "/usr", "/usr/bin",
        "/usr/lib", "/usr/local", "/usr/sbin", "/usr/share",
        "/var", "/var/lib", "/var/lib/docker", "/var/log", "/var/run", "/var/tmp",
    )
)
# fmt: on
# A file beyond this size is neither shown nor, if its size is another than the wanted one, read.
SHOWN_SIZE = 1 << 20

OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
REMEDIES = {
    errno.EACCES: "run the task as the user who owns it, or with become",
    errno.EPERM: "run the task as the user who owns it, or with become",
    errno.EROFS: "choose a folder on a file system that can be written",
    errno.ENOSPC: "free space on its file system and run the task again",
    errno.EDQUOT: "free space or raise the quota, and run the task again",
    errno.EFBIG: "raise the limit of the size of files and run the task again",
    errno.ENAMETOOLONG: "choose a shorter name",
}

Parts = tuple  # of str: a relative path, cut at its slashes


class FilesError(Exception):
    """The files cannot be had; the message is one sentence that says why and what to do, without any content."""


@dataclass(frozen=True)
class Wanted:
    """A file as it shall be. The content is left out of the representation, so that it cannot reach a message."""

    parts: Parts
    content: bytes = field(repr=False)
    mode: int
    uid: int
    gid: int | None  # None: whatever group it has is fine, and it is not set
    secret: bool


@dataclass(frozen=True)
class FolderStep:
    """A folder that is made, or gets another mode."""

    parts: Parts
    mode: int | None  # the present one, None if the folder is missing


@dataclass(frozen=True)
class FileStep:
    """A file that is written, and what is in its place."""

    wanted: Wanted
    differs: tuple  # of "content", "mode" and "owner"; empty for a new file
    mode: int | None  # the present one, None if the file is missing
    owner: str
    before: bytes | None = field(repr=False)  # None: not read


@dataclass(frozen=True)
class RemovalStep:
    """A file, a symlink, or a folder that is empty by then."""

    parts: Parts
    folder: bool


@dataclass
class Steps:
    """All that has to be done, in this order."""

    folders: list[FolderStep] = field(default_factory=list)
    files: list[FileStep] = field(default_factory=list)
    removals: list[RemovalStep] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.folders or self.files or self.removals)

    @property
    def written(self) -> list[str]:
        return [shown(step.wanted.parts) for step in self.files]

    @property
    def removed(self) -> list[str]:
        return [shown(step.parts, step.folder) for step in self.removals]


def shown(parts: Parts, folder: bool = False) -> str:
    """The path as text; bytes that are no UTF-8 become escapes, as JSON has no place for them."""
    path = "/".join(parts) + ("/" if folder else "")
    return os.fsencode(path).decode("utf-8", "backslashreplace")


# What is wanted. Nothing here looks at the file system.


def cut(option: str, path: str) -> Parts:
    """A relative path without detours, cut at its slashes."""
    if not path:
        raise FilesError(f"{option}: a path is empty; give one relative to the folder.")
    if CONTROL.search(path):
        raise FilesError(f"{option}: {path!r} holds control characters; give a path without them.")
    try:
        path.encode()
    except UnicodeEncodeError:
        raise FilesError(f"{option}: {path!r} cannot be written as UTF-8; give a path that can.") from None
    if path.startswith("/"):
        raise FilesError(f"{option}: {path} is absolute; give it relative to the folder.")
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    if ".." in parts:
        raise FilesError(f"{option}: {path} holds '..'; give a path that stays below the folder.")
    if not parts:
        raise FilesError(f"{option}: {path} is the folder itself; give a path below it.")
    return parts


def want(files: list[dict[str, Any]], secret_files: list[dict[str, Any]], uid: int, gid: int) -> list[Wanted]:
    """The files as a process with this uid and gid has to write them."""
    wanted: dict[Parts, Wanted] = {}
    for option, entries in (("files", files), ("secret_files", secret_files)):
        for entry in entries:
            path = entry["path"]
            parts = cut(option, path)
            if path.endswith(("/", "/.")):
                raise FilesError(f"{option}: {path} is the path of a folder; give that of a file.")
            if parts in wanted:
                raise FilesError(f"{option}: {path} is given twice; give each path once in files and secret_files.")
            wanted[parts] = want_file(option, entry, parts, uid, gid)
    for parts in wanted:
        for length in range(1, len(parts)):
            if parts[:length] in wanted:
                raise FilesError(
                    f"files: {shown(parts[:length])} is a file and, for {shown(parts)}, a folder; rename one of them."
                )
    return [wanted[parts] for parts in sorted(wanted)]


def want_file(option: str, entry: dict[str, Any], parts: Parts, uid: int, gid: int) -> Wanted:
    path = entry["path"]
    if not MODE.fullmatch(entry["mode"]):
        raise FilesError(
            f"{option}: the mode {entry['mode']!r} of {path} is not an octal number of four digits up to 0777; "
            "write it in quotes, like '0644'."
        )
    mode = int(entry["mode"], 8)
    if not mode & stat.S_IRUSR:
        raise FilesError(f"{option}: with the mode '{mode:04o}' its owner could not read {path}; add 0400 to the mode.")
    try:
        content = entry["content"].encode()
    except UnicodeEncodeError:
        # The original error would show a part of the content.
        raise FilesError(f"{option}: the content of {path} cannot be written as UTF-8; give text that can.") from None
    owner = entry.get("owner")
    # The largest number stands for "leave it as it is" in the calls of the system.
    if owner is not None and not 0 <= owner < 2**32 - 1:
        raise FilesError(
            f"{option}: the owner {owner} of {path} is not a user id; give a number from 0 to {2**32 - 2}."
        )
    if uid == 0:
        uid, gid_wanted = (uid, gid) if owner is None else (owner, owner)
    else:
        gid_wanted = None
        if owner not in (None, uid):
            mode = UNOWNED_SECRET_MODE
    return Wanted(parts, content, mode, uid, gid_wanted, option == "secret_files")


def check_folder(path: str) -> str:
    """The path of the folder without detours, unless others need it."""
    if not os.path.isabs(path):
        raise FilesError(f"path: {path!r} is not absolute; give the absolute path of the deployment's folder.")
    # Two slashes at the beginning would be kept.
    folder = os.path.normpath("/" + path.lstrip("/"))
    real = os.path.realpath(folder)
    home = os.path.realpath(os.path.expanduser("~"))
    if {folder, real} & SHARED or (home + "/").startswith(real + "/"):
        raise FilesError(f"path: {path} is shared by others; give a folder that the deployment has for itself.")
    return folder


# What is there. Nothing here changes anything.


@contextmanager
def explained(path: str, verb: str) -> Iterator[None]:
    """Say what the error of the system means for the file."""
    try:
        yield
    except OSError as error:
        remedy = REMEDIES.get(error.errno, "remove the cause and run the task again")
        # A name may hold bytes that are no UTF-8.
        path = os.fsencode(path).decode("utf-8", "backslashreplace")
        raise FilesError(f"path: {path} cannot be {verb} ({error.strerror}); {remedy}.") from error


@contextmanager
def opened(folder: str, parts: Parts) -> Iterator[int]:
    """A descriptor of the folder or of one below it."""
    descriptor = os.open(folder, OPEN_FOLDER)
    try:
        for part in parts:
            below = os.open(part, OPEN_FOLDER | os.O_NOFOLLOW, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


def look(folder: str, parts: Parts) -> os.stat_result | None:
    """What is in this place, itself and not what it may point to; None if nothing is."""
    try:
        with opened(folder, parts[:-1]) as descriptor:
            return os.stat(parts[-1], dir_fd=descriptor, follow_symlinks=False)
    except FileNotFoundError:
        return None


def kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "a symlink"
    if stat.S_ISDIR(mode):
        return "a folder"
    return "a file" if stat.S_ISREG(mode) else "a special file"


def needed_folders(wanted: Iterable[Wanted]) -> list[Parts]:
    """The folder itself and those on the way to the files, each before those below it."""
    return sorted({file.parts[:length] for file in wanted for length in range(len(file.parts))} | {()})


def inspect(folder: str, wanted: list[Wanted], prune: bool, keep: Iterable[Parts], with_content: bool) -> Steps:
    """The steps from what is there to what is wanted. With `with_content` they hold the present content."""
    steps = Steps()
    folders = needed_folders(wanted)
    missing: set[Parts] = set()
    for parts in folders:
        path = os.path.join(folder, *parts)
        with explained(path, "read"):
            present = None
            if parts:
                if parts[:-1] not in missing:
                    present = look(folder, parts)
            elif os.path.lexists(folder):
                # The folder itself may be reached through a symlink, as each folder above it may.
                present = os.stat(folder)
            else:
                check_parents(folder)
        if present is None:
            missing.add(parts)
            steps.folders.append(FolderStep(parts, None))
        elif not stat.S_ISDIR(present.st_mode):
            raise FilesError(f"path: {path} is {kind(present.st_mode)} where a folder is needed; remove it first.")
        elif stat.S_IMODE(present.st_mode) != FOLDER_MODE:
            steps.folders.append(FolderStep(parts, stat.S_IMODE(present.st_mode)))
    for file in wanted:
        step = inspect_file(folder, file, file.parts[:-1] in missing, with_content)
        if step:
            steps.files.append(step)
    if prune and () not in missing:
        kept = list(keep)
        stays = {file.parts for file in wanted}
        # Folders above something that is kept stay, even while there is nothing to keep.
        needed = set(folders) | {parts[:length] for parts in kept for length in range(1, len(parts))}
        with explained(folder, "read"), opened(folder, ()) as descriptor:
            device = os.fstat(descriptor).st_dev
            steps.removals, _empty = superfluous(folder, descriptor, (), stays | set(kept), needed, device)
    return steps


def check_parents(folder: str) -> None:
    """Raise the error of the system that making a missing folder would meet, as far as it can be told."""
    parent = os.path.dirname(folder)
    while not os.path.lexists(parent):
        parent = os.path.dirname(parent)
    if not os.path.isdir(parent):
        raise FilesError(f"path: {parent} is not a folder, so that {folder} cannot be made below it; remove it first.")


def inspect_file(folder: str, file: Wanted, is_missing: bool, with_content: bool) -> FileStep | None:
    path = os.path.join(folder, *file.parts)
    with explained(path, "read"):
        present = None if is_missing else look(folder, file.parts)
        if present is None:
            return FileStep(file, (), None, "", None)
        if not stat.S_ISREG(present.st_mode):
            raise FilesError(f"path: {path} is {kind(present.st_mode)} where a file is to be written; remove it first.")
        before = None
        # A secret's content is never shown, so that it is read only for the comparison.
        to_be_shown = with_content and not file.secret and present.st_size <= SHOWN_SIZE
        if present.st_size == len(file.content) or to_be_shown:
            before = read(folder, file.parts)
    mode = stat.S_IMODE(present.st_mode)
    differences = {
        "content": before != file.content,
        "mode": mode != file.mode,
        "owner": present.st_uid != file.uid or file.gid not in (None, present.st_gid),
    }
    differs = tuple(name for name, different in differences.items() if different)
    if not differs:
        return None
    owner = f"{present.st_uid}:{present.st_gid}"
    return FileStep(file, differs, mode, owner, before if to_be_shown else None)


def read(folder: str, parts: Parts) -> bytes:
    with opened(folder, parts[:-1]) as descriptor:
        # O_NONBLOCK: a pipe that has come here meanwhile shall not make us wait.
        handle = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=descriptor)
    with os.fdopen(handle, "rb") as stream:
        return stream.read()


def superfluous(
    folder: str, descriptor: int, parts: Parts, stays: set[Parts], needed: set[Parts], device: int
) -> tuple[list[RemovalStep], bool]:
    """What has to go from a folder, and whether nothing is left in it then."""
    removals: list[RemovalStep] = []
    empty = True
    for name in sorted(os.listdir(descriptor)):
        below = (*parts, name)
        with explained(os.path.join(folder, *below), "read"):
            present = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            if below in stays:
                empty = False
            elif not stat.S_ISDIR(present.st_mode):
                removals.append(RemovalStep(below, False))
            elif present.st_dev != device:
                # Another file system is mounted here; it does not belong to the folder.
                empty = False
            else:
                inner = os.open(name, OPEN_FOLDER | os.O_NOFOLLOW, dir_fd=descriptor)
                try:
                    found, emptied = superfluous(folder, inner, below, stays, needed, device)
                finally:
                    os.close(inner)
                removals += found
                if emptied and below not in needed:
                    removals.append(RemovalStep(below, True))
                else:
                    empty = False
    return removals, empty


def postpone(steps: Steps, late: set[Parts]) -> Steps:
    """Take the late files and all removals out of the steps; the ones taken out."""
    left = Steps(files=[step for step in steps.files if step.wanted.parts in late], removals=steps.removals)
    steps.files = [step for step in steps.files if step.wanted.parts not in late]
    steps.removals = []
    return left


# The steps themselves.


def apply(folder: str, steps: Steps, done: Steps) -> None:
    """Take the steps; `done` holds those that were taken, also when an error ends them."""
    for step in steps.folders:
        with explained(os.path.join(folder, *step.parts), "made" if step.mode is None else "given the mode 0700"):
            make_folder(folder, step)
        done.folders.append(step)
    for step in steps.files:
        parts = step.wanted.parts
        with explained(os.path.join(folder, *parts), "written"), opened(folder, parts[:-1]) as descriptor:
            write(descriptor, parts[-1], step.wanted)
        done.files.append(step)
    for step in steps.removals:
        # What is gone already, or a folder that somebody has put something into meanwhile, needs no removal.
        with explained(os.path.join(folder, *step.parts), "removed"), suppress(FileNotFoundError):
            with opened(folder, step.parts[:-1]) as descriptor:
                if not step.folder:
                    os.unlink(step.parts[-1], dir_fd=descriptor)
                elif not remove_empty(step.parts[-1], descriptor):
                    continue
            done.removals.append(step)


def make_folder(folder: str, step: FolderStep) -> None:
    if step.mode is None:
        if step.parts:
            with opened(folder, step.parts[:-1]) as descriptor:
                os.mkdir(step.parts[-1], FOLDER_MODE, dir_fd=descriptor)
        else:
            make_parents(folder)
            os.mkdir(folder, FOLDER_MODE)
    with opened(folder, step.parts) as descriptor:
        os.fchmod(descriptor, FOLDER_MODE)


def make_parents(folder: str) -> None:
    parent = os.path.dirname(folder)
    if not os.path.lexists(parent):
        make_parents(parent)
        os.mkdir(parent, FOLDER_MODE)


def remove_empty(name: str, descriptor: int) -> bool:
    try:
        os.rmdir(name, dir_fd=descriptor)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True


def write(descriptor: int, name: str, file: Wanted) -> None:
    """Replace the file in one step. Until then nobody else can read the new one, which is a file of its own."""
    temporary = f".deployment_files.{secrets.token_hex(8)}"
    handle = os.open(
        temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=descriptor
    )
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(file.content)
            stream.flush()
            if file.gid is not None:
                os.fchown(handle, file.uid, file.gid)
            # Last, as a change of the owner can take bits of the mode away.
            os.fchmod(handle, file.mode)
        os.replace(temporary, name, src_dir_fd=descriptor, dst_dir_fd=descriptor)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=descriptor)
        raise


# What diff mode shows.


def describe(folder: str, steps: Steps) -> list[dict[str, str]]:
    """The steps in the form of Ansible's diff, without the content of secrets and of files that are removed."""
    entries = []
    for step in steps.folders:
        before = "" if step.mode is None else f"folder, mode {step.mode:04o}\n"
        header = shown(step.parts, True) if step.parts else os.path.join(folder, "")
        entries.append(diff(header, before, f"folder, mode {FOLDER_MODE:04o}\n"))
    for step in steps.files:
        entries += describe_file(step)
    for step in steps.removals:
        text = "an empty folder\n" if step.folder else "a file that is not wanted, content not shown\n"
        entries.append(diff(f"{shown(step.parts, step.folder)} (removed)", text, ""))
    return entries


def diff(header: str, before: str, after: str) -> dict[str, str]:
    return {"before_header": header, "after_header": header, "before": before, "after": after}


def describe_file(step: FileStep) -> list[dict[str, str]]:
    file = step.wanted
    path = shown(file.parts)
    if file.secret:
        text = f"changed: {', '.join(step.differs)}\n" if step.differs else "created\n"
        return [diff(f"{path} (secret, not shown)", "", text)]
    entries = []
    if step.mode is None or "content" in step.differs:
        entries.append(diff(path, present_text(step), file.content.decode()))
    if step.mode is not None and ("mode" in step.differs or "owner" in step.differs):
        group = step.owner.split(":")[1] if file.gid is None else file.gid
        entries.append(
            diff(
                f"{path} (mode and owner)",
                f"mode {step.mode:04o}, owner {step.owner}\n",
                f"mode {file.mode:04o}, owner {file.uid}:{group}\n",
            )
        )
    return entries


def present_text(step: FileStep) -> str:
    if step.mode is None:
        return ""
    # A file that fewer could read until now may have been a secret one.
    if step.wanted.mode & ~step.mode & 0o444:
        return "(not shown, as fewer could read it until now)\n"
    if step.before is None:
        return "(not shown, as it is large)\n"
    try:
        return step.before.decode()
    except UnicodeDecodeError:
        return "(not shown, as it is not text)\n"
