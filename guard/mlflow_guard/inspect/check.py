# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""The live checks of `mlflow-guard check`: everything, and nothing is written to a database."""

from __future__ import annotations

import os
import threading
import time

from mlflow_guard.answer import Answer, Problem, finding
from mlflow_guard.config import Config, Database
from mlflow_guard.in_mlflow import known_code
from mlflow_guard.inspect import fingerprint, locations, sessions, store
from mlflow_guard.inspect.inspection import inspect, opened
from mlflow_guard.inspect.schema_state import AT_HEAD, OLDER


def serves_artifacts(config: Config) -> bool:
    """Whether the server's proxy for artifacts is on."""
    if "--no-serve-artifacts" in config.argv:
        return False
    if "--serve-artifacts" in config.argv:
        return True
    return os.environ.get("MLFLOW_SERVE_ARTIFACTS", "true").lower() not in ("0", "false", "no", "off", "n", "f")


def _store(config: Config, probe: bool, result: dict) -> None:
    """The store's part, which runs beside the databases': it waits for the network most of the time."""
    try:
        destination = store.open_destination(config.artifacts)
        if probe:
            result["facts"], result["findings"] = store.probe(config.artifacts)
        result["has_marker"] = destination is not None
        result["marker"] = destination.read_marker() if destination else None
    except Problem as problem:
        result["problem"] = problem
    except Exception as error:
        result["unexpected"] = error


def _locations(config: Config, database: Database, answer: Answer, tables: dict) -> list:
    with opened(database, database.server) as connection:
        found, findings = locations.check(connection, tables, config.artifacts, serves_artifacts(config))
    for each in findings:
        answer.add(each)
    return found


def run(config: Config, answer: Answer, *, skip_store: bool = False) -> None:
    """All findings at once: one problem does not hide the others."""
    begun = time.monotonic()
    result: dict = {}
    beside = threading.Thread(target=_store, args=(config, not skip_store, result), daemon=True)
    if not skip_store:
        beside.start()
    known_code.tell(answer)
    kept, compared = dict.fromkeys(("backend_store", "registry_store"), fingerprint.NOTHING), False
    answer.facts["databases"] = {}
    answer.facts["locations"] = []
    for database in config.databases:
        try:
            seen, findings, kept[database.name] = inspect(config, database)
            answer.facts["databases"][database.name] = seen.document()
            for each in findings:
                answer.add(each)
            if database.dialect == "postgresql" and seen.state.name in (AT_HEAD, OLDER):
                for each in sessions.look(config, database):
                    answer.add(each)
            lacking = any(each["code"] == "rights-missing" for each in findings)
            if database.kind == "backend" and seen.state.name in (AT_HEAD, OLDER) and not lacking:
                found = _locations(config, database, answer, seen.facts.observed.tables)
                answer.facts["locations"] += [
                    {"column": each.column, "prefix": each.prefix, "count": each.count} for each in found
                ]
            compared = compared or (database is config.backend and seen.state.name == AT_HEAD)
        except Problem as problem:
            answer.add(problem.finding)
    record = kept["backend_store"].own
    if compared:
        for each in fingerprint.compare_databases(config, kept["backend_store"], kept["registry_store"]):
            answer.add(each)
    if not skip_store:
        beside.join()
        if "unexpected" in result:
            raise result["unexpected"]
        if "problem" in result:
            answer.add(result["problem"].finding)
        for each in result.get("findings", []):
            answer.add(each)
        answer.facts["store"] = result.get("facts")
        if compared and "marker" in result:
            for each in fingerprint.compare(config, record, result["marker"], has_marker=result["has_marker"]):
                answer.add(each)
    elif compared and record is None:
        answer.add(
            finding(
                "destination-unrecorded",
                config.artifacts.argument,
                f"{config.backend.description} has no record of {config.artifacts.destination}",
            )
        )
    answer.facts["seconds"] = round(time.monotonic() - begun, 3)
