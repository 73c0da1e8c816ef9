# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""A running server while its database changes under it: a failover behind one address, and a new password."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
import urllib.error
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2
import pytest
import servers
from conftest import HOSTILE, SERVER, Cluster, Deployment, quoted
from mlflow import MlflowClient
from test_gate import api
from test_readiness import Proxy, becomes, serving

WRITERS = 3
# More than a promotion and a readiness look take on a busy machine.
GAP_SECONDS = 60
STEADY_SECONDS = 4


class Address(Proxy):
    """The one address of a database, which can be moved to another server."""

    def _accept(self) -> None:
        while True:
            try:
                near, _address = self.listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self.target, timeout=5)
                far.settimeout(None)
            except OSError:
                near.close()
                continue
            self.sockets += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    def move(self, host: str, port: int) -> None:
        self.target = (host, port)
        self.cut()


@dataclass
class Writer(threading.Thread):
    """Logs runs by MLflow's client, one call after the other, and keeps what was acknowledged."""

    url: str
    number: int
    done: threading.Event
    runs: list[str] = field(default_factory=list)
    metrics: list[tuple[str, int]] = field(default_factory=list)
    acknowledged: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        client, step = MlflowClient(tracking_uri=self.url), 0
        current = ""
        while not self.done.is_set():
            try:
                if step % 20 == 0 or not current:
                    current = client.create_run("0", run_name=f"writer {self.number}").info.run_id
                    self.runs.append(current)
                client.log_metric(current, "loss", 1 / (step + 1), step=step)
                self.metrics.append((current, step))
                self.acknowledged.append(time.monotonic())
            except Exception as error:
                # Not acknowledged: it may be there or not.
                self.failures.append(f"{type(error).__name__}: {error}"[:200])
                time.sleep(0.1)
            step += 1

    @property
    def gap(self) -> float:
        return max(after - before for before, after in zip(self.acknowledged, self.acknowledged[1:], strict=False))


@pytest.fixture
def two(scratch) -> Iterator[tuple[servers.Postgres, servers.Postgres]]:
    """A primary that acknowledges nothing before its replica has it."""
    folder = scratch / "failover"
    folder.mkdir(mode=0o711)
    primary = servers.start_postgres(folder, synchronous_commit="on")
    replica = servers.start_replica(folder, primary)
    try:
        yield primary, replica
    finally:
        replica.stop()
        servers.end(primary.process, signal.SIGKILL)


def kill(server: servers.Postgres) -> None:
    """The server and each of its sessions at once, as when a machine dies."""
    pid = server.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for each in [pid, *map(int, children)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
    server.process.wait(10)


def promoted(server: servers.Postgres) -> None:
    login = {"user": server.superuser, "password": server.password, "dbname": "postgres"}
    connection = psycopg2.connect(host=server.host, port=server.port, **login)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_promote(wait_seconds => 30)")
        assert cursor.fetchone() == (True,)
    connection.close()


def replicate_synchronously(cluster: Cluster) -> None:
    """From now on the primary acknowledges nothing before its replica has it."""
    cluster.execute("ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")
    waits = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
    servers.wait_until(lambda: cluster.execute(waits) == [(1,)], "synchronous replication")


def rows(server: servers.Postgres, database: str, query: str) -> set:
    login = {"user": server.superuser, "password": server.password, "dbname": database}
    connection = psycopg2.connect(host=server.host, port=server.port, **login)
    with connection, connection.cursor() as cursor:
        cursor.execute(query)
        found = set(cursor.fetchall())
    connection.close()
    return found


@pytest.mark.slow
def test_a_failover_behind_one_address(two, tmp_path, extras, monkeypatch):
    """The primary is killed under load and its replica promoted: the server goes on, nothing acknowledged is lost."""
    # Each call is one try, so that what is measured is the service and not the patience of its clients.
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    primary, replica = two
    cluster = Cluster(primary)
    deployment = Deployment(tmp_path, cluster, cluster.create("failover"), extras)
    address = Address(primary.host, primary.port)
    deployment.config["backend_store"]["port"] = address.port
    try:
        assert deployment.run("schema", "--mode", "initialize").code == 0
        replicate_synchronously(cluster)
        with serving(deployment) as process:
            server, done = servers.child_of(process), threading.Event()
            writers = [Writer(f"http://127.0.0.1:{deployment.port}", number, done) for number in range(WRITERS)]
            for each in writers:
                each.start()
            time.sleep(STEADY_SECONDS)
            killed = time.monotonic()
            kill(primary)
            becomes(deployment, 503, within=30)
            promoted(replica)
            address.move(replica.host, replica.port)
            moved = time.monotonic()
            becomes(deployment, 200, within=GAP_SECONDS)
            ready = time.monotonic()
            time.sleep(STEADY_SECONDS)
            done.set()
            for each in writers:
                each.join(30)
                assert not each.is_alive()
            # No restart: it is the same server.
            assert process.poll() is None
            assert servers.child_of(process) == server
        metrics = {pair for each in writers for pair in each.metrics}
        runs = {(run,) for each in writers for run in each.runs}
        lost = metrics - rows(replica, "failover", "SELECT run_uuid, step::int FROM metrics")
        lost_runs = runs - rows(replica, "failover", "SELECT run_uuid FROM runs")
        gap = max(each.gap for each in writers)
        print(
            f"{len(metrics)} metrics of {len(runs)} runs acknowledged, {len(lost)} and {len(lost_runs)} lost; "
            f"longest gap {gap:.1f} s; {moved - killed:.1f} s from the kill to the moved address, "
            f"{ready - moved:.1f} s more until ready; {sum(len(each.failures) for each in writers)} calls failed"
        )
        assert (lost, lost_runs) == (set(), set())
        assert all(any(at > ready for at in each.acknowledged) for each in writers)
        assert all(any(at < killed for at in each.acknowledged) for each in writers)
        assert gap < moved - killed + GAP_SECONDS
        # The promoted server is a sound one.
        assert deployment.run("check").codes == set()
    finally:
        address.close()


def create(deployment: Deployment, name: str) -> str:
    return api(deployment.port, "/api/2.0/mlflow/experiments/create", {"name": name})["experiment_id"]


@pytest.mark.slow
def test_a_password_that_is_changed_under_a_running_server(ready, cluster):
    """Open connections go on; new ones take the new password, once the file has it."""
    new = "a new: password\\"
    file = Path(ready.config["backend_store"]["server"]["password_file"])
    try:
        with serving(ready):
            assert create(ready, "before")
            cluster.execute(f"ALTER ROLE {SERVER} PASSWORD {quoted(new)}")
            # With the old file nothing new gets in.
            refused = ready.run("check", "--skip-store")
            assert (refused.code, refused.errors()) == (3, {"database-auth-failed"})
            assert new not in refused.stdout + refused.stderr
            # Connections that are open know nothing of it.
            assert create(ready, "with the old connections")
            own = "application_name NOT LIKE 'mlflow-guard%' AND usename = 'mlflow_server'"
            cut = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {own}"
            cluster.execute(cut)
            with pytest.raises(urllib.error.HTTPError) as failed:
                create(ready, "with new connections")
            assert failed.value.code >= 500
            # As Kubernetes and careful editors do it: a new file takes the old one's place.
            part = file.with_name("password.new")
            part.write_text(new + "\n")
            part.replace(file)
            log = ready.folder / "server.log"
            servers.wait_until(lambda: "a database password was changed" in log.read_text(), "the new password", 60)
            cluster.execute(cut)
            assert create(ready, "with the new password")
        said = log.read_text()
        assert "password authentication failed" in said
        ready.assert_no_secret(said)
        assert new not in said
    finally:
        cluster.execute(f"ALTER ROLE {SERVER} PASSWORD {quoted(HOSTILE)}")
