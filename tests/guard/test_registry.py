# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""A registry in a database of its own: both databases remember which deployment they are of."""

from __future__ import annotations

import pytest
from conftest import OWNER
from test_gate import api, start_server

IDENTITIES = "SELECT identity, confirmed FROM mlflow_guard.destination"
RECORD = "record the deployment in registry_store"


@pytest.fixture
def apart(deploy, cluster):
    """A deployment that was never recorded, and the database of its registry."""
    deployment, registry = deploy(cluster.head()), deploy(cluster.head())
    deployment.config["registry_store"] = deployment.store(registry.database)
    return deployment, registry.database


def test_both_databases_have_the_same_record(apart, cluster):
    deployment, registry = apart
    answer = deployment.run("schema", "--mode", "initialize")
    assert (answer.code, answer.document["changed"]) == (0, True), answer.document
    assert RECORD in answer.document["planned"]
    records = [cluster.execute(IDENTITIES, database=name) for name in (deployment.database, registry)]
    assert records[0] == records[1]
    assert records[0][0][1] is True
    assert deployment.run("check").codes == set()
    assert deployment.run("schema", "--mode", "initialize").document["changed"] is False


def test_a_registry_that_comes_later_is_recorded(ready, deploy, cluster):
    registry = deploy(cluster.head())
    ready.config["registry_store"] = ready.store(registry.database)
    # Nobody is refused for a registry that was there before there were records in one.
    assert ready.run("check").errors() == {"rights-missing"}
    answer = ready.run("schema", "--mode", "initialize")
    assert answer.document["planned"] == ["grant rights in registry_store", RECORD]
    assert ready.run("check").codes == set()
    # As after a kill before it.
    cluster.execute("DELETE FROM mlflow_guard.destination", database=registry.database)
    assert ready.run("check").codes == set()
    assert ready.run("schema", "--mode", "initialize").document["planned"] == [RECORD]


def test_the_registry_of_another_deployment_is_refused(ready, deploy):
    """A fresh deployment, and one that is at work, are led into another one's registry by a wrong name."""
    fresh, working = deploy(), deploy()
    assert working.run("schema", "--mode", "initialize").code == 0
    before = ready.dump(), fresh.dump()
    for deployment in (fresh, working):
        deployment.config["registry_store"] = deployment.store(ready.database)
        for mode in ("initialize", "upgrade"):
            answer = deployment.run("schema", "--mode", mode)
            assert (answer.code, answer.errors()) == (3, {"registry-of-another"}), answer.document
    assert (ready.dump(), fresh.dump()) == before
    assert working.run("check").errors() == {"registry-of-another"}
    answer = working.run("serve")
    assert (answer.code, answer.errors()) == (3, {"registry-of-another"}), answer.document
    message = answer.finding("registry-of-another")["message"]
    assert ready.database in message
    assert working.database in message


def test_a_registry_is_taken_over_when_told_to(ready, deploy):
    other = deploy()
    assert other.run("schema", "--mode", "initialize").code == 0
    other.config["registry_store"] = other.store(ready.database)
    answer = other.run("schema", "--mode", "refuse", "--adopt-destination")
    assert (answer.code, answer.document["planned"]) == (0, [RECORD]), answer.document
    assert other.run("check").codes == set()
    # The one that had it is told by its own artifacts.
    assert ready.run("check").errors() == {"destination-of-another"}


def test_an_mlflow_that_nobody_recorded_is_no_registry_by_mistake(ready, deploy, cluster):
    registry = deploy(cluster.head())
    ready.config["registry_store"] = ready.store(registry.database)
    before = registry.dump()
    answer = ready.run("schema", "--mode", "initialize", "--only-recorded")
    assert (answer.code, answer.errors()) == (3, {"database-unrecorded"}), answer.document
    assert answer.finding("database-unrecorded")["argument"] == "registry_store.database"
    assert registry.dump() == before
    # An empty one is nobody's.
    ready.config["registry_store"] = ready.store(deploy().database)
    assert ready.run("schema", "--mode", "initialize", "--only-recorded").code == 0
    assert ready.run("check").codes == set()


def test_a_registry_whose_tables_were_dropped(apart, cluster):
    deployment, registry = apart
    assert deployment.run("schema", "--mode", "initialize").code == 0
    cluster.execute("DROP SCHEMA public CASCADE", "CREATE SCHEMA public", database=registry, user=OWNER)
    answer = deployment.run("schema", "--mode", "initialize")
    assert answer.code == 3
    assert answer.finding("schema-emptied")["argument"] == "registry_store.database"


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
