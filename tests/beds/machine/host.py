# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Up and down, as seen from the host."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from tests.beds import packages, space
from tests.beds.commands import BedFailed, say, tail, wait_for
from tests.beds.machine import checks, disk, images, mappings, network, ssh
from tests.beds.machine.settings import CACHE, HOST_ADDRESS, INTERFACE, NETMASK, SETS, Disk, MachineSet, address

# A file of each package, by which it is known to be there.
PACKAGES = {
    "/usr/bin/linux.uml": "user-mode-linux",
    "/usr/bin/mmdebstrap": "mmdebstrap",
    "/usr/bin/slirp4netns": "slirp4netns",
    "/usr/bin/socat": "socat",
    "/usr/bin/ssh": "openssh-client",
    "/usr/bin/gcc": "gcc",
    "/usr/include/stdio.h": "libc6-dev",
    "/sbin/ip": "iproute2",
    "/sbin/mke2fs": "e2fsprogs",
    "/usr/bin/nsenter": "util-linux",
}
BOOT_SECONDS = 180
DISK_GIBIBYTES = 5


def check() -> None:
    checks.system()
    checks.tap()
    space.need(CACHE, DISK_GIBIBYTES)


def build(references: list[str], bare: bool = False) -> tuple[Disk, Path | None]:
    checks.system()
    space.need(CACHE, DISK_GIBIBYTES)
    if missing := packages.missing(PACKAGES):
        packages.install(missing)
    return disk.provide(CACHE, bare), images.provide(references) if references else None


def up(
    machines: MachineSet, count: int, memory: int, references: list[str], bare: bool = False, uplink: bool = False
) -> None:
    checks.not_up(machines)
    checks.tap()
    checks.memory(count, memory)
    base, images_disk = build(references, bare)
    checks.claim(machines)
    try:
        record = {"count": count, "memory": memory, "disk": str(base.folder), "images": str(images_disk or "")}
        machines.record.write_text(json.dumps(record), encoding="utf-8")
        mappings.allow(memory)
        ssh.write_config(machines, base, count)
        network.make(machines, count)
        if uplink:
            network.connect(machines)
        started = {n: _start(machines, n, base, images_disk, memory) for n in range(1, count + 1)}
        for number, process in started.items():
            _wait(machines, number, process)
    except BedFailed as failure:
        raise BedFailed(f"{failure}\n`bed down {machines.name}` removes what there is of it.") from None


def kernel_words(machines: MachineSet, number: int, base: Disk, images_disk: Path | None, memory: int) -> list[str]:
    """The command line of a machine's kernel, which its systemd reads too."""
    folder = machines.folder
    words = [
        f"mem={memory}M",
        f"ubd0={folder}/{number}.cow,{base.image}",
        "root=/dev/ubda",
        "rw",
        "con=null",
        "con0=null,fd:1",
        "ssl=null",
        f"vec0:transport=tap,ifname=tap{number},depth=128,gro=1",
        f"ip={address(number)}::{HOST_ADDRESS}:{NETMASK}:{machines.machine(number)}:{INTERFACE}:none",
        f"systemd.hostname={machines.machine(number)}",
        f"uml_dir={folder}",
        f"umid={number}",
    ]
    if images_disk:
        words.append(f"ubd1={folder}/{number}.images.cow,{images_disk}")
    return words


def processor(number: int) -> int:
    """Which of this host's processors a machine gets.

    The kernel follows each of its processes by ptrace. Where the two are on different processors, each call to the
    kernel waits for the other one to wake up, and takes three times as long.
    """
    usable = sorted(os.sched_getaffinity(0))
    sets = len(list(SETS.iterdir())) if SETS.exists() else 0
    return usable[(sets + number) % len(usable)]


def _start(machines: MachineSet, number: int, base: Disk, images_disk: Path | None, memory: int) -> subprocess.Popen:
    """A process namespace around each: with its first process, all of a machine's go."""
    say(f"Starting {machines.machine(number)}; its console is in {machines.log(number)}")
    kernel = kernel_words(machines, number, base, images_disk, memory)
    spaces = ["unshare", "--pid", "--mount-proc", "--fork", "--kill-child", "--"]
    pinned = ["taskset", "--cpu-list", str(processor(number))]
    preload = ["env", f"LD_PRELOAD={base.registers}", str(disk.KERNEL)]
    with machines.log(number).open("ab") as output:
        return subprocess.Popen(
            network.inside(machines, *spaces, *pinned, *preload, *kernel),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(machines.folder)},
            cwd="/",
        )


def _wait(machines: MachineSet, number: int, process: subprocess.Popen) -> None:
    name = machines.machine(number)

    def up_or_ended() -> bool:
        if process.poll() is not None:
            raise BedFailed(f"{name} ended while it started:\n{tail(machines.log(number))}")
        return ssh.answers(machines, name)

    wait_for(f"{name} did not start; see {machines.log(number)};", BOOT_SECONDS, up_or_ended, 0.5)
    say(f"{name} is up")


def known(name: str) -> tuple[MachineSet, str]:
    """A set and one of its machines, by the name of either: the first machine stands for its set."""
    set_name, _, number = name.partition("-")
    machines = MachineSet(set_name)
    count = recorded(machines)["count"]
    if not (number or "1").isdigit() or not 1 <= int(number or "1") <= count:
        raise BedFailed(f"{name} is no machine of {set_name}, which has {set_name}-1 to {set_name}-{count}.")
    return machines, machines.machine(int(number or "1"))


def recorded(machines: MachineSet) -> dict:
    try:
        return json.loads(machines.record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise BedFailed(f"No machines {machines.name} are up: `bed up {machines.name}` starts them.") from None


def down(machines: MachineSet) -> bool:
    """Whatever there is of a set, in whatever state; False if there was nothing."""
    found = machines.folder.exists() or network.exists(machines)
    if machines.folder.exists():
        ssh.stop_forwards(machines)
        network.disconnect(machines)
    if network.exists(machines):
        say(f"Ending the machines {machines.name}")
        network.remove(machines)
    if machines.folder.exists():
        shutil.rmtree(machines.folder)
    mappings.put_back()
    return found


def status(machines: MachineSet) -> tuple[list[str], bool]:
    """Lines for a person, and whether all machines run."""
    record = recorded(machines)
    running = _kernels(machines)
    lines, well = [f"folder     {machines.folder}", f"namespace  {machines.namespace}"], True
    for number in range(1, record["count"] + 1):
        alive = number in running
        well = well and alive
        lines.append(f"{machines.machine(number):<10} {address(number)}  {'runs' if alive else 'has ended'}")
    return lines, well


def _kernels(machines: MachineSet) -> set[int]:
    """Numbers of the machines whose kernel runs."""
    found = set()
    for process in network.processes(machines):
        try:
            words = Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if os.path.basename(words[0]) == disk.KERNEL.name:
            found |= {int(word.removeprefix("umid=")) for word in words if word.startswith("umid=")}
    return found
