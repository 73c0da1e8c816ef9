# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""Artifact locations that are frozen in a real database, against the configured mode and destination."""

from __future__ import annotations

import pytest

INSERT = (
    "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage)"
    " VALUES ({n}, 'e{n}', '{place}', 'active')"
)
RUN = (
    "INSERT INTO runs (run_uuid, experiment_id, artifact_uri, status, lifecycle_stage, source_type) VALUES"
    " ('r{n}', 0, '{place}', 'FINISHED', 'active', 'LOCAL')"
)
DEFAULT = INSERT.format(n=0, place="mlflow-artifacts:/0").replace("'e0'", "'Default'")
REPAIR = "SELECT setval('experiments_experiment_id_seq', 1000)"


def fill(cluster, deployment, places, template=INSERT):
    cluster.execute(
        REPAIR,
        *[template.format(n=number, place=place) for number, place in enumerate(places, start=1)],
        database=deployment.database,
    )


@pytest.mark.parametrize(
    ("places", "codes"),
    [
        (["mlflow-artifacts:/1", "mlflow-artifacts:/2"], set()),
        (["s3://old-bucket/1"], {"locations-mixed", "locations-other-store"}),
        (["/srv/mlruns/1", "file:///home/ada/mlruns/2"], {"locations-local"}),
        (["mlflow-artifacts://mlflow.example.com:5000/1"], {"locations-host"}),
    ],
)
def test_proxied(ready, cluster, places, codes):
    cluster.execute(DEFAULT, database=ready.database)
    fill(cluster, ready, places)
    answer = ready.run("check")
    assert (answer.code, answer.codes) == (0, codes), answer.document
    if "s3://old-bucket/1" in places:
        assert "s3://old-bucket" in answer.finding("locations-other-store")["message"]
    fill(cluster, ready, [place + "/run/artifacts" for place in places], RUN)
    found = {(each["column"], each["prefix"]) for each in ready.run("check").document["locations"]}
    assert len({column for column, _ in found}) == 2


def test_direct(ready, cluster):
    cluster.execute(DEFAULT, database=ready.database)
    root = ready.config["artifacts"]["destination"]
    ready.config["artifacts"].update(mode="direct", default_artifact_root=root, destination=None)
    fill(cluster, ready, [f"{root}/1", f"{root}/2"])
    assert ready.run("check").codes == {"locations-mixed"}
    # With the proxy off the experiment 0 cannot be read any more.
    ready.config["argv"].append("--no-serve-artifacts")
    answer = ready.run("check")
    assert (answer.code, answer.errors()) == (3, {"locations-unreachable"})
    accepted = ready.run("check", "--accept", "locations-unreachable")
    assert (accepted.code, accepted.finding("locations-unreachable")["accepted"]) == (0, True)
    cluster.execute(
        f"UPDATE experiments SET artifact_location = '{root}/0' WHERE experiment_id = 0", database=ready.database
    )
    assert ready.run("check").codes == set()
    # The neighbour's folder begins with the same letters.
    cluster.execute(
        f"UPDATE experiments SET artifact_location = '{root}2/0' WHERE experiment_id = 0", database=ready.database
    )
    assert ready.run("check").codes == {"locations-local"}


@pytest.mark.slow
def test_a_large_table_does_not_make_the_check_slow(ready, cluster):
    cluster.execute(
        DEFAULT,
        "INSERT INTO runs (run_uuid, experiment_id, artifact_uri, status, lifecycle_stage, source_type)"
        " SELECT 'r' || n, 0, 'mlflow-artifacts:/0/r' || n || '/artifacts', 'FINISHED', 'active', 'LOCAL' FROM "
        "generate_series(1, 300000) AS n",
        database=ready.database,
    )
    answer = ready.run("check")
    assert (answer.code, answer.codes - {"locations-unread"}) == (0, set())
    # Far from what reading every row as an object would take.
    assert answer.document["seconds"] < 60
