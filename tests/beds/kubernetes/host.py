# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Up and down, as seen from the host."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from tests.beds import packages, space
from tests.beds.commands import BedFailed, perform, say, tail, wait_for
from tests.beds.kubernetes import build, certificates, cgroups, checks, cluster, images, programs
from tests.beds.kubernetes.node import PROGRESS, READY
from tests.beds.kubernetes.settings import (
    CACHE,
    COVERED,
    HOST_ADDRESS,
    HOST_INTERFACE,
    LINK,
    MARKER,
    NODE_ADDRESS,
    NODE_INTERFACE,
    PREFIX,
    Bed,
)

ROOT = Path(__file__).resolve().parents[3]
# The kubelet sets these, and they belong to the whole machine.
KERNEL_SETTINGS = (
    "kernel/keys/root_maxbytes",
    "kernel/keys/root_maxkeys",
    "kernel/panic",
    "kernel/panic_on_oops",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
)
COPY = "kubeconfig.copy"
DISK_GIBIBYTES = 6
# A file of each package, by which it is known to be there.
PACKAGES = {
    "/usr/bin/containerd": "containerd",
    "/usr/bin/etcd": "etcd-server",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "/usr/sbin/dnsmasq": "dnsmasq-base",
    "/usr/sbin/iptables": "iptables",
    "/usr/bin/socat": "socat",
    "/sbin/ip": "iproute2",
    "/usr/bin/nsenter": "util-linux",
    "/usr/sbin/conntrack": "conntrack",
}


def check(folder: Path) -> None:
    """Whether a bed can be here at all; nothing is changed."""
    checks.folder(folder)
    checks.kernel()
    space.need(folder, DISK_GIBIBYTES, "free some, or name another --folder")
    build.check(CACHE)


def up(folder: Path, port: int | None, node_port: int, kubeconfig: Path | None) -> Bed:
    checks.nothing_is_up()
    checks.folder(folder)
    checks.kernel()
    space.need(folder, DISK_GIBIBYTES, "free some, or name another --folder")
    if port:
        checks.port(port)
    if kubeconfig:
        checks.kubeconfig(kubeconfig)
    if missing := packages.missing(PACKAGES):
        packages.install(missing)
    checks.network()
    bed = Bed(folder, build.provide(CACHE))
    _claim(bed)
    try:
        _prepare(bed)
        _start(bed)
        cluster.finish(bed)
        if port:
            _forward(bed, port, node_port)
    except BedFailed as failure:
        raise BedFailed(f"{failure}\n`bed down` removes what there is of it, with its logs in {bed.logs}.") from None
    if kubeconfig:
        certificates.write_secret(kubeconfig, bed.kubeconfig().read_bytes())
        (bed.folder / COPY).write_text(str(kubeconfig), encoding="utf-8")
    return bed


def _claim(bed: Bed) -> None:
    try:
        LINK.symlink_to(bed.folder)
    except FileExistsError:
        checks.nothing_is_up()
    # What is here can only be of a bed that ended with the machine.
    shutil.rmtree(bed.folder, ignore_errors=True)
    bed.folder.mkdir(parents=True, mode=0o700)
    (bed.folder / MARKER).touch()
    (bed.folder / "programs").symlink_to(bed.programs)


def _prepare(bed: Bed) -> None:
    """Every file that the node reads."""
    for folder in (bed.logs, bed.keys, bed.settings, bed.settings / "cni"):
        folder.mkdir(mode=0o700)
    certificates.make(bed)
    images.pause(bed, perform(["dpkg", "--print-architecture"]).strip() if shutil.which("dpkg") else platform.machine())
    for name, content in {
        "containerd.toml": programs.containerd_settings(bed),
        "cni/bed.conflist": json.dumps(programs.network_settings()),
        "kubelet.yaml": yaml.safe_dump(programs.kubelet_settings(bed)),
        "kube-proxy.yaml": yaml.safe_dump(programs.proxy_settings(bed)),
        "resolv.conf": f"nameserver {NODE_ADDRESS}\n",
        "hosts": "",
    }.items():
        (bed.settings / name).write_text(content, encoding="utf-8")
    kernel = {name: Path("/proc/sys", name).read_text(encoding="ascii").strip() for name in KERNEL_SETTINGS}
    bed.kernel.write_text(json.dumps(kernel), encoding="ascii")
    absent = [path for path in COVERED if not Path(path).exists()]
    bed.made.write_text(json.dumps(absent), encoding="ascii")
    for path in absent:
        Path(path).mkdir()


def _spawn(log: Path, group: Path, command: list[str], **options) -> subprocess.Popen:
    """A program of the bed's, in its control group from its first moment."""
    enter = ["sh", "-c", 'echo $$ > "$0" && exec "$@"', str(group), *command]
    # Neither proxies nor settings of whoever calls get in.
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "PYTHONDONTWRITEBYTECODE": "1"}
    with log.open("ab") as output:
        return subprocess.Popen(
            enter,
            stdin=subprocess.DEVNULL,
            stderr=output,
            start_new_session=True,
            env=environment,
            cwd=ROOT,
            **({"stdout": output} | options),
        )


def _start(bed: Bed) -> None:
    say(f"Starting the node; its logs are in {bed.logs}")
    spaces = ["--net", "--mount", "--propagation=private", "--pid", "--mount-proc", "--fork", "--kill-child"]
    module = [sys.executable, "-m", "tests.beds.kubernetes.node", str(bed.folder), str(bed.programs)]
    command = ["unshare", *spaces, *module]
    process = _spawn(bed.logs / "node.log", cgroups.make(), command, stdout=subprocess.PIPE, text=True)
    wait_for("The node's first process did not start", 10, lambda: 1 in cgroups.node_processes(), 0.02)
    _wire(cgroups.node_processes()[1])
    failure = []
    for line in process.stdout:
        if line.strip() == READY:
            return
        if line.startswith(PROGRESS):
            say(line.removeprefix(PROGRESS).rstrip())
        else:
            failure.append(line)
    why = "".join(failure).strip() or tail(bed.logs / "node.log")
    raise BedFailed(f"The node did not start: {why}")


def _wire(process: int) -> None:
    pair = f"link add {HOST_INTERFACE} type veth peer name {NODE_INTERFACE} netns {process}"
    for words in (pair, f"addr add {HOST_ADDRESS}/{PREFIX} dev {HOST_INTERFACE}", f"link set {HOST_INTERFACE} up"):
        perform(["ip", *words.split()])


def _forward(bed: Bed, port: int, node_port: int) -> None:
    say(f"Forwarding 127.0.0.1:{port} to port {node_port} of the node")
    listen = f"TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork,backlog=128"
    command = ["socat", listen, f"TCP:{NODE_ADDRESS}:{node_port}"]
    process = _spawn(bed.logs / "forward.log", cgroups.make(), command)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(0.3)
        raise BedFailed(f"Port {port} could not be forwarded: {tail(bed.logs / 'forward.log')}")


def running() -> Bed:
    """The bed that is up, or was half up."""
    if not LINK.is_symlink():
        raise BedFailed("No bed is up: `bed up` starts one.")
    folder = Path(os.readlink(LINK))
    return Bed(folder, folder / "programs")


def down(default: Path) -> bool:
    """Whatever there is of a bed, in whatever state; False if there was nothing."""
    folder = Path(os.readlink(LINK)) if LINK.is_symlink() else default
    interface = Path(f"/sys/class/net/{HOST_INTERFACE}")
    found = LINK.is_symlink() or interface.exists() or bool(cgroups.exist()) or (folder / MARKER).exists()
    if not found:
        return False
    say("Ending the processes of the bed")
    cgroups.kill()
    cgroups.remove()
    # It goes with the node's network, a moment later.
    with contextlib.suppress(BedFailed):
        wait_for("The interface went", 2, lambda: not interface.exists())
    if interface.exists():
        perform(["ip", "link", "del", HOST_INTERFACE], check=False)
    if (folder / MARKER).exists():
        _restore(Bed(folder, folder))
        _remove(folder)
    LINK.unlink(missing_ok=True)
    return True


def _restore(bed: Bed) -> None:
    """The kernel's settings, and the folders that were not there."""
    for name, value in _recorded(bed.kernel, {}).items():
        setting = Path("/proc/sys", name)
        if name in KERNEL_SETTINGS and setting.read_text(encoding="ascii").strip() != value:
            setting.write_text(value, encoding="ascii")
    for path in _recorded(bed.made, []):
        # One that has something in it is no longer the bed's.
        with contextlib.suppress(OSError):
            Path(path).rmdir()
    copy = bed.folder / COPY
    if copy.exists():
        path = Path(copy.read_text(encoding="utf-8"))
        with contextlib.suppress(OSError):
            if path.read_bytes() == bed.kubeconfig().read_bytes():
                path.unlink()


def _recorded(path: Path, nothing):
    """What `up` wrote down, as far as it came."""
    with contextlib.suppress(OSError, ValueError):
        return json.loads(path.read_text(encoding="utf-8"))
    return nothing


def _remove(folder: Path) -> None:
    """The node's mounts are gone with it; a folder with one is not touched, because removing would go into it."""
    mounted = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()]
    inside = [path for path in mounted if Path(path).is_relative_to(folder)]
    if inside:
        raise BedFailed(f"The bed's folder has a mount, {', '.join(inside)}: unmount it, and run `bed down` again.")
    say(f"Removing {folder}")
    shutil.rmtree(folder)


def status(bed: Bed) -> tuple[list[str], bool]:
    """Lines for a person, and whether all is well."""
    node = cgroups.node_processes()
    state = _recorded(bed.state, {"running": {}, "ended": {}})
    lines = [f"folder      {bed.folder}", f"kubeconfig  {bed.kubeconfig()}", f"address     {NODE_ADDRESS}"]
    alive = 1 in node
    for name, number in state["running"].items():
        lines.append(f"{name:<24} {f'process {node[number]}' if number in node else 'gone'}")
        alive = alive and number in node
    lines += [f"{name:<24} ended at {how}" for name, how in state["ended"].items()]
    ready = alive and bed.kubeconfig().exists() and cluster.node_is_ready(cluster.connect(bed.kubeconfig()))
    lines.append("The node is ready." if ready else "The node is not ready.")
    return lines, ready and not state["ended"]
