# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""Metrics by one statement: the same rows and the same errors as by MLflow's own way, and what is better."""

from __future__ import annotations

import http.client
import json
import math
import random
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import servers
import sqlalchemy as sa
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow_guard.in_mlflow import known_code, metrics
from test_readiness import serving

RUN, DELETED, OTHER = "a" * 32, "b" * 32, "c" * 32
FILL = [
    "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, workspace)"
    " VALUES (0, 'Default', 'mlflow-artifacts:/0', 'active', 'default')",
    *(
        "INSERT INTO runs (run_uuid, name, user_id, source_type, status, start_time, lifecycle_stage, experiment_id,"
        f" artifact_uri) VALUES ('{run}', 'run', 'me', 'LOCAL', 'RUNNING', 1600000000000, '{stage}', 0, 'a:/0')"
        for run, stage in ((RUN, "active"), (DELETED, "deleted"), (OTHER, "active"))
    ),
]
WRITTEN = {
    table: f"SELECT run_uuid, key, value, timestamp, step, is_nan FROM {table} ORDER BY 1, 2, 5, 4, 3, 6"
    for table in ("metrics", "latest_metrics")
}
WRITTEN |= {table: f"SELECT run_uuid, key, value FROM {table} ORDER BY 1, 2, 3" for table in ("params", "tags")}


def metric(key="loss", value=0.5, timestamp=1700000000000, step=0, **more) -> Metric:
    return Metric(key, value, timestamp, step, **more)


def batch(*logged, run=RUN, params=(), tags=()):
    return lambda store: store.log_batch(run, list(logged), list(params), list(tags))


def one(logged, run=RUN):
    return lambda store: store.log_metric(run, logged)


STEPS = [metric(step=step, value=step / 8) for step in range(50)]
NAMES = [metric(key) for key in ("b", "a", "Z", "a b/c-d.e:1_", "ä", "z" * 250)]
EXTREMES = [metric("inf", math.inf), metric("inf", -math.inf), metric("max", 1.7976931348623157e308)]
SMALL = [metric("tiny", 5e-324), metric("third", 1 / 3), metric("zero", -0.0), metric("far", 1e-7, 2**63 - 1, -(2**63))]
# What is logged, call by call. Some of it is refused.
CASES = {
    "one": [one(metric())],
    "one_of_a_model": [one(metric(model_id="m-" + "0" * 32))],
    "steps": [batch(*STEPS)],
    "steps_backwards": [batch(*reversed(STEPS))],
    "steps_in_turn": [one(each) for each in STEPS[:4]],
    "names": [batch(*NAMES), batch(*reversed(NAMES))],
    "older_step": [one(metric(step=5)), one(metric(step=4, timestamp=1800000000000, value=9.0))],
    "newer_time": [one(metric()), one(metric(timestamp=1700000000001, value=0.25))],
    "older_time": [one(metric()), one(metric(timestamp=1600000000001, value=0.75))],
    "larger_value": [one(metric()), one(metric(value=0.75)), one(metric(value=0.25))],
    "extremes": [batch(*EXTREMES), batch(*SMALL)],
    "nan": [one(metric(value=math.nan)), one(metric(value=0.0, step=1)), one(metric(value=math.nan, step=1))],
    "nan_and_zero": [batch(metric(value=math.nan), metric(value=0.0))],
    "zero_and_nan": [batch(metric(value=0.0), metric(value=math.nan), metric(value=float("nan")))],
    "again": [one(metric()), one(metric()), batch(metric()), batch(metric(), metric())],
    "partly_again": [batch(*STEPS[:3]), batch(*STEPS[2:5], *NAMES), batch(STEPS[0], metric(value=9.0))],
    "same_in_a_batch": [batch(metric(), metric(), metric(run_id=RUN))],
    "two_runs": [batch(*STEPS[:2]), batch(*STEPS[1:3], run=OTHER)],
    "with_others": [batch(metric(), params=[Param("p", "1")], tags=[RunTag("t", "2")])],
    "only_others": [batch(params=[Param("p", "1")], tags=[RunTag("t", "2")])],
    "nothing": [batch()],
    "of_a_model": [batch(metric("plain"), metric(model_id="m-" + "0" * 32))],
    "integers": [one(metric(value=3)), batch(metric(value=4, step=1), metric(value=True, step=2))],
    "other_types": [batch(metric(step=1.0)), one(metric(timestamp=1700000000000.5)), one(metric(value="0.5"))],
    "no_such_run": [one(metric(), run="d" * 32), batch(metric(), run="d" * 32), batch(metric(), run="d'%s\\")],
    "no_run": [one(metric(), run=""), batch(metric(), run=""), one(metric(), run=None), one(metric(), run="\0")],
    "deleted_run": [one(metric(), run=DELETED), batch(metric(), run=DELETED)],
    "bad_name": [one(metric("no\\name")), batch(metric(), metric("../up")), batch(metric(""))],
    "long_name": [one(metric("n" * 251)), batch(metric(), metric("n" * 251))],
    "bad_time": [one(metric(timestamp=-1)), batch(metric(), metric(timestamp=2**63)), one(metric(timestamp=None))],
    "bad_step": [one(metric(step=2**63)), batch(metric(), metric("acc", step=-(2**63) - 1))],
    "no_value": [one(metric(value=None)), batch(metric(), metric(value=None))],
    "too_many": [batch(*[metric(step=step) for step in range(1001)])],
    "many": [batch(*[metric(f"name {step % 600}", step=step) for step in range(1000)])],
}


@pytest.fixture
def store(cluster, deploy):
    """MLflow's store on a new database of three runs, as the server has it."""
    made = []

    def make() -> SqlAlchemyStore:
        database = deploy(cluster.head()).database
        cluster.execute(*FILL, database=database)
        found = SqlAlchemyStore(cluster.url(database).render_as_string(hide_password=False), "mlflow-artifacts:/")
        found.rows = lambda: {
            table: cluster.execute(statement, database=database) for table, statement in WRITTEN.items()
        }
        made.append(found)
        return found

    yield make
    for each in made:
        each.engine.dispose()
        SqlAlchemyStore._engine_map.pop(each.db_uri)


@pytest.fixture(autouse=True)
def one_statement(monkeypatch):
    """MLflow's way, which other tests may have replaced; called, it puts the statement in its place."""
    for name in ("log_batch", "_log_metrics_once"):
        monkeypatch.setattr(SqlAlchemyStore, name, getattr(metrics, f"_{name.lstrip('_')}"))

    def put() -> None:
        assert metrics.shorten() == []
        assert SqlAlchemyStore.log_batch is metrics.log_batch
        # Once is enough.
        assert metrics.shorten() == []

    return put


def answer_of(call, store) -> tuple:
    """Nothing, or the error; without what names a place in memory."""
    try:
        return (call(store),)
    except MlflowException as error:
        return type(error), error.error_code, re.sub(r"0x[0-9a-f]+|\[SQL.*", "", str(error), flags=re.DOTALL)
    except Exception as error:
        return type(error), str(error)


@pytest.mark.parametrize("case", CASES)
def test_rows_and_errors_are_those_of_mlflow(store, one_statement, case):
    theirs, ours = store(), store()
    expected = [answer_of(call, theirs) for call in CASES[case]]
    one_statement()
    assert [answer_of(call, ours) for call in CASES[case]] == expected
    assert ours.rows() == theirs.rows()
    # Connections go back as they were.
    driver = ours.engine.raw_connection()
    assert (driver.dbapi_connection.autocommit, driver.dbapi_connection.info.transaction_status) == (False, 0)
    driver.close()


class Counting:
    """A TCP proxy before PostgreSQL that counts the questions."""

    def __init__(self, host: str, port: int) -> None:
        self.questions: list[bytes] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.target = self.listener.getsockname()[1], (host, port)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _address = self.listener.accept()
            except OSError:
                return
            far = socket.create_connection(self.target)
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(source, sink, source is near), daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket, asks: bool) -> None:
        rest = b""
        begun = False
        while data := source.recv(65536):
            rest += data if asks else b""
            # The first message has no type.
            while len(rest) >= 5:
                end = int.from_bytes(rest[1:5], "big") + 1 if begun else int.from_bytes(rest[:4], "big")
                if len(rest) < end:
                    break
                if begun and rest[:1] == b"Q":
                    self.questions.append(rest[5 : end - 1])
                begun, rest = True, rest[end:]
            sink.sendall(data)
        sink.close()


def test_questions_to_the_database(store, one_statement, cluster):
    proxy = Counting(cluster.server.host, cluster.server.port)
    url = sa.make_url(store().db_uri).set(port=proxy.port, query={"sslmode": "disable", "gssencmode": "disable"})
    through = SqlAlchemyStore(url.render_as_string(hide_password=False), "mlflow-artifacts:/")

    def asked(call) -> list[bytes]:
        call(through)
        proxy.questions.clear()
        call(through)
        return list(proxy.questions)

    steps = iter(range(1000))

    def log_one(store):
        store.log_metric(RUN, metric(step=next(steps)))

    def log_batch(store):
        batch(*[metric(key, step=next(steps)) for key in "abcd" for _ in range(10)])(store)

    try:
        assert (len(asked(log_one)), len(asked(log_batch))) == (8, 15)
        one_statement()
        for call in (log_one, log_batch):
            ping, statement = asked(call)
            assert ping == b"SELECT 1"
            assert statement.startswith(b"\nWITH run AS")
    finally:
        proxy.listener.close()
        through.engine.dispose()
        SqlAlchemyStore._engine_map.pop(through.db_uri)


def test_writers_of_one_run_at_once(store, one_statement):
    """Half of them go MLflow's way, as servers of an older image do during a rolling change."""
    target = store()
    theirs = SqlAlchemyStore.log_batch, SqlAlchemyStore._log_metrics_once
    one_statement()

    class Older(SqlAlchemyStore):
        log_batch, _log_metrics_once = theirs

    older = Older(target.db_uri, "mlflow-artifacts:/")
    # The same ones twice: clients repeat what they got no answer to.
    calls = [
        [metric(key, random.Random(number).random(), step=step) for key in random.Random(number).sample("abcdef", 6)]
        for number, step in enumerate([*range(60), *range(60)])
    ]

    def log(number: int) -> None:
        (older if number % 2 else target).log_batch(RUN, calls[number], [], [])

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(log, random.Random(0).sample(range(len(calls)), len(calls))))
    rows = target.rows()
    sent = {(each.key, each.value, each.step) for call in calls for each in call}
    assert {(key, value, step) for _run, key, value, _time, step, _nan in rows["metrics"]} == sent
    newest = {key: max((step, value) for name, value, step in sent if name == key) for key in "abcdef"}
    assert {key: (step, value) for _run, key, value, _time, step, _nan in rows["latest_metrics"]} == newest


def backend_of(cluster, store, condition: str) -> int:
    """The process of PostgreSQL that serves the store and is in this condition."""
    name = sa.make_url(store.db_uri).database
    found = []

    def there() -> bool:
        found[:] = cluster.execute(
            f"SELECT pid FROM pg_stat_activity WHERE datname = '{name}' AND query LIKE '%WITH run AS%'"
            f" AND pid <> pg_backend_pid() AND {condition}"
        )
        return bool(found)

    servers.wait_until(there, "the statement", 10)
    return found[0][0]


def test_a_database_that_goes_away_in_the_middle(store, one_statement, cluster):
    """All or nothing, the answer that clients try again, and the next call is served."""
    one_statement()
    target = store()
    engine = sa.create_engine(target.db_uri)
    with ThreadPoolExecutor(1) as thread, engine.begin() as holding:
        holding.exec_driver_sql("LOCK TABLE latest_metrics IN ACCESS EXCLUSIVE MODE")
        logging = thread.submit(target.log_batch, RUN, NAMES, [], [])
        pid = backend_of(cluster, target, "wait_event_type = 'Lock'")
        cluster.execute(f"SELECT pg_terminate_backend({pid})")
        with pytest.raises(MlflowException) as refused:
            logging.result(20)
    engine.dispose()
    assert refused.value.error_code == "TEMPORARILY_UNAVAILABLE"
    assert target.rows()["metrics"] == target.rows()["latest_metrics"] == []
    target.log_batch(RUN, NAMES, [], [])
    assert len(target.rows()["metrics"]) == len(NAMES)


def test_a_deadlock_is_tried_again(store, one_statement):
    one_statement()
    target = store()
    target.log_batch(RUN, [metric("a"), metric("b")], [], [])
    engine = sa.create_engine(target.db_uri)
    locked, tried = "SELECT key FROM latest_metrics WHERE key = '{}' FOR UPDATE", []
    once = metrics.write

    def counted(*given):
        tried.append(given)
        return once(*given)

    with ThreadPoolExecutor(1) as thread, pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "write", counted)
        with engine.begin() as other:
            # PostgreSQL ends the transaction that looks for a deadlock first.
            other.exec_driver_sql("SET LOCAL deadlock_timeout = '60s'")
            other.exec_driver_sql(locked.format("b"))
            logging = thread.submit(target.log_batch, RUN, [metric("b", step=1), metric("a", step=1)], [], [])
            time.sleep(0.5)
            other.exec_driver_sql(locked.format("a"))
        logging.result(30)
    engine.dispose()
    assert len(tried) == 2
    assert [row[4] for row in target.rows()["latest_metrics"]] == [1, 1]


def test_derived_stores_go_their_own_way(store, one_statement, monkeypatch):
    one_statement()
    monkeypatch.setattr(metrics, "write", lambda *_: pytest.fail("a derived store was taken for MLflow's own"))

    class Derived(SqlAlchemyStore):
        """As the one of workspaces is."""

    derived = Derived(store().db_uri, "mlflow-artifacts:/")
    derived.log_batch(RUN, [metric()], [], [])


def test_another_mlflow_is_left_as_it_is(monkeypatch):
    theirs = SqlAlchemyStore.log_batch, SqlAlchemyStore._log_metrics_once
    assert metrics.is_known()
    # What a fixture has put in place stays in place.
    with monkeypatch.context() as changed:
        changed.setattr(SqlAlchemyStore, "_log_model_metrics", lambda _self, _run_id, _metrics, _experiment_id: None)
        assert metrics.shorten() == ["log_batch", "_log_metrics_once"]
    assert metrics.is_known()
    with monkeypatch.context() as changed:
        changed.delattr(SqlAlchemyStore, "_update_latest_metrics_if_necessary")
        assert metrics.shorten() == ["log_batch", "_log_metrics_once"]
    monkeypatch.setitem(known_code.KNOWN, "metrics", "of another release")
    assert metrics.shorten() == ["log_batch", "_log_metrics_once"]
    assert (SqlAlchemyStore.log_batch, SqlAlchemyStore._log_metrics_once) == theirs


def test_the_server_logs_by_one_statement(ready, cluster):
    """With the rights of its role, and through all of the web application."""
    cluster.execute(*FILL, database=ready.database)
    body = json.dumps({"run_id": RUN, "metrics": [{"key": "loss", "value": 0.5, "timestamp": 1, "step": 2}]})
    with serving(ready):
        connection = http.client.HTTPConnection("127.0.0.1", ready.port, timeout=20)
        connection.request("POST", "/api/2.0/mlflow/runs/log-batch", body, {"Content-Type": "application/json"})
        assert connection.getresponse().status == 200
        seen = cluster.execute(
            f"SELECT usename FROM pg_stat_activity WHERE datname = '{ready.database}' AND query LIKE '%WITH run AS%'"
            " AND pid <> pg_backend_pid()"
        )
    assert seen == [("mlflow_server",)]
    assert cluster.execute(WRITTEN["latest_metrics"], database=ready.database) == [(RUN, "loss", 0.5, 1, 2, False)]
