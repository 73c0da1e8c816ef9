# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL that this collection did not deploy: TLS by an authority of its own, and other people's databases.

It runs in a plain container with a network of its own, and publishes its port on the address that this network has on
the host: containers of other networks reach it there, and nobody from outside does.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2
from psycopg2 import sql

from tests.images.conftest import Container, until
from tests.stores.authority import Authority

HOST, ALIAS = "db.rig.test", "other.rig.test"
PORT = 25432
ADMIN_PASSWORD = "Hidden-of-the-administrator"
POSTGRES_UID = 999
# Roles by name, with what a DBA would say of each.
OWNER, SERVER, ALONE = "models_owner", "models_server", "models_alone"
PASSWORDS = {OWNER: "Hidden p@:/#%[]&$'\" \\w of the owner", SERVER: "Hidden p@:/#%[]&$'\" \\w of the server"}
PASSWORDS[ALONE] = "Hidden-of-the-only-one"
# Databases that are there before anybody deploys: MLflow's own ones are made by the tests.
PAYROLL = "payroll"
CERTIFIED = "certified"
HBA = f"""\
local all all trust
hostssl all +{CERTIFIED} all cert
hostssl all all all scram-sha-256
hostnossl plain all all scram-sha-256
"""


@dataclass
class Rig:
    network: str
    address: str
    folder: Path
    image: str
    port: int = PORT
    started: list[Container] = field(default_factory=list)
    # Of a test: a socket that never answers, and a database as a deployment leaves it.
    silent: socket.socket | None = None
    with_mlflow: str = ""

    def __post_init__(self) -> None:
        self.authority = Authority(self.folder / "authority")
        self.stranger = Authority(self.folder / "stranger", "authority of nobody")

    @property
    def hosts(self) -> dict[str, str]:
        return dict.fromkeys((HOST, ALIAS), self.address)

    def start(self, *settings: str) -> None:
        """The server with other people's data in it."""
        secret = self.folder / "server"
        secret.mkdir()
        certificate, key = self.authority.issue(HOST, self.address)
        for name, content in (
            ("server.crt", certificate.read_bytes()),
            ("server.key", key.read_bytes()),
            ("ca.pem", self.authority.ca.read_bytes()),
            ("pg_hba.conf", HBA.encode()),
        ):
            file = secret / name
            file.write_bytes(content)
            file.chmod(0o600)
            os.chown(file, POSTGRES_UID, POSTGRES_UID)
        os.chown(secret, POSTGRES_UID, POSTGRES_UID)
        wanted = {
            "ssl": "on",
            "ssl_cert_file": "/etc/rig/server.crt",
            "ssl_key_file": "/etc/rig/server.key",
            "ssl_ca_file": "/etc/rig/ca.pem",
            "hba_file": "/etc/rig/pg_hba.conf",
            "fsync": "off",
        }
        self.server = Container(
            self.image,
            *("postgres", *(f"-c{name}={value}" for name, value in wanted.items()), *settings),
            options=(
                *("--network", self.network, "--publish", f"{self.address}:{self.port}:5432"),
                *("--volume", f"{secret}:/etc/rig:ro", "--env", f"POSTGRES_PASSWORD={ADMIN_PASSWORD}"),
                *("--env", "POSTGRES_INITDB_ARGS=--encoding=UTF8 --locale=C.UTF-8"),
            ),
        )
        self.started.append(self.server)
        until(self.answers, "the PostgreSQL of the rig answers", 60)
        self.make_others_data()

    def answers(self) -> bool:
        try:
            self.ask("postgres", "SELECT 1")
        except psycopg2.OperationalError:
            return False
        return True

    @contextlib.contextmanager
    def connection(
        self, database: str, user: str = "postgres", password: str = ADMIN_PASSWORD
    ) -> Iterator[psycopg2.extensions.connection]:
        opened = psycopg2.connect(
            host=self.address, port=self.port, dbname=database, user=user, password=password, connect_timeout=5
        )
        opened.autocommit = True
        try:
            yield opened
        finally:
            opened.close()

    def ask(
        self, database: str, query: str, *values: object, user: str = "postgres", password: str = ""
    ) -> list[tuple]:
        with self.connection(database, user, password or ADMIN_PASSWORD) as opened, opened.cursor() as cursor:
            cursor.execute(query, values or None)
            return cursor.fetchall() if cursor.description else []

    def role(self, name: str, password: str, *options: str) -> None:
        statement = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} " + " ".join(options))
        with self.connection("postgres") as opened, opened.cursor() as cursor:
            cursor.execute(statement.format(sql.Identifier(name), sql.Literal(password)))

    def database(self, name: str, owner: str, server: str = "") -> None:
        """As the documents tell a DBA to make it."""
        with self.connection("postgres") as opened, opened.cursor() as cursor:
            cursor.execute(
                sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0").format(
                    sql.Identifier(name), sql.Identifier(owner)
                )
            )
            cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
            if server:
                cursor.execute(
                    sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}").format(
                        sql.Identifier(name), sql.Identifier(server)
                    )
                )
        with self.connection(name) as opened, opened.cursor() as cursor:
            cursor.execute(sql.SQL("ALTER SCHEMA public OWNER TO {}").format(sql.Identifier(owner)))
            cursor.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
            if server:
                cursor.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(sql.Identifier(server)))

    def drop(self, name: str) -> None:
        with self.connection("postgres") as opened, opened.cursor() as cursor:
            cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def make_others_data(self) -> None:
        self.role("accountant", "Hidden-of-the-accountant")
        self.database(PAYROLL, "accountant")
        for statement in (
            "CREATE TABLE salaries (id serial PRIMARY KEY, name text NOT NULL, amount numeric)",
            "INSERT INTO salaries (name, amount) SELECT 'person ' || n, n * 10 FROM generate_series(1, 500) n",
            "CREATE VIEW rich AS SELECT * FROM salaries WHERE amount > 4000",
        ):
            self.ask(PAYROLL, statement, user="accountant", password="Hidden-of-the-accountant")
        self.ask(PAYROLL, "GRANT CONNECT ON DATABASE payroll TO PUBLIC")
        self.ask("postgres", f"CREATE ROLE {CERTIFIED}")
        for name, password in PASSWORDS.items():
            self.role(name, password)

    def remove(self) -> None:
        for container in reversed(self.started):
            container.remove()
