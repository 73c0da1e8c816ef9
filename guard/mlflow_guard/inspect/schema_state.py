# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""Decides from observed facts what a database holds. Pure: no connection, so that every case can be put in a table.

The version table alone proves nothing: other applications use alembic too, and a failed start of `mlflow server` leaves
tables without it. So the tables and columns are compared with those that MLflow has at the revision.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mlflow_guard.inspect import structure

EMPTY, AT_HEAD, OLDER = "empty", "at_head", "older"
# State -> code of its finding. Whoever wants to start a server refuses all of them; a schema step some.
CODES = {
    EMPTY: "schema-empty",
    OLDER: "schema-older",
    "newer": "schema-newer",
    "half_migrated": "schema-half-migrated",
    "version_lost": "schema-version-lost",
    "two_revisions": "schema-two-revisions",
    "foreign": "schema-foreign",
    "other_purpose": "schema-other-purpose",
}
VERSION_TABLES = {"backend": "alembic_version", "auth": "alembic_version_auth"}
OTHER_KIND = {"backend": "auth", "auth": "backend"}
KIND_NAMES = {"backend": "tracking database", "auth": "authentication database"}
# The five tables of the first release. A start of `mlflow server` that fails leaves just them, in anybody's database.
INITIAL_TABLES = frozenset(structure.all_of("backend")[structure.INITIAL].tables)
SHOWN = 6


@dataclass(frozen=True)
class Observed:
    """What was seen in one schema: tables and views with their columns, and the rows of the version tables."""

    tables: dict[str, frozenset[str]]
    versions: dict[str, tuple[str, ...] | None] = field(default_factory=dict)


@dataclass(frozen=True)
class State:
    """What the database is, with the reason in words."""

    name: str
    detail: str
    revision: str | None = None
    extra: tuple[str, ...] = ()
    exact: bool = True


def some(names) -> str:
    """A short list of names."""
    names = sorted(names)
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _missing(expected: dict[str, frozenset[str]], tables: dict[str, frozenset[str]]) -> tuple[list[str], list[str]]:
    """Tables and columns that should be there and are not."""
    absent = [name for name in expected if name not in tables]
    columns = [
        f"{name}.{column}" for name, wanted in expected.items() if name in tables for column in wanted - tables[name]
    ]
    return absent, columns


def fitting(kind: str, tables: dict[str, frozenset[str]]) -> list[str]:
    """The revisions whose tables and columns are just the ones that are there."""
    own = {name: columns for name, columns in tables.items() if name in structure.table_names(kind)}
    return [
        revision
        for revision, each in structure.all_of(kind).items()
        if revision != structure.INITIAL and each.tables == own
    ]


def _without_version(
    kind: str, seen: Observed, ours: set[str], impostors: set[str], others: set[str], other: set[str]
) -> State:
    """The version table is missing or empty."""
    if not ours:
        if not impostors and not others:
            return State(EMPTY, "it holds no tables")
        if other and not impostors and others == other:
            return State("other_purpose", f"it is MLflow's {KIND_NAMES[OTHER_KIND[kind]]}")
        if impostors:
            return State(
                "foreign",
                f"it holds another application's tables, among them some of the same name as MLflow's:"
                f" {some(impostors | others)}",
                extra=tuple(sorted(others)),
            )
        return State("foreign", f"it holds another application's tables: {some(others)}", extra=tuple(sorted(others)))
    beyond = ours - INITIAL_TABLES
    if kind == "backend" and not beyond:
        if impostors or others - other:
            return State(
                "foreign",
                f"it holds another application's tables ({some(impostors | (others - other))}) and {some(ours)},"
                " which a failed start of `mlflow server` leaves behind",
                extra=tuple(sorted(others)),
            )
        return State(
            "half_migrated", f"only {some(ours)} are there: an initialisation of MLflow was begun and did not end"
        )
    fits = fitting(kind, seen.tables)
    hint = f"; the tables are those of revision {fits[-1]}" if fits else ""
    table = VERSION_TABLES[kind]
    lost = "is missing" if seen.versions.get(table) is None else "is empty"
    return State(
        "version_lost",
        f"{len(ours)} of MLflow's tables are there and {table} {lost}{hint}",
        extra=tuple(sorted(others)),
    )


def _at_known_revision(
    kind: str, seen: Observed, revision: str, order: tuple[str, ...], ours: set[str], others: set[str]
) -> State:
    """The version table names a revision of this image."""
    expected, exact = structure.nearest(kind, revision, order)
    absent, columns = _missing(expected.tables, seen.tables)
    if absent or columns:
        what = f"the tables {some(absent)} are missing" if absent else f"the columns {some(columns)} are missing"
        return State("half_migrated", f"its revision is {revision}, but {what}", revision)
    if exact:
        early = [name for name in ours if name not in expected.tables]
        if early:
            return State(
                "half_migrated",
                f"its revision is {revision}, but {some(early)} of later revisions are already there",
                revision,
            )
    extra = tuple(sorted(others))
    if revision == order[-1]:
        return State(AT_HEAD, "it is at the image's revision", revision, extra, exact)
    behind = len(order) - 1 - order.index(revision)
    return State(OLDER, f"its revision {revision} is {behind} behind the image's {order[-1]}", revision, extra, exact)


def _at_unknown_revision(
    kind: str, revision: str, order: tuple[str, ...], ours: set[str], impostors: set[str], others: set[str]
) -> State:
    """The version table names a revision that is not in this image."""
    beyond = ours - INITIAL_TABLES if kind == "backend" else ours
    if len(beyond) >= 3 and not impostors:
        return State(
            "newer",
            f"its revision {revision} is not among the {len(order)} of this image (head {order[-1]}),"
            " and the tables are MLflow's",
            revision,
            tuple(sorted(others)),
        )
    littered = f", and {some(ours)} left behind by a failed start of `mlflow server`" if ours else ""
    tables = some(impostors | others) or "no tables besides"
    return State(
        "foreign",
        f"its {VERSION_TABLES[kind]} says {revision!r}, which is another application's, with {tables}{littered}",
        revision,
        tuple(sorted(others)),
    )


def decide(
    kind: str,
    seen: Observed,
    order: tuple[str, ...],
    other_order: tuple[str, ...] = (),
    sharing: frozenset[str] = frozenset(),
) -> State:
    """What the database is, for a store of this kind.

    `sharing` names the kinds of store that this configuration keeps in this very database.
    """
    other_kind = OTHER_KIND[kind]
    tables = {name: columns for name, columns in seen.tables.items() if name not in VERSION_TABLES.values()}
    ours = {
        name
        for name in tables
        if name in structure.table_names(kind) and structure.looks_like(kind, name, tables[name])
    }
    impostors = {name for name in tables if name in structure.table_names(kind)} - ours
    others = set(tables) - ours - impostors
    other = {
        name
        for name in others
        if name in structure.table_names(other_kind) and structure.looks_like(other_kind, name, tables[name])
    }
    rows = seen.versions.get(VERSION_TABLES[kind])
    if kind == "auth":
        return _decide_auth(seen, order, other_order, sharing, ours, impostors, others, other)
    if "auth" in sharing:
        others -= other
        other = set()
    if rows and set(rows) <= set(other_order) and other and not ours:
        return State("other_purpose", "it is the authentication database of an MLflow before 3.6", rows[0])
    if not rows:
        return _without_version(kind, seen, ours, impostors, others, other)
    if len(rows) > 1:
        if ours - INITIAL_TABLES:
            return State("two_revisions", f"alembic_version has {len(rows)} rows: {some(rows)}", rows[0])
        return State(
            "foreign", f"its alembic_version has {len(rows)} rows of another application: {some(rows)}", rows[0]
        )
    if rows[0] in order:
        return _at_known_revision(kind, seen, rows[0], order, ours, others)
    return _at_unknown_revision(kind, rows[0], order, ours, impostors, others)


def _decide_auth(seen: Observed, order, other_order, sharing, ours, impostors, others, other) -> State:
    """The authentication database. Releases before 3.6 kept its revision in alembic_version, or in no table at all."""
    if "backend" in sharing:
        others = others - other
        other = set()
    rows = seen.versions.get("alembic_version_auth")
    if rows:
        if len(rows) > 1:
            return State("two_revisions", f"alembic_version_auth has {len(rows)} rows: {some(rows)}", rows[0])
        if rows[0] in order:
            return _at_known_revision("auth", seen, rows[0], order, ours, others)
        return _at_unknown_revision("auth", rows[0], order, ours, impostors, others)
    foreign_version = [row for row in seen.versions.get("alembic_version") or () if row not in order]
    if "backend" not in sharing and foreign_version and not (set(foreign_version) <= set(other_order)):
        return State(
            "foreign",
            f"its alembic_version says {foreign_version[0]!r}, which is another application's,"
            f" with {some(impostors | others | ours) or 'no tables besides'}",
            foreign_version[0],
        )
    if other:
        return State(
            "other_purpose", "it is MLflow's tracking database, which this configuration does not keep the users in"
        )
    if ours and not impostors:
        first = order[0]
        absent, columns = _missing(structure.all_of("auth")[first].tables, seen.tables)
        if absent or columns:
            return State(
                "foreign",
                f"it holds {some(ours)} like MLflow's, but not {some(absent + columns)}",
                extra=tuple(sorted(others)),
            )
        if len(ours) > len(structure.all_of("auth")[first].tables):
            return _without_version("auth", seen, ours, impostors, others, other)
        if others and "backend" not in sharing:
            return State(
                "foreign", f"it holds another application's tables: {some(others | ours)}", extra=tuple(sorted(others))
            )
        behind = len(order) - 1
        return State(
            OLDER,
            f"it was made by MLflow before 3.6 (revision {first}), {behind} behind the image's {order[-1]}",
            first,
            tuple(sorted(others)),
        )
    if "backend" in sharing and not impostors and not ours:
        # Users may live beside the tracking tables; what else is there is reported by the backend store.
        return State(EMPTY, "it holds no tables of users yet")
    return _without_version("auth", seen, ours, impostors, others, other)
