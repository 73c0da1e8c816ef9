# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""Several hosts in one address, of which one takes writes; and addresses of IPv6."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator

import pytest
import servers
from conftest import Cluster, Deployment
from test_gate import api
from test_readiness import serving

# One more kind of database, or way to it.
pytestmark = pytest.mark.extended
SECONDS = 30.0
# Addresses of the loopback: the primary's, its replica's, and one that nobody listens on.
PRIMARY, REPLICA, DEAD = "127.0.0.1", "127.0.0.2", "127.0.0.3"
ATTRIBUTES = {"target_session_attrs": "read-write"}


@pytest.fixture(scope="module")
def pair(scratch) -> Iterator[tuple[Cluster, servers.Postgres]]:
    """A primary and its replica on one port of two addresses."""
    folder = scratch / "pair"
    folder.mkdir(mode=0o711)
    primary = servers.start_postgres(folder)
    replica = servers.start_replica(folder, primary, REPLICA)
    yield Cluster(primary), replica
    replica.stop()
    primary.stop()


@pytest.fixture
def deployment(pair, tmp_path, extras) -> Iterator[Deployment]:
    cluster, _replica = pair
    database = cluster.create("hosts")
    # libpq takes the word of a replica that has no such database yet.
    caught_up(cluster)
    yield Deployment(tmp_path, cluster, database, extras)
    cluster.drop(database)


@contextlib.contextmanager
def swallowing(address: str, port: int) -> Iterator[None]:
    """A full backlog: the kernel drops further connections, as a firewall or a dead machine does."""
    with socket.socket() as full, contextlib.ExitStack() as stack:
        full.bind((address, port))
        full.listen(0)
        for _ in range(4):
            one = stack.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex((address, port))
        yield


def hosts(deployment: Deployment, *names: str, **query: str) -> None:
    deployment.config["backend_store"] |= {"host": ",".join(names), "query": {**ATTRIBUTES, **query}}


def caught_up(cluster) -> None:
    behind = "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn < pg_current_wal_lsn()"
    servers.wait_until(lambda: cluster.execute(behind) == [(0,)], "the replica")


@pytest.mark.slow
@pytest.mark.parametrize(
    "names",
    [(DEAD, PRIMARY), (REPLICA, PRIMARY), ("no-such-host.invalid", REPLICA, PRIMARY, DEAD)],
    ids=["dead first", "replica first", "four"],
)
def test_the_one_that_takes_writes_is_found(deployment, cluster, pair, names):
    """Check, initialisation, upgrade with its dump, and a real server that writes."""
    older = cluster.old("3.16.0")
    hosts(deployment, *names)
    assert deployment.run("check", "--skip-store").errors() == {"schema-empty"}
    answer = deployment.run("schema", "--mode", "initialize")
    assert (answer.code, answer.codes, answer.document["changed"]) == (0, set(), True), answer.document
    with serving(deployment):
        made = api(deployment.port, "/api/2.0/mlflow/experiments/create", {"name": "through several hosts"})
        assert made["experiment_id"]
    assert deployment.run("check").codes == set()
    copied = cluster.dump(older)
    second = pair[0].create("hosts_older")
    try:
        file = deployment.folder / "older.sql"
        file.write_bytes(copied)
        pair[0].load(second, file)
        caught_up(pair[0])
        deployment.config["backend_store"]["database"] = second
        deployment.config["artifacts"]["destination"] = str(deployment.folder / "others")
        (deployment.folder / "others").mkdir()
        answer = deployment.run("schema", "--mode", "upgrade")
        assert (answer.code, answer.codes, len(answer.document["dumps"])) == (0, set(), 1), answer.document
    finally:
        pair[0].drop(second)


@pytest.mark.slow
def test_a_first_host_that_swallows_packets(deployment):
    """A dead machine says nothing; the others are not to wait for it, and neither is the readiness."""
    assert deployment.run("schema", "--mode", "initialize").code == 0
    # What MLflow itself waits for is libpq's, which knows no limit of its own.
    hosts(deployment, DEAD, PRIMARY, connect_timeout="2")
    with swallowing(DEAD, deployment.cluster.server.port):
        answer = deployment.run("check")
        assert (answer.code, answer.codes) == (0, set()), answer.document
        assert answer.document["seconds"] < SECONDS
        with serving(deployment):
            made = api(deployment.port, "/api/2.0/mlflow/experiments/create", {"name": "beside a dead one"})
            assert made["experiment_id"]


def said(deployment: Deployment, code: str) -> str:
    begun = time.monotonic()
    answer = deployment.run("check", "--skip-store")
    print(f"{code} after {answer.document['seconds']} s of the check, {time.monotonic() - begun:.1f} s in all")
    assert (answer.code, answer.errors()) == (4, {code}), answer.document
    assert answer.document["seconds"] < SECONDS
    found = answer.finding(code)
    assert found["argument"] == "backend_store.host"
    return found["found"]


def test_none_that_can_be_reached(deployment):
    hosts(deployment, DEAD, "no-such-host.invalid")
    found = said(deployment, "database-port-closed")
    assert f"{DEAD} refuses connections to port {deployment.cluster.server.port}" in found
    assert "no-such-host.invalid" in found
    with swallowing(DEAD, deployment.cluster.server.port):
        found = said(deployment, "database-timeout")
        assert f"{DEAD} does not answer" in found


def test_none_that_takes_writes(deployment, pair):
    caught_up(pair[0])
    hosts(deployment, DEAD, REPLICA)
    found = said(deployment, "database-replica")
    assert "has no server that takes writes" in found
    assert f"{DEAD} refuses connections" in found
    # Without the attribute libpq takes the first that answers, and the remedy names it.
    deployment.config["backend_store"] |= {"host": f"{REPLICA},{PRIMARY}", "query": {}}
    answer = deployment.run("check", "--skip-store")
    assert "database-replica" in answer.errors()
    assert "target_session_attrs=read-write" in answer.finding("database-replica")["remedy"]


@pytest.fixture(scope="module")
def second_address(scratch, pair):
    """A replica at ::1 on the primary's port: `localhost` has both addresses."""
    with socket.socket(socket.AF_INET6) as trial:
        try:
            trial.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6 on its loopback")
    server = servers.start_replica(scratch, pair[0].server, "::1", name="sixth")
    yield server
    server.stop()


@pytest.mark.slow
def test_an_address_of_ipv6_and_a_name_with_two(deployment, pair, second_address):
    caught_up(pair[0])
    deployment.config["backend_store"]["host"] = "::1"
    answer = deployment.run("check", "--skip-store")
    assert answer.errors() == {"schema-empty", "database-replica"}, answer.document
    assert "::1" in answer.finding("database-replica")["message"]
    addresses = {found[4][0] for found in socket.getaddrinfo("localhost", 0, type=socket.SOCK_STREAM)}
    if addresses >= {"127.0.0.1", "::1"}:
        hosts(deployment, "localhost")
        answer = deployment.run("schema", "--mode", "initialize")
        assert (answer.code, answer.codes, answer.document["changed"]) == (0, set(), True), answer.document


@pytest.mark.slow
def test_a_server_by_its_ipv6_address(scratch, tmp_path, cluster, extras):
    with socket.socket(socket.AF_INET6) as trial:
        try:
            trial.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6 on its loopback")
    folder = scratch / "sixth"
    folder.mkdir(mode=0o711)
    own = servers.start_postgres(folder, listen_addresses="::1")
    try:
        sixth = Cluster(own)
        deployment = Deployment(tmp_path, sixth, sixth.create("sixth"), extras)
        assert deployment.config["backend_store"]["host"] == "::1"
        answer = deployment.run("schema", "--mode", "initialize")
        assert (answer.code, answer.codes) == (0, set()), answer.document
        with serving(deployment):
            assert api(deployment.port, "/api/2.0/mlflow/experiments/create", {"name": "six"})["experiment_id"]
        assert deployment.run("check").codes == set()
    finally:
        own.stop()
