# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""Real servers for the guard's tests: PostgreSQL, MariaDB and an S3 store, each on a loopback port of its own.

They run as an unprivileged user in a temporary directory and end with the test session.
"""

from __future__ import annotations

import glob
import http.client
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

DEADLINE = 60
ROOT = Path(__file__).resolve().parents[2]
# The versions of pg_dump and pg_restore in the server's image.
IMAGE_POSTGRES = (15, 16, 18)


def free_port() -> int:
    """A loopback port that is free now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def port_open(port: int, host: str = "127.0.0.1") -> bool:
    """Whether something listens on the port."""
    with socket.socket() as sock:
        sock.settimeout(0.5)
        return sock.connect_ex((host, port)) == 0


def wait_until(condition, what: str, deadline: float = DEADLINE, process: subprocess.Popen | None = None) -> None:
    """Poll until the condition holds; fail with the name of what was waited for."""
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        if condition():
            return
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"{what} ended with exit code {process.returncode}")
        time.sleep(0.1)
    raise RuntimeError(f"{what} was not ready within {deadline} s")


def unprivileged(name: str) -> dict:
    """Arguments for subprocess that drop root's rights, which database servers refuse to run with."""
    if os.geteuid() != 0:
        return {}
    for candidate in (name, "nobody"):
        try:
            user = pwd.getpwnam(candidate)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise RuntimeError("no unprivileged user was found to run a database server with")


def own_directory(parent: Path, name: str, identity: dict) -> Path:
    """A directory that belongs to the unprivileged user."""
    path = parent / name
    path.mkdir()
    if identity:
        os.chown(path, identity["user"], identity["group"])
    return path


def end(process: subprocess.Popen, how: signal.Signals = signal.SIGTERM) -> None:
    """Stop a server that was started here and wait until it is gone."""
    if process.poll() is None:
        process.send_signal(how)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def get(port: int, path: str, method: str = "GET", timeout: float = 10) -> tuple[int, dict]:
    """Status and document of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        body = answer.read()
        return answer.status, json.loads(body) if body else {}
    finally:
        connection.close()


def child_of(process: subprocess.Popen) -> int:
    """The one child of the supervisor."""
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(child)


def postgres_bin() -> Path | None:
    """The newest PostgreSQL of Debian's packages, or the one on PATH."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"), key=lambda path: int(path.split("/")[4]))
    if found:
        return Path(found[-1]).parent
    on_path = shutil.which("postgres")
    return Path(on_path).parent if on_path else None


@dataclass
class Postgres:
    """A PostgreSQL server with trust for its superuser on the socket and passwords over TCP."""

    host: str
    port: int
    superuser: str
    password: str
    binaries: Path | None
    process: subprocess.Popen | None = None
    options: dict = field(default_factory=dict)

    def stop(self) -> None:
        if self.process is not None:
            end(self.process, signal.SIGINT)


def start_postgres(parent: Path, binaries: Path | None = None, **settings: str) -> Postgres:
    """Make a cluster and start it; durability is switched off, for speed."""
    binaries = binaries or postgres_bin()
    if binaries is None:
        raise RuntimeError("PostgreSQL is not installed: apt-get install --no-install-recommends postgresql")
    identity = unprivileged("postgres")
    base = own_directory(parent, f"postgres{free_port()}", identity)
    password = "superuser secret"
    password_file = base / "password"
    password_file.write_text(password + "\n")
    password_file.chmod(0o644)
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": str(base)}
    subprocess.run(
        [
            str(binaries / "initdb"),
            "-D",
            str(base / "data"),
            "-U",
            "super",
            "--pwfile",
            str(password_file),
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--auth=scram-sha-256",
            "--no-sync",
        ],
        check=True,
        capture_output=True,
        env=env,
        cwd=base,
        **identity,
    )
    port = free_port()
    options = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": str(base),
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "max_connections": "100",
        "lc_messages": "C",
        **settings,
    }
    server = Postgres(options["listen_addresses"], int(options["port"]), "super", password, binaries, None, options)
    run_postgres(server, base)
    return server


def run_postgres(server: Postgres, base: Path) -> None:
    """Start the server on the data that it has, and wait until it answers."""
    command = [str(server.binaries / "postgres"), "-D", str(base / "data")]
    for name, value in server.options.items():
        command += ["-c", f"{name}={value}"]
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": str(base)}
    with open(base / "log", "ab") as log:
        server.process = subprocess.Popen(
            command, env=env, cwd=base, stdout=log, stderr=log, **unprivileged("postgres")
        )
    ready = [str(server.binaries / "pg_isready"), "-q", "-h", server.host, "-p", str(server.port)]
    wait_until(lambda: subprocess.run(ready, check=False).returncode == 0, "PostgreSQL", process=server.process)


def start_replica(parent: Path, primary: Postgres, host: str = "127.0.0.1", name: str = "replica", **settings: str):
    """A streaming replica of a server, on an address or a port of its own."""
    identity = unprivileged("postgres")
    base = own_directory(parent, f"{name}{free_port()}", identity)
    source = f"host={primary.host} port={primary.port} user={primary.superuser} application_name={name}"
    subprocess.run(
        [
            str(primary.binaries / "pg_basebackup"),
            f"--dbname={source}",
            f"--pgdata={base / 'data'}",
            "--write-recovery-conf",
            "--checkpoint=fast",
            "--no-sync",
        ],
        check=True,
        capture_output=True,
        env={"PATH": os.environ["PATH"], "HOME": str(base), "PGPASSWORD": primary.password},
        cwd=base,
        **identity,
    )
    port = primary.port if host != primary.host else free_port()
    own = {"listen_addresses": host, "port": str(port), "unix_socket_directories": str(base)}
    options = {**primary.options, **own, **settings}
    server = Postgres(host, port, primary.superuser, primary.password, primary.binaries, None, options)
    run_postgres(server, base)
    return server


@dataclass
class Pooler:
    """PgBouncer before a server."""

    port: int
    process: subprocess.Popen

    def stop(self) -> None:
        end(self.process, signal.SIGINT)


def start_pooler(
    parent: Path, target: Postgres, users: dict[str, str], aliases: dict[str, str] | None = None, **settings: str
) -> Pooler:
    """Start PgBouncer, which knows these users with their passwords. An alias is another name of a database."""
    program = shutil.which("pgbouncer") or next(iter(glob.glob("/usr/sbin/pgbouncer")), None)
    if program is None:
        raise RuntimeError("PgBouncer is not installed: apt-get install --no-install-recommends pgbouncer")
    identity = unprivileged("postgres")
    port = free_port()
    base = own_directory(parent, f"pgbouncer{port}", identity)
    lines = [" ".join('"' + text.replace('"', '""') + '"' for text in user) for user in users.items()]
    options = {
        "listen_addr": "127.0.0.1",
        "listen_port": str(port),
        "unix_socket_dir": "",
        "auth_type": "scram-sha-256",
        "auth_file": str(base / "users"),
        **settings,
    }
    words = [f"{name} = {value}" for name, value in options.items()]
    (base / "users").write_text("\n".join(lines) + "\n")
    place = f"host={target.host} port={target.port}"
    databases = ["[databases]", *(f"{alias} = {place} dbname={name}" for alias, name in (aliases or {}).items())]
    databases.append(f"* = {place}")
    (base / "pgbouncer.ini").write_text("\n".join([*databases, "[pgbouncer]", *words]) + "\n")
    with open(base / "log", "wb") as log:
        process = subprocess.Popen([program, str(base / "pgbouncer.ini")], cwd=base, stdout=log, stderr=log, **identity)
    wait_until(lambda: port_open(port, options["listen_addr"]), "PgBouncer", process=process)
    return Pooler(port, process)


@dataclass
class MariaDB:
    """A MariaDB server whose root may come in over TCP with a password."""

    host: str
    port: int
    superuser: str
    password: str
    process: subprocess.Popen

    def stop(self) -> None:
        end(self.process)


def mariadb_program() -> str | None:
    """The server program of Debian's mariadb-server."""
    return shutil.which("mariadbd") or next(iter(glob.glob("/usr/sbin/mariadbd")), None)


def start_mariadb(parent: Path) -> MariaDB:
    """Make a data directory and start MariaDB on it."""
    program = mariadb_program()
    if program is None:
        raise RuntimeError("MariaDB is not installed: apt-get install --no-install-recommends mariadb-server")
    identity = unprivileged("mysql")
    base = own_directory(parent, f"mariadb{free_port()}", identity)
    env = {"PATH": os.environ["PATH"] + ":/usr/sbin", "HOME": str(base), "TMPDIR": str(base)}
    subprocess.run(
        [
            "mariadb-install-db",
            "--no-defaults",
            f"--datadir={base / 'data'}",
            "--skip-test-db",
            "--auth-root-authentication-method=normal",
        ],
        check=True,
        capture_output=True,
        env=env,
        cwd=base,
        **identity,
    )
    port = free_port()
    init = base / "init.sql"
    init.write_text(
        "CREATE USER 'super'@'127.0.0.1' IDENTIFIED BY 'superuser secret';\n"
        "GRANT ALL PRIVILEGES ON *.* TO 'super'@'127.0.0.1' WITH GRANT OPTION;\n"
    )
    init.chmod(0o644)
    log = open(base / "log", "wb")  # noqa: SIM115 - the server keeps it open
    process = subprocess.Popen(
        [
            program,
            "--no-defaults",
            f"--datadir={base / 'data'}",
            f"--port={port}",
            "--bind-address=127.0.0.1",
            f"--socket={base / 'socket'}",
            f"--pid-file={base / 'pid'}",
            f"--init-file={init}",
            "--skip-name-resolve",
            "--innodb-flush-log-at-trx-commit=0",
            "--character-set-server=utf8mb4",
        ],
        env=env,
        cwd=base,
        stdout=log,
        stderr=log,
        **identity,
    )
    wait_until(lambda: port_open(port), "MariaDB", process=process)
    return MariaDB("127.0.0.1", port, "super", "superuser secret", process)


@dataclass
class ObjectStore:
    """An S3 endpoint with one key pair that may do everything."""

    endpoint: str
    access_key: str
    secret_key: str
    process: subprocess.Popen
    ports: list[int]

    def stop(self) -> None:
        # Its graceful end takes many seconds, and nothing is kept.
        end(self.process, signal.SIGKILL)
        for port in self.ports:
            for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                left.unlink(missing_ok=True)


def start_object_store(parent: Path, weed: Path) -> ObjectStore:
    """Start SeaweedFS with its S3 gateway; again with other ports when somebody took one of them in between."""
    for attempt in (1, 2, 3):
        store = _try_object_store(parent, weed)
        if store is not None:
            return store
        time.sleep(attempt)
    raise RuntimeError("SeaweedFS did not start three times")


def _speaks_s3(port: int) -> bool:
    """Whether an S3 gateway answers: a request without a signature is turned away by it."""
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        connection.request("GET", "/")
        answer = connection.getresponse()
        return b"<" in answer.read(500)
    except (OSError, http.client.HTTPException):
        return False


def _try_object_store(parent: Path, weed: Path) -> ObjectStore | None:
    """All of SeaweedFS in one process; None when it ended at once."""
    base = parent / f"seaweedfs{free_port()}"
    base.mkdir()
    (base / "identities.json").write_text(
        '{"identities": [{"name": "all", "credentials": [{"accessKey": "AKIAGUARD", "secretKey": "s3 secret/+="}],'
        ' "actions": ["Admin", "Read", "Write", "List", "Tagging"]},'
        ' {"name": "reader", "credentials": [{"accessKey": "AKIAREADER", "secretKey": "reader secret"}],'
        ' "actions": ["Read", "List"]}]}'
    )
    ports = [free_port() for _ in range(5)]
    # The master derives its gRPC port by adding 10000, so all ports are named to keep them in range.
    grpc = [free_port() for _ in range(4)]
    log = open(base / "log", "wb")  # noqa: SIM115 - the server keeps it open
    process = subprocess.Popen(
        [
            str(weed),
            "-logtostderr=true",
            "server",
            f"-dir={base}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-filer",
            "-s3",
            "-s3.autoCreateBucket=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            f"-master.port={ports[0]}",
            f"-master.port.grpc={grpc[0]}",
            f"-volume.port={ports[1]}",
            f"-volume.port.grpc={grpc[1]}",
            f"-filer.port={ports[2]}",
            f"-filer.port.grpc={grpc[2]}",
            f"-s3.port={ports[3]}",
            f"-s3.port.grpc={grpc[3]}",
            f"-s3.config={base / 'identities.json'}",
            "-master.volumeSizeLimitMB=64",
            "-volume.max=2000",
            "-master.telemetry=false",
        ],
        cwd=base,
        stdout=log,
        stderr=log,
        env={"PATH": os.environ["PATH"], "HOME": str(base)},
    )
    try:
        wait_until(lambda: process.poll() is not None or _speaks_s3(ports[3]), "SeaweedFS")
        time.sleep(0.3)
    except RuntimeError:
        end(process, signal.SIGKILL)
    if process.poll() is not None:
        return None
    return ObjectStore(f"http://127.0.0.1:{ports[3]}", "AKIAGUARD", "s3 secret/+=", process, ports + grpc)
