# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""The decision about a database, as a table of observed facts and expected states. No server is needed."""

from __future__ import annotations

import pytest
from mlflow_guard.inspect import revisions, structure
from mlflow_guard.inspect.schema_state import INITIAL_TABLES, Observed, decide

BACKEND, AUTH = revisions.order("backend"), revisions.order("auth")
HEAD, AUTH_HEAD = BACKEND[-1], AUTH[-1]
CUSTOMERS = {"customers": frozenset({"id", "name"})}
FOREIGN_NAMES = {"tags": frozenset({"id", "name"}), "users": frozenset({"id", "email"}), "jobs": frozenset({"id"})}
INITIAL = dict(structure.all_of("backend")[structure.INITIAL].tables)


def tables(revision: str, kind: str = "backend") -> dict:
    return dict(structure.all_of(kind)[revision].tables)


def without(found: dict, *names: str) -> dict:
    return {name: columns for name, columns in found.items() if name not in names}


def backend(found: dict, rows=None, sharing=frozenset({"backend"})):
    return decide(
        "backend", Observed(found, {"alembic_version": rows, "alembic_version_auth": None}), BACKEND, AUTH, sharing
    )


def auth(found: dict, rows=None, sharing=frozenset({"auth"}), tracking_rows=None):
    seen = Observed(found, {"alembic_version": tracking_rows, "alembic_version_auth": rows})
    return decide("auth", seen, AUTH, BACKEND, sharing)


@pytest.mark.parametrize("revision", BACKEND)
def test_each_revision_of_the_backend(revision):
    state = backend(tables(revision), (revision,))
    assert state.name == ("at_head" if revision == HEAD else "older")
    assert state.revision == revision


@pytest.mark.parametrize("revision", AUTH)
def test_each_revision_of_the_users(revision):
    assert auth(tables(revision, "auth"), (revision,)).name == ("at_head" if revision == AUTH_HEAD else "older")


@pytest.mark.parametrize("revision", BACKEND)
def test_a_lost_version_table_is_noticed_at_each_revision(revision):
    state = backend(tables(revision), None)
    # Only the first migrations work on the five first tables alone.
    assert state.name == ("version_lost" if set(tables(revision)) - INITIAL_TABLES else "half_migrated")


@pytest.mark.parametrize("table", sorted(tables(HEAD)))
def test_each_missing_table_is_noticed(table):
    state = backend(without(tables(HEAD), table), (HEAD,))
    assert state.name == "half_migrated"
    assert table in state.detail


@pytest.mark.parametrize("table", sorted(tables(HEAD)))
def test_a_missing_column_is_noticed_in_each_table(table):
    found = tables(HEAD)
    column = sorted(found[table])[0]
    found[table] = found[table] - {column}
    state = backend(found, (HEAD,))
    assert state.name == "half_migrated"
    assert f"{table}.{column}" in state.detail


CASES = [
    ("nothing at all", {}, None, "empty"),
    ("an empty version table only", {"alembic_version": frozenset({"version_num"})}, (), "empty"),
    ("other tables", CUSTOMERS, None, "foreign"),
    ("one view only", {"report": frozenset({"day"})}, None, "foreign"),
    ("other tables with the version of another application", CUSTOMERS, ("abcdef123456",), "foreign"),
    ("only the version of another application", {}, ("v3.0.0.d",), "foreign"),
    ("tables named like MLflow's", FOREIGN_NAMES, None, "foreign"),
    ("tables named like MLflow's with another version", FOREIGN_NAMES, ("v3.0.0.d",), "foreign"),
    ("metrics of another application", {"metrics": frozenset({"id", "name", "value"})}, None, "foreign"),
    ("experiments of another application", {"experiments": frozenset({"id", "name"})}, None, "foreign"),
    ("all five first names with other columns", dict.fromkeys(INITIAL_TABLES, frozenset({"id"})), None, "foreign"),
    ("another application after a failed start of MLflow", {**CUSTOMERS, **INITIAL}, ("abcdef123456",), "foreign"),
    ("other tables beside the five first", {**CUSTOMERS, **INITIAL}, None, "foreign"),
    (
        "foreign tags beside four of the first",
        {**without(INITIAL, "tags"), "tags": frozenset({"id", "name"})},
        None,
        "foreign",
    ),
    ("only the five first tables", INITIAL, None, "half_migrated"),
    ("a newer revision", tables(HEAD), ("ffffffffffff",), "newer"),
    ("a newer revision with a new table", {**tables(HEAD), "novelties": frozenset({"id"})}, ("ffffffffffff",), "newer"),
    (
        "a newer revision where a table was renamed",
        {**without(tables(HEAD), "jobs"), "tasks": frozenset({"id"})},
        ("ffffffffffff",),
        "newer",
    ),
    ("two rows", tables(HEAD), (BACKEND[-2], HEAD), "two_revisions"),
    ("two rows, one unknown", tables(HEAD), (HEAD, "abcdef123456"), "two_revisions"),
    ("two rows of another application", CUSTOMERS, ("abcdef123456", "bcdef1234567"), "foreign"),
    ("an empty version table with all tables", tables(HEAD), (), "version_lost"),
    ("MLflow's version without tables", {}, (HEAD,), "half_migrated"),
    ("MLflow's version among other tables", CUSTOMERS, (HEAD,), "half_migrated"),
    ("an old version with the newest tables", tables(HEAD), (BACKEND[40],), "half_migrated"),
    ("the newest version with old tables", tables(BACKEND[40]), (HEAD,), "half_migrated"),
    (
        "a table of the next migration is already there",
        {**tables(BACKEND[-2]), "job_locks": tables(HEAD)["job_locks"]},
        (BACKEND[-2],),
        "half_migrated",
    ),
    ("a table of one's own beside MLflow's", {**tables(HEAD), **CUSTOMERS}, (HEAD,), "at_head"),
    ("a version table with other columns", {"alembic_version": frozenset({"id"})}, ("(not alembic's)",), "foreign"),
    ("the users' database", tables(AUTH_HEAD, "auth"), None, "other_purpose"),
    ("the users' database of an old release", tables(AUTH[0], "auth"), (AUTH[0],), "other_purpose"),
]


@pytest.mark.parametrize(("found", "rows", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_backend(found, rows, expected):
    assert backend(found, rows).name == expected


def test_extra_tables_are_named():
    assert backend({**tables(HEAD), **CUSTOMERS}, (HEAD,)).extra == ("customers",)


def test_a_lost_version_is_guessed_from_the_tables():
    assert HEAD in backend(tables(HEAD), None).detail


def test_users_beside_the_tracking_tables_are_ours_when_configured_so():
    both = {**tables(HEAD), **tables(AUTH_HEAD, "auth")}
    assert backend(both, (HEAD,), frozenset({"backend", "auth"})).extra == ()
    assert "users" in backend(both, (HEAD,)).extra
    assert auth(both, (AUTH_HEAD,), frozenset({"backend", "auth"}), (HEAD,)).name == "at_head"
    assert auth(tables(HEAD), None, frozenset({"backend", "auth"}), (HEAD,)).name == "empty"
    assert backend(tables(AUTH_HEAD, "auth"), None, frozenset({"backend", "auth"})).name == "empty"


AUTH_CASES = [
    ("nothing at all", {}, None, None, "empty"),
    ("made before 3.6 without a version", tables(AUTH[0], "auth"), None, None, "older"),
    ("made before 3.6 with the old version table", tables(AUTH[0], "auth"), None, (AUTH[0],), "older"),
    ("another application's users", {"users": frozenset({"id", "email"})}, None, None, "foreign"),
    (
        "another application's users that look alike",
        {"users": frozenset({"id", "username", "password_hash", "is_admin"})},
        None,
        None,
        "foreign",
    ),
    (
        "an application with alembic and users",
        {"users": frozenset({"id", "email"})},
        None,
        ("abcdef123456",),
        "foreign",
    ),
    ("the tracking database", tables(HEAD), None, (HEAD,), "other_purpose"),
    ("a newer revision", tables(AUTH_HEAD, "auth"), ("ffffffffffff",), None, "newer"),
    ("two rows", tables(AUTH_HEAD, "auth"), (AUTH[0], AUTH_HEAD), None, "two_revisions"),
    ("a missing table", without(tables(AUTH_HEAD, "auth"), "roles"), (AUTH_HEAD,), None, "half_migrated"),
    ("a lost version at head", tables(AUTH_HEAD, "auth"), None, None, "version_lost"),
    ("other tables", CUSTOMERS, None, None, "foreign"),
]


@pytest.mark.parametrize(
    ("found", "rows", "tracking", "expected"), [case[1:] for case in AUTH_CASES], ids=[case[0] for case in AUTH_CASES]
)
def test_auth(found, rows, tracking, expected):
    assert auth(found, rows, tracking_rows=tracking).name == expected
