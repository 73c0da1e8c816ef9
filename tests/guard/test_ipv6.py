# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""A database that has an IPv6 address only: the step, a dump by the programs of PostgreSQL, and a server."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import releases
import servers
from conftest import Cluster, Deployment

# One more way to a database.
pytestmark = pytest.mark.extended

ADDRESS = "::1"


@pytest.fixture(scope="module")
def far(scratch):
    server = servers.start_postgres(scratch, listen_addresses=ADDRESS)
    yield Cluster(server)
    server.stop()


def test_step_dump_and_server(far, cluster, tmp_path, extras):
    cluster.old("3.16.0")
    far.load(far.create("models"), releases.cached_sql("mlflow-3.16.0", ("3.16.0", releases.FILL), None))
    deployment = Deployment(tmp_path, far, "models", extras)
    refused = deployment.run("schema", "--mode", "initialize")
    assert "schema-older" in refused.codes
    assert f"[{ADDRESS}]:{far.server.port}" in refused.stdout
    upgraded = deployment.run("schema", "--mode", "upgrade")
    assert (upgraded.code, upgraded.codes) == (0, set()), upgraded.document
    assert Path(upgraded.document["dumps"]["backend_store"]).stat().st_size > 0
    with open(tmp_path / "server.log", "w", encoding="utf-8") as log:
        process = deployment.start("serve", stdout=log, stderr=subprocess.STDOUT)
    try:
        servers.wait_until(lambda: deployment.run("health").code == 0, "mlflow server", process=process)
        assert deployment.readiness()[0] == 200
    finally:
        servers.end(process)
