# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""The survey of databases that are to be adopted: real ones of older releases, with strangers in and around them."""

from __future__ import annotations

import os
import subprocess

import psycopg2
import pytest
import releases
from conftest import OWNER, SERVER
from mlflow_guard.config import Artifacts
from mlflow_guard.inspect import revisions, survey, survey_text

HEAD = revisions.head("backend")
ORDER = revisions.order("backend")


def surveyed(deployment, database: str = "backend_store") -> dict:
    """The survey of one database; it must not have written anything anywhere."""
    before, files = deployment.dump(), sorted(path.name for path in deployment.folder.rglob("*"))
    answer = deployment.run("survey")
    assert (answer.code, answer.codes, answer.document["changed"]) == (0, set(), False), answer.document
    assert deployment.dump() == before
    # What the tests themselves make: the configuration, and the folder of TMPDIR.
    new = {path.name for path in deployment.folder.rglob("*")} - {*files, "tmp"}
    assert all(name.startswith("config") for name in new), new
    return {**answer.document["databases"][database], "steps": answer.document["schema_step"]}


def as_text(deployment) -> str:
    process = subprocess.run(
        deployment.command("--format", "text", "survey"),
        env=deployment.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    deployment.assert_no_secret(process.stdout + process.stderr)
    return process.stdout


@pytest.mark.parametrize("release", releases.RELEASES)
def test_an_older_database(deploy, cluster, release):
    deployment = deploy(cluster.old(release))
    found = surveyed(deployment)
    revision = releases.HEADS[release]
    assert (found["state"], found["revision"], found["head"]) == ("older", revision, HEAD)
    assert found["behind"] == len(ORDER) - 1 - ORDER.index(revision)
    assert release in found["releases"]
    counts = {name: each["rows"] for name, each in found["rows"].items()}
    expected = {"experiments": 2, "runs": 3, "metrics": 15, "params": 3, "registered_models": 1, "model_versions": 1}
    assert counts.items() >= expected.items()
    assert all(each["exact"] for each in found["rows"].values())
    assert ("logged_models" in counts) == (release.startswith("3."))
    assert found["size"] > 1_000_000
    assert (found["login"], found["record"], found["beside"], found["clients"]) == (OWNER, None, [], [])
    proxied = {each["column"] for each in found["locations"] if each["kind"] == "proxied" and each["reachable"]}
    assert proxied >= {"experiments.artifact_location", "runs.artifact_uri", "model_versions.source"}
    steps = found["steps"]
    for mode in ("refuse", "initialize"):
        assert steps[mode]["status"] == "refused"
        assert "schema-older" in {each["code"] for each in steps[mode]["findings"]}
    assert steps["upgrade"]["status"] == "fine"
    assert steps["upgrade"]["planned"] == ["upgrade backend_store", "grant rights in backend_store"]
    text = as_text(deployment)
    assert f"{found['behind']} behind this image's {HEAD}" in text
    assert "experiments 2, " in text
    assert "schema --mode upgrade: fine, would upgrade backend_store" in text


def test_strangers_in_and_around_it(deploy, cluster):
    """Artifacts in several places, tables of somebody else, and sessions that are open."""
    deployment = deploy(cluster.old("2.22.1"))
    location = "UPDATE experiments SET artifact_location = '{}' WHERE experiment_id = {}"
    cluster.execute(
        "CREATE TABLE reports (id int)",
        location.format("s3://old-bucket/deep/0", 0),
        location.format("mlflow-artifacts://ada:hidden@tracking.example.com:5000/1", 1),
        "UPDATE runs SET artifact_uri = '/srv/mlruns/' || run_uuid",
        database=deployment.database,
        user=OWNER,
    )
    url = cluster.url(deployment.database).set(drivername="postgresql").render_as_string(hide_password=False)
    open_sessions = [psycopg2.connect(url, application_name="notebook") for _ in range(2)]
    own = cluster.url(deployment.database, OWNER).set(drivername="postgresql").render_as_string(hide_password=False)
    open_sessions.append(psycopg2.connect(own, application_name="nightly job"))
    try:
        found = surveyed(deployment)
        clients = {(each["user"], each["application_name"]): each for each in found["clients"]}
        mine = clients[OWNER, "nightly job"]
        assert (mine["count"], mine["address"]) == (1, "127.0.0.1/32")
        # Of another role's sessions this one sees no more than who it is.
        assert sum(each["count"] for (user, _name), each in clients.items() if user == cluster.server.superuser) == 2
    finally:
        for each in open_sessions:
            each.close()
    assert found["beside"] == ["reports"]
    places = {(each["column"], each["prefix"]): each for each in found["locations"]}
    direct = places["experiments.artifact_location", "s3://old-bucket"]
    assert (direct["kind"], direct["count"], direct["reachable"]) == ("direct", 1, None)
    assert "another store" in direct["by"]
    local = places["runs.artifact_uri", "/srv/mlruns"]
    assert (local["kind"], local["count"], local["reachable"]) == ("local", 3, None)
    host = next(each for each in found["locations"] if each["kind"] == "host")
    assert "***@tracking.example.com" in host["example"]
    assert "hidden" not in str(found)
    text = as_text(deployment)
    assert "s3://old-bucket/deep/0" in text
    assert "other tables: reports" in text
    assert "hidden" not in text


def test_a_database_of_ours_with_either_login(ready, cluster):
    cluster.execute(f"REVOKE SELECT ON params FROM {SERVER}", database=ready.database, user=OWNER)
    found = surveyed(ready)
    assert (found["state"], found["behind"], found["login"]) == ("at_head", 0, OWNER)
    assert found["record"]["destination"] == ready.config["artifacts"]["destination"]
    assert found["record"]["confirmed"] is True
    ready.config["backend_store"]["owner"] = None
    found = surveyed(ready)
    assert found["login"] == SERVER
    assert found["rows"]["params"] == {"rows": None, "exact": False}
    assert found["rows"]["runs"] == {"rows": 0, "exact": True}
    assert {each["code"] for each in found["steps"]["upgrade"]["findings"]} == {"owner-missing"}


def test_an_empty_one_and_another_applications(deploy, cluster):
    deployment = deploy()
    found = surveyed(deployment)
    assert (found["state"], found["revision"], found["behind"], found["releases"]) == ("empty", None, None, [])
    assert found["steps"]["initialize"]["planned"][0] == "initialize backend_store"
    cluster.execute("CREATE TABLE users (id int)", database=deployment.database, user=OWNER)
    found = surveyed(deployment)
    assert (found["state"], found["rows"]) == ("foreign", {})
    for mode in survey.MODES:
        assert "schema-foreign" in {each["code"] for each in found["steps"][mode]["findings"]}
    assert "foreign" in as_text(deployment)


@pytest.mark.slow
def test_many_rows_are_estimated(ready, cluster):
    cluster.execute(
        "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage)"
        " VALUES (0, 'Default', 'mlflow-artifacts:/0', 'active')",
        "INSERT INTO experiment_tags (key, value, experiment_id) SELECT 'k' || n, 'v', 0 FROM "
        "generate_series(1, 1000001) AS n",
        database=ready.database,
    )
    # Before statistics the count stops at the bound.
    found = surveyed(ready)["rows"]["experiment_tags"]
    assert (found["exact"], found["rows"] >= 1_000_000) == (False, True)
    cluster.execute("ANALYZE experiment_tags", database=ready.database)
    found = surveyed(ready)["rows"]["experiment_tags"]
    assert found["exact"] is False
    assert 900_000 < found["rows"] < 1_100_000
    assert "experiment_tags about 1" in as_text(ready)


def test_a_database_that_cannot_be_reached(deploy):
    deployment = deploy()
    deployment.config["backend_store"]["database"] = "nowhere"
    answer = deployment.run("survey")
    assert (answer.code, answer.errors()) == (3, {"database-missing"})
    assert answer.document["schema_step"] == {}


def test_a_file_of_sqlite(deploy):
    deployment = deploy()
    file = deployment.folder / "mlflow.db"
    deployment.config["backend_store"] = {"drivername": "sqlite", "database": str(file)}
    assert surveyed(deployment)["state"] == "empty"
    assert not file.exists()
    assert deployment.run("schema", "--mode", "initialize").code == 0
    found = surveyed(deployment)
    assert (found["state"], found["rows"]["runs"]) == ("at_head", {"rows": 0, "exact": True})
    assert found["size"] == os.path.getsize(file)


PROXIED = Artifacts("proxied", "s3://ours", "")
DIRECT = Artifacts("direct", "s3://ours", "")


@pytest.mark.parametrize(
    ("kind", "inside", "artifacts", "serves", "expected"),
    [
        ("proxied", False, PROXIED, True, True),
        ("proxied", False, DIRECT, True, None),
        ("proxied", False, DIRECT, False, False),
        ("direct", True, DIRECT, True, True),
        ("direct", True, PROXIED, True, None),
        ("direct", False, DIRECT, True, None),
        ("local", False, PROXIED, True, None),
        ("host", False, PROXIED, True, None),
        ("reference", False, PROXIED, True, None),
    ],
)
def test_what_is_reachable(kind, inside, artifacts, serves, expected):
    assert survey.reachable(kind, inside, artifacts, serves)[0] is expected


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1.0 KiB"), (3 * 2**30, "3.0 GiB"), (5 * 2**50, "5120.0 TiB")],
)
def test_sizes(number, said):
    assert survey_text.size(number) == said
