# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""Fixtures: real servers for the session, and deployments of the guard on databases of their own."""

from __future__ import annotations

import copy
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parent))

import releases
import servers

# As pip installs it, with the metadata by which MLflow finds its repositories of artifacts.
GUARD = releases.guard()
# Every character that has a meaning in a URL, a shell, SQL, a password file or a configuration file.
HOSTILE = "p@:/#%[]&$'\"` \\ü%41"
OWNER, SERVER = "mlflow_owner", "mlflow_server"
NUMBERS = itertools.count(1)


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes several seconds (runs by default)")


def quoted(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


class Cluster:
    """The PostgreSQL server of the tests, with the two roles and templates of databases."""

    def __init__(self, server: servers.Postgres) -> None:
        self.server = server
        self.templates: dict[str, str] = {}
        self.execute(
            f"CREATE ROLE {OWNER} LOGIN PASSWORD {quoted(HOSTILE)}",
            f"CREATE ROLE {SERVER} LOGIN PASSWORD {quoted(HOSTILE)}",
        )

    def url(self, database: str = "postgres", user: str | None = None, password: str | None = None) -> sa.URL:
        return sa.URL.create(
            "postgresql+psycopg2",
            user or self.server.superuser,
            (HOSTILE if user in (OWNER, SERVER) else self.server.password) if password is None else password,
            self.server.host,
            self.server.port,
            database,
        )

    def execute(self, *statements: str, database: str = "postgres", user: str | None = None) -> list:
        """Run statements one by one, each committed; the rows of the last."""
        engine = sa.create_engine(self.url(database, user), isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool)
        rows = []
        with engine.connect() as connection:
            for statement in statements:
                result = connection.exec_driver_sql(statement.replace("%", "%%"))
                rows = result.all() if result.returns_rows else []
        return rows

    def create(self, database: str, template: str = "template0", owner: str = OWNER) -> str:
        self.execute(f"CREATE DATABASE {database} OWNER {owner} TEMPLATE {template}")
        return database

    def drop(self, database: str) -> None:
        self.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    def environment(self) -> dict:
        return {
            **os.environ,
            "PGPASSWORD": self.server.password,
            "PGHOST": self.server.host,
            "PGPORT": str(self.server.port),
            "PGUSER": self.server.superuser,
        }

    def dump(self, database: str) -> bytes:
        """All of a database as text. A fixed key keeps pg_dump from putting a random one into its output."""
        command = ["pg_dump", "--restrict-key=guard", database]
        answer = subprocess.run(command, env=self.environment(), capture_output=True, check=False)
        if b"restrict-key" in answer.stderr:
            command.remove("--restrict-key=guard")
            answer = subprocess.run(command, env=self.environment(), capture_output=True, check=False)
        assert answer.returncode == 0, answer.stderr.decode()
        return answer.stdout

    def load(self, database: str, file: Path) -> None:
        answer = subprocess.run(
            ["psql", "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", f"--dbname={database}", f"--file={file}"],
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.returncode == 0, answer.stderr

    def template(self, name: str, make) -> str:
        """A database that is made once and copied for every test that wants one like it."""
        if name not in self.templates:
            database = self.create("template_" + name.replace(".", "_").replace("-", "_"))
            make(database)
            self.templates[name] = database
        return self.templates[name]

    def head(self) -> str:
        """A template with a database at the head of the installed MLflow, made by MLflow itself."""

        def make(database: str) -> None:
            from mlflow.store.db import utils

            engine = sa.create_engine(self.url(database, OWNER), poolclass=sa.pool.NullPool)
            utils._initialize_tables(engine)

        return self.template("head", make)

    def old(self, release: str, script: str = releases.FILL) -> str:
        """A template with a database that an older release made and filled."""

        def make(database: str) -> None:
            def by_release() -> bytes:
                maker = self.create(f"maker{next(NUMBERS)}")
                try:
                    releases.fill(release, self.url(maker, OWNER).render_as_string(hide_password=False), script)
                    return self.dump(maker)
                finally:
                    self.drop(maker)

            self.load(database, releases.cached_sql(f"mlflow-{release}", (release, script), by_release))

        return self.template(f"{release}_{'auth' if script == releases.FILL_AUTH else 'tracking'}", make)


@dataclass
class Answered:
    """What one call of the guard gave."""

    code: int
    document: dict
    stdout: str
    stderr: str
    seconds: float

    @property
    def codes(self) -> set[str]:
        return {each["code"] for each in self.document["findings"]}

    def errors(self) -> set[str]:
        return {each["code"] for each in self.document["findings"] if each["severity"] == "error"}

    def finding(self, code: str) -> dict:
        return next(each for each in self.document["findings"] if each["code"] == code)


class Deployment:
    """A configuration of the guard on one database, and the guard's own program."""

    def __init__(self, folder: Path, cluster: Cluster, database: str, extras: Path) -> None:
        self.folder, self.cluster, self.database, self.extras = folder, cluster, database, extras
        (folder / "password").write_text(HOSTILE + "\n")
        (folder / "artifacts").mkdir(exist_ok=True)
        self.port, self.readiness_port = servers.free_port(), servers.free_port()
        self.config = {
            "deployment": "test",
            "backend_store": self.store(database),
            "registry_store": None,
            "auth_store": None,
            "artifacts": {
                "mode": "proxied",
                "destination": str(folder / "artifacts"),
                "default_artifact_root": None,
                "endpoint_url": None,
            },
            "argv": ["--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"],
            "secret_environment": {},
            "schema_dumps": str(folder / "dumps"),
        }
        self.variables: dict[str, str] = {}

    def store(self, database: str) -> dict:
        login = {"password_file": str(self.folder / "password")}
        return {
            "drivername": "postgresql+psycopg2",
            "host": self.cluster.server.host,
            "port": self.cluster.server.port,
            "database": database,
            "query": {},
            "server": {"username": SERVER, **login},
            "owner": {"username": OWNER, **login},
        }

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "PG", "AWS_"))}
        path = os.pathsep.join([str(GUARD), str(self.extras), kept.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        return {
            **kept,
            "PYTHONPATH": path,
            "MLFLOW_GUARD_REFUSAL_PAUSE": "0",
            "MLFLOW_GUARD_WAIT": "0",
            "MLFLOW_GUARD_READINESS_PORT": str(self.readiness_port),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "TMPDIR": str(self.temporary),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), kept["PATH"]]),
            **self.variables,
        }

    @property
    def temporary(self) -> Path:
        path = self.folder / "tmp"
        path.mkdir(exist_ok=True)
        return path

    def command(self, *arguments: str) -> list[str]:
        # Each call has its own file: several may run at once.
        file = self.folder / f"config{next(NUMBERS)}.json"
        file.write_text(json.dumps(self.config))
        return [sys.executable, "-m", "mlflow_guard", "--config", str(file), *arguments]

    def start(self, *arguments: str, **options) -> subprocess.Popen:
        return subprocess.Popen(self.command(*arguments), env=self.environment(), cwd=self.folder, text=True, **options)

    def run(self, *arguments: str, timeout: float = 120) -> Answered:
        begun = time.monotonic()
        answer = subprocess.run(
            self.command(*arguments),
            env=self.environment(),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return self.answered(answer.returncode, answer.stdout, answer.stderr, time.monotonic() - begun)

    def readiness(self) -> tuple[int, dict]:
        """Status and document of the readiness endpoint; (0, {}) while nothing listens."""
        try:
            return servers.get(self.readiness_port, "/ready")
        except OSError:
            return 0, {}

    def run_all(self, *commands: list[str]) -> list[Answered]:
        """Several calls at once, for those that must not disturb each other."""
        running = [self.start(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for command in commands]
        ended = [(process, *process.communicate(timeout=180)) for process in running]
        return [self.answered(process.returncode, stdout, stderr) for process, stdout, stderr in ended]

    def answered(self, code: int, stdout: str, stderr: str, seconds: float = 0) -> Answered:
        self.assert_no_secret(stdout + stderr)
        lines = stdout.strip().splitlines()
        assert lines, f"no answer, exit code {code}: {stderr}"
        document = json.loads(lines[-1])
        assert document["exit_code"] == code, stderr
        return Answered(code, document, stdout, stderr, seconds)

    @staticmethod
    def assert_no_secret(text: str) -> None:
        for form in (
            HOSTILE,
            urllib.parse.quote(HOSTILE, safe=""),
            urllib.parse.quote_plus(HOSTILE),
            json.dumps(HOSTILE)[1:-1],
        ):
            assert form not in text, "a password was shown"

    def dump(self) -> bytes:
        return self.cluster.dump(self.database)

    def copy(self, **changes) -> Deployment:
        """The same deployment with another configuration."""
        other = copy.copy(self)
        other.config = {**copy.deepcopy(self.config), **changes}
        other.variables = dict(self.variables)
        return other


def with_older_image(deployment: Deployment, release: str, *command: str) -> Answered:
    """The guard with the interpreter and packages of an older MLflow."""
    packages = next((releases.mlflow(release).parent / "lib").glob("python*/site-packages"))
    environment = deployment.environment()
    environment["PYTHONPATH"] = os.pathsep.join([str(GUARD), str(packages)])
    arguments = deployment.command(*command)
    arguments[0] = str(releases.mlflow(release) / "python")
    process = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
    return deployment.answered(process.returncode, process.stdout, process.stderr)


@pytest.fixture(scope="session")
def scratch():
    """Where servers keep their data: not below pytest's folder, which other sessions close to other users."""
    folder = Path(tempfile.mkdtemp(prefix="mlflow-guard-tests-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def cluster(scratch):
    """PostgreSQL: the one of MLFLOW_GUARD_TEST_POSTGRES (URL of a superuser), or a new one."""
    given = os.environ.get("MLFLOW_GUARD_TEST_POSTGRES")
    if given:
        url = sa.make_url(given)
        server = servers.Postgres(url.host, url.port or 5432, url.username, url.password or "", servers.postgres_bin())
    else:
        server = servers.start_postgres(scratch)
    try:
        found = Cluster(server)
        yield found
        for database in found.templates.values():
            found.drop(database)
        if given:
            found.execute(f"DROP ROLE {SERVER}", f"DROP ROLE {OWNER}")
    finally:
        server.stop()


@pytest.fixture(scope="session")
def extras():
    """Packages of the server's image that the developers' environment does not have."""
    return releases.packages("extras", releases.EXTRAS)


@pytest.fixture(scope="session")
def object_store(scratch):
    store = servers.start_object_store(scratch, releases.weed())
    yield store
    store.stop()


@pytest.fixture(scope="session")
def mariadb(scratch):
    if servers.mariadb_program() is None:
        pytest.skip("MariaDB is not installed (apt-get install --no-install-recommends mariadb-server)")
    server = servers.start_mariadb(scratch)
    yield server
    server.stop()


@pytest.fixture
def deploy(tmp_path, cluster, extras):
    """Makes deployments on new databases: empty ones, or copies of a template."""
    made = []

    def make(template: str = "template0", owner: str = OWNER) -> Deployment:
        database = cluster.create(f"guard{next(NUMBERS)}", template, owner)
        made.append(database)
        folder = tmp_path / database
        folder.mkdir()
        return Deployment(folder, cluster, database, extras)

    yield make
    for database in made:
        cluster.drop(database)


@pytest.fixture
def ready(deploy, cluster):
    """A deployment at head with rights, record and marker, as the schema step leaves it."""
    deployment = deploy(cluster.head())
    answer = deployment.run("schema", "--mode", "initialize")
    assert answer.code == 0, answer.document
    return deployment


def have(program: str) -> bool:
    return shutil.which(program) is not None
