# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""The start gate with the real `mlflow server`, the health check, and what the server's role cannot do."""

from __future__ import annotations

import base64
import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest
import servers
from conftest import HOSTILE, OWNER, SERVER, with_older_image
from test_readiness import serving

from laboratory.resilience import bad_clients


def start_server(deployment):
    log = open(deployment.folder / "server.log", "w")  # noqa: SIM115 - the server keeps it open
    process = deployment.start("serve", stdout=log, stderr=log)
    servers.wait_until(lambda: deployment.run("health").code == 0, "mlflow server", process=process)
    return process


def api(port: int, path: str, body: dict | None = None):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def test_serve_becomes_the_server_and_shows_no_secret(deploy, cluster):
    deployment = deploy()
    assert deployment.run("schema", "--mode", "initialize").code == 0
    secret = "S3cret: flask \\ key"
    (deployment.folder / "flask").write_text(secret + "\n")
    deployment.config["secret_environment"] = {"MLFLOW_FLASK_SERVER_SECRET_KEY": str(deployment.folder / "flask")}
    # What would lead the server elsewhere is taken out of its environment.
    deployment.variables = {
        "MLFLOW_TRACKING_URI": "sqlite:///elsewhere.db",
        "PGDATABASE": "postgres",
        "PGOPTIONS": "-csearch_path=elsewhere",
        "MLFLOW_BACKEND_STORE_URI": "sqlite:///elsewhere.db",
        "MLFLOW_REGISTRY_STORE_URI": "sqlite:///elsewhere.db",
    }
    process = start_server(deployment)
    try:
        # The first server makes the experiment 0, without a right to create anything.
        assert cluster.execute(
            "SELECT experiment_id, artifact_location FROM experiments", database=deployment.database
        ) == [(0, "mlflow-artifacts:/0")]
        run = api(deployment.port, "/api/2.0/mlflow/runs/create", {"experiment_id": "0", "start_time": 1})["run"][
            "info"
        ]
        put = urllib.request.Request(
            f"http://127.0.0.1:{deployment.port}/api/2.0/mlflow-artifacts/artifacts/0/{run['run_id']}/artifacts/a.txt",
            data=b"content",
            method="PUT",
        )
        with urllib.request.urlopen(put, timeout=20) as answer:
            assert answer.status == 200
        assert (deployment.folder / "artifacts/0" / run["run_id"] / "artifacts/a.txt").read_bytes() == b"content"
        # The server is the only child: MLflow's own command has become it.
        server = servers.child_of(process)
        lines = Path(f"/proc/{server}/environ").read_text().split("\0")
        environment = dict(line.split("=", 1) for line in lines if line)
        command = Path(f"/proc/{server}/cmdline").read_text()
        assert "uvicorn" in command
        assert command.endswith("--factory\0mlflow_guard.in_mlflow.application:create\0")
        assert environment["MLFLOW_GUARD_APPLICATION"] == "mlflow.server.fastapi_app:app"
        assert HOSTILE not in command + json.dumps(environment, ensure_ascii=False)
        deployment.assert_no_secret(command + "\n".join(environment.values()))
        assert environment["MLFLOW_FLASK_SERVER_SECRET_KEY"] == secret
        assert environment["MLFLOW_BACKEND_STORE_URI"].startswith(f"postgresql+psycopg2://{SERVER}@")
        assert environment["MLFLOW_DISABLE_TELEMETRY"] == "true"
        # MLflow sets some of them again, to the store that it was given.
        assert not [name for name, value in environment.items() if "elsewhere" in value]
        assert {"PGDATABASE", "PGOPTIONS"}.isdisjoint(environment)
        passfile = Path(environment["PGPASSFILE"])
        assert passfile.stat().st_mode & 0o777 == 0o600
        assert passfile.parent.parent == deployment.temporary
        assert deployment.run("check").codes == set()
        deployment.assert_no_secret((deployment.folder / "server.log").read_text())
    finally:
        process.terminate()
        assert process.wait(60) == 0
    answer = deployment.run("health")
    assert (answer.code, answer.codes) == (1, {"unhealthy"})


@pytest.mark.slow
@pytest.mark.parametrize("way", ["readiness endpoint", "API request"])
def test_the_health_check_notices_a_lost_database(ready, cluster, way):
    if way == "API request":
        ready.readiness_port = 0
    process = start_server(ready)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{ready.port}/health", timeout=5) as answer:
            assert answer.status == 200
        cluster.execute(
            f"ALTER DATABASE {ready.database} ALLOW_CONNECTIONS false",
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{ready.database}'",
        )
        # An answer of the endpoint may be a second old.
        servers.wait_until(lambda: ready.run("health", "--timeout", "3").codes == {"unhealthy"}, "notice", 30)
        # MLflow's own health check sees nothing.
        with urllib.request.urlopen(f"http://127.0.0.1:{ready.port}/health", timeout=5) as answer:
            assert answer.status == 200
        cluster.execute(f"ALTER DATABASE {ready.database} ALLOW_CONNECTIONS true")
        servers.wait_until(lambda: ready.run("health").code == 0, "the server's recovery")
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.slow
def test_serve_with_users_prefix_and_host_names(deploy, cluster):
    deployment = deploy()
    deployment.config["auth_store"] = deployment.store(deployment.database)
    deployment.config["argv"] += [
        "--app-name",
        "basic-auth",
        "--static-prefix",
        "/ml",
        "--allowed-hosts",
        "mlflow.example.com,*.internal:*",
    ]
    for name, value in (("flask", "key" * 10), ("admin", "correct horse battery %{staple}s")):
        (deployment.folder / name).write_text(value)
    deployment.config["secret_environment"] = {
        "MLFLOW_FLASK_SERVER_SECRET_KEY": str(deployment.folder / "flask"),
        "MLFLOW_AUTH_ADMIN_PASSWORD": str(deployment.folder / "admin"),
    }
    assert deployment.run("schema", "--mode", "initialize").code == 0
    process = start_server(deployment)
    try:
        assert deployment.readiness()[1]["checked"] == ["server", "backend_store", "auth_store", "artifact_store"]
        assert cluster.execute("SELECT username FROM users", database=deployment.database) == [("admin",)]
        [settings] = deployment.temporary.rglob("basic_auth.ini")
        assert HOSTILE not in settings.read_text()
        assert settings.stat().st_mode & 0o777 == 0o600
        login = base64.b64encode(b"admin:correct horse battery %{staple}s").decode()
        assert_bounds(deployment, "/ml", {"Authorization": f"Basic {login}", "Host": "mlflow.example.com"})
    finally:
        process.terminate()
        process.wait(30)


def assert_bounds(deployment, prefix: str, headers: dict[str, str]) -> None:
    """What one client may take (test_bounds, test_web) holds for this server, and nothing goes a longer way in it."""

    def search(body: bytes = b'{"experiment_ids": ["0"]}') -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", deployment.port, timeout=30)
        path = f"{prefix}/api/2.0/mlflow/runs/search"
        connection.request("POST", path, body, {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        try:
            return answer.status, answer.read()
        finally:
            connection.close()

    def timed() -> float:
        begun = time.monotonic()
        assert search()[0] == 200
        return time.monotonic() - begun

    # A password alone takes its time.
    alone = min(timed() for _ in range(3))
    status, body = search(bytes(65 * 2**20))
    assert (status, b"longer than 64 MiB" in body) == (413, True)
    target = bad_clients.Target("127.0.0.1", deployment.port, prefix, "0", headers.get("Host", ""))
    with bad_clients.crowd("half-body", 100, target):
        times = [timed() for _ in range(5)]
    assert min(times) < 2 + 2 * alone, times
    assert "longer way is used" not in (deployment.folder / "server.log").read_text()


@pytest.mark.extended
@pytest.mark.slow
def test_serve_with_jobs(ready):
    ready.variables["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "true"
    with serving(ready):
        assert_bounds(ready, "", {})


def test_health_without_a_server(ready):
    answer = ready.run("health")
    assert (answer.code, answer.codes) == (1, {"unhealthy"})
    # It asks once and does not wait.
    assert answer.seconds < 60


def test_health_waits_for_a_server_that_starts(ready):
    # Nothing listens at first, and then the endpoint says that the server is starting.
    answer = ready.run("health", "--wait", "2")
    assert (answer.code, answer.codes) == (1, {"unhealthy"})
    assert 1.5 < answer.seconds < 60
    with open(ready.folder / "server.log", "w") as log:
        process = ready.start("serve", stdout=log, stderr=log)
        try:
            answer = ready.run("health", "--wait", "50", "--timeout", "60")
            assert answer.code == 0, answer.stderr
        finally:
            process.terminate()
            process.wait(30)


def test_health_of_something_else(ready):
    class Teapot(threading.Thread):
        def run(self):
            connection, _ = listener.accept()
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 19\r\n\r\nInvalid Host header")
            connection.close()

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", ready.port))
        listener.listen()
        Teapot(daemon=True).start()
        # It has started, so there is nothing to wait for.
        answer = ready.run("health", "--wait", "50", "--timeout", "60")
    assert answer.seconds < 50
    assert answer.code == 1
    assert "403" in answer.finding("unhealthy")["message"]


def test_health_starts_with_the_standard_library_only(ready):
    command = ready.command("health")
    command[1:1] = ["-X", "importtime"]
    process = subprocess.run(command, env=ready.environment(), capture_output=True, text=True, check=False)
    imported = {
        line.rsplit("|", 1)[1].strip().split(".")[0]
        for line in process.stderr.splitlines()
        if line.startswith("import time:")
    }
    assert imported.isdisjoint({"sqlalchemy", "alembic", "boto3", "botocore", "mlflow", "psycopg2", "requests"})


def test_a_refused_start_waits_before_it_ends(deploy):
    deployment = deploy()
    deployment.variables["MLFLOW_GUARD_REFUSAL_PAUSE"] = "2"
    before = deployment.dump()
    answer = deployment.run("serve")
    assert (answer.code, answer.errors()) == (3, {"schema-empty"})
    assert answer.seconds >= 2
    assert "refused: schema-empty" in answer.stderr
    assert deployment.dump() == before


@pytest.mark.parametrize("moment", ["waiting for the database", "pausing after a refusal", "connecting"])
@pytest.mark.parametrize("which", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once(deploy, moment, which):
    deployment = deploy()
    deployment.variables.update(MLFLOW_GUARD_WAIT="60", MLFLOW_GUARD_REFUSAL_PAUSE="60")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        if moment == "connecting":
            deployment.config["backend_store"]["port"] = silent.getsockname()[1]
        elif moment.startswith("waiting"):
            deployment.config["backend_store"]["port"] = servers.free_port()
        process = deployment.start("serve", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        word = {
            "connecting": "artifacts:",
            "waiting for the database": "waiting:",
            "pausing after a refusal": "ending in",
        }[moment]
        for line in process.stderr:
            if word in line:
                break
        if moment == "connecting":
            time.sleep(0.7)
        begun = time.monotonic()
        process.send_signal(which)
        assert process.wait(60) == 143
        assert time.monotonic() - begun < 50
        process.communicate()


def test_serve_waits_for_a_database_that_comes_later(ready, cluster):
    ready.variables["MLFLOW_GUARD_WAIT"] = "30"
    cluster.execute(f"ALTER DATABASE {ready.database} CONNECTION LIMIT 0")
    process = ready.start("serve", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "waiting: " in line:
                cluster.execute(f"ALTER DATABASE {ready.database} CONNECTION LIMIT -1")
            if "starting mlflow server" in line:
                break
        assert "starting mlflow server" in lines[-1]
        assert any("database-connections-full" in line or "too many connections" in line for line in lines)
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["--backend-store-uri", "sqlite:///x.db"], "argv-overrides"),
        (["--backend-store-uri=postgresql://elsewhere/x"], "argv-overrides"),
        (["--registry-store-uri", "sqlite:///x.db"], "argv-overrides"),
        (["--artifacts-destination", "s3://elsewhere"], "argv-overrides"),
        (["--artifacts-destination=/mlartifacts2"], "argv-overrides"),
        (["--default-artifact-root", "s3://elsewhere"], "argv-overrides"),
        (["--no-serve-artifacts"], "argv-overrides"),
    ],
)
def test_arguments_that_lead_elsewhere(ready, argv, code):
    ready.config["argv"] += argv
    answer = ready.run("serve")
    assert (answer.code, answer.errors()) == (2, {code})


# Commands of MLflow that migrate or fill any database which they are given.
COMMANDS = {
    "server": [
        "server",
        "--backend-store-uri",
        "{uri}",
        "--artifacts-destination",
        "{folder}",
        "--host",
        "127.0.0.1",
        "--port",
        "{port}",
        "--workers",
        "1",
    ],
    "db upgrade": ["db", "upgrade", "{uri}"],
    "gc": ["gc", "--backend-store-uri", "{uri}", "--older-than", "1d"],
    "experiments search": ["experiments", "search"],
}


@pytest.mark.slow
@pytest.mark.parametrize("state", ["empty", "older"])
def test_with_the_servers_role_mlflow_cannot_migrate(deploy, cluster, state):
    """`mlflow` itself, with the server's password, bypassing the guard."""
    deployment = deploy(cluster.old("3.16.0") if state == "older" else "template0")
    statements = [
        f"GRANT USAGE ON SCHEMA public TO {SERVER}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {SERVER}",
    ]
    cluster.execute(*statements, database=deployment.database, user=OWNER)
    before = deployment.dump()
    uri = cluster.url(deployment.database, SERVER).render_as_string(hide_password=False)
    running = {}
    for name, words in COMMANDS.items():
        words = [word.format(uri=uri, folder=deployment.folder, port=servers.free_port()) for word in words]
        environment = {**deployment.environment(), "MLFLOW_TRACKING_URI": uri}
        if name in ("server", "db upgrade"):
            environment.pop("MLFLOW_TRACKING_URI")
        running[name] = subprocess.Popen(
            [str(Path(sys.executable).parent / "mlflow"), *words],
            env=environment,
            cwd=deployment.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    for name, process in running.items():
        output, _ = process.communicate(timeout=120)
        assert process.returncode != 0, (name, output[-2000:])
        assert "permission denied" in output or "must be owner" in output, (name, output[-2000:])
    assert deployment.dump() == before


@pytest.mark.slow
def test_an_older_image_changes_nothing(ready):
    """An older MLflow with the server's role, and the guard with that MLflow's packages."""
    before = ready.dump()
    for command in (["check", "--skip-store"], ["schema", "--mode", "upgrade"], ["serve"]):
        answer = with_older_image(ready, "3.0.1", *command)
        assert (answer.code, answer.errors()) == (3, {"schema-newer"}), answer.document
        assert "MLflow 3.0.1 in this image" in answer.finding("schema-newer")["message"]
    assert ready.dump() == before
