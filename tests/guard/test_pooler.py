# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""PgBouncer before a real PostgreSQL: the check and a real server go through it, the schema step does not."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator

import pytest
import servers
from conftest import HOSTILE, OWNER, SERVER
from mlflow_guard.config import parse
from mlflow_guard.inspect import pooler
from mlflow_guard.inspect.inspection import opened
from test_gate import api
from test_readiness import serving

# Whether the pooler refuses a client that sends settings, as it does by itself, or drops them, as it is often told.
# One more kind of database, or way to it.
pytestmark = pytest.mark.extended
DROPS = {"refuses": {}, "drops": {"ignore_startup_parameters": "options,extra_float_digits"}}


@pytest.fixture(scope="module", params=[(mode, drops) for mode in ("session", "transaction") for drops in DROPS])
def bouncer(request, scratch, cluster) -> Iterator[servers.Pooler]:
    mode, drops = request.param
    users = {OWNER: HOSTILE, SERVER: HOSTILE}
    made = servers.start_pooler(scratch, cluster.server, users, pool_mode=mode, **DROPS[drops])
    yield made
    made.stop()


def log_run(port: int, number: int) -> str:
    """One run with parameters, metrics and a tag, as clients log it."""
    run = api(port, "/api/2.0/mlflow/runs/create", {"experiment_id": "0", "start_time": 1, "run_name": f"r{number}"})
    name = run["run"]["info"]["run_id"]
    batch = {
        "run_id": name,
        "metrics": [{"key": "loss", "value": 1 / step, "timestamp": step, "step": step} for step in range(1, 21)],
        "params": [{"key": "depth", "value": str(number)}],
        "tags": [{"key": "kind", "value": "test"}],
    }
    api(port, "/api/2.0/mlflow/runs/log-batch", batch)
    api(port, "/api/2.0/mlflow/runs/update", {"run_id": name, "status": "FINISHED", "end_time": 2})
    return name


@pytest.mark.slow
def test_check_and_server_go_through_it(ready, cluster, bouncer):
    ready.config["backend_store"]["port"] = bouncer.port
    answer = ready.run("check")
    assert (answer.code, answer.codes) == (0, set()), answer.document
    with serving(ready):
        names = [log_run(ready.port, number) for number in range(10)]
        found = api(ready.port, "/api/2.0/mlflow/runs/search", {"experiment_ids": ["0"], "max_results": 100})
        assert {each["info"]["run_id"] for each in found["runs"]} == set(names)
        assert ready.readiness()[0] == 200
        query = f"http://127.0.0.1:{ready.port}/api/2.0/mlflow/metrics/get-history?run_id={names[0]}&metric_key=loss"
        with urllib.request.urlopen(query, timeout=20) as history:
            assert len(json.load(history)["metrics"]) == 20
    rows = cluster.execute("SELECT count(*), count(DISTINCT run_uuid) FROM metrics", database=ready.database)
    assert rows == [(200, 10)]
    assert ready.run("check").codes == set()


@pytest.mark.parametrize("template", ["head", "empty", "older"])
def test_the_schema_step_does_not(deploy, cluster, bouncer, template):
    deployment = deploy(
        {"head": cluster.head, "empty": lambda: "template0", "older": lambda: cluster.old("3.16.0")}[template]()
    )
    deployment.config["backend_store"]["port"] = bouncer.port
    before = deployment.dump()
    for options in (["--dry-run", "--skip-store"], []):
        for mode in ("initialize", "upgrade"):
            answer = deployment.run("schema", "--mode", mode, *options)
            assert answer.code == 3, answer.document
            assert answer.errors() - {"schema-older"} == {"database-pooler"}
            assert "database server's own host and port" in answer.finding("database-pooler")["message"]
    assert deployment.dump() == before
    # The way that the finding says.
    deployment.config["backend_store"]["port"] = cluster.server.port
    assert deployment.run("schema", "--mode", "upgrade").code == 0
    deployment.config["backend_store"]["port"] = bouncer.port
    assert deployment.run("check").codes == set()


@pytest.mark.parametrize("template", ["empty", "older"])
def test_the_schema_step_goes_past_it_where_the_owner_has_an_address(deploy, cluster, bouncer, template):
    """Servers stay behind the pooler, and the owner logs in to the server itself: look, dump, migration and rights."""
    source = {"empty": lambda: "template0", "older": lambda: cluster.old("3.16.0")}[template]()
    deployment = deploy(source)
    store = deployment.config["backend_store"]
    store["port"], store["owner"]["port"] = bouncer.port, cluster.server.port
    answer = deployment.run("schema", "--mode", "upgrade")
    assert (answer.code, answer.codes) == (0, set()), answer.document
    assert answer.document["changed"]
    assert len(list((deployment.folder / "dumps").glob("*.dump"))) == (1 if template == "older" else 0)
    assert deployment.run("check").codes == set()
    with serving(deployment):
        log_run(deployment.port, 1)
    again = deployment.run("schema", "--mode", "upgrade")
    assert (again.code, again.document["changed"]) == (0, False)


def test_an_owner_whose_address_leads_elsewhere(ready, deploy, scratch, cluster):
    """The pooler has another database under this name, which nobody would notice by the names."""
    other = deploy(cluster.head()).database
    made = servers.start_pooler(
        scratch, cluster.server, {SERVER: HOSTILE}, {ready.database: other}, pool_mode="transaction", **DROPS["drops"]
    )
    store = ready.config["backend_store"]
    store["port"], store["owner"]["port"] = made.port, cluster.server.port
    before = ready.dump()
    try:
        for options in (["--dry-run", "--skip-store"], []):
            answer = ready.run("schema", "--mode", "upgrade", *options)
            assert (answer.code, answer.errors()) == (3, {"owner-elsewhere"}), answer.document
            assert str(made.port) in answer.finding("owner-elsewhere")["message"]
    finally:
        made.stop()
    assert ready.dump() == before


def test_a_pooler_that_drops_the_schema(deploy, scratch, cluster):
    """The owner, past it, works in the schema that the connection names, and the servers in the role's own."""
    deployment = deploy()
    cluster.execute(f"CREATE SCHEMA tracking AUTHORIZATION {OWNER}", database=deployment.database)
    made = servers.start_pooler(scratch, cluster.server, {SERVER: HOSTILE}, pool_mode="transaction", **DROPS["drops"])
    store = deployment.config["backend_store"]
    store["port"], store["owner"]["port"] = made.port, cluster.server.port
    store["query"] = {"options": "-csearch_path=tracking"}
    before = deployment.dump()
    try:
        answer = deployment.run("schema", "--mode", "initialize")
        assert (answer.code, answer.errors()) == (3, {"schema-differs"}), answer.document
        assert "'public'" in answer.finding("schema-differs")["message"]
        assert deployment.dump() == before
        # The way that is left: the roles themselves say where they work.
        store["query"] = {}
        for role in (OWNER, SERVER):
            where = f"ALTER ROLE {role} IN DATABASE {deployment.database} SET search_path = tracking"
            cluster.execute(where, f"ALTER ROLE {role} IN DATABASE {deployment.database} SET timezone = 'Asia/Tokyo'")
        cluster.execute(f"ALTER ROLE {SERVER} IN DATABASE {deployment.database} SET timezone = 'UTC'")
        # The pooler has sessions from before.
        cluster.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{SERVER}'")
        answer = deployment.run("schema", "--mode", "initialize")
        assert (answer.code, answer.errors()) == (0, set()), answer.document
    finally:
        made.stop()


def test_an_owner_whose_address_does_not_answer(ready, cluster):
    store = ready.config["backend_store"]
    store["owner"]["host"], store["owner"]["port"] = cluster.server.host, servers.free_port()
    answer = ready.run("schema", "--mode", "upgrade")
    assert answer.finding("database-port-closed")["argument"] == "backend_store.owner.port"
    # The servers do not need it.
    assert ready.run("check").codes == set()


@pytest.mark.parametrize(("mode", "changes"), [("session", False), ("transaction", True)])
def test_a_pooler_that_changes_sessions_is_told_from_one_that_keeps_them(ready, scratch, cluster, mode, changes):
    made = servers.start_pooler(scratch, cluster.server, {OWNER: HOSTILE}, pool_mode=mode, **DROPS["drops"])
    try:
        direct = parse(ready.config).backend
        with opened(direct, direct.owner) as connection:
            assert not pooler.is_between(connection)
            assert not pooler.changes_sessions(connection, direct, direct.owner)
        ready.config["backend_store"]["port"] = made.port
        through = parse(ready.config).backend
        with opened(through, through.owner) as connection:
            assert pooler.is_between(connection)
            assert pooler.changes_sessions(connection, through, through.owner) is changes
    finally:
        made.stop()


def test_a_pool_with_a_single_session(ready, scratch, cluster):
    """The second transaction waits for the only session, and is not waited for in turn."""
    made = servers.start_pooler(
        scratch, cluster.server, {OWNER: HOSTILE}, pool_mode="transaction", default_pool_size="1", **DROPS["drops"]
    )
    try:
        ready.config["backend_store"]["port"] = made.port
        through = parse(ready.config).backend
        with opened(through, through.owner) as connection:
            assert pooler.changes_sessions(connection, through, through.owner)
    finally:
        made.stop()
