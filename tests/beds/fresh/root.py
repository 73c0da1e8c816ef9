# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bare Debian without an init system: a root file system in namespaces of its own, with the host's kernel.

Its network is its own too, so that its Docker engine, its firewall and the public port meet nothing of the host's.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.beds import packages, space
from tests.beds.commands import BedFailed, perform, perform_logged, say, tail, wait_for
from tests.beds.fresh import host
from tests.beds.machine.disk import CONTAINED
from tests.beds.machine.settings import CACHE

ENTER = Path(__file__).with_name("enter")
FOLDER = CACHE / "fresh"
PACKAGES = {
    "/usr/bin/mmdebstrap": "mmdebstrap",
    "/usr/bin/slirp4netns": "slirp4netns",
    "/usr/bin/nsenter": "util-linux",
}
# A root with an engine and its images.
GIBIBYTES = 8
BUILD_SECONDS = 600
# Certificates, without which no mirror by https is trusted; all else is the README's business.
INCLUDED = "ca-certificates"
# In the namespaces of the root. The name server is slirp4netns's, which asks the host's.
SPACES = ("--net", "--uts", "--ipc")
RESOLVER = "nameserver 10.0.2.3\n"
LINK = "tap0"


def check() -> None:
    """Why there can be no such root on this machine."""
    if os.geteuid() != 0:
        raise BedFailed("A root file system gets namespaces of its own, which needs root: run it as root.")
    if packages.distribution() not in (("debian", "bookworm"), ("debian", "trixie")):
        raise BedFailed(
            f"This is {' '.join(packages.distribution())}, and a bare Debian is made on Debian 12 or 13: run it there."
        )
    if not Path("/dev/net/tun").exists():
        raise BedFailed("There is no /dev/net/tun, by which the root gets a network: load its module (modprobe tun).")
    try:
        perform([*CONTAINED, *SPACES, "true"])
    except BedFailed:
        raise BedFailed(
            "Root may not make namespaces here (unshare failed): give the container privileges, or use a machine."
        ) from None
    space.need(FOLDER, GIBIBYTES)


def make(suite: str, root: Path) -> None:
    say(f"Making a bare Debian {suite}")
    shutil.rmtree(root, ignore_errors=True)
    root.parent.mkdir(parents=True, exist_ok=True)
    address = host.mirror(suite)
    command = [*CONTAINED, "mmdebstrap", "--quiet", "--variant=minbase", f"--include={INCLUDED}"]
    perform_logged([*command, suite, str(root), f"deb {address} {suite} main"], root.with_suffix(".log"), BUILD_SECONDS)
    for path, content in host.files().items():
        (root / path.lstrip("/")).write_text(content, encoding="utf-8")
    resolver = root / "etc/resolv.conf"
    resolver.unlink(missing_ok=True)
    resolver.write_text(RESOLVER, encoding="ascii")
    shutil.copy("/etc/hosts", root / "etc/hosts")


class Root:
    """One that has been entered: commands run in it as in a session of root's."""

    def __init__(self, suite: str, process: int) -> None:
        self.suite = self.name = suite
        self.process = process

    def command(self, line: str, **variables: str) -> list[str]:
        settings = {
            "HOME": "/root",
            "USER": "root",
            "TERM": "dumb",
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        }
        words = [f"{name}={value}" for name, value in {**settings, **host.variables(), **variables}.items()]
        inside = ["nsenter", f"--target={self.process}", "--mount", "--pid", "--net", "--uts", "--ipc"]
        return [*inside, "env", "--ignore-environment", *words, "sh", "-c", f"cd && {line}"]


@contextlib.contextmanager
def entered(suite: str, shared: Path) -> Iterator[Root]:
    """A bare root of this suite; with its first process, all that was started in it goes."""
    root = FOLDER / suite
    if missing := packages.missing(PACKAGES):
        packages.install(missing)
    with _claimed(root):
        make(suite, root)
        yield from _entered(suite, root, shared)


@contextlib.contextmanager
def _claimed(root: Path) -> Iterator[None]:
    """A second run at the same time would take the first one's root away."""
    root.parent.mkdir(parents=True, exist_ok=True)
    with root.with_suffix(".lock").open("w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BedFailed(f"Another run has the root {root}: wait until it has ended.") from None
        yield


def _entered(suite: str, root: Path, shared: Path) -> Iterator[Root]:
    log = root.with_suffix(".log")
    with log.open("ab") as output:
        options = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output, "start_new_session": True}
        first = subprocess.Popen([*CONTAINED, *SPACES, str(ENTER), str(root), str(shared)], **options)
        network = None
        try:
            process = _child(first, root)
            uplink = ["--configure", "--mtu=65520", "--disable-host-loopback", str(process), LINK]
            network = subprocess.Popen(["setpriv", "--pdeathsig=KILL", "slirp4netns", *uplink], **options)
            inside = Root(suite, process)
            wait_for(f"The root did not get its network; see {log}", 30, lambda: _connected(inside, network, log))
            yield inside
        finally:
            for each in (network, first):
                if each and each.poll() is None:
                    os.killpg(each.pid, signal.SIGKILL)
                    each.wait()
    _remove(root)


def _child(first: subprocess.Popen, root: Path) -> int:
    """The first process of the namespaces, when the root is its."""
    found: list[int] = []

    def entered_it() -> bool:
        if first.poll() is not None:
            raise BedFailed(f"The root could not be entered:\n{tail(root.with_suffix('.log'))}")
        children = Path(f"/proc/{first.pid}/task/{first.pid}/children").read_text(encoding="ascii").split()
        found[:] = [int(word) for word in children]
        # `old` is removed at the end.
        return bool(found) and (root / "run").exists() and not (root / "old").exists() and _is_root(found[0], root)

    wait_for(f"The root was not entered; see {root.with_suffix('.log')}", 30, entered_it)
    return found[0]


def _is_root(process: int, root: Path) -> bool:
    return Path(f"/proc/{process}/root").stat().st_ino == root.stat().st_ino


def _connected(root: Root, network: subprocess.Popen, log: Path) -> bool:
    if network.poll() is not None:
        raise BedFailed(f"slirp4netns ended:\n{tail(log)}")
    lines = Path(f"/proc/{root.process}/net/route").read_text(encoding="ascii").splitlines()[1:]
    return any(line.split()[1] == "00000000" for line in lines)


def _remove(root: Path) -> None:
    """Its mounts were those of its namespace, and are gone with it."""
    mounted = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()]
    if inside := [path for path in mounted if Path(path).is_relative_to(root)]:
        raise BedFailed(f"The root {root} has a mount, {', '.join(inside)}: unmount it and remove the folder.")
    shutil.rmtree(root)
    root.with_suffix(".log").unlink(missing_ok=True)
