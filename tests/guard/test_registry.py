# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""A registry in a database of its own: both databases remember which deployment they are of, and what they are."""

from __future__ import annotations

import pytest
from conftest import OWNER, SERVER
from test_gate import api, start_server

BACKEND = "SELECT identity, confirmed FROM mlflow_guard.destination"
REGISTRY = "SELECT identity, confirmed FROM mlflow_guard.registry"
RECORD = "record the deployment in registry_store"
STEP = ("schema", "--mode", "initialize", "--only-recorded")


@pytest.fixture
def apart(deploy, cluster):
    """A deployment that was never recorded, and the database of its registry."""
    deployment, registry = deploy(cluster.head()), deploy(cluster.head())
    deployment.config["registry_store"] = deployment.store(registry.database)
    return deployment, registry.database


@pytest.fixture
def empty(deploy):
    """A deployment with two empty databases."""
    deployment, registry = deploy(), deploy()
    deployment.config["registry_store"] = deployment.store(registry.database)
    return deployment, registry.database


def refused(deployment, code: str, argument: str, *command: str) -> str:
    answer = deployment.run(*(command or STEP))
    assert (answer.code, code in answer.errors()) == (3, True), answer.document
    assert answer.finding(code)["argument"] == argument
    return answer.finding(code)["message"]


def test_both_databases_have_the_same_record(apart, cluster):
    deployment, registry = apart
    answer = deployment.run("schema", "--mode", "initialize")
    assert (answer.code, answer.document["changed"]) == (0, True), answer.document
    assert RECORD in answer.document["planned"]
    records = cluster.execute(BACKEND, database=deployment.database), cluster.execute(REGISTRY, database=registry)
    assert records[0] == records[1]
    assert records[0][0][1] is True
    assert deployment.run("check").codes == set()
    assert deployment.run(*STEP).document["changed"] is False
    # The servers may read it.
    assert cluster.execute(REGISTRY, database=registry, user=SERVER) == records[1]


def test_a_registry_that_comes_later_is_recorded(ready, deploy, cluster):
    registry = deploy(cluster.head())
    ready.config["registry_store"] = ready.store(registry.database)
    answer = ready.run("schema", "--mode", "initialize")
    assert answer.document["planned"] == ["grant rights in registry_store", RECORD]
    assert ready.run("check").codes == set()
    # Nobody is refused for a registry that was there before there were records in one.
    cluster.execute("DELETE FROM mlflow_guard.registry", database=registry.database)
    assert ready.run("check").codes == set()
    assert ready.run("schema", "--mode", "initialize").document["planned"] == [RECORD]


def test_the_registry_of_another_deployment_is_refused(apart, deploy, cluster):
    """A fresh deployment, and one that is at work, are led into another one's registry by a wrong name."""
    deployment, registry = apart
    assert deployment.run("schema", "--mode", "initialize").code == 0
    fresh, working = deploy(), deploy()
    assert working.run("schema", "--mode", "initialize").code == 0
    before = cluster.dump(registry), fresh.dump()
    for other in (fresh, working):
        other.config["registry_store"] = other.store(registry)
        for mode in ("initialize", "upgrade"):
            refused(other, "registry-of-another", "registry_store.database", "schema", "--mode", mode)
    # Not even with the word that takes a destination over.
    adopts = ("schema", "--mode", "refuse", "--adopt-destination")
    refused(working, "registry-of-another", "registry_store.database", *adopts)
    assert (cluster.dump(registry), fresh.dump()) == before
    refused(working, "registry-of-another", "registry_store.database", "check")
    message = refused(working, "registry-of-another", "registry_store.database", "serve")
    assert registry in message
    assert working.database in message
    # What the remedy says.
    cluster.execute("DELETE FROM mlflow_guard.registry", database=registry)
    assert working.run("schema", "--mode", "initialize").document["planned"] == [RECORD]
    assert working.run("check").codes == set()


def test_exchanged_names_are_refused(apart, cluster):
    """Both are at head and of this deployment; with them exchanged all runs and models would seem to be gone."""
    deployment, registry = apart
    assert deployment.run("schema", "--mode", "initialize").code == 0
    before = deployment.dump(), cluster.dump(registry)
    exchanged = deployment.copy(
        backend_store=deployment.config["registry_store"], registry_store=deployment.config["backend_store"]
    )
    only = deployment.copy(backend_store=deployment.config["registry_store"], registry_store=None)
    for command in (STEP, ("schema", "--mode", "upgrade", "--adopt-destination"), ("check",), ("serve",)):
        refused(exchanged, "schema-other-purpose", "backend_store.database", *command)
        refused(only, "schema-other-purpose", "backend_store.database", *command)
    assert (deployment.dump(), cluster.dump(registry)) == before


def test_the_backend_store_of_another_deployment_is_no_registry(ready, deploy):
    other = deploy()
    assert other.run("schema", "--mode", "initialize").code == 0
    other.config["registry_store"] = other.store(ready.database)
    before = ready.dump()
    for command in (STEP, ("schema", "--mode", "refuse", "--adopt-destination"), ("check",), ("serve",)):
        message = refused(other, "schema-other-purpose", "registry_store.database", *command)
        assert "is the backend store of a deployment" in message
    assert ready.dump() == before
    assert ready.run("check").codes == set()


def test_an_mlflow_that_nobody_recorded_is_no_registry_by_mistake(ready, deploy, cluster):
    registry = deploy(cluster.head())
    ready.config["registry_store"] = ready.store(registry.database)
    before = registry.dump()
    refused(ready, "database-unrecorded", "registry_store.database")
    assert registry.dump() == before
    # An empty one is nobody's.
    ready.config["registry_store"] = ready.store(deploy().database)
    assert ready.run(*STEP).code == 0
    assert ready.run("check").codes == set()


def test_a_first_step_that_fails_at_the_registry_goes_on_the_next_time(empty, cluster):
    deployment, registry = empty
    # What only the migration stumbles over.
    cluster.execute("CREATE TYPE experiments AS ENUM ('x')", database=registry, user=OWNER)
    answer = deployment.run(*STEP)
    assert (answer.code, answer.errors()) == (3, {"migration-failed"}), answer.document
    assert cluster.execute(BACKEND, database=deployment.database)[0][1] is False
    cluster.execute("DROP TYPE experiments", database=registry, user=OWNER)
    answer = deployment.run(*STEP)
    assert (answer.code, answer.errors()) == (0, set()), answer.document
    assert deployment.run("check").codes == set()
    records = cluster.execute(BACKEND, database=deployment.database), cluster.execute(REGISTRY, database=registry)
    assert records[0] == records[1]


@pytest.mark.parametrize("undone", ["backend", "registry", "both"])
def test_killed_before_what_was_begun_is_confirmed(empty, cluster, undone):
    """As after a kill: a record that is not confirmed, and a database that is empty or at head."""
    deployment, registry = empty
    assert deployment.run(*STEP).code == 0
    for name, database, table in (
        ("backend", deployment.database, "destination"),
        ("registry", registry, "registry"),
    ):
        if undone in (name, "both"):
            cluster.execute(f"UPDATE mlflow_guard.{table} SET confirmed = false", database=database)
            cluster.execute("DROP SCHEMA public CASCADE", "CREATE SCHEMA public", database=database, user=OWNER)
            cluster.execute(f"GRANT USAGE ON SCHEMA public TO {SERVER}", database=database, user=OWNER)
    answer = deployment.run(*STEP)
    assert (answer.code, answer.errors()) == (0, set()), answer.document
    assert deployment.run("check").codes == set()


def test_a_registry_whose_tables_were_dropped(apart, cluster):
    deployment, registry = apart
    assert deployment.run("schema", "--mode", "initialize").code == 0
    cluster.execute("DROP SCHEMA public CASCADE", "CREATE SCHEMA public", database=registry, user=OWNER)
    refused(deployment, "schema-emptied", "registry_store.database", "schema", "--mode", "initialize")


def test_the_registry_follows_a_destination_that_moves(apart, cluster):
    deployment, registry = apart
    assert deployment.run("schema", "--mode", "initialize").code == 0
    (deployment.folder / "artifacts").rename(deployment.folder / "elsewhere")
    deployment.config["artifacts"]["destination"] = str(deployment.folder / "elsewhere")
    assert deployment.run("schema", "--mode", "initialize").code == 0
    place = cluster.execute("SELECT destination FROM mlflow_guard.registry", database=registry)
    assert place == [(str(deployment.folder / "elsewhere"),)]


def test_the_survey_tells_of_both(apart):
    deployment, registry = apart
    assert deployment.run("schema", "--mode", "initialize").code == 0
    found = deployment.run("survey").document["databases"]
    assert found["backend_store"]["record"] == found["registry_store"]["record"]
    assert found["registry_store"]["record"]["confirmed"] is True
    assert registry


def test_a_registry_in_a_file_of_its_own(deploy, tmp_path):
    """SQLite, where the record is a table beside MLflow's."""
    deployment = deploy()
    stores = [{"drivername": "sqlite", "database": str(tmp_path / f"{name}.db")} for name in ("runs", "models")]
    deployment.config["backend_store"], deployment.config["registry_store"] = stores
    assert deployment.run("schema", "--mode", "initialize").code == 0
    assert deployment.run("check").errors() == set()
    assert deployment.run("schema", "--mode", "initialize").document["changed"] is False
    deployment.config["backend_store"], deployment.config["registry_store"] = reversed(stores)
    refused(deployment, "schema-other-purpose", "backend_store.database", "schema", "--mode", "initialize")


def test_models_are_in_the_registry_and_runs_are_not(apart, cluster):
    deployment, registry = apart
    assert deployment.run("schema", "--mode", "initialize").code == 0
    process = start_server(deployment)
    try:
        api(deployment.port, "/api/2.0/mlflow/registered-models/create", {"name": "classifier"})
        run = api(deployment.port, "/api/2.0/mlflow/runs/create", {"experiment_id": "0"})
        assert run["run"]["info"]["run_id"]
    finally:
        process.terminate()
        process.wait(60)
    counts = "SELECT (SELECT count(*) FROM registered_models), (SELECT count(*) FROM runs)"
    assert cluster.execute(counts, database=deployment.database) == [(0, 1)]
    assert cluster.execute(counts, database=registry) == [(1, 0)]
