# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images for the node: its own pause image, and those of the local Docker engine."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

from tests.beds import engine
from tests.beds.commands import say
from tests.beds.kubernetes.settings import PAUSE_IMAGE, SOCKET, Bed

LOAD_SECONDS = 600


def _add(archive: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))


def archive(program: bytes, machine: str) -> bytes:
    """An image of one program, as `docker save` would write it."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as content:
        _add(content, "pause", program, 0o755)
    settings = {
        "architecture": machine,
        "os": "linux",
        "config": {"Entrypoint": ["/pause"], "User": "65535:65535"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer.getvalue()).hexdigest()}"]},
    }
    image = io.BytesIO()
    with tarfile.open(fileobj=image, mode="w") as content:
        _add(content, "layer.tar", layer.getvalue())
        _add(content, "config.json", json.dumps(settings).encode())
        manifest = [{"Config": "config.json", "RepoTags": [PAUSE_IMAGE], "Layers": ["layer.tar"]}]
        _add(content, "manifest.json", json.dumps(manifest).encode())
    return image.getvalue()


def inside(process: int, *command: str) -> list[str]:
    """A command in the node's namespaces, whose first process is given."""
    return ["nsenter", f"--target={process}", "--mount", "--net", "--pid", "--", *command]


def load(bed: Bed, process: int, references: list[str]) -> None:
    """Those that the node has already are left alone."""
    loaded = json.loads(bed.loaded.read_text(encoding="utf-8")) if bed.loaded.exists() else {}
    for reference, identity in engine.identities(references).items():
        if loaded.get(reference) == identity:
            say(f"The node has {reference} already")
            continue
        say(f"Loading {reference} into the node")
        take = inside(process, "ctr", "--address", SOCKET, "--namespace", "k8s.io", "images", "import", "-")
        engine.copy([reference], take, LOAD_SECONDS)
        loaded[reference] = identity
        bed.loaded.write_text(json.dumps(loaded), encoding="utf-8")


def pause(bed: Bed, machine: str) -> None:
    bed.pause.write_bytes(archive(Path(bed.programs / "pause").read_bytes(), machine))
