# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""The artifact locations that are frozen in the database, against the configured mode and destination."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from mlflow_guard.answer import Problem, finding
from mlflow_guard.config import Artifacts

# Table and column of every frozen location. The experiments come first: there are few of them.
COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("logged_models", "artifact_location"),
)
# Schemes that only point to something else in MLflow, and places that are no artifact store.
REFERENCES = ("models", "runs", "hf", "huggingface", "openai", "endpoints")
# A large table must not make a check slow.
TABLE_SECONDS = 1.2


@dataclass(frozen=True)
class Location:
    """Locations of one column that begin alike."""

    column: str
    prefix: str
    count: int
    within: int
    example: str


def kind_of(location: str) -> str:
    """proxied, host, direct, local or reference."""
    scheme, colon, rest = location.partition(":")
    scheme = scheme.lower()
    if not colon or len(scheme) == 1 or "/" in scheme or scheme == "file":
        return "local"
    if scheme == "mlflow-artifacts":
        return "host" if rest.startswith("//") and rest[2:].split("/")[0] else "proxied"
    if scheme in ("http", "https"):
        return "host" if "/mlflow-artifacts" in location else "reference"
    return "reference" if scheme in REFERENCES else "direct"


def beginning(location: str) -> str:
    """Scheme and bucket, or the first two parts of a path."""
    if kind_of(location) == "proxied":
        return "mlflow-artifacts:"
    return "/".join(location.split("/")[:3])


def _expression(dialect: str, column: str) -> str:
    """`beginning` in SQL."""
    cut = {
        "postgresql": f"array_to_string((string_to_array({column}, '/'))[1:3], '/')",
        "mysql": f"SUBSTRING_INDEX({column}, '/', 3)",
        "sqlite": f"mlflow_guard_beginning({column})",
    }[dialect]
    return (
        f"CASE WHEN {column} LIKE 'mlflow-artifacts:/%' AND {column} NOT LIKE 'mlflow-artifacts://%'"
        f" THEN 'mlflow-artifacts:' ELSE {cut} END"
    )


def read(
    connection: sa.Connection, tables: dict[str, frozenset[str]], root: str, *, only_experiments: bool = False
) -> tuple[list[Location], list[str]]:
    """The distinct beginnings in every column, and the columns that took too long."""
    found, unread = [], []
    dialect = connection.dialect.name
    if dialect == "sqlite":
        connection.connection.dbapi_connection.create_function(
            "mlflow_guard_beginning", 1, lambda text: text and beginning(text)
        )
    root = root.rstrip("/")
    below = root.replace("!", "!!").replace("%", "!%").replace("_", "!_") + "/%"
    for table, column in COLUMNS[:1] if only_experiments else COLUMNS:
        if column not in tables.get(table, ()):
            continue
        query = sa.text(
            f"SELECT {_expression(dialect, column)} AS prefix, count(*), sum(CASE WHEN {column} = :root OR {column} "
            "LIKE :below"
            f" ESCAPE '!' THEN 1 ELSE 0 END), min({column}) FROM {table} WHERE {column} IS NOT NULL AND {column} <> "
            "'' GROUP BY 1 ORDER BY 2 DESC LIMIT 50"
        )
        try:
            with connection.begin_nested() if dialect == "postgresql" else _nothing():
                if dialect == "postgresql":
                    connection.exec_driver_sql(f"SET LOCAL statement_timeout = {int(TABLE_SECONDS * 1000)}")
                rows = connection.execute(query, {"root": root, "below": below}).all()
        except sa.exc.OperationalError as error:
            if getattr(error.orig, "pgcode", None) != "57014":
                raise
            unread.append(f"{table}.{column}")
            continue
        found += [
            Location(f"{table}.{column}", prefix, count, int(within or 0), example)
            for prefix, count, within, example in rows
        ]
    return found, unread


class _nothing:
    def __enter__(self):
        return None

    def __exit__(self, *_):
        return False


def _said(locations: list[Location], counts: dict[Location, int] | None = None) -> str:
    return ", ".join(
        f"{(counts or {}).get(each, each.count)} in {each.column} like {each.example}" for each in locations[:4]
    )


def judge(locations: list[Location], artifacts: Artifacts, serves: bool) -> list[dict]:
    """Findings about what does not fit the configuration."""
    kinds: dict[str, list[Location]] = {}
    for each in locations:
        kinds.setdefault(kind_of(each.example), []).append(each)
    findings = []
    argument = artifacts.argument
    outside = {each: each.count - each.within for each in kinds.get("direct", []) if each.count > each.within}
    if artifacts.mode == "direct" and not serves and kinds.get("proxied"):
        findings.append(
            finding(
                "locations-unreachable",
                "artifacts.mode",
                f"{_said(kinds['proxied'])} need the proxy, which --no-serve-artifacts switches off",
            )
        )
    elif kinds.get("proxied") and kinds.get("direct"):
        findings.append(
            finding(
                "locations-mixed",
                "artifacts.mode",
                f"proxied: {_said(kinds['proxied'])}; direct: {_said(kinds['direct'])}",
            )
        )
    elif artifacts.mode == "proxied" and kinds.get("direct"):
        findings.append(
            finding(
                "locations-mixed", "artifacts.mode", f"the mode is proxied, and direct are {_said(kinds['direct'])}"
            )
        )
    elif artifacts.mode == "direct" and kinds.get("proxied"):
        findings.append(
            finding(
                "locations-mixed", "artifacts.mode", f"the mode is direct, and proxied are {_said(kinds['proxied'])}"
            )
        )
    if outside:
        findings.append(
            finding(
                "locations-other-store",
                argument,
                f"{artifacts.destination} is configured, and elsewhere are {_said(list(outside), outside)}",
            )
        )
    local = [each for each in kinds.get("local", []) if artifacts.mode == "proxied" or each.count > each.within]
    if local:
        findings.append(finding("locations-local", argument, f"local paths are {_said(local)}"))
    if kinds.get("host"):
        findings.append(finding("locations-host", argument, f"a server's name stands in {_said(kinds['host'])}"))
    return findings


def check(
    connection: sa.Connection, tables: dict[str, frozenset[str]], artifacts: Artifacts, serves: bool
) -> tuple[list[Location], list[dict]]:
    """Read the locations and judge them."""
    try:
        locations, unread = read(connection, tables, artifacts.destination)
    except sa.exc.DBAPIError as error:
        raise Problem(
            "rights-missing",
            "backend_store.server",
            f"the artifact locations cannot be read: {str(error.orig).splitlines()[0]}",
        ) from None
    findings = judge(locations, artifacts, serves)
    if unread:
        findings.append(
            finding("locations-unread", "backend_store", f"{', '.join(unread)} took longer than {TABLE_SECONDS} s")
        )
    return locations, findings
