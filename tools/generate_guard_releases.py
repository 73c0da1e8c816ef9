#!/usr/bin/env python3
# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make guard/mlflow_guard/inspect/releases.json, the MLflow releases of each database revision, from the catalogue.

tools/generate_guard_releases.py            write it
tools/generate_guard_releases.py --check    exit with 1 if it is not what the catalogue says
"""

from __future__ import annotations

import argparse
import importlib.util
import json
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CATALOGUE = ROOT / "plugins" / "module_utils" / "_catalogue_data.py"
TARGET = ROOT / "guard" / "mlflow_guard" / "inspect" / "releases.json"
KINDS = {"backend": "tracking", "auth": "auth"}


def catalogue() -> dict:
    spec = importlib.util.spec_from_file_location("catalogue_data", CATALOGUE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return json.loads(module.DATA)


def releases_of(data: dict) -> dict[str, dict[str, list[str]]]:
    """For each kind of database: the revision that a release leaves it at, and all releases that do."""
    found: dict[str, dict[str, list[str]]] = {}
    for kind, name in KINDS.items():
        heads = found.setdefault(kind, {})
        for release, count in zip(data["releases"], data[f"{name}_counts"]):
            if count:
                heads.setdefault(data[f"{name}_revisions"][count - 1], []).append(release)
    return found


def text() -> str:
    kinds = []
    for kind, heads in releases_of(catalogue()).items():
        lines = [f"  {json.dumps(revision)}: {json.dumps(releases)}" for revision, releases in heads.items()]
        kinds.append(f" {json.dumps(kind)}: {{\n" + ",\n".join(lines) + "\n }")
    return "{\n" + ",\n".join(kinds) + "\n}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, and exit with 1 if it is stale")
    if parser.parse_args().check:
        if not TARGET.exists() or TARGET.read_text(encoding="utf-8") != text():
            raise SystemExit(f"{TARGET.name} is not what the catalogue says; run tools/generate_guard_releases.py")
        return
    TARGET.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
