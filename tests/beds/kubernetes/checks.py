# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bed needs of the machine, looked at before anything is changed."""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import sys
from pathlib import Path

from tests.beds.commands import BedFailed, perform
from tests.beds.kubernetes import cgroups
from tests.beds.kubernetes.settings import HOST_ADDRESS, HOST_INTERFACE, LINK, MARKER, PREFIX

# Paths of Unix sockets and of mounts have an end.
PATH_LENGTH = 120


def privileges() -> None:
    if sys.platform != "linux":
        raise BedFailed(f"This is {sys.platform}, and a Kubernetes node needs Linux: run it on Debian 12.")
    if os.geteuid() != 0:
        raise BedFailed("A Kubernetes node makes namespaces and mounts, which needs root: run it as root.")


def nothing_is_up() -> None:
    if LINK.is_symlink():
        raise BedFailed(f"A bed is up already, in {os.readlink(LINK)}: `bed status` shows it, `bed down` ends it.")
    found = [str(path) for path in cgroups.exist()]
    if found or Path(f"/sys/class/net/{HOST_INTERFACE}").exists():
        raise BedFailed("Something of an earlier bed is left on this machine: `bed down` removes it.")


def folder(path: Path) -> None:
    if len(str(path)) > PATH_LENGTH or any(each.isspace() or each in ":,=" for each in str(path)):
        raise BedFailed(f"--folder is {path}: name one of up to {PATH_LENGTH} characters without spaces and :,=.")
    if path.exists() and not path.is_dir():
        raise BedFailed(f"--folder is {path}, which is a file: name a folder.")
    if path.is_dir() and any(path.iterdir()) and not (path / MARKER).exists():
        raise BedFailed(f"--folder is {path}, which has something in it that is no bed: name an empty or a new folder.")


def kernel() -> None:
    cgroups.tracking(cgroups.here())
    if "overlay" not in Path("/proc/filesystems").read_text(encoding="ascii").split():
        # Where it is a module, mounting loads it; looking does not.
        perform(["modprobe", "overlay"], check=False)
        if "overlay" not in Path("/proc/filesystems").read_text(encoding="ascii").split():
            raise BedFailed("The kernel has no file system overlay, on which containers are: use one that has it.")
    try:
        perform(["unshare", "--net", "--mount", "--pid", "--fork", "true"])
    except BedFailed:
        raise BedFailed(
            "Root may not make namespaces here (unshare failed): give the container privileges, or use a machine."
        ) from None


def network() -> None:
    """The few addresses of the wire to the node must be nobody else's."""
    own = ipaddress.ip_network(f"{HOST_ADDRESS}/{PREFIX}", strict=False)
    for route in json.loads(perform(["ip", "-json", "-4", "route"])):
        if route["dst"] != "default" and own.overlaps(ipaddress.ip_network(route["dst"], strict=False)):
            raise BedFailed(f"The network {own} of the bed is in use, on {route.get('dev')}: take that away first.")


def port(number: int) -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", number))
        except OSError as error:
            raise BedFailed(
                f"--port is {number}, which cannot be had on 127.0.0.1 ({error.strerror}):"
                " end what has it, or choose another."
            ) from None


def kubeconfig(path: Path) -> None:
    if path.exists():
        raise BedFailed(f"--kubeconfig is {path}, which exists: name a new file, or remove it.")
    if not path.parent.is_dir():
        raise BedFailed(f"--kubeconfig is {path}, whose folder does not exist: make it first.")
