# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""The tables and columns that MLflow has at each revision, from the catalogue structure.json.

A revision never changes its meaning, so the catalogue holds for every release that knows the revision.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

INITIAL = "initial"


@dataclass(frozen=True)
class Structure:
    """What is in the database at one revision."""

    tables: dict[str, frozenset[str]]
    indexes: dict[str, str]


@lru_cache
def all_of(kind: str) -> dict[str, Structure]:
    """The structure at each revision of one kind of database, in the order of the revisions."""
    catalogue = json.loads(Path(__file__).with_name("structure.json").read_bytes())
    tables: dict[str, frozenset[str]] = {}
    indexes: dict[str, str] = {}
    found = {}
    for revision, change in catalogue[kind]:
        tables = {name: columns for name, columns in tables.items() if name not in change.get("dropped_tables", ())}
        tables |= {name: frozenset(columns) for name, columns in change.get("tables", {}).items()}
        indexes = {name: table for name, table in indexes.items() if name not in change.get("dropped_indexes", ())}
        indexes |= change.get("indexes", {})
        found[revision] = Structure(tables, indexes)
    return found


@lru_cache
def table_names(kind: str) -> frozenset[str]:
    """All tables that any revision has."""
    return frozenset(name for each in all_of(kind).values() for name in each.tables)


def nearest(kind: str, revision: str, order: tuple[str, ...]) -> tuple[Structure, bool]:
    """The structure at a revision, or else at the last one before it that is known; and whether it is exact."""
    known = all_of(kind)
    for candidate in reversed(order[: order.index(revision) + 1]):
        if candidate in known:
            return known[candidate], candidate == revision
    return Structure({}, {}), False


def looks_like(kind: str, table: str, columns: frozenset[str]) -> bool:
    """Whether a table has at least the columns that MLflow's table of that name had at some revision."""
    return any(table in each.tables and each.tables[table] <= columns for each in all_of(kind).values())
