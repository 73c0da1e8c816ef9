# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""Connecting: each way to fail is named within five seconds, and no password is shown."""

from __future__ import annotations

import socket
import socketserver
import subprocess
import threading

import pytest
import servers

SECONDS = 30.0


@pytest.fixture
def deployment(deploy):
    return deploy()


def check(deployment, expected: str, code: int):
    answer = deployment.run("check", "--skip-store")
    assert answer.code == code, answer.document
    assert answer.errors() == {expected}
    # It does not hang: without limits of its own, a client of PostgreSQL waits for two minutes, or for ever.
    assert answer.document["seconds"] < SECONDS
    return answer.finding(expected)


def backend(deployment, **changes):
    deployment.config["backend_store"].update(changes)


def test_hostile_password_works(deployment):
    assert deployment.run("check", "--skip-store").errors() == {"schema-empty"}


@pytest.mark.parametrize("host", ["no-such-host.invalid", "x" * 80, "user@ünïcode.invalid"])
def test_unknown_host(deployment, host):
    backend(deployment, host=host)
    found = check(deployment, "database-host-unknown", 4)
    assert host in found["message"] or repr(host) in found["message"]


def test_closed_port(deployment):
    port = servers.free_port()
    backend(deployment, port=port)
    assert str(port) in check(deployment, "database-port-closed", 4)["message"]


def test_port_that_never_answers(deployment):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        backend(deployment, port=silent.getsockname()[1])
        check(deployment, "database-timeout", 4)


def test_address_that_drops_packets(deployment):
    # A full backlog: the kernel drops further connections, as a firewall does.
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = []
        try:
            for _ in range(4):
                one = socket.socket()
                one.setblocking(False)
                one.connect_ex(full.getsockname())
                waiting.append(one)
            backend(deployment, port=full.getsockname()[1])
            check(deployment, "database-timeout", 4)
        finally:
            for one in waiting:
                one.close()


class Banner(socketserver.BaseRequestHandler):
    """A service that speaks first, as SSH, SMTP and MySQL do."""

    def handle(self):
        self.request.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
        self.request.recv(100)


def test_another_service_on_the_port(deployment):
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Banner) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        backend(deployment, port=other.server_address[1])
        check(deployment, "database-not-a-database", 3)
        other.shutdown()


def test_mysql_on_the_port(deployment, mariadb):
    backend(deployment, port=mariadb.port)
    check(deployment, "database-not-a-database", 3)


def test_wrong_password(deployment, tmp_path):
    (tmp_path / "wrong").write_text("not this")
    deployment.config["backend_store"]["server"]["password_file"] = str(tmp_path / "wrong")
    found = check(deployment, "database-auth-failed", 3)
    assert found["argument"] == "backend_store.server"
    assert "mlflow_server" in found["message"]
    assert str(tmp_path / "wrong") in found["message"]
    assert "not this" not in found["message"]


def test_two_line_ends_are_not_one(deployment):
    file = deployment.folder / "password"
    file.write_text(file.read_text() + "\n")
    answer = deployment.run("check", "--skip-store")
    assert (answer.code, answer.errors()) == (2, {"secret-unreadable"})


@pytest.mark.parametrize("content", [None, "", "\n"])
def test_no_password(deployment, content):
    file = deployment.folder / "password"
    file.unlink()
    if content is not None:
        file.write_text(content)
    answer = deployment.run("check", "--skip-store")
    assert (answer.code, answer.errors()) == (2, {"secret-unreadable"})
    assert answer.finding("secret-unreadable")["argument"] == "backend_store.server.password_file"


def test_unknown_role(deployment):
    deployment.config["backend_store"]["server"]["username"] = "nobody; DROP"
    check(deployment, "database-auth-failed", 3)


@pytest.mark.parametrize("name", ["nowhere", "MLflow", "a'b\"c%d", "with space "])
def test_missing_database(deployment, name):
    backend(deployment, database=name)
    assert repr(name) in check(deployment, "database-missing", 3)["message"]


def test_tls_demanded_of_a_server_without(deployment):
    backend(deployment, query={"sslmode": "require"})
    check(deployment, "database-tls", 3)


def test_no_right_to_connect(deployment, cluster):
    cluster.execute(f"REVOKE CONNECT ON DATABASE {deployment.database} FROM PUBLIC")
    check(deployment, "database-no-connect-right", 3)


def test_database_that_takes_no_connections(deployment, cluster):
    cluster.execute(f"ALTER DATABASE {deployment.database} ALLOW_CONNECTIONS false")
    check(deployment, "database-not-admitted", 3)


def test_connection_limit(deployment, cluster):
    cluster.execute(f"ALTER DATABASE {deployment.database} CONNECTION LIMIT 0")
    check(deployment, "database-connections-full", 4)


def test_no_usable_schema(deployment, cluster):
    cluster.execute("REVOKE USAGE ON SCHEMA public FROM PUBLIC", database=deployment.database)
    check(deployment, "schema-missing", 3)


def test_search_path_of_a_missing_schema(deployment):
    backend(deployment, query={"options": "-csearch_path=mlf"})
    check(deployment, "schema-missing", 3)


@pytest.mark.parametrize(
    ("driver", "code"),
    [("postgresql+nosuch", "database-driver-unknown"), ("mysql+mysqldb", "database-driver-missing")],
)
def test_missing_driver(deployment, driver, code):
    backend(deployment, drivername=driver)
    assert driver in check(deployment, code, 3)["message"]


@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg"])
def test_other_ways_to_name_the_driver(ready, driver):
    """The guard's own sessions have one driver for all; the server gets the one that is named."""
    backend(ready, drivername=driver)
    answer = ready.run("check")
    assert (answer.code, answer.codes) == (0, set()), answer.document


@pytest.mark.slow
def test_server_that_is_starting_and_one_without_room(scratch, deploy):
    folder = scratch / "starting"
    folder.mkdir(mode=0o711)
    own = servers.start_postgres(folder, hot_standby="off", max_connections="5", superuser_reserved_connections="3")
    try:
        deployment = deploy()
        backend(deployment, port=own.port)
        environment = {"PGPASSWORD": own.password, "PATH": "/usr/bin:/bin"}
        sql = [
            "psql",
            "-qXc",
            "CREATE ROLE mlflow_server LOGIN PASSWORD 'x'",
            "-h",
            own.host,
            "-p",
            str(own.port),
            "-U",
            own.superuser,
            "postgres",
        ]
        subprocess.run(sql, env=environment, check=True)
        (deployment.folder / "password").write_text("x")
        backend(deployment, database="postgres")
        import psycopg2

        held = [
            psycopg2.connect(host=own.host, port=own.port, user="mlflow_server", password="x", dbname="postgres")
            for _ in range(2)
        ]
        check(deployment, "database-connections-full", 4)
        for one in held:
            one.close()
        data = next(folder.glob("postgres*/data"))
        own.stop()
        (data / "standby.signal").touch()
        options = [part for name, value in own.options.items() for part in ("-c", f"{name}={value}")]
        own.process = subprocess.Popen(
            [str(own.binaries / "postgres"), "-D", str(data), *options],
            cwd=data.parent,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **servers.unprivileged("postgres"),
        )
        servers.wait_until(lambda: servers.port_open(own.port), "PostgreSQL in standby")
        check(deployment, "database-starting", 4)
    finally:
        own.stop()


def test_a_table_that_is_locked(ready, cluster):
    import psycopg2

    holder = psycopg2.connect(
        cluster.url(ready.database).set(drivername="postgresql").render_as_string(hide_password=False)
    )
    try:
        with holder.cursor() as cursor:
            cursor.execute("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE")
            answer = ready.run("check", "--skip-store")
            assert (answer.code, answer.errors()) == (4, {"database-locked"})
            assert answer.document["seconds"] < SECONDS
    finally:
        holder.close()


def test_check_cannot_write(ready, cluster):
    # The session is read-only by itself: even a function that writes when it is looked at would fail.
    cluster.execute(
        "CREATE TABLE log (at timestamptz)",
        "CREATE FUNCTION writes() RETURNS bigint LANGUAGE sql AS 'INSERT INTO log VALUES (now()) RETURNING 1::bigint'",
        "ALTER TABLE experiments RENAME TO real_experiments",
        "CREATE VIEW experiments AS SELECT * FROM real_experiments WHERE writes() = 1",
        "GRANT SELECT ON experiments TO mlflow_server",
        "GRANT INSERT ON log TO mlflow_server",
        database=ready.database,
    )
    ready.run("check", "--skip-store")
    assert cluster.execute("SELECT count(*) FROM log", database=ready.database) == [(0,)]
