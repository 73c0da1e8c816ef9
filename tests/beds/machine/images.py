# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Container images: on a second disk that is made once for each selection, or copied into a machine that runs."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

from tests.beds import engine
from tests.beds.commands import BedFailed, say, wait_for
from tests.beds.machine import disk, ssh
from tests.beds.machine.settings import CACHE, MachineSet

LOAD_SECONDS = 1200
KEPT_DISKS = 3


def path_of(images: dict[str, str]) -> Path:
    parts = (*disk.FILE_SYSTEM, *(f"{name}={images[name]}" for name in sorted(images)))
    return CACHE / f"machine-images-{hashlib.sha256(chr(10).join(parts).encode()).hexdigest()[:12]}.img"


def provide(references: list[str]) -> Path:
    """A disk with an engine's data, in which these images are."""
    path = path_of(engine.identities(references))
    if not path.exists():
        with disk.locked(CACHE):
            if not path.exists():
                say(f"Making a disk with {len(references)} images, once")
                _build(path, references)
                _forget_old()
    # The newest are kept.
    os.utime(path)
    return path


def _forget_old() -> None:
    """A machine that runs on one keeps it until it ends."""
    disks = sorted(CACHE.glob("machine-images-*.img"), key=lambda each: each.stat().st_mtime, reverse=True)
    for path in disks[KEPT_DISKS:]:
        path.unlink()


def _build(path: Path, references: list[str]) -> None:
    """By an engine of its own, which is quicker here than in a machine."""
    work = CACHE / "machine-images-build"
    shutil.rmtree(work, ignore_errors=True)
    (work / "data").mkdir(parents=True)
    filler = _start_engine(work)
    try:
        address = f"--host=unix://{work}/socket"
        wait_for(
            f"The engine that fills the disk did not start; see {work}/log",
            30,
            lambda: subprocess.run(["docker", address, "version"], capture_output=True, check=False).returncode == 0,
        )
        engine.copy(references, ["docker", address, "load"], LOAD_SECONDS)
        # It is the one child, and has written all when it has ended.
        os.kill(int(Path(f"/proc/{filler.pid}/task/{filler.pid}/children").read_text(encoding="ascii")), signal.SIGTERM)
        filler.wait(60)
    except subprocess.TimeoutExpired:
        raise BedFailed(f"The engine that fills the disk did not end within 60 seconds; see {work}/log.") from None
    finally:
        # With the first process of their namespace, all go.
        filler.kill()
        filler.wait()
    new = path.with_suffix(".new")
    disk.fill(new, work / "data")
    new.rename(path)
    shutil.rmtree(work)


def _start_engine(work: Path) -> subprocess.Popen:
    options = [f"--data-root={work}/data", f"--exec-root={work}/exec", f"--pidfile={work}/pid"]
    options += [f"--host=unix://{work}/socket", f"--config-file={work}/none.json", "--storage-driver=overlay2"]
    options += ["--bridge=none", "--iptables=false", "--ip-masq=false"]
    (work / "none.json").write_text("{}", encoding="ascii")
    with (work / "log").open("wb") as log:
        try:
            return subprocess.Popen(
                [*disk.CONTAINED, "--net", "dockerd", *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise BedFailed(f"The program {error.filename} is missing: install it.") from None


def load(machines: MachineSet, machine: str, references: list[str]) -> None:
    """Into a machine that runs."""
    engine.identities(references)
    engine.copy(references, ssh.command(machines, machine, "docker load"), LOAD_SECONDS)
