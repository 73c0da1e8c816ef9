# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""Metrics logged on PostgreSQL by one statement.

For a call that logs a metric MLflow's store asks the database 8 times, and for a batch with four names 15 times: is the
connection alive, the run (both twice for a batch), the metrics, a look at their newest values, a lock on these, each of
the new ones, and the transaction around it. All of that but the first is one statement here, which PostgreSQL carries
out as a whole or not at all.

It is for the usual case only: an active run, and metrics that are new. Whatever is not like that changes nothing, and
is given to MLflow's own way, which then does what there is to do and has the answers to all errors.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from mlflow.entities import LifecycleStage, Metric
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.utils import validation

from mlflow_guard.in_mlflow import known_code, parts

COLUMNS = ("key", "value", "timestamp", "step", "is_nan")
_log_batch, _log_metrics_once = (getattr(SqlAlchemyStore, name, None) for name in ("log_batch", "_log_metrics_once"))

# First the metrics, then the newest values by their names: the order in which MLflow locks them too, so that two calls,
# whichever way they go, do not wait for each other.
# A value is newer as MLflow compares it: by step, then timestamp, then value.
STATEMENT = """
WITH run AS (
    SELECT run_uuid FROM runs WHERE run_uuid = %(run)s AND lifecycle_stage = %(active)s
), logged AS (
    INSERT INTO metrics (key, value, timestamp, step, is_nan, run_uuid)
    SELECT new.*, run.run_uuid
    FROM run, unnest(%(key)s::varchar[], %(value)s::float8[], %(timestamp)s::bigint[], %(step)s::bigint[],
                     %(is_nan)s::boolean[]) AS new
    RETURNING 1
), newest AS (
    INSERT INTO latest_metrics AS known (key, value, timestamp, step, is_nan, run_uuid)
    SELECT new.*, run.run_uuid
    FROM run, unnest(%(newest_key)s::varchar[], %(newest_value)s::float8[], %(newest_timestamp)s::bigint[],
                     %(newest_step)s::bigint[], %(newest_is_nan)s::boolean[]) AS new (key)
    WHERE (SELECT count(*) FROM logged) > 0
    ORDER BY new.key
    ON CONFLICT (key, run_uuid) DO UPDATE
    SET value = excluded.value, timestamp = excluded.timestamp, step = excluded.step, is_nan = excluded.is_nan
    WHERE (excluded.step, excluded.timestamp, excluded.value) > (known.step, known.timestamp, known.value)
)
SELECT count(*) FROM run
"""

Row = tuple[str, float, int, int, bool]
TYPES = (str, float, int, int)


def usual(store: SqlAlchemyStore, metrics: Sequence[Metric]) -> bool:
    """Whether the statement fits: MLflow's own store on PostgreSQL, and metrics as the API makes them of a request."""
    # Stores that derive from it look at more than the run, such as its workspace.
    return (
        store.__class__ is SqlAlchemyStore
        and store.engine.driver == "psycopg2"
        and bool(metrics)
        and all(
            (type(metric.key), type(metric.value), type(metric.timestamp), type(metric.step)) == TYPES
            for metric in metrics
        )
    )


def rows_of(store: SqlAlchemyStore, metrics: Sequence[Metric]) -> list[Row]:
    """Rows of the table, each once, in the order of the metrics. Refuses what MLflow refuses, in its words."""
    rows: dict[Row, None] = {}
    for index, metric in enumerate(metrics):
        place = "" if len(metrics) == 1 else f"metrics[{index}]"
        validation._validate_metric(metric.key, metric.value, metric.timestamp, metric.step, path=place)
        is_nan, value = store.sanitize_metric_value(metric.value)
        rows[metric.key, float(value), metric.timestamp, metric.step, is_nan] = None
    return list(rows)


def newest_of(rows: Iterable[Row]) -> list[Row]:
    """Of each name the newest, as MLflow compares them; of equals the first."""
    newest: dict[str, Row] = {}
    for row in rows:
        key, value, timestamp, step, _is_nan = row
        known = newest.get(key)
        if known is None or (step, timestamp, value) > (known[3], known[2], known[1]):
            newest[key] = row
    return list(newest.values())


def _arrays(rows: list[Row], prefix: str = "") -> dict[str, list]:
    return {f"{prefix}{name}": list(values) for name, values in zip(COLUMNS, zip(*rows))}


def _ask(connection: sa.Connection, named: dict) -> int:
    driver = connection.connection.dbapi_connection
    # One statement is a transaction already: it is committed when its answer comes. The driver's own would be two more
    # questions.
    driver.autocommit = True
    try:
        return connection.exec_driver_sql(STATEMENT, named).scalar_one()
    finally:
        if not driver.closed:
            driver.autocommit = False


def write(store: SqlAlchemyStore, run_id: str, rows: list[Row]) -> bool:
    """All of it or nothing; whether it was written."""
    named = {"run": run_id, "active": LifecycleStage.ACTIVE, **_arrays(rows), **_arrays(newest_of(rows), "newest_")}
    # MLflow's session, for what it makes of a database that is away, and of deadlocks.
    with store.ManagedSessionMaker(read_only=False) as session:
        try:
            return _ask(session.connection(), named) == 1
        except sa.exc.OperationalError:
            raise
        except Exception:
            # Metrics that are there already, a run that is just being deleted, a number that is out of range.
            session.rollback()
            return False


def log_metrics_once(self: SqlAlchemyStore, run_id: str, metrics: Sequence[Metric]) -> None:
    """In the place of MLflow's `_log_metrics_once`."""
    if not usual(self, metrics) or not write(self, run_id, rows_of(self, metrics)):
        _log_metrics_once(self, run_id, metrics)


def log_batch(self: SqlAlchemyStore, run_id: str, metrics: Sequence[Metric], params: list, tags: list) -> None:
    """In the place of MLflow's `log_batch`, which looks at the run once more, on a connection of its own."""
    if params or tags or not usual(self, metrics) or any(metric.model_id is not None for metric in metrics):
        _log_batch(self, run_id, metrics, params, tags)
        return
    validation._validate_run_id(run_id)
    validation._validate_batch_log_data(metrics, params, tags)
    validation._validate_batch_log_limits(metrics, params, tags)
    self._log_metrics(run_id, metrics)


def is_known() -> bool:
    """Whether MLflow's store and tables are as they are known, and no others have been put in their place."""
    return known_code.is_known("metrics") and all(
        known_code.is_written_at(vars(SqlAlchemyStore).get(name.split(".")[1]), module, name)
        for module, names in known_code.PARTS["metrics"]
        if module == known_code.STORE
        for name in names
    )


def shorten() -> list[str]:
    """Put the statement in the place of MLflow's way; return what was left as it is, in another MLflow than this."""
    if SqlAlchemyStore.log_batch is log_batch or not parts.is_on("metrics"):
        return []
    if not is_known():
        return ["log_batch", "_log_metrics_once"]
    SqlAlchemyStore.log_batch, SqlAlchemyStore._log_metrics_once = log_batch, log_metrics_once
    return []
