# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""python -m tests.beds.kubernetes.node FOLDER PROGRAMS: the first process of the node's own namespaces.

It starts the programs, tells of it on its standard output until the API answers and all run, and buries what ends. When
it is killed the kernel ends everything that it started, and mounts and network interfaces go with their namespaces.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from tests.beds.commands import BedFailed, perform, tail, wait_for
from tests.beds.kubernetes import programs
from tests.beds.kubernetes.settings import (
    API_URL,
    COVERED,
    HOST_ADDRESS,
    NODE_ADDRESS,
    NODE_INTERFACE,
    PREFIX,
    SERVICE_NETWORK,
    SOCKET,
    Bed,
)

PROGRESS, READY = "> ", "ready"
ETCD_URL = "http://127.0.0.1:2379/health"


class Node:
    def __init__(self, bed: Bed) -> None:
        self._bed = bed
        self._running: dict[str, subprocess.Popen] = {}
        self._ended: dict[str, str] = {}

    def start(self, name: str, command: list[str], **options) -> int:
        with (self._bed.logs / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **options)
        self._running[name] = process
        self._tell()
        return self._running[name].pid

    def wait(self, name: str, seen, seconds: float = 60) -> None:
        """Wait for what a program does, and not for one that has ended."""

        def seen_or_ended() -> bool:
            for each, process in self._running.items():
                if process.poll() is not None:
                    log = self._bed.logs / f"{each}.log"
                    raise BedFailed(f"{each} ended with {process.returncode}, see {log}:\n{tail(log)}")
            with contextlib.suppress(OSError):
                return seen()
            return False

        wait_for(f"{name} did not answer, see {self._bed.logs / name}.log,", seconds, seen_or_ended)

    def bury(self) -> None:
        """What ends is recorded; what lost its parent ends here too."""
        while True:
            process, status = os.wait()
            for name, each in self._running.items():
                if each.pid == process:
                    self._ended[name] = f"{time.strftime('%H:%M:%S')} with {os.waitstatus_to_exitcode(status)}"
                    del self._running[name]
                    self._tell()
                    break

    def _tell(self) -> None:
        state = {"running": {name: each.pid for name, each in self._running.items()}, "ended": self._ended}
        new = self._bed.state.with_suffix(".new")
        new.write_text(json.dumps(state), encoding="utf-8")
        new.replace(self._bed.state)


def cover(bed: Bed) -> None:
    """Lay folders of the bed over those whose paths are fixed; outside of the node nothing is seen of it."""
    for path in COVERED:
        own = bed.covering(path)
        own.mkdir(parents=True)
        perform(["mount", "--bind", str(own), path])


def connect() -> None:
    """The wire to the host, and nothing beyond it: whatever is elsewhere is refused at once."""
    missing = f"There was no interface {NODE_INTERFACE}"
    wait_for(missing, 20, lambda: NODE_INTERFACE in perform(["ip", "-o", "link"]), 0.05)
    for words in (
        f"link set lo up|addr add {NODE_ADDRESS}/{PREFIX} dev {NODE_INTERFACE}|link set {NODE_INTERFACE} up"
        # Programs of the node itself need a way before the rules of kube-proxy lead them elsewhere.
        f"|route add {SERVICE_NETWORK} via {HOST_ADDRESS}|route add unreachable default"
    ).split("|"):
        perform(["ip", *words.split()])
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1", encoding="ascii")
    # What no rule of kube-proxy takes stays in the node.
    for chain in ("FORWARD", "OUTPUT"):
        perform(["iptables", "-A", chain, "-d", SERVICE_NETWORK, "-o", NODE_INTERFACE, "-j", "REJECT"])


def answers(url: str, authority: Path | None = None) -> bool:
    trust = ssl.create_default_context(cafile=authority) if authority else None
    # A proxy of the machine's has nothing to do with it.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust))
    with opener.open(url, timeout=5) as answer:
        return answer.status == 200


def run(bed: Bed) -> Node:
    node = Node(bed)
    print(f"{PROGRESS}Starting etcd, containerd and the API server", flush=True)
    cover(bed)
    connect()
    node.start("containerd", programs.containerd(bed))
    node.start("etcd", programs.etcd(bed))
    server = node.start("dnsmasq", programs.name_server(bed))
    node.wait("etcd", lambda: answers(ETCD_URL))
    node.start("kube-apiserver", programs.apiserver(bed))
    node.wait("containerd", lambda: Path(SOCKET).is_socket())
    perform(["ctr", "--namespace", "k8s.io", "images", "import", str(bed.pause)])
    node.wait("kube-apiserver", lambda: answers(f"{API_URL}/readyz", bed.keys / "authority.crt"))
    print(f"{PROGRESS}Starting the controllers, the scheduler, the kubelet and kube-proxy", flush=True)
    # It makes the volumes, which users of any number can write to.
    node.start("kube-controller-manager", programs.controller_manager(bed), umask=0)
    node.start("kube-scheduler", programs.scheduler(bed))
    node.start("kubelet", programs.kubelet(bed))
    node.start("kube-proxy", programs.proxy(bed))
    node.start("names", programs.names(bed, server))
    return node


def main(words: list[str]) -> int:
    # The first process of a namespace gets no signal that it does not ask for, except from outside the one to kill.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    bed = Bed(Path(words[0]), Path(words[1]))
    try:
        node = run(bed)
    except BedFailed as failure:
        print(failure, flush=True)
        return 1
    print(READY, flush=True)
    # Whoever waits sees the end of the output.
    os.dup2(2, 1)
    node.bury()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
