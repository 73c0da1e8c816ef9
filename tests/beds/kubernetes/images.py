# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-ins for the images that a cluster asks for by upstream's names: the same programs, each alone in its image."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.beds.kubernetes.settings import OWN_IMAGES, Parts

PATH = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Image:
    reference: str
    # Of each file, where it is in the image.
    files: dict[str, Path]
    entrypoint: tuple[str, ...]
    # Whether it has the shell and the programs for the kernel's tables below its own files.
    tools: bool = False


def wanted(parts: Parts, folders: dict[str, Path], pause: Path, traefik: Path) -> list[Image]:
    """All images that a node has from the beginning."""
    own = folders["kubernetes"]
    images = [
        _one(
            f"registry.k8s.io/{name}:v{parts.version}", own / name, f"/usr/local/bin/{name}", tools=name == "kube-proxy"
        )
        for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")
    ]
    storage = folders["storage-provisioner"] / "storage-provisioner"
    return [
        *images,
        _one(f"registry.k8s.io/etcd:{parts.etcd}", folders["etcd"] / "etcd", "/usr/local/bin/etcd"),
        _one(f"registry.k8s.io/coredns/coredns:{parts.coredns}", folders["coredns"] / "coredns", "/coredns"),
        _one(f"registry.k8s.io/pause:{parts.pause}", pause, "/pause"),
        _one("gcr.io/k8s-minikube/storage-provisioner:v5", storage, "/storage-provisioner"),
        _one(
            OWN_IMAGES["kube-router"], folders["kube-router"] / "kube-router", "/usr/local/bin/kube-router", tools=True
        ),
        _one(OWN_IMAGES["metrics-server"], folders["metrics-server"] / "metrics-server", "/metrics-server"),
        _one(OWN_IMAGES["traefik"], traefik, "/traefik"),
    ]


def _one(reference: str, program: Path, path: str, tools: bool = False) -> Image:
    return Image(reference, {path: program}, (path,), tools)


def _entry(name: str, size: int, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, mode
    return entry


def layer(files: dict[str, Path]) -> bytes:
    """The same for the same files, whenever it is made."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name in sorted(files):
            data = files[name].read_bytes()
            archive.addfile(_entry(name.lstrip("/"), len(data), 0o755), io.BytesIO(data))
        # Programs that run as any user want a folder for what is temporary.
        entry = _entry("tmp", 0, 0o1777)
        entry.type = tarfile.DIRTYPE
        archive.addfile(entry)
    return content.getvalue()


def settings(image: Image, layers: Iterable[bytes], machine: str) -> dict:
    return {
        "architecture": machine,
        "os": "linux",
        "config": {"Entrypoint": list(image.entrypoint), "Env": [f"PATH={PATH}"], "WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(each).hexdigest()}" for each in layers]},
        "history": [],
    }


def write(target: Path, images: Iterable[Image], tools: bytes, machine: str) -> None:
    """An archive of them all, as `docker save` writes it."""
    manifest, written = [], set()
    with tarfile.open(target, "w") as archive:

        def add(name: str, data: bytes) -> str:
            if name not in written:
                archive.addfile(_entry(name, len(data), 0o644), io.BytesIO(data))
                written.add(name)
            return name

        for image in images:
            layers = [*([tools] if image.tools else []), layer(image.files)]
            about = json.dumps(settings(image, layers, machine)).encode()
            manifest.append(
                {
                    "Config": add(f"{hashlib.sha256(about).hexdigest()}.json", about),
                    "RepoTags": [image.reference],
                    "Layers": [add(f"{hashlib.sha256(each).hexdigest()}.tar", each) for each in layers],
                }
            )
        add("manifest.json", json.dumps(manifest).encode())
