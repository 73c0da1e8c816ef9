# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deployment on the cluster that takes over what a plain MLflow left in a PostgreSQL and a store of others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from kubernetes import client
from mlflow.tracking import MlflowClient

from tests.databases import plain
from tests.databases.conftest import dsn, given
from tests.databases.fingerprint import fingerprint
from tests.databases.rig import ALONE, PASSWORDS
from tests.databases.test_adopt import read_back
from tests.images.conftest import Role, network_of_its_own
from tests.kubernetes.test_refusals import DEPLOY_SECONDS, destroy, own
from tests.refusals.test_refusals import Case, messages, play
from tests.stores.rig import ADMIN, BUCKET, MINIO, MINIO_PORT, REGION, Rig, policy
from tests.stores.test_external import keys

RELEASE, DATABASE, FOLDER = "2.22.1", "old_models", "team/mlflow"
NODE_PORT = 30777


@pytest.fixture
def store(tmp_path_factory) -> Iterator[Rig]:
    """MinIO with TLS by an authority of its own, in another region."""
    role = Role(tmp_path_factory.mktemp("images"))
    image = role(images_components=["object_store"], images_object_store="minio").resolved["object_store"]
    with network_of_its_own("stores-test") as (network, address):
        made = Rig(network, address, tmp_path_factory.mktemp("store"), {"minio": image})
        try:
            made.start_minio()
            place = {"LocationConstraint": REGION}
            made.client(ADMIN).create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)
            yield made
        finally:
            made.remove()


@pytest.fixture
def name(variables) -> str:
    """The scenario's destroy.yml knows it, should the tests be interrupted."""
    return f"{variables['deployment_name']}-database"


@pytest.fixture
def url(api) -> str:
    """Of a node, by a port that every node has."""
    node = client.CoreV1Api(api).list_node().items[0]
    (address,) = [each.address for each in node.status.addresses if each.type == "InternalIP"]
    return f"http://{address}:{NODE_PORT}"


def log_one_more(url: str, folder: Path) -> dict[str, dict]:
    """A run of today's, with an artifact."""
    mlflow, text = MlflowClient(url), "artifact of today\n"
    experiment = mlflow.create_experiment("today")
    run = mlflow.create_run(experiment).info.run_id
    mlflow.log_metric(run, "loss", 0.5)
    mlflow.log_param(run, "depth", 1)
    (folder / "notes").mkdir(parents=True)
    (folder / "notes" / "long name.txt").write_text(text)
    mlflow.log_artifacts(run, str(folder))
    return {run: {"experiment": "today", "depth": "1", "steps": 1, "text": text}}


def test_an_older_mlflow_with_its_store_is_taken_over(variables, name, url, rig, store, tmp_path):
    rig.database(DATABASE, ALONE)
    key, secret = store.user("trainer", policy(BUCKET, FOLDER))
    password = quote(PASSWORDS[ALONE], safe="")
    uri = f"postgresql+psycopg2://{ALONE}:{password}@{rig.address}:{rig.port}/{DATABASE}?sslmode=require"
    settings = {
        "MLFLOW_S3_ENDPOINT_URL": f"https://{store.address}:{MINIO_PORT}",
        "AWS_CA_BUNDLE": str(store.authority.ca),
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
    }
    with plain.server(RELEASE, uri, f"s3://{BUCKET}/{FOLDER}", tmp_path / "server.log", **settings) as old:
        runs = plain.log_runs(RELEASE, old)
    before, objects = fingerprint(dsn(rig)), keys(store.client(ADMIN), BUCKET)
    assert objects
    mine = own(variables, name) | given(rig, DATABASE)
    mine |= {
        "database_server_username": ALONE,
        "database_server_password": PASSWORDS[ALONE],
        "database_owner_username": "",
        "database_owner_password": "",
        "object_store": "external",
        "object_store_endpoint_url": f"https://{MINIO}:{MINIO_PORT}",
        "object_store_bucket": BUCKET,
        "object_store_prefix": FOLDER,
        "object_store_region": REGION,
        "object_store_access_key": key,
        "object_store_secret_key": secret,
        "object_store_ca_file": str(store.authority.ca),
        "mlflow_server_hosts": rig.hosts | store.hosts,
        "mlflow_server_node_port": NODE_PORT,
        "kubernetes_public_url": url,
    }
    try:
        result, answer = play(Case(mine, [], "k8s"), name, DEPLOY_SECONDS)
        said = " ".join(messages(answer))
        assert result.returncode == 2
        assert "database_adopt_enabled" in said
        assert "mlflow_server_schema" in said
        assert fingerprint(dsn(rig)) == before
        assert keys(store.client(ADMIN), BUCKET) == objects
        taken = mine | {"database_adopt_enabled": True, "mlflow_server_schema": "upgrade"}
        result, answer = play(Case(taken, [], "k8s"), name, DEPLOY_SECONDS)
        assert result.returncode == 0, messages(answer)
        read_back(url, runs, tmp_path / "read")
        today = log_one_more(url, tmp_path / "today")
        read_back(url, today, tmp_path / "read today", versions=False)
        # What was said for once is in the Job of the schema step, which is made anew without it.
        result, answer = play(Case(mine, [], "k8s"), name, DEPLOY_SECONDS)
        assert result.returncode == 0, messages(answer)
        result, answer = play(Case(mine, [], "k8s"), name, DEPLOY_SECONDS)
        assert (result.returncode, answer["stats"]["localhost"]["changed"]) == (0, 0), messages(answer)
        before, objects = fingerprint(dsn(rig)), keys(store.client(ADMIN), BUCKET)
    finally:
        destroy(mine, name)
    assert fingerprint(dsn(rig)) == before
    assert keys(store.client(ADMIN), BUCKET) == objects
    assert "Hidden" not in " ".join(messages(answer))
