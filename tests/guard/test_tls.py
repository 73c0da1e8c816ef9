# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""Encrypted connections to a real PostgreSQL: each way to fail has its code and a sentence, and the right one works.

The server's certificate is for `localhost` and for no address, so that a client that compares the address instead of
the name would be noticed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import servers
from conftest import OWNER, SERVER, Cluster, Deployment
from test_gate import api
from test_readiness import serving

from tests.stores.authority import Authority

# Who comes in: all with a password and with encryption only. Databases ask for more by their name.
ADMITTED = """
local all all trust
hostssl certified all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca
hostssl named all 127.0.0.1/32 scram-sha-256 clientcert=verify-full
hostssl all all 127.0.0.1/32 scram-sha-256
host all super 127.0.0.1/32 scram-sha-256
"""
DATABASES = ("encrypted", "certified", "named")


@dataclass
class Encrypted:
    """A PostgreSQL that speaks TLS, its authority, and one that it does not know."""

    cluster: Cluster
    own: Authority
    stranger: Authority


def for_server(file: Path, folder: Path) -> Path:
    """A copy that the server's user may read, and nobody else."""
    target = Path(shutil.copy(file, folder / file.name))
    identity = servers.unprivileged("postgres")
    if identity:
        os.chown(target, identity["user"], identity["group"])
    target.chmod(0o600)
    return target


@pytest.fixture(scope="module")
def encrypted(scratch, tmp_path_factory) -> Iterator[Encrypted]:
    folder = scratch / "tls"
    folder.mkdir(mode=0o711)
    authorities = tmp_path_factory.mktemp("authorities")
    own, stranger = Authority(authorities / "own", "own"), Authority(authorities / "stranger", "stranger")
    files = [for_server(file, folder) for file in (*own.issue("localhost"), own.ca)]
    admitted = authorities / "pg_hba.conf"
    admitted.write_text(ADMITTED)
    names = ("ssl_cert_file", "ssl_key_file", "ssl_ca_file")
    settings = {name: str(file) for name, file in zip(names, files, strict=True)}
    server = servers.start_postgres(folder, ssl="on", hba_file=str(for_server(admitted, folder)), **settings)
    try:
        cluster = Cluster(server)
        for name in DATABASES:
            cluster.create(name)
        yield Encrypted(cluster, own, stranger)
    finally:
        server.stop()


@pytest.fixture
def deployment(encrypted, tmp_path, extras) -> Deployment:
    made = Deployment(tmp_path, encrypted.cluster, "encrypted", extras)
    made.config["backend_store"] |= {"host": "localhost", "query": full(encrypted)}
    return made


def full(encrypted: Encrypted) -> dict[str, str]:
    return {"sslmode": "verify-full", "sslrootcert": str(encrypted.own.ca)}


def refused(deployment: Deployment, code: str, *words: str) -> dict:
    """The check and the schema step say the same, and say it in one line."""
    for command in (["check", "--skip-store"], ["schema", "--mode", "initialize", "--dry-run", "--skip-store"]):
        answer = deployment.run(*command)
        assert (answer.code, answer.errors()) == (3, {code}), answer.document
        found = answer.finding(code)
        assert "\n" not in found["found"]
        for word in words:
            assert word in found["found"]
    return found


def test_the_right_certificate_and_name(deployment):
    answer = deployment.run("check", "--skip-store")
    assert answer.errors() == {"schema-empty"}, answer.document


def test_an_authority_that_did_not_sign_it(deployment, encrypted):
    deployment.config["backend_store"]["query"]["sslrootcert"] = str(encrypted.stranger.ca)
    assert refused(deployment, "database-tls", "certificate verify failed")["argument"] == "backend_store.query"


def test_an_authority_that_is_not_there(deployment):
    deployment.config["backend_store"]["query"]["sslrootcert"] = "/nowhere/ca.pem"
    refused(deployment, "database-tls", "/nowhere/ca.pem")


def test_a_certificate_for_another_name(deployment, encrypted):
    """The same server by its address, which the certificate does not have."""
    deployment.config["backend_store"]["host"] = "127.0.0.1"
    refused(deployment, "database-tls", "localhost", "127.0.0.1", "does not match")
    # Whoever does not compare the name gets through: it is the name that was refused.
    deployment.config["backend_store"]["query"]["sslmode"] = "verify-ca"
    assert deployment.run("check", "--skip-store").errors() == {"schema-empty"}


def test_several_hosts_are_compared_each_with_its_own_name(deployment):
    deployment.config["backend_store"]["host"] = "127.0.0.1,localhost"
    refused(deployment, "database-tls", "does not match")


def test_a_server_that_admits_only_encrypted_connections(deployment):
    deployment.config["backend_store"]["query"] = {"sslmode": "disable"}
    found = refused(deployment, "database-not-admitted", "no encryption")
    assert "use TLS" in found["remedy"]


def client(files: tuple[Path, Path]) -> dict[str, str]:
    files[1].chmod(0o600)
    return {"sslcert": str(files[0]), "sslkey": str(files[1])}


def test_client_certificates(deployment, encrypted):
    store = deployment.config["backend_store"]
    store["database"] = "certified"
    refused(deployment, "database-tls", "client certificate")
    store["query"] = full(encrypted) | client(encrypted.own.issue("anybody"))
    assert deployment.run("check", "--skip-store").errors() == {"schema-empty"}
    store["query"] = full(encrypted) | client(encrypted.stranger.issue("anybody"))
    refused(deployment, "database-tls")
    # The certificate of another role, where the database asks for the role's own.
    store["database"] = "named"
    others = client(encrypted.own.issue("somebody_else"))
    store["query"] = full(encrypted) | others
    answer = deployment.run("check", "--skip-store")
    assert (answer.code, answer.errors()) == (3, {"database-auth-failed"})
    assert others["sslcert"] in answer.finding("database-auth-failed")["found"]
    store["query"] = full(encrypted) | client(encrypted.own.issue(SERVER))
    assert deployment.run("check", "--skip-store").errors() == {"schema-empty"}


def test_files_of_a_client_certificate_that_are_of_no_use(deployment, encrypted):
    store = deployment.config["backend_store"]
    store["database"] = "certified"
    good = client(encrypted.own.issue("files"))
    store["query"] = full(encrypted) | good | {"sslkey": "/nowhere/client.key"}
    refused(deployment, "database-tls", "/nowhere/client.key")
    store["query"] = full(encrypted) | good | {"sslcert": "/nowhere/client.crt"}
    # libpq goes on without a certificate that is not there, and the server asks for one.
    refused(deployment, "database-tls", "certificate")
    Path(good["sslkey"]).chmod(0o644)
    store["query"] = full(encrypted) | good
    refused(deployment, "database-tls", "private key file", good["sslkey"])
    other = client(encrypted.own.issue("another"))
    store["query"] = full(encrypted) | good | {"sslkey": other["sslkey"]}
    refused(deployment, "database-tls", "private key file")


@pytest.mark.slow
def test_schema_step_dump_and_server_with_verify_full_and_a_client_certificate(deployment, encrypted, cluster):
    older = cluster.dump(cluster.old("3.16.0"))
    database = encrypted.cluster.create("upgraded")
    file = deployment.folder / "older.sql"
    file.write_bytes(older)
    encrypted.cluster.load(database, file)
    store = deployment.config["backend_store"]
    store["database"] = database
    store["query"] = full(encrypted) | client(encrypted.own.issue(OWNER))
    answer = deployment.run("schema", "--mode", "upgrade")
    assert (answer.code, answer.codes, len(answer.document["dumps"])) == (0, set(), 1), answer.document
    with serving(deployment):
        assert api(deployment.port, "/api/2.0/mlflow/experiments/create", {"name": "sealed"})["experiment_id"]
        mine = "FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'mlflow_server'"
        assert encrypted.cluster.execute(f"SELECT count(*) > 0, bool_and(ssl) {mine}") == [(True, True)]
    assert deployment.run("check").codes == set()
