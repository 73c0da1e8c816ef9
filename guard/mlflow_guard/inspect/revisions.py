# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""The order of the schema revisions that this image's MLflow knows.

Alembic's own ScriptDirectory executes every migration script, and those import MLflow, which takes two seconds. Only
the identifiers are needed, so they are read from the scripts' syntax and given to alembic's revision map, which keeps
the rules about heads and branches where they belong.
"""

from __future__ import annotations

import ast
import importlib.util
from functools import lru_cache
from pathlib import Path

# What a database of each kind is migrated with. The model registry uses the same scripts as the backend store.
KINDS = ("backend", "auth")
FOLDERS = {"backend": ("store", "db_migrations"), "auth": ("server", "auth", "db", "migrations")}
VERSION_TABLES = {"backend": "alembic_version", "auth": "alembic_version_auth"}


class RevisionsUnknown(Exception):
    """MLflow, or its migration scripts, cannot be read in this image."""


@lru_cache
def mlflow_directory() -> Path:
    """Where the installed MLflow is; a source checkout on PYTHONPATH counts. Nothing of it is imported."""
    spec = importlib.util.find_spec("mlflow")
    if spec is None or not spec.submodule_search_locations:
        raise RevisionsUnknown("MLflow is not installed here")
    for location in spec.submodule_search_locations:
        if Path(location, "store", "db_migrations").is_dir():
            return Path(location)
    raise RevisionsUnknown(f"MLflow in {list(spec.submodule_search_locations)} has no migration scripts")


def directory(kind: str) -> Path:
    """The folder of the migration scripts."""
    return mlflow_directory().joinpath(*FOLDERS[kind])


def _identifiers(script: Path) -> dict:
    """The assignments of plain values at the top of a migration script."""
    found = {}
    for node in ast.parse(script.read_bytes()).body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        for target in targets:
            name = getattr(target, "id", None)
            if name in ("revision", "down_revision", "depends_on", "branch_labels") and node.value is not None:
                found[name] = ast.literal_eval(node.value)
    return found


@lru_cache
def order(kind: str) -> tuple[str, ...]:
    """All revisions, the oldest first. There must be one line of them with one head, as MLflow itself demands."""
    from alembic.script.revision import Revision, RevisionMap

    def generate():
        for script in sorted(directory(kind).joinpath("versions").glob("*.py")):
            found = _identifiers(script)
            if found.get("revision"):
                yield Revision(
                    found["revision"],
                    found.get("down_revision"),
                    dependencies=found.get("depends_on"),
                    branch_labels=found.get("branch_labels"),
                )

    revisions = RevisionMap(generate)
    heads = revisions.heads
    if len(heads) != 1:
        raise RevisionsUnknown(
            f"MLflow's {kind} migrations have {len(heads)} heads, and one is needed: {', '.join(heads) or 'none'}"
        )
    walked = [revision.revision for revision in revisions.iterate_revisions("heads", "base")]
    return tuple(reversed(walked))


def head(kind: str) -> str:
    """The revision that this image's MLflow works with."""
    return order(kind)[-1]


def mlflow_version() -> str:
    """MLflow's version, as its own file says it."""
    for node in ast.parse((mlflow_directory() / "version.py").read_bytes()).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "VERSION":
            return str(ast.literal_eval(node.value))
    return "unknown"
