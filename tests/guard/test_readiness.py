# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""The supervisor and its readiness endpoint, with real servers that are stopped, frozen, locked and cut off."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import psycopg2
import pytest
import servers

CHECKED = ["server", "backend_store", "artifact_store"]


def becomes(deployment, status: int, *words: str, within: float = 30) -> str:
    """Wait until /ready has this status with these words in its reason; the reason."""
    seen: list[tuple[int, str]] = []

    def reached() -> bool:
        code, document = deployment.readiness()
        seen.append((code, document.get("reason", "")))
        return code == status and all(word in seen[-1][1] for word in words)

    try:
        servers.wait_until(reached, "the answer", within)
    except RuntimeError:
        raise AssertionError(f"no {status} {words} in {seen[-3:]}") from None
    deployment.assert_no_secret(seen[-1][1])
    return seen[-1][1]


def stays_ready(deployment, log: str = "server.log") -> None:
    """Ready for longer than a look is fresh, with the loss of the marker told once."""
    end = time.monotonic() + 2.5
    while time.monotonic() < end:
        assert deployment.readiness()[0] == 200
        time.sleep(0.2)
    (told,) = [line for line in (deployment.folder / log).read_text().splitlines() if "marker.json in" in line]
    assert "is gone: this server goes on" in told
    assert "mlflow_server_adopt_destination=true" in told


@contextlib.contextmanager
def serving(deployment, log: str = "server.log"):
    """A server that is ready; it is stopped in the end, if it still runs."""
    with open(deployment.folder / log, "w") as file:
        process = deployment.start("serve", stdout=file, stderr=file)
    try:
        try:
            servers.wait_until(lambda: deployment.readiness()[0] == 200, "mlflow server", process=process)
        except RuntimeError as reason:
            raise RuntimeError(f"{reason}:\n{(deployment.folder / log).read_text()[-2000:]}") from None
        yield process
    finally:
        servers.end(process)


class Proxy:
    """A TCP proxy that can be cut, closed, or swallow all that comes; it counts the looks at a database."""

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self.flows = threading.Event()
        self.flows.set()
        self.looks = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _address = self.listener.accept()
                far = socket.create_connection(self.target)
            except OSError:
                return
            self.sockets += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                self.looks += data.count(b"SELECT version_num, EXISTS")
                self.flows.wait()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def cut(self) -> None:
        """Reset all connections; new ones are taken."""
        for each in self.sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self.sockets.clear()

    def close(self) -> None:
        self.flows.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()


@pytest.fixture
def proxy(cluster):
    made = Proxy(cluster.server.host, cluster.server.port)
    yield made
    made.close()


@pytest.fixture
def s3(deploy, cluster, object_store):
    """A deployment at head with its artifacts on S3."""
    deployment = deploy(cluster.head())
    credentials = deployment.folder / "credentials"
    credentials.write_text(
        f"[default]\naws_access_key_id = {object_store.access_key}\naws_secret_access_key = {object_store.secret_key}\n"
    )
    deployment.variables |= {"AWS_SHARED_CREDENTIALS_FILE": str(credentials), "AWS_DEFAULT_REGION": "us-east-1"}
    bucket = deployment.database
    client(object_store).create_bucket(Bucket=bucket)
    deployment.config["artifacts"] |= {"destination": f"s3://{bucket}/a", "endpoint_url": object_store.endpoint}
    answer = deployment.run("schema", "--mode", "initialize")
    assert answer.code == 0, answer.document
    return deployment


def client(store):
    return boto3.client(
        "s3",
        endpoint_url=store.endpoint,
        aws_access_key_id=store.access_key,
        aws_secret_access_key=store.secret_key,
        region_name="us-east-1",
    )


def backends(cluster, deployment) -> list[int]:
    """The database sessions of the endpoint."""
    rows = cluster.execute(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'mlflow-guard readiness'"
        f" AND datname = '{deployment.database}'"
    )
    return [row[0] for row in rows]


@pytest.mark.slow
def test_database_and_directory(ready, cluster):
    """One server for all that its database and its directory can do to it."""
    ready.variables["MLFLOW_GUARD_READINESS_TIMEOUT"] = "1"
    with serving(ready) as process:
        port = ready.readiness_port
        assert servers.get(port, "/ready") == (200, {"status": "ready", "checked": CHECKED})
        assert servers.get(port, "/ready/api") == (200, {"status": "ready", "checked": CHECKED[:2]})
        assert servers.get(port, "/live") == (200, {"status": "live"})
        assert servers.get(port, "/ready", "HEAD") == (200, {})
        assert servers.get(port, "/")[0] == servers.get(port, "/ready/x")[0] == servers.get(port, "/..%2f")[0] == 404
        assert servers.get(port, "/ready", "POST")[0] == servers.get(port, "/ready", "DELETE")[0] == 405
        assert ready.run("health").code == 0

        # A cut connection is replaced within the same look: no answer but 200 is seen.
        (before,) = backends(cluster, ready)
        time.sleep(1.1)
        cluster.execute(f"SELECT pg_terminate_backend({before})")
        time.sleep(0.2)
        assert ready.readiness()[0] == 200
        (after,) = backends(cluster, ready)
        assert after != before

        # Locked tables, and the answer when the lock is gone; no session piles up.
        url = cluster.url(ready.database)
        with psycopg2.connect(url.set(drivername="postgresql").render_as_string(hide_password=False)) as lock:
            lock.cursor().execute("LOCK TABLE experiments")
            becomes(ready, 503, "backend_store", "locked")
            becomes(ready, 503, "backend_store", "locked")
            assert servers.get(port, "/ready/api")[0] == 503
            assert len(backends(cluster, ready)) == 1
            assert servers.get(port, "/live")[0] == 200
            lock.rollback()
        lock.close()
        becomes(ready, 200)

        # A database that is not the one at the start.
        ((head,),) = cluster.execute("SELECT version_num FROM alembic_version", database=ready.database)
        update = "UPDATE alembic_version SET version_num = '{}'"
        for change, back, words in (
            (update.format("b7e2c1a4d9f3"), update, "'b7e2c1a4d9f3'"),
            ("DELETE FROM alembic_version", "INSERT INTO alembic_version VALUES ('{}')", "no revision"),
            ("ALTER TABLE experiments RENAME TO gone", "ALTER TABLE gone RENAME TO experiments", "experiments"),
        ):
            cluster.execute(change, database=ready.database)
            becomes(ready, 503, "backend_store", words)
            cluster.execute(back.format(head), database=ready.database)
            becomes(ready, 200)
        cluster.execute(f"ALTER DATABASE {ready.database} SET default_transaction_read_only = on")
        cluster.execute(*(f"SELECT pg_terminate_backend({pid})" for pid in backends(cluster, ready)))
        becomes(ready, 503, "backend_store", "takes no writes")
        cluster.execute(f"ALTER DATABASE {ready.database} RESET default_transaction_read_only")
        cluster.execute(*(f"SELECT pg_terminate_backend({pid})" for pid in backends(cluster, ready)))
        becomes(ready, 200)

        # The empty directory under a file system that is not mounted.
        artifacts = ready.folder / "artifacts"
        artifacts.rename(ready.folder / "away")
        artifacts.mkdir()
        becomes(ready, 503, "artifact_store", "no marker")
        # The API goes on without it.
        assert servers.get(port, "/ready/api")[0] == 200
        shutil.copytree(ready.folder / "away", artifacts, dirs_exist_ok=True)
        becomes(ready, 200)
        (artifacts / ".mlflow-guard/marker.json").write_text('{"identity": "another"}')
        becomes(ready, 503, "artifact_store", "another deployment")
        assert ready.run("health").codes == {"unhealthy"}
        shutil.copytree(ready.folder / "away", artifacts, dirs_exist_ok=True)
        becomes(ready, 200)
        # In the very folder that had it, a marker that is gone takes nobody away, but is told.
        (artifacts / ".mlflow-guard/marker.json").unlink()
        stays_ready(ready)
    assert process.returncode == 0
    assert "GET /ready" not in (ready.folder / "server.log").read_text()


def threads(process: subprocess.Popen) -> int:
    return len(os.listdir(f"/proc/{process.pid}/task"))


def settles(process: subprocess.Popen, most: int) -> None:
    """No thread stays behind a call; the one that answered the last of them may still be on its way out."""
    servers.wait_until(lambda: threads(process) <= most, f"at most {most} threads", 30)


@pytest.mark.slow
def test_a_black_hole_and_the_number_of_looks(ready, proxy):
    ready.config["backend_store"]["port"] = proxy.port
    ready.variables["MLFLOW_GUARD_READINESS_TIMEOUT"] = "1"
    with serving(ready) as process:
        # Nobody asks, nobody looks; many ask, and one looks.
        time.sleep(1.1)
        before = proxy.looks
        time.sleep(1.5)
        assert proxy.looks == before
        begun = time.monotonic()
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: ready.readiness()[0], range(200)))
        assert set(answers) == {200}
        assert 1 <= proxy.looks - before <= 1 + (time.monotonic() - begun)

        usual = threads(process)
        proxy.flows.clear()
        becomes(ready, 503, "backend_store", "does not answer in time")
        for _ in range(3):
            begun = time.monotonic()
            with ThreadPoolExecutor(10) as pool:
                assert {answer[0] for answer in pool.map(lambda _: ready.readiness(), range(10))} == {503}
            assert time.monotonic() - begun < 15, "they wait one after the other"
        settles(process, usual + 1)
        assert servers.get(ready.readiness_port, "/live")[0] == 200
        proxy.flows.set()
        becomes(ready, 200)

        proxy.cut()
        becomes(ready, 200)
        proxy.close()
        becomes(ready, 503, "backend_store", "refused")


@pytest.mark.extended
@pytest.mark.slow
def test_frozen_sessions_and_a_directory_that_hangs(ready, cluster):
    if cluster.server.process is None:
        pytest.skip("only a PostgreSQL of the tests' own can be frozen")
    with serving(ready) as process:
        time.sleep(1.1)
        (session,) = backends(cluster, ready)
        postmaster = cluster.server.process.pid
        os.kill(session, signal.SIGSTOP)
        try:
            # The rest of the server is well, so a new session is as good.
            assert ready.readiness()[0] == 200
            (second,) = set(backends(cluster, ready)) - {session}
            os.kill(second, signal.SIGSTOP)
            os.kill(postmaster, signal.SIGSTOP)
            try:
                becomes(ready, 503, "backend_store", "does not answer in time")
            finally:
                os.kill(postmaster, signal.SIGCONT)
                os.kill(second, signal.SIGCONT)
        finally:
            os.kill(session, signal.SIGCONT)
        becomes(ready, 200)

        # To open a pipe without a writer hangs as a dead NFS server does.
        marker = ready.folder / "artifacts/.mlflow-guard/marker.json"
        content = marker.read_text()
        marker.unlink()
        os.mkfifo(marker)
        becomes(ready, 503, "artifact_store: no answer for 2 s")
        waited = []
        for _ in range(5):
            begun = time.monotonic()
            assert servers.get(ready.readiness_port, "/ready/api")[0] == 200
            waited.append(time.monotonic() - begun)
        assert min(waited) < 1, "the API waits for the store"
        usual = threads(process)
        begun = time.monotonic()
        for _ in range(20):
            assert ready.readiness()[0] == 503
        assert time.monotonic() - begun < 30, "each call waits for the store anew"
        settles(process, usual)
        marker.rename(marker.with_name("pipe"))
        marker.write_text(content)
        with open(marker.with_name("pipe"), "w") as pipe:
            pipe.write(content)
        becomes(ready, 200)


@pytest.mark.slow
def test_object_store(s3, object_store):
    relay = Proxy(*object_store.endpoint.removeprefix("http://").split(":"))
    s3.config["artifacts"]["endpoint_url"] = f"http://127.0.0.1:{relay.port}"
    bucket, key = s3.database, "a/.mlflow-guard/marker.json"
    try:
        with serving(s3):
            store = client(object_store)
            marker = store.get_object(Bucket=bucket, Key=key)["Body"].read()
            store.delete_object(Bucket=bucket, Key=key)
            stays_ready(s3)
            store.put_object(Bucket=bucket, Key=key, Body=b"nothing of the guard's")
            stays_ready(s3)
            store.put_object(Bucket=bucket, Key=key, Body=b'{"identity": "another"}')
            becomes(s3, 503, "artifact_store", "another deployment")
            store.put_object(Bucket=bucket, Key=key, Body=marker)
            becomes(s3, 200)
            time.sleep(1.1)
            relay.cut()
            assert s3.readiness()[0] == 200
            relay.flows.clear()
            becomes(s3, 503, "artifact_store")
            relay.flows.set()
            becomes(s3, 200)
            relay.close()
            becomes(s3, 503, "artifact_store", "cannot be reached")
            assert object_store.secret_key not in (s3.folder / "server.log").read_text()
    finally:
        relay.close()


def test_a_key_that_is_no_longer_good(s3, object_store, monkeypatch):
    from mlflow_guard import config
    from mlflow_guard.answer import Problem
    from mlflow_guard.inspect import store
    from mlflow_guard.serve import readiness_checks

    for name, value in s3.variables.items():
        monkeypatch.setenv(name, value)
    file = Path(s3.variables["AWS_SHARED_CREDENTIALS_FILE"])
    good = file.read_text()
    destination = store.open_destination(config.parse(s3.config).artifacts)
    look = readiness_checks.S3Look(destination, destination.read_marker()["identity"], 2, print)
    destination.forget_credentials()
    file.write_text(good.replace(object_store.secret_key, "another/secret"))
    with pytest.raises(Problem) as refused:
        look()
    assert refused.value.finding["code"] == "store-signature"
    assert "another/secret" not in str(refused.value.finding)
    # The key's file is corrected, and no restart is needed.
    file.write_text(good)
    look()


def test_a_look_at_sqlite(deploy, tmp_path):
    from mlflow_guard import config
    from mlflow_guard.answer import Problem
    from mlflow_guard.serve import readiness_checks

    file = tmp_path / "mlflow.db"
    deployment = deploy()
    deployment.config["backend_store"] = {"drivername": "sqlite", "database": str(file)}
    look = readiness_checks.OtherLook(config.parse(deployment.config).backend, "head")
    with pytest.raises(Problem, match="SQLite file .*mlflow.db does not exist"):
        look()
    assert not file.exists()
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE experiments (experiment_id INTEGER)")
        database.execute("CREATE TABLE alembic_version (version_num TEXT)")
        database.execute("INSERT INTO alembic_version VALUES ('head')")
        database.commit()
        look()
        look()
        database.execute("UPDATE alembic_version SET version_num = 'other'")
        database.commit()
        with pytest.raises(readiness_checks.Unready, match="'other'"):
            look()
        database.execute("DROP TABLE experiments")
        database.commit()
        with pytest.raises(readiness_checks.Unready, match="no such table"):
            look()
    database.close()


class SlowUpload:
    """A request that is under way until `finish`."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        self.connection.putrequest("PUT", "/api/2.0/mlflow-artifacts/artifacts/0/run/artifacts/slow.txt")
        self.connection.putheader("Content-Length", "8")
        self.connection.endheaders(b"half")

    def finish(self) -> int:
        self.connection.send(b"full")
        return self.connection.getresponse().status


def connection_after_version(port: int) -> str | None:
    """What the server says of a connection that its client would keep."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        connection.request("GET", "/version")
        answer = connection.getresponse()
        assert answer.status == 200
        return answer.getheader("Connection")


@pytest.mark.slow
def test_draining_in_order(ready):
    ready.variables["MLFLOW_GUARD_DRAIN_SECONDS"] = "5"
    with serving(ready) as process:
        upload = SlowUpload(ready.port)
        assert connection_after_version(ready.port) is None
        time.sleep(0.5)
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        servers.wait_until(lambda: ready.readiness()[0] == 404, "draining", 30)
        assert ready.readiness() == (404, {"status": "draining"})
        # It serves on: new requests too, and whoever restarts it is told to leave it alone.
        # A proxy must not keep a connection that is closed in a moment.
        assert connection_after_version(ready.port) == "close"
        assert servers.get(ready.readiness_port, "/ready/api")[0] == 404
        assert servers.get(ready.readiness_port, "/live")[0] == 200
        assert ready.run("health").code == 0
        servers.wait_until(lambda: not servers.port_open(ready.port), "the end of listening", 30)
        assert time.monotonic() - begun > 4.9
        assert process.poll() is None
        assert ready.readiness()[0] == 404
        assert upload.finish() == 200
        assert process.wait(60) == 0
    assert (ready.folder / "artifacts/0/run/artifacts/slow.txt").read_text() == "halffull"


@pytest.mark.slow
def test_a_second_signal_cuts_the_drain_short(ready):
    ready.variables["MLFLOW_GUARD_DRAIN_SECONDS"] = "60"
    with serving(ready) as process:
        process.send_signal(signal.SIGINT)
        servers.wait_until(lambda: ready.readiness()[0] == 404, "draining", 30)
        process.send_signal(signal.SIGINT)
        assert process.wait(40) == 0


@pytest.mark.slow
def test_the_web_server_dies(ready):
    ready.config["argv"][-1] = "2"
    with serving(ready) as process:
        child = servers.child_of(process)
        (group,) = {os.getpgid(child)}
        os.kill(child, signal.SIGKILL)
        assert process.wait(60) == 1
    # Its workers do not live on with the port.
    servers.wait_until(lambda: not servers.port_open(ready.port), "the end of listening", 30)
    with pytest.raises(ProcessLookupError):
        servers.wait_until(lambda: os.killpg(group, 0), "the end of the group", 30)
    last = (ready.folder / "server.log").read_text().strip().splitlines()[-1]
    assert last == "mlflow-guard: the web server ended without having been told to, with SIGKILL"


@pytest.mark.extended
@pytest.mark.slow
def test_with_jobs_mlflow_stays_the_parent(ready):
    """It starts the jobs' runner after its web server, and ends with 0 whatever becomes of that."""
    ready.variables["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "true"
    with serving(ready) as process:
        mlflow = servers.child_of(process)
        group = os.getpgid(mlflow)
        assert "mlflow_guard.serve.launch" in Path(f"/proc/{mlflow}/cmdline").read_text()
        children = Path(f"/proc/{mlflow}/task/{mlflow}/children").read_text().split()
        commands = {pid: Path(f"/proc/{pid}/cmdline").read_text() for pid in children}
        assert any("job" in command for command in commands.values())
        (web,) = [int(pid) for pid, command in commands.items() if "uvicorn" in command]
        os.kill(web, signal.SIGKILL)
        assert process.wait(60) == 1
    assert "ended without having been told to, with exit code 0" in (ready.folder / "server.log").read_text()
    with pytest.raises(ProcessLookupError):
        servers.wait_until(lambda: os.killpg(group, 0), "the end of the group", 30)


@pytest.mark.slow
def test_the_web_server_cannot_start(ready):
    with socket.create_server(("127.0.0.1", ready.port)):
        process = ready.start("serve", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "address already in use" in output
    assert re.search("the web server ended without having been told to, with exit code [13]", output)


def test_before_the_server(ready):
    """The endpoint answers from the start, and a load balancer is told to wait."""
    ready.variables |= {"MLFLOW_GUARD_WAIT": "60"}
    ready.config["backend_store"]["port"] = servers.free_port()
    process = ready.start("serve", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert becomes(ready, 503, "starting", within=30) == "server: starting"
        assert servers.get(ready.readiness_port, "/live")[0] == 503
        assert ready.run("health").codes == {"unhealthy"}
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 143
    finally:
        servers.end(process)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("MLFLOW_GUARD_READINESS_PORT", "http", "'http'"),
        ("MLFLOW_GUARD_READINESS_PORT", "-1", "'-1'"),
        ("MLFLOW_GUARD_READINESS_PORT", "65536", "'65536'"),
        ("MLFLOW_GUARD_READINESS_PORT", "own", "the server's own port"),
        ("MLFLOW_GUARD_READINESS_PORT", "taken", "not free"),
        ("MLFLOW_GUARD_READINESS_TIMEOUT", "0", "'0'"),
        ("MLFLOW_GUARD_READINESS_TIMEOUT", "nan", "'nan'"),
        ("MLFLOW_GUARD_DRAIN_SECONDS", "3601", "'3601'"),
        ("MLFLOW_GUARD_DRAIN_SECONDS", "2 s", "'2 s'"),
    ],
)
def test_bad_values(ready, name, value, words):
    with socket.create_server(("0.0.0.0", 0)) as other:
        ready.variables[name] = {"own": str(ready.port), "taken": str(other.getsockname()[1])}.get(value, value)
        answer = ready.run("serve")
    # A port that is taken is a good value in a bad moment.
    code = "configuration" if value == "taken" else "environment-value-invalid"
    assert (answer.code, answer.errors()) == (2, {code})
    assert name in answer.finding(code)["message"]
    assert words in answer.finding(code)["message"]


def test_health_says_what_is_wrong_with_the_port(ready):
    ready.variables["MLFLOW_GUARD_READINESS_PORT"] = "http"
    answer = ready.run("health")
    assert answer.code == 1
    assert "MLFLOW_GUARD_READINESS_PORT" in answer.finding("unhealthy")["message"]


def test_odd_requests_do_no_harm():
    """The endpoint alone: what is no request, too long, too slow, or too much at once."""
    from mlflow_guard.serve.readiness import CONNECTIONS, Endpoint, Readiness

    with Endpoint(0, Readiness()) as endpoint:
        endpoint.start()
        port = endpoint.server_address[1]

        def send(data: bytes) -> bytes:
            with socket.create_connection(("127.0.0.1", port), 60) as connection:
                try:
                    connection.sendall(data)
                    return connection.recv(500)
                except OSError:
                    return b""

        assert send(b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.0 503")
        assert b"mlflow-guard" in send(b"HEAD /live HTTP/1.0\r\n\r\n")
        assert b"refused" in send(b"nonsense\r\n\r\n")
        assert send(b"GET /" + b"x" * 20000 + b" HTTP/1.1\r\n\r\n") == b""
        begun = time.monotonic()
        assert send(b"GET /ready HT") == b""
        assert time.monotonic() - begun < 50, "the end is the client's, not the server's"
        idle = [socket.create_connection(("127.0.0.1", port), 5) for _ in range(CONNECTIONS + 20)]
        for each in idle:
            each.close()
        servers.wait_until(lambda: send(b"GET /live HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.0 503"), "an answer", 30)
        endpoint.shutdown()
