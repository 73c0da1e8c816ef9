# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk that all machines start from, made once from Debian's packages."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.beds import packages
from tests.beds.commands import perform, perform_logged, say
from tests.beds.machine.settings import DISK_GIB, HOST_KEY_ALIAS, MOST_MACHINES, Disk, address

SUITE = "bookworm"
KERNEL = Path("/usr/bin/linux.uml")
HERE = Path(__file__).parent
FINISH, IMAGES_UNIT = HERE / "finish", HERE / "images.service"
REGISTERS = HERE / "whole_registers.c"
BUILD_SECONDS = 15 * 60
# Of the machine, beyond what every Debian has.
CONTENT = (
    "ca-certificates",
    "dbus",
    "docker.io",
    "e2fsprogs",
    "iproute2",
    "iptables",
    "iputils-ping",
    "kmod",
    "libpam-systemd",
    "nfs-common",
    "nfs-kernel-server",
    "openssh-server",
    "procps",
    "python3",
    "python3-requests",
    "systemd-sysv",
    "udev",
)
# Of a bare one: what an installer leaves. And iptables, since this kernel takes only one kind of it (see `finish`).
BARE = (
    "ca-certificates",
    "dbus",
    "iproute2",
    "iptables",
    "kmod",
    "libpam-systemd",
    "openssh-server",
    "procps",
    "systemd-sysv",
    "udev",
)
APT_OPTIONS = (
    'APT::Install-Recommends "false"',
    'Acquire::Retries "3"',
    'Acquire::Languages "none"',
)
DPKG_OPTIONS = (
    "path-exclude=/usr/share/doc/*",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/locale/*",
    # Nothing is lost with a machine that ends, since it is disposable.
    "force-unsafe-io",
)
# What makes a disk ends with the bed, however that ends, and none of its mounts is seen by the host.
CONTAINED = ("setpriv", "--pdeathsig=KILL", "unshare", "--mount", "--propagation=private", "--pid", "--mount-proc")
CONTAINED += ("--fork", "--kill-child")
# Without a journal, since nobody needs the files after a crash of the machine's kernel.
FILE_SYSTEM = ("-t", "ext4", "-O", "^has_journal", "-E", "lazy_itable_init=1", "-m", "0")


def key(bare: bool = False) -> str:
    """What goes into the disk, in short."""
    kernel = perform(["dpkg-query", "--show", "user-mode-linux"])
    own = (path.read_text(encoding="utf-8") for path in (FINISH, IMAGES_UNIT, REGISTERS))
    parts = (
        SUITE,
        kernel,
        platform.machine(),
        *own,
        *(BARE if bare else CONTENT),
        *APT_OPTIONS,
        *DPKG_OPTIONS,
        *FILE_SYSTEM,
        str(DISK_GIB),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def provide(cache: Path, bare: bool = False) -> Disk:
    """The disk; two that ask at once build once."""
    disk = Disk(cache / f"machine-{key(bare)}")
    if disk.folder.is_dir():
        return disk
    with locked(cache):
        if not disk.folder.is_dir():
            _build(cache, disk, bare)
    return disk


@contextlib.contextmanager
def locked(cache: Path) -> Iterator[None]:
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "machine-build.lock").open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(cache: Path, disk: Disk, bare: bool) -> None:
    say("Making the disk of the machines, once; this takes about two minutes")
    work = Disk(cache / "machine-build")
    shutil.rmtree(work.folder, ignore_errors=True)
    # The key is in it.
    work.folder.mkdir(mode=0o700)
    perform(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", HOST_KEY_ALIAS, "-f", str(work.key)])
    flags = ["-O2", "-Wall", "-Werror", "-shared", "-fPIC"]
    perform(["gcc", *flags, "-o", str(work.registers), str(REGISTERS)])
    root = work.folder / "root"
    mirror = packages.mirror(SUITE)
    hook = f'"{FINISH}" "$1" "{mirror}" "{work.key}.pub" {"bare" if bare else ""}'
    command = [
        *CONTAINED,
        "mmdebstrap",
        "--quiet",
        "--variant=minbase",
        f"--include={','.join(BARE if bare else CONTENT)}",
    ]
    command += [f"--aptopt={option}" for option in APT_OPTIONS] + [f"--dpkgopt={option}" for option in DPKG_OPTIONS]
    command += [f"--customize-hook={hook}", SUITE, str(root), f"deb {mirror} {SUITE} main"]
    log = cache / "machine-build.log"
    log.unlink(missing_ok=True)
    perform_logged(["nice", "-n", "10", *command], log, BUILD_SECONDS)
    _settle(root)
    host_key = (root / "etc/ssh/ssh_host_ed25519_key.pub").read_text(encoding="ascii")
    work.known_hosts.write_text(f"{HOST_KEY_ALIAS} {host_key}", encoding="ascii")
    fill(work.image, root)
    shutil.rmtree(root)
    # In one step, so that what is in the cache is whole.
    work.folder.rename(disk.folder)
    log.unlink()


def _settle(root: Path) -> None:
    names = (f"{address(number)} machine-{number}" for number in range(1, MOST_MACHINES + 1))
    (root / "etc/hosts").write_text("\n".join(("127.0.0.1 localhost", *names, "")), encoding="ascii")
    # The machines reach no name server. (mmdebstrap leaves the host's.)
    resolver = root / "etc/resolv.conf"
    resolver.unlink(missing_ok=True)
    resolver.write_text("", encoding="ascii")


def fill(image: Path, folder: Path) -> None:
    """A sparse file with a file system that holds the folder's content."""
    with image.open("wb") as file:
        os.truncate(file.fileno(), DISK_GIB * 1024**3)
    perform(["mke2fs", "-q", "-F", *FILE_SYSTEM, "-d", str(folder), str(image)], timeout=600)
