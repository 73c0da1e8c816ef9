# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""The network to a database is cut, and nobody says a word to either side: in a migration, and under a server."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest
import releases
import servers
from conftest import OWNER, SERVER, Cluster, Deployment
from test_failover import Writer, promoted, replicate_synchronously, rows
from test_readiness import serving

# It waits for time-outs of the network.
pytestmark = [pytest.mark.extended, pytest.mark.slow]
# Of the range that is kept for benchmarks of networks, so that it is nobody's.
HERE, THERE, PREFIX = "198.18.77.1", "198.18.77.2", 30
# Both sides look after 10 s and give up after 20; a statement under way looks each 10 s.
NOTICED_SECONDS = 50
WORKING = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'mlflow-guard migration'"
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s"


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@dataclass
class Cable:
    """Between this machine and a network namespace. While it is cut, packets are lost and nothing answers."""

    name: str

    def __post_init__(self) -> None:
        ip("netns", "add", self.name)
        ip("link", "add", self.here, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        ip("address", "add", f"{HERE}/{PREFIX}", "dev", self.here)
        ip("-netns", self.name, "address", "add", f"{THERE}/{PREFIX}", "dev", "eth0")
        ip("-netns", self.name, "link", "set", "eth0", "up")
        self.plug()

    @property
    def here(self) -> str:
        return f"g{os.getpid()}"

    def plug(self) -> None:
        ip("link", "set", self.here, "up")

    def cut(self) -> None:
        ip("link", "set", self.here, "down")

    def remove(self) -> None:
        # Its end goes with the namespace.
        ip("netns", "delete", self.name)


@pytest.fixture
def cable() -> Iterator[Cable]:
    made = Cable(f"mlflow-guard-{os.getpid()}")
    yield made
    made.remove()


def admits_all(folder: Path) -> str:
    rules = folder / f"hba{os.getpid()}"
    rules.write_text("host all all all scram-sha-256\nhost replication all all scram-sha-256\n")
    rules.chmod(0o644)
    return str(rules)


@pytest.fixture
def distant(cable, cluster, scratch) -> Iterator[Cluster]:
    """A server at this end of the cable, with a database of MLflow 3.16.0."""
    server = servers.start_postgres(scratch, listen_addresses=HERE, hba_file=admits_all(scratch))
    made = Cluster(server)
    cluster.old("3.16.0")
    made.load(made.create("upgraded"), releases.cached_sql("mlflow-3.16.0", ("3.16.0", releases.FILL), None))
    yield made
    server.stop()


def asked(cluster: Cluster, query: str, *values: object) -> list:
    with stranger(cluster, "postgres").cursor() as cursor:
        cursor.execute(query, values or None)
        return cursor.fetchall()


def stranger(cluster: Cluster, database: str) -> psycopg2.extensions.connection:
    at = cluster.server
    return psycopg2.connect(host=at.host, port=at.port, user=at.superuser, password=at.password, dbname=database)


def test_a_migration_whose_network_is_cut(cable, distant, tmp_path, extras):
    deployment = Deployment(tmp_path, distant, "upgraded", extras)
    before = deployment.dump()
    # Somebody's report keeps the migration waiting, which is when the cable is cut, and goes on.
    report = stranger(distant, "upgraded")
    report.cursor().execute("SELECT count(*) FROM experiments")
    command = deployment.command("schema", "--mode", "upgrade", "--blocked-timeout", "600")
    process = subprocess.Popen(
        ["ip", "netns", "exec", cable.name, *command],
        env=deployment.environment(),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        servers.wait_until(lambda: asked(distant, WORKING + " AND backend_xid IS NOT NULL") != [(0,)], "the migration")
        cable.cut()
        cut = time.monotonic()
        said, log = process.communicate(timeout=NOTICED_SECONDS)
        ended = time.monotonic() - cut
        answer = deployment.answered(process.returncode, said, log)
        assert answer.code != 0
        assert answer.errors() <= {"migration-failed", "database-timeout", "database-refused"}, answer.document
        # Nothing of it stands in anybody's way: neither the migration's session nor that of the lock is left.
        servers.wait_until(
            lambda: asked(distant, SESSIONS, OWNER) == [(0,)], "the end of its sessions", NOTICED_SECONDS
        )
        print(f"ended {ended:.1f} s after the cut, its sessions {time.monotonic() - cut:.1f} s")
        assert asked(distant, SESSIONS, SERVER) == [(0,)]
    finally:
        process.kill()
        report.close()
        cable.plug()
    assert deployment.dump() == before
    assert deployment.run("schema", "--mode", "upgrade").code == 0


SECOND = "127.0.0.2"
FORWARD = """
import socket, sys, threading
here, there, port = sys.argv[1], sys.argv[2], int(sys.argv[3])

def copy(source, sink):
    while data := source.recv(65536):
        sink.sendall(data)

listener = socket.create_server((here, port))
print("listens", flush=True)
while True:
    near, _address = listener.accept()
    far = socket.create_connection((there, port))
    for pair in ((near, far), (far, near)):
        threading.Thread(target=copy, args=pair, daemon=True).start()
"""


@pytest.fixture
def primary_and_replica(cable, scratch) -> Iterator[tuple[servers.Postgres, servers.Postgres]]:
    """Two hosts with one port. The primary is behind the cable, so that it can vanish."""
    folder = scratch / "vanishing"
    folder.mkdir(mode=0o711)
    primary = servers.start_postgres(
        folder, listen_addresses=HERE, hba_file=admits_all(folder), synchronous_commit="on"
    )
    replica = servers.start_replica(folder, primary, SECOND)
    forwarder = subprocess.Popen(
        ["ip", "netns", "exec", cable.name, sys.executable, "-c", FORWARD, THERE, HERE, str(primary.port)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert forwarder.stdout.readline() == "listens\n"
    try:
        yield primary, replica
    finally:
        forwarder.kill()
        forwarder.communicate()
        replica.stop()
        primary.stop()


def test_a_primary_that_vanishes_under_a_server(cable, primary_and_replica, tmp_path, extras, monkeypatch):
    """Its machine loses the power: connections to it end by time-outs only, and the server goes on with the other."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")
    primary, replica = primary_and_replica
    cluster = Cluster(primary)
    deployment = Deployment(tmp_path, cluster, cluster.create("vanishing"), extras)
    store = deployment.config["backend_store"]
    store["host"], store["query"] = f"{THERE},{SECOND}", {"target_session_attrs": "read-write", "connect_timeout": "3"}
    assert deployment.run("schema", "--mode", "initialize").code == 0
    replicate_synchronously(cluster)
    with serving(deployment) as process:
        server, done = servers.child_of(process), threading.Event()
        writers = [Writer(f"http://127.0.0.1:{deployment.port}", number, done) for number in range(3)]
        for each in writers:
            each.start()
        time.sleep(4)
        cable.cut()
        vanished = time.monotonic()
        promoted(replica)

        def all_write() -> bool:
            return all(each.acknowledged[-1] > vanished + 1 for each in writers)

        servers.wait_until(all_write, "every writer to write", NOTICED_SECONDS)
        time.sleep(2)
        done.set()
        for each in writers:
            each.join(70)
            assert not each.is_alive()
        assert servers.child_of(process) == server
    metrics = {pair for each in writers for pair in each.metrics}
    lost = metrics - rows(replica, "vanishing", "SELECT run_uuid, step::int FROM metrics")
    print(
        f"{len(metrics)} metrics acknowledged, {len(lost)} lost; longest gap {max(each.gap for each in writers):.1f} s"
    )
    assert lost == set()
