# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""What several files of rules need: none of them imports from another one."""

from __future__ import annotations

import fnmatch
import ipaddress
import posixpath
import re

from ansible_collections.mlops.mlflow.plugins.module_utils._arguments import Resolved

# The variables that name the endpoint of an S3 store; the first one that is set counts.
ENDPOINTS = ("MLFLOW_S3_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
# The parameters for which libpq knows a few words only: anything else refuses the connection.
LIBPQ_VALUES = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "gssencmode": ("disable", "prefer", "require"),
    "channel_binding": ("disable", "prefer", "require"),
    "sslnegotiation": ("postgres", "direct"),
    "sslcertmode": ("disable", "allow", "require"),
    "load_balance_hosts": ("disable", "random"),
    "target_session_attrs": ("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
    "ssl_min_protocol_version": ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"),
    "ssl_max_protocol_version": ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"),
}
LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1", "0.0.0.0", "::"))


def is_loopback(host: str) -> bool:
    """Whether a host name or address is the machine (here: the container) itself."""
    return host.lower().rstrip(".") in LOOPBACK or host.startswith("127.") or host.lower().endswith(".localhost")


def is_host(host: str) -> bool:
    """A host name (underscores allowed, as Compose services have them) or an address without brackets."""
    try:
        ipaddress.ip_address(host.split("%", 1)[0])
        return True
    except ValueError:
        pass
    if re.fullmatch(r"[\d.]+", host):
        return False
    label = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
    return len(host) <= 253 and bool(re.fullmatch(rf"{label}(\.{label})*\.?", host))


def in_paths(path: str, parents: tuple[str, ...]) -> bool:
    """Whether a path lies on one of the given mounts."""
    path = posixpath.normpath(path)
    for parent in parents:
        parent = posixpath.normpath(parent)
        if path == parent or path.startswith(parent.rstrip("/") + "/"):
            return True
    return False


def host_allowed(header: str, hosts: list[str]) -> bool:
    """MLflow's own comparison of a Host header with the list."""
    if "*" in hosts:
        return True
    return any(fnmatch.fnmatchcase(header, host) if "*" in host else header == host for host in hosts)


def split_list(text: str) -> list[str]:
    """The entries of a list that is written with commas."""
    return [entry.strip() for entry in text.split(",")]


def worker_count(resolved: Resolved) -> int:
    """The number of worker processes of one replica; MLflow's own default is 4."""
    text = str(resolved.value("workers") or "")
    return max(1, int(text)) if re.fullmatch(r"\d+", text) else 4


def workspaces_enabled(resolved: Resolved) -> bool:
    """The flag, or the variable that MLflow reads by itself where the flag is not given."""
    if "enable_workspaces" not in resolved.release.options:
        return False
    if resolved.values["enable_workspaces"].source == "argument":
        return bool(resolved.value("enable_workspaces"))
    return resolved.switch("MLFLOW_ENABLE_WORKSPACES")
