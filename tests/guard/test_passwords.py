# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""A server whose password is changed while it runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import servers
from conftest import SERVER
from test_gate import api, start_server

CHANGED = "Hidden-and-changed:\\"


@pytest.mark.slow
def test_a_password_is_changed_without_a_restart(ready, cluster):
    quoted = Path(ready.config["backend_store"]["server"]["password_file"]).read_text().replace("'", "''")
    process = start_server(ready)
    try:
        cluster.execute(
            f"ALTER ROLE {SERVER} PASSWORD '{CHANGED}'",
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{ready.database}'",
        )
        servers.wait_until(lambda: ready.run("health", "--timeout", "3").codes == {"unhealthy"}, "notice", 60)
        # As Kubernetes and careful editors do it: a new file takes the old one's place.
        part = ready.folder / "password.new"
        part.write_text(CHANGED)
        os.replace(part, ready.config["backend_store"]["server"]["password_file"])
        servers.wait_until(lambda: ready.run("health").code == 0, "the server with its new password", process=process)
        experiment = api(ready.port, "/api/2.0/mlflow/experiments/create", {"name": "after the change"})
        assert experiment["experiment_id"]
        log = (ready.folder / "server.log").read_text()
        assert "a database password was changed" in log
        assert CHANGED not in log
    finally:
        process.terminate()
        cluster.execute(f"ALTER ROLE {SERVER} PASSWORD '{quoted}'")
        assert process.wait(60) == 0
