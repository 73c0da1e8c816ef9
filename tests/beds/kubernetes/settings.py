# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where everything of a bed is. Names and addresses are fixed: a machine has one bed at a time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

CACHE = Path("~/.cache/mlops.mlflow").expanduser()
FOLDER = CACHE / "kubernetes-bed"
# Says which folder is in use. Making it is also the lock: two beds cannot be started.
LINK = Path("/run/mlops-mlflow-bed")
# Tells a bed's folder from one that must not be removed.
MARKER = "mlops-mlflow-bed"

CONTEXT = "mlops-mlflow-bed"
CGROUP = "mlops-mlflow-bed"
NODE = "bed"
HOST_INTERFACE = "mlops-bed0"
NODE_INTERFACE = "eth0"
HOST_ADDRESS = "10.213.37.1"
NODE_ADDRESS = "10.213.37.2"
PREFIX = 30
# These exist inside of the node only.
POD_NETWORK = "10.244.0.0/16"
SERVICE_NETWORK = "10.96.0.0/16"
FIRST_SERVICE_ADDRESS = "10.96.0.1"
API_PORT = 6443
API_URL = f"https://{NODE_ADDRESS}:{API_PORT}"
DOMAIN = "cluster.local"

# Folders whose paths are fixed in the node's programs: inside of the node, ones of the bed lie over them.
COVERED = (
    "/run/containerd",
    "/run/netns",
    "/tmp/hostpath_pv",
    "/var/lib/cni",
    "/var/lib/kubelet",
    "/var/log/containers",
    "/var/log/pods",
)
SOCKET = "/run/containerd/containerd.sock"
PAUSE_IMAGE = "docker.io/mlops-mlflow-bed/pause:1"


@dataclass(frozen=True)
class Bed:
    folder: Path
    programs: Path

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def keys(self) -> Path:
        return self.folder / "keys"

    @property
    def settings(self) -> Path:
        return self.folder / "settings"

    @property
    def state(self) -> Path:
        """Which programs run, written by the node's first process."""
        return self.folder / "programs.json"

    @property
    def loaded(self) -> Path:
        """Which images of the local Docker engine the node has."""
        return self.folder / "images.json"

    @property
    def kernel(self) -> Path:
        """The kernel's settings before the kubelet changed them."""
        return self.folder / "kernel.json"

    @property
    def made(self) -> Path:
        """Those of COVERED that the host did not have."""
        return self.folder / "made.json"

    @property
    def hosts(self) -> Path:
        """Names of the cluster for its DNS."""
        return self.settings / "hosts"

    @property
    def pause(self) -> Path:
        return self.folder / "pause.tar"

    def kubeconfig(self, user: str = "admin") -> Path:
        return self.folder / f"{user}.kubeconfig"

    def covering(self, path: str) -> Path:
        return self.folder / "root" / path.strip("/").replace("/", "-")
