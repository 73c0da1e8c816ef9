# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a kernel can mount NFS, and which networks a host has, from texts of /proc and of the modules."""

from __future__ import annotations

import ipaddress
import socket
import struct

# The client itself, and its version 4.
MODULES = ("nfs", "nfsv4")
SUFFIXES = (".ko", ".ko.xz", ".ko.gz", ".ko.zst")


def module_names(listing: str) -> set[str]:
    """The modules in a modules.dep or a modules.builtin, of which each line begins with a path."""
    found = set()
    for line in listing.splitlines():
        name = line.partition(":")[0].strip().rpartition("/")[2]
        for suffix in SUFFIXES:
            if name.endswith(suffix):
                found.add(name[: -len(suffix)].replace("-", "_"))
    return found


def kernel_support(release: str, file_systems: str, listing: str, loading_disabled: bool) -> str:
    """Why the kernel cannot mount NFS version 4, or nothing where it can. An empty listing: there are no modules."""
    known = {line.split()[-1] for line in file_systems.splitlines() if line.split()}
    if "nfs4" in known:
        return ""
    if not known:
        return "this is not Linux, or it has no /proc"
    missing = sorted(set(MODULES) - module_names(listing))
    if missing:
        where = f"no module {' or '.join(missing)} is in /lib/modules/{release}" if listing else "it has no modules"
        return f"nfs4 is not in /proc/filesystems, and {where}"
    if loading_disabled:
        return "its modules for NFS are not loaded, and it loads none any more (kernel.modules_disabled)"
    return ""


def routes(table: str) -> list[tuple[ipaddress.IPv4Network, str]]:
    """The networks in /proc/net/route with their interfaces; not the default route."""
    found = []
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8:
            continue
        # Numbers in the order of the host's own bytes.
        address, mask = (socket.inet_ntoa(struct.pack("=L", int(fields[column], 16))) for column in (1, 7))
        network = ipaddress.IPv4Network(f"{address}/{mask}", strict=False)
        if network.prefixlen:
            found.append((network, fields[0]))
    return found


def overlapping(network: str, table: str) -> list[str]:
    """The host's networks that share addresses with this one, in words."""
    wanted = ipaddress.IPv4Network(network, strict=False)
    return [f"{each} ({interface})" for each, interface in routes(table) if each.overlaps(wanted)]
