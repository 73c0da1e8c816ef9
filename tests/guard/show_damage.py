# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""Write docs/damage.md: what plain `mlflow server` does to a database, beside what the guard does with the same one.

Everything is run for real, with the installed MLflow and, where the text says so, with older releases:

    PYTHONPATH=guard python tests/guard/show_damage.py
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import boto3
import releases
import servers
import test_states as states
from conftest import HOSTILE, NUMBERS, OWNER, SERVER, Cluster, Deployment, with_older_image
from mlflow_guard.inspect import revisions

TARGET = Path(__file__).parents[2] / "docs/damage.md"
PASSWORD = "secret"
KEYS = ("aws_access_key_id", "aws_secret_access_key", "region_name")
ROLE = "mlflow"


@dataclass
class Shown:
    """One class of damage."""

    title: str
    situation: str
    command: str
    happened: list[str] = field(default_factory=list)
    guard: list[str] = field(default_factory=list)


class Stage:
    """Servers, roles and databases of the demonstration."""

    def __init__(self, folder: Path, extras: Path) -> None:
        self.folder, self.extras = folder, extras
        self.cluster = Cluster(servers.start_postgres(folder))
        # The usual set-up: one role that owns the database and runs the server.
        self.cluster.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'", f"GRANT {OWNER} TO {ROLE}")

    def database(self, template: str = "template0") -> str:
        name = f"show{next(NUMBERS)}"
        return self.cluster.create(name, template, OWNER)

    def uri(self, database: str, query: str = "") -> str:
        # Tables are made as the owner, as if the role were that itself.
        url = self.cluster.url(database, ROLE, PASSWORD).render_as_string(hide_password=False)
        return f"{url}?options=-crole%3D{OWNER}{query}"

    def tables(self, database: str, schema: str = "public") -> set[str]:
        return {
            row[0]
            for row in self.cluster.execute(
                f"SELECT tablename FROM pg_tables WHERE schemaname = '{schema}'", database=database
            )
        }

    def revision(self, database: str) -> str:
        return ", ".join(
            row[0] for row in self.cluster.execute("SELECT version_num FROM alembic_version", database=database)
        )

    def environment(self, **more: str) -> dict:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "PG", "AWS_"))}
        return {
            **kept,
            "PYTHONPATH": str(self.extras),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            **more,
        }

    def program(self, release: str | None) -> str:
        return str(releases.mlflow(release) / "mlflow") if release else str(Path(sys.executable).parent / "mlflow")

    def client(self, words: list[str], release: str | None = None, **more: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [self.program(release), *words],
            env=self.environment(**more),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )

    def deployment(self, database: str) -> Deployment:
        folder = self.folder / f"deployment{next(NUMBERS)}"
        folder.mkdir()
        self.cluster.execute(
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {SERVER}", database=database
        )
        return Deployment(folder, self.cluster, database, self.extras)

    def refusal(self, deployment: Deployment) -> list[str]:
        """The start gate and the schema step on the same database, with the dump before and after."""
        before = hashlib.sha256(deployment.dump()).hexdigest()
        lines = []
        for command in (["serve"], ["schema", "--mode", "upgrade"]):
            answer = deployment.run(*command)
            codes = ", ".join(f"`{code}`" for code in sorted(answer.errors())) or "no finding"
            lines.append(f"`mlflow-guard {' '.join(command)}`: exit code {answer.code}, {codes}")
            if command == ["serve"] and answer.errors():
                lines.append(f"> {shorten(answer.document['findings'][0]['message'])}")
        after = hashlib.sha256(deployment.dump()).hexdigest()
        lines.append(compared(before, after))
        if before != after:
            raise RuntimeError(f"the guard changed a database: {lines}")
        return lines


class PlainServer:
    """`mlflow server` as everybody starts it."""

    def __init__(
        self, stage: Stage, uri: str, *more: str, release: str | None = None, wait: bool = True, **environment: str
    ) -> None:
        self.stage, self.port = stage, servers.free_port()
        self.folder = stage.folder / f"plain{next(NUMBERS)}"
        self.folder.mkdir()
        self.log = self.folder / "log"
        words = [
            "server",
            "--backend-store-uri",
            uri,
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--workers",
            "1",
            *more,
        ]
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                [stage.program(release), *words],
                env=stage.environment(**environment),
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if wait:
            self.result = self.outcome()

    def healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def outcome(self, seconds: float = 90) -> str:
        """ready, or the exit code with the last words."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                return f"exit code {self.process.returncode}: `{last_words(self.log.read_text())}`"
            if self.healthy():
                return "the server is **ready**, `/health` answers 200"
            time.sleep(0.2)
        return f"not ready after {seconds:.0f} s"

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def put(self, path: str, content: bytes) -> int:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=content, method="PUT")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    def stop(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def compared(before: str, after: str) -> str:
    """Two dumps in words."""
    return f"dump before and after: {'identical' if before == after else 'DIFFERENT'} (sha256 {before[:12]})"


def shorten(text: str) -> str:
    """Without what is only of this run."""
    text = re.sub(r"http://127\.0\.0\.1:\d+", "http://s3:8333", text)
    text = re.sub(r"127\.0\.0\.1:\d+", "postgres:5432", text)
    text = re.sub(r"/\S*?/deployment\d+/artifacts", "/mlartifacts", text)
    text = re.sub(r"/\S*?/deployment\d+/other", "/other-artifacts", text)
    return re.sub(r"'show\d+'", "'mlflow'", text)


def last_words(log: str) -> str:
    """The line of the error."""
    lines = [
        line.strip()
        for line in log.splitlines()
        if re.match(
            r"^(\S*(Error|Exception)\b|sqlalchemy\.|psycopg2\.|alembic\.|mlflow\.exc|\S+ ERROR|Error)", line.strip()
        )
    ]
    text = (lines or log.strip().splitlines() or [""])[-1]
    text = re.sub(r"^\S+ \S+ ERROR \S+: ", "", text)
    return shorten(text.replace("`", "'"))[:230]


def left(before: set[str], after: set[str]) -> str:
    """Which tables a command made."""
    new = sorted(after - before)
    return (
        f"{len(new)} tables were made"
        if len(new) > 8
        else (f"it left {len(new)} tables behind: {', '.join(new)}" if new else "no table was made")
    )


def empty_by_a_wrong_name(stage: Stage) -> Shown:
    shown = Shown(
        "An empty database by a wrong name",
        "The database's name has a typing error, and an empty database of that name exists.",
        "mlflow server --backend-store-uri postgresql+psycopg2://…/mlfow",
    )
    database = stage.database()
    deployment = stage.deployment(database)
    shown.guard = stage_refusal_of_serve(stage, deployment)
    with PlainServer(stage, stage.uri(database)) as server:
        shown.happened = [
            server.result,
            left(set(), stage.tables(database)),
            "all experiments seem to be gone, without an error",
        ]
    return shown


def stage_refusal_of_serve(stage: Stage, deployment: Deployment) -> list[str]:
    before = hashlib.sha256(deployment.dump()).hexdigest()
    answer = deployment.run("serve")
    if hashlib.sha256(deployment.dump()).hexdigest() != before:
        raise RuntimeError("the guard changed a database")
    return [
        f"`mlflow-guard serve`: exit code {answer.code}, " + ", ".join(f"`{code}`" for code in sorted(answer.errors())),
        f"> {shorten(answer.document['findings'][0]['message'])}",
        f"dump before and after: identical (sha256 {before[:12]})",
    ]


def of_another(stage: Stage, title: str, situation: str, make) -> Shown:
    """A database of another application."""
    shown = Shown(title, situation, "mlflow server --backend-store-uri postgresql+psycopg2://…/other")
    guarded, plain = stage.database(), stage.database()
    for database in (guarded, plain):
        folder = stage.folder / f"application{next(NUMBERS)}"
        folder.mkdir()
        make(stage.cluster, database, folder)
    deployment = stage.deployment(guarded)
    shown.guard = stage.refusal(deployment)
    before = stage.tables(plain)
    with PlainServer(stage, stage.uri(plain)) as server:
        shown.happened = [server.result, left(before, stage.tables(plain))]
    return shown


def older(stage: Stage) -> Shown:
    shown = Shown(
        "A newer image on an older database",
        "The database was made by MLflow 2.22.1 and is in use; somebody starts a newer image on it, perhaps by "
        "`latest`.",
        "mlflow server --backend-store-uri postgresql+psycopg2://…/mlflow",
    )
    template = stage.cluster.old("2.22.1")
    guarded, plain = stage.database(template), stage.database(template)
    shown.guard = stage_refusal_of_serve(stage, stage.deployment(guarded))
    first = stage.revision(plain)
    with PlainServer(stage, stage.uri(plain)) as server:
        shown.happened = [
            server.result,
            f"alembic_version went from {first} to {stage.revision(plain)} without a question, a lock or a dump",
        ]
    with PlainServer(stage, stage.uri(plain), release="2.22.1") as server:
        shown.happened.append(f"MLflow 2.22.1, started again on it: {server.result}")
    return shown


def older_by_a_client(stage: Stage) -> Shown:
    shown = Shown(
        "A client command on an older database",
        "Somebody lists experiments from a laptop with a newer MLflow and the database's address.",
        "MLFLOW_TRACKING_URI=postgresql+psycopg2://…/mlflow mlflow experiments search",
    )
    template = stage.cluster.old("3.16.0")
    guarded, plain = stage.database(template), stage.database(template)
    first = stage.revision(plain)
    answer = stage.client(["experiments", "search"], MLFLOW_TRACKING_URI=stage.uri(plain))
    shown.happened = [f"exit code {answer.returncode}", f"alembic_version went from {first} to {stage.revision(plain)}"]
    stage.cluster.execute(
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {SERVER}", database=guarded
    )
    before = hashlib.sha256(stage.cluster.dump(guarded)).hexdigest()
    uri = stage.cluster.url(guarded, SERVER, HOSTILE).render_as_string(hide_password=False)
    answer = stage.client(["experiments", "search"], MLFLOW_TRACKING_URI=uri)
    after = hashlib.sha256(stage.cluster.dump(guarded)).hexdigest()
    shown.guard = [
        f"the same command with the server's role: exit code {answer.returncode}, `{last_words(answer.stderr)}`",
        compared(before, after),
    ]
    return shown


def newer(stage: Stage) -> Shown:
    shown = Shown(
        "An older image on a newer database",
        "After an upgrade one replica, or a rollback, still has the image of MLflow 3.0.1.",
        "mlflow server --backend-store-uri postgresql+psycopg2://…/mlflow   # MLflow 3.0.1",
    )
    database = stage.database(stage.cluster.head())
    with PlainServer(stage, stage.uri(database), release="3.0.1") as server:
        shown.happened = [server.result]
    database = stage.database(stage.cluster.head())
    with PlainServer(stage, stage.uri(database), release="3.16.0") as server:
        shown.happened.append(f"MLflow 3.16.0: {server.result} (the database is newer, and the advice cannot work)")
    deployment = stage.deployment(stage.database(stage.cluster.head()))
    assert deployment.run("schema", "--mode", "initialize").code == 0
    before = hashlib.sha256(deployment.dump()).hexdigest()
    for command in (["serve"], ["schema", "--mode", "upgrade"]):
        answer = with_older_image(deployment, "3.0.1", *command)
        codes = ", ".join(f"`{code}`" for code in sorted(answer.errors()))
        said = f"exit code {answer.code}, {codes}"
        shown.guard.append(f"`mlflow-guard {' '.join(command)}` in the image of 3.0.1: {said}")
    shown.guard.append(f"> {shorten(answer.document['findings'][0]['message'])}")
    after = hashlib.sha256(deployment.dump()).hexdigest()
    shown.guard.append(compared(before, after))
    return shown


def lost_version(stage: Stage) -> Shown:
    shown = Shown(
        "The version table was lost",
        "A copy of the database left out the table `alembic_version`.",
        "mlflow db upgrade postgresql+psycopg2://…/mlflow",
    )
    guarded, plain = stage.database(stage.cluster.head()), stage.database(stage.cluster.head())
    for database in (guarded, plain):
        stage.cluster.execute("DROP TABLE alembic_version", database=database)
    with PlainServer(stage, stage.uri(plain)) as server:
        shown.happened = [f"`mlflow server`: {server.result}"]
    answer = stage.client(["db", "upgrade", stage.uri(plain)])
    shown.happened.append(
        f"the advised `mlflow db upgrade`: exit code {answer.returncode}, `{last_words(answer.stderr)}`"
    )
    shown.guard = stage.refusal(stage.deployment(guarded))
    return shown


def half(stage: Stage) -> Shown:
    shown = Shown(
        "A half-migrated database",
        "A column is missing: a migration was repaired by hand, or did not end on a server without transactional DDL.",
        "mlflow server --backend-store-uri postgresql+psycopg2://…/mlflow",
    )
    guarded, plain = stage.database(stage.cluster.head()), stage.database(stage.cluster.head())
    for database in (guarded, plain):
        stage.cluster.execute(
            "ALTER TABLE trace_info DROP COLUMN execution_time_ms",
            "ALTER TABLE runs DROP COLUMN deleted_time",
            database=database,
        )
    with PlainServer(stage, stage.uri(plain)) as server:
        status, body = server.get("/api/2.0/mlflow/runs/get?run_id=" + "0" * 32)
        shown.happened = [
            server.result,
            f"the first request for a run: {status}, `{shorten(' '.join(body.split()))[:160]}`",
        ]
    shown.guard = stage.refusal(stage.deployment(guarded))
    return shown


def race(stage: Stage) -> Shown:
    shown = Shown(
        "Several servers at once on an empty database",
        "Two replicas start together for the first time.",
        "mlflow server …   # twice at once",
    )
    plain = stage.database()
    pair = [PlainServer(stage, stage.uri(plain), wait=False) for _ in range(2)]
    shown.happened = [server.outcome() for server in pair]
    for server in pair:
        server.stop()
    deployment = stage.deployment(stage.database())
    answers = deployment.run_all(*[["schema", "--mode", "initialize"]] * 10)
    shown.guard = [
        "ten `mlflow-guard schema --mode initialize` at once: exit codes "
        f"{sorted({answer.code for answer in answers})},"
        f" changed by {sum(answer.document['changed'] for answer in answers)}, all at "
        f"{answers[0].document['databases']['backend_store']['revision']}"
    ]
    return shown


def search_path(stage: Stage) -> Shown:
    shown = Shown(
        "A lost search_path",
        "MLflow lives in the schema `mlf`, and the connection option that said so was lost.",
        "mlflow server --backend-store-uri postgresql+psycopg2://…/mlflow   # without ?options=-csearch_path=mlf",
    )
    guarded, plain = stage.database(), stage.database()
    for database in (guarded, plain):
        stage.cluster.execute("CREATE SCHEMA mlf", database=database, user=OWNER)
        answer = stage.client(["db", "upgrade", stage.uri(database, "%20-csearch_path%3Dmlf")])
        assert answer.returncode == 0, answer.stderr
    with PlainServer(stage, stage.uri(plain)) as server:
        shown.happened = [
            server.result,
            f"a second, empty MLflow with {len(stage.tables(plain))} tables in `public` beside the "
            f"{len(stage.tables(plain, 'mlf'))} in `mlf`",
        ]
    shown.guard = stage.refusal(stage.deployment(guarded))
    return shown


def recreated(stage: Stage) -> Shown:
    shown = Shown(
        "A database that is made anew under a running server",
        "The database is dropped and created again, for example before a restore, while servers run.",
        "DROP DATABASE mlflow; CREATE DATABASE mlflow   # then one API request to a worker that has no store yet",
    )
    plain = stage.database(stage.cluster.head())
    with PlainServer(stage, stage.uri(plain)) as server:
        stage.cluster.drop(plain)
        stage.cluster.create(plain)
        status, _ = server.get("/api/2.0/mlflow/experiments/search?max_results=1")
        shown.happened = [
            f"the request: {status}",
            f"{len(stage.tables(plain))} tables are there again, and the restore fails on them",
        ]
    deployment = stage.deployment(stage.database())
    assert deployment.run("schema", "--mode", "initialize").code == 0
    with open(deployment.folder / "log", "w") as log:
        process = deployment.start("serve", stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{deployment.port}"
        servers.wait_until(lambda: reached(url + "/health") == 200, "mlflow server", process=process)
        stage.cluster.drop(deployment.database)
        stage.cluster.create(deployment.database)
        before = hashlib.sha256(deployment.dump()).hexdigest()
        status = reached(url + "/api/2.0/mlflow/experiments/search?max_results=1", 130)
        after = hashlib.sha256(deployment.dump()).hexdigest()
        shown.guard = [
            f"with the server's role: the request gives {status}, {len(stage.tables(deployment.database))} tables",
            compared(before, after),
        ]
    finally:
        process.terminate()
        process.wait(30)
    return shown


def reached(url: str, seconds: float = 3) -> int:
    try:
        with urllib.request.urlopen(url, timeout=seconds) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def destination(stage: Stage) -> Shown:
    shown = Shown(
        "Another artifacts destination",
        "The destination is changed, mistyped or an empty volume is mounted; MLflow keeps no record of it.",
        "mlflow server … --artifacts-destination /other-artifacts",
    )
    plain = stage.database(stage.cluster.head())
    folders = [stage.folder / f"artifacts{next(NUMBERS)}" for _ in range(2)]
    path = "/api/2.0/mlflow-artifacts/artifacts"
    with PlainServer(stage, stage.uri(plain), "--artifacts-destination", str(folders[0])) as server:
        server.put(f"{path}/0/run/artifacts/model.bin", b"model")
    with PlainServer(stage, stage.uri(plain), "--artifacts-destination", str(folders[1])) as server:
        status, body = server.get(f"{path}?path=0/run/artifacts")
        shown.happened = [
            server.result,
            f"the list of the run's artifacts: {status}, `{' '.join(body.split())}`",
            f"a download: {server.get(f'{path}/0/run/artifacts/model.bin')[0]}",
            f"an upload goes to the new place: {server.put(f'{path}/0/run/artifacts/new.bin', b'x')}",
        ]
    deployment = stage.deployment(stage.database(stage.cluster.head()))
    assert deployment.run("schema", "--mode", "initialize").code == 0
    (deployment.folder / "other").mkdir()
    deployment.config["artifacts"]["destination"] = str(deployment.folder / "other")
    shown.guard = stage.refusal(deployment)
    return shown


def bucket(stage: Stage) -> Shown:
    shown = Shown(
        "A destination that does not exist",
        "The bucket was never made, or the key may not write there.",
        "mlflow server … --artifacts-destination s3://nobucket",
    )
    store = servers.start_object_store(stage.folder, releases.weed())
    try:
        keys = {
            "AWS_ACCESS_KEY_ID": store.access_key,
            "AWS_SECRET_ACCESS_KEY": store.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
            "MLFLOW_S3_ENDPOINT_URL": store.endpoint,
        }
        with PlainServer(
            stage, stage.uri(stage.database(stage.cluster.head())), "--artifacts-destination", "s3://nobucket", **keys
        ) as server:
            shown.happened = [
                server.result,
                f"the first upload: {server.put('/api/2.0/mlflow-artifacts/artifacts/0/run/artifacts/a', b'x')}",
            ]
        login = dict(zip(KEYS, list(keys.values())[:3], strict=True))
        client = boto3.client("s3", endpoint_url=store.endpoint, **login)
        client.create_bucket(Bucket="mlflow")
        deployment = stage.deployment(stage.database(stage.cluster.head()))
        deployment.config["artifacts"].update(destination="s3://mlflow", endpoint_url=store.endpoint)
        deployment.variables = keys
        assert deployment.run("schema", "--mode", "initialize", "--wait", "30").code == 0
        deployment.config["artifacts"]["destination"] = "s3://nobucket"
        shown.guard = stage.refusal(deployment)
    finally:
        store.stop()
    return shown


def users(stage: Stage) -> Shown:
    shown = Shown(
        "Another application's table `users` as the users' database",
        "With basic-auth, the address of the users' database is that of another application.",
        "mlflow server --app-name basic-auth …   # database_uri of another application in basic_auth.ini",
    )
    statements = [
        "CREATE TABLE users (id serial PRIMARY KEY, email text)",
        "INSERT INTO users (email) VALUES ('ada@example.com')",
    ]
    guarded, plain = stage.database(), stage.database()
    for database in (guarded, plain):
        stage.cluster.execute(*statements, database=database, user=OWNER)
    ini = stage.folder / "auth.ini"
    ini.write_text(
        "[mlflow]\ndefault_permission = READ\ndatabase_uri = "
        + stage.uri(plain).replace("%", "%%")
        + "\nadmin_username = admin\nadmin_password = correct horse battery\n"
    )
    tracking = stage.database()
    with PlainServer(
        stage,
        stage.uri(tracking),
        "--app-name",
        "basic-auth",
        MLFLOW_AUTH_CONFIG_PATH=str(ini),
        MLFLOW_FLASK_SERVER_SECRET_KEY="key",
    ) as server:
        stamp = (
            stage.cluster.execute("SELECT version_num FROM alembic_version_auth", database=plain)
            if "alembic_version_auth" in stage.tables(plain)
            else []
        )
        shown.happened = [
            server.result,
            f"in the other application's database: alembic_version_auth = {stamp[0][0] if stamp else 'none'}",
            f"and the tracking database was made before it failed: {len(stage.tables(tracking))} tables",
        ]
    deployment = stage.deployment(stage.database())
    deployment.config["auth_store"] = deployment.store(guarded)
    before = [hashlib.sha256(stage.cluster.dump(name)).hexdigest() for name in (deployment.database, guarded)]
    answer = deployment.run("schema", "--mode", "upgrade")
    after = [hashlib.sha256(stage.cluster.dump(name)).hexdigest() for name in (deployment.database, guarded)]
    shown.guard = [
        f"`mlflow-guard schema --mode upgrade`: exit code {answer.code}, "
        + ", ".join(f"`{code}`" for code in sorted(answer.errors())),
        f"> {shorten(answer.document['findings'][0]['message'])}",
        f"dumps of both databases before and after: {'identical' if before == after else 'DIFFERENT'} (sha256 "
        f"{before[0][:12]}, {before[1][:12]})",
    ]
    return shown


def everything(stage: Stage) -> list[Shown]:
    foreign = {
        "Another application's database": (
            "It has tables of its own and no alembic.",
            states.sql("CREATE TABLE customers (id int, name text)"),
        ),
        "Another application's database with alembic": (
            "Optuna keeps its studies there, with its own revision in `alembic_version`.",
            states.on(states.optuna_study),
        ),
        "Another application's tables with MLflow's names": (
            "It has tables `tags` and `users` of its own and no alembic.",
            states.sql("CREATE TABLE tags (id int, name text)", "CREATE TABLE users (id int)"),
        ),
    }
    shown = [empty_by_a_wrong_name(stage)]
    shown += [of_another(stage, title, situation, make) for title, (situation, make) in foreign.items()]
    return shown + [
        each(stage)
        for each in (
            users,
            older,
            older_by_a_client,
            newer,
            lost_version,
            half,
            race,
            search_path,
            recreated,
            destination,
            bucket,
        )
    ]


def page(shown: list[Shown], postgres: str) -> str:
    lines = [
        "# What plain `mlflow server` does, and what the guard does instead",
        "",
        "<!-- Written by tests/guard/show_damage.py; run it again instead of editing. -->",
        "",
        f"Every case below was run for real with MLflow {revisions.mlflow_version()} (head "
        f"{revisions.head('backend')}), "
        f"PostgreSQL {postgres} and,",
        "where named, older releases. Plain MLflow worked with a role that owns its database, as its documentation",
        "shows it. The guard worked on an equal database;",
        "a dump of it was taken before and after and compared byte for byte.",
        "",
        "What each finding means and what to do about it: [findings.md](findings.md). The commands: "
        "[guard.md](guard.md).",
        "",
    ]
    for number, each in enumerate(shown, start=1):
        lines += [
            f"## {number}. {each.title}",
            "",
            each.situation,
            "",
            "```",
            each.command,
            "```",
            "",
            "Plain MLflow:",
            "",
        ]
        lines += [f"- {line}" for line in each.happened] + ["", "With the guard:", ""]
        quote = [line for line in each.guard if line.startswith("> ")]
        lines += [f"- {line}" for line in each.guard if not line.startswith("> ")]
        lines += (["", *quote] if quote else []) + [""]
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="mlflow-guard-damage-"))
    folder.chmod(0o711)
    extras = releases.packages("extras", releases.EXTRAS)
    stage = Stage(folder, extras)
    try:
        postgres = stage.cluster.execute("SHOW server_version")[0][0].split()[0]
        TARGET.write_text(page(everything(stage), postgres))
    finally:
        stage.cluster.server.stop()
        shutil.rmtree(folder)
    sys.stdout.write(f"{TARGET}\n")


if __name__ == "__main__":
    main()
