# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database that a plain `mlflow server` of an older release made and filled, taken over with all that is in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from mlflow.tracking import MlflowClient

from tests.guard.releases import HEADS
from tests.stores.conftest import unused_port
from tests.stores.playbooks import Deployment

from . import plain
from .conftest import dsn, fresh_name, given
from .fingerprint import fingerprint
from .rig import ALONE, PASSWORDS

SERVERS_UID = 10001


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the artifacts of the plain server are, which the container will have as its volume."""
    made = tmp_path / "artifacts"
    made.mkdir()
    return made


@pytest.fixture
def old(rig, tmp_path, folder) -> Iterator[Deployment]:
    name = fresh_name("old").replace("-", "_")
    rig.database(name, ALONE)
    made = Deployment(fresh_name("databases"), tmp_path, unused_port(), "local.yml", one_role(rig, name, folder))
    yield made
    made.destroy()
    rig.drop(name)


def one_role(rig, name: str, folder: Path) -> dict[str, Any]:
    return given(rig, name) | {
        "database_server_username": ALONE,
        "database_server_password": PASSWORDS[ALONE],
        "database_owner_username": "",
        "database_owner_password": "",
        "mlflow_server_artifacts_volume": {
            "driver": "local",
            "driver_opts": {"type": "none", "o": "bind", "device": str(folder)},
        },
    }


def hand_over(folder: Path) -> None:
    for place, _folders, files in os.walk(folder):
        os.chown(place, SERVERS_UID, SERVERS_UID)
        for file in files:
            os.chown(Path(place, file), SERVERS_UID, SERVERS_UID)


def read_back(url: str, runs: dict[str, dict], target: Path, *, versions: bool = True) -> None:
    client = MlflowClient(url)
    for number, (run, wanted) in enumerate(runs.items()):
        found = client.get_run(run)
        assert client.get_experiment(found.info.experiment_id).name == wanted["experiment"]
        assert found.data.params["depth"] == wanted["depth"]
        assert len(client.get_metric_history(run, "loss")) == wanted["steps"]
        place = target / str(number)
        place.mkdir(parents=True)
        file = client.download_artifacts(run, "notes/long name.txt", str(place))
        assert Path(file).read_text() == wanted["text"]
    if not versions:
        return
    (version,) = client.search_model_versions("name='classifier'")
    assert version.run_id in runs


@pytest.mark.parametrize("release", ["2.9.2", "2.22.1", "3.16.0"])
def test_an_older_mlflow_is_looked_at_then_taken_over_with_everything(rig, old, folder, tmp_path, release):
    password, name = quote(PASSWORDS[ALONE], safe=""), old.common["database_name"]
    # By its driver: without one, SQLAlchemy 2.1 imports another that plain MLflow does not bring.
    uri = f"postgresql+psycopg2://{ALONE}:{password}@{rig.address}:{rig.port}/{name}?sslmode=require"
    with plain.server(release, uri, folder, tmp_path / "server.log") as url:
        runs = plain.log_runs(release, url)
        hand_over(folder)
        before = fingerprint(dsn(rig))
        # While it is in use: looking changes nothing, and says who works in it.
        seen = old.adopt()
        assert seen.code == 0, seen.text
        assert fingerprint(dsn(rig)) == before
        for part in (HEADS[release], "runs 4", "mlflow-artifacts:", f"by {ALONE} from", "would upgrade backend_store"):
            assert part in seen.text, seen.text
    refused = old.deploy()
    assert (refused.code, "database-unrecorded" in refused.reason) == (2, True), refused.text
    assert "schema-older" in refused.reason
    refused = old.deploy(database_adopt_enabled=True)
    assert (refused.code, "schema-older" in refused.reason) == (2, True), refused.text
    assert fingerprint(dsn(rig)) == before

    taken = old.deploy(database_adopt_enabled=True, mlflow_server_schema="upgrade")
    assert taken.code == 0, taken.text
    read_back(old.url, runs, tmp_path / "read")
    # From now on it is this deployment's.
    again = old.deploy()
    assert (again.code, again.changed) == (0, 0), again.text
    assert old.verify().code == 0
