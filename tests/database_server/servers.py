# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real PostgreSQL servers, and playbooks/database.yml run on them as users run it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2

from tests.guard import servers
from tests.stores.playbooks import Played

ROOT = Path(__file__).resolve().parents[2]
OWNER, SERVER = "mlflow_owner", "mlflow_server"
# Every character that has a meaning in a URL, a shell, SQL, a template or a configuration file.
OWNER_PASSWORD, SERVER_PASSWORD = "Hidden-o@:/#%[]&$'\"` \\ü{x}", "Hidden-s'\"{ {%41"
ADMIN, ADMIN_PASSWORD = "cloud_admin", "Hidden-a'\" }x"
SECRETS = (OWNER_PASSWORD, SERVER_PASSWORD, ADMIN_PASSWORD)


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@dataclass
class Server:
    """A server with a superuser, and an administrator as cloud services give it."""

    postgres: servers.Postgres
    folder: Path
    # Whose login the playbook gets: the superuser, or the administrator who is none.
    superuser: bool = True
    variables: dict[str, Any] = field(default_factory=dict)

    @property
    def dsn(self) -> str:
        return f"host=127.0.0.1 port={self.postgres.port} user=super password={literal(self.postgres.password)}"

    def run(self, *statements: str, database: str = "postgres", dsn: str = "") -> list[tuple]:
        """The rows of the last statement."""
        connection = psycopg2.connect(dsn or self.dsn, dbname=database)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def as_role(self, role: str, *statements: str, database: str = "mlflow") -> list[tuple]:
        password = {OWNER: OWNER_PASSWORD, SERVER: SERVER_PASSWORD, ADMIN: ADMIN_PASSWORD}[role]
        connection = psycopg2.connect(
            host="127.0.0.1", port=self.postgres.port, user=role, password=password, dbname=database
        )
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def make_admin(self) -> None:
        self.run(f"CREATE ROLE {ADMIN} LOGIN CREATEROLE CREATEDB PASSWORD {literal(ADMIN_PASSWORD)}")

    def clear(self) -> None:
        """Everything that a test made goes."""
        names = self.run("SELECT datname FROM pg_database WHERE datname NOT IN ('postgres', 'template0', 'template1')")
        for (name,) in names:
            self.run(f'ALTER DATABASE "{name}" IS_TEMPLATE false', f'DROP DATABASE "{name}" WITH (FORCE)')
        roles = [name for (name,) in self.run("SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' AND oid >= 16384")]
        for name in roles:
            self.run(f'DROP OWNED BY "{name}"')
        for name in sorted(roles, key=lambda role: role == ADMIN):
            self.run(f'DROP ROLE "{name}"')
        self.make_admin()

    def given(self, **changes: Any) -> dict[str, Any]:
        admin = ("super", self.postgres.password) if self.superuser else (ADMIN, ADMIN_PASSWORD)
        return {
            "database_host": "127.0.0.1",
            "database_port": self.postgres.port,
            "database_tls_mode": "disable",
            "database_owner_username": OWNER,
            "database_owner_password": OWNER_PASSWORD,
            "database_server_username": SERVER,
            "database_server_password": SERVER_PASSWORD,
            "database_server_admin_username": admin[0],
            "database_server_admin_password": admin[1],
            **self.variables,
            **changes,
        }

    def play(self, *words: str, **changes: Any) -> Played:
        """Passwords are in a file, as a vault would have them, and marked so that no template is made of them."""
        given = {name: value for name, value in self.given(**changes).items() if value is not None}
        # Of an empty text with that mark Ansible makes null.
        texts = [
            f"{name}: {'!unsafe ' if value and isinstance(value, str) else ''}{json.dumps(value, ensure_ascii=False)}"
            for name, value in given.items()
        ]
        path = self.folder / "given.yml"
        path.write_text("\n".join(texts) + "\n", encoding="utf-8")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PG"))}
        environment = {
            **kept,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "playbooks/collections"),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
            "ANSIBLE_NOCOLOR": "true",
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
            "ANSIBLE_CALLBACK_FORMAT_PRETTY": "false",
        }
        command = ["ansible-playbook", str(ROOT / "playbooks/database.yml"), "--extra-vars", f"@{path}", *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
        played = Played(done.stdout + done.stderr, done.returncode)
        for secret in (*SECRETS, self.postgres.password):
            # As it is, and as JSON has it.
            assert secret not in played.text
            assert json.dumps(secret)[1:-1] not in played.text
        return played


def changed(played: Played) -> int:
    (found,) = re.findall(r"changed=(\d+)", played.text)
    return int(found)
