# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands and the SQL of docs/external-database.md, as they are printed there.

A user's files have what the page shows, with this server's address and passwords, and a name and a port of their own.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.images.conftest import run
from tests.stores.conftest import unused_port
from tests.stores.playbooks import ROOT, Played, typed

from .conftest import dsn, fresh_name
from .fingerprint import fingerprint
from .rig import ADMIN_PASSWORD, PAYROLL

PAGE = (ROOT / "docs/external-database.md").read_text(encoding="utf-8")
DATABASE, OWNER, SERVER = "mlflow", "mlflow_owner", "mlflow_server"
PASSWORDS = {OWNER: "Hidden-of-the-documented-owner", SERVER: "Hidden-of-the-documented-server"}

pytestmark = pytest.mark.extended


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


DEPLOY, MAKE, LOOK, ADOPT = (line for block in blocks("shell") for line in block.splitlines())
RIGHTS, SECOND_ROLE = blocks("sql")


class User:
    """Somebody in a checkout, with the files that the page names."""

    def __init__(self, rig, folder: Path) -> None:
        self.rig, self.folder, self.port = rig, folder, unused_port()
        self.name = fresh_name("databases")
        (folder / "playbooks").symlink_to(ROOT / "playbooks")
        (printed,) = blocks("yaml")
        self.settings = yaml.safe_load(printed) | {
            "database_host": rig.address,
            "database_port": rig.port,
            "database_ca_file": str(rig.authority.ca),
            "database_owner_password": PASSWORDS[OWNER],
            "database_server_password": PASSWORDS[SERVER],
            "deployment_name": self.name,
            "deployment_public_port": self.port,
            "deployment_home_root": str(folder / "home"),
            "deployment_secrets_root": str(folder / "secrets"),
        }
        self.write()
        self.file("admin.yml").write_text(
            json.dumps({"database_server_admin_username": "postgres", "database_server_admin_password": ADMIN_PASSWORD})
        )

    def file(self, name: str) -> Path:
        path = self.folder / name
        path.touch(mode=0o600)
        return path

    def write(self, **more: str) -> None:
        self.settings |= more
        self.file("database.yml").write_text(json.dumps(self.settings))

    def types(self, command: str) -> Played:
        played = typed(shlex.split(command), self.folder)
        for password in (*PASSWORDS.values(), ADMIN_PASSWORD):
            assert password not in played.text
        return played

    def does(self, command: str) -> Played:
        played = self.types(command)
        assert played.code == 0, played.text
        return played

    def psql(self, statements: str) -> None:
        done = subprocess.run(
            [
                "docker",
                "exec",
                "--interactive",
                self.rig.server.name,
                "psql",
                "-U",
                "postgres",
                "-v",
                "ON_ERROR_STOP=1",
            ],
            input=statements,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr


@pytest.fixture
def user(rig, tmp_path) -> Iterator[User]:
    made = User(rig, tmp_path)
    others = fingerprint(dsn(rig))[PAYROLL]
    yield made
    gone = made.types(f"ansible-playbook playbooks/destroy.yml -e deployment={made.name} -e @database.yml")
    filters = f"label=mlops.mlflow.deployment={made.name}"
    left = run("docker", "ps", "--all", "--quiet", "--filter", filters).stdout
    rig.drop(DATABASE)
    for role in PASSWORDS:
        rig.ask("postgres", f"DROP ROLE IF EXISTS {role}")
    assert left == "", gone.text
    assert fingerprint(dsn(rig))[PAYROLL] == others


def filled(statements: str) -> str:
    """With passwords where the page leaves them out."""
    for role, password in PASSWORDS.items():
        statements = statements.replace(f"{role} LOGIN PASSWORD '…'", f"{role} LOGIN PASSWORD '{password}'")
    assert "…" not in statements
    return statements


def test_with_an_administrator_s_login(rig, user):
    printed = user.does("ansible-playbook playbooks/database.yml -e @database.yml -e database_server_sql_only=true")
    assert f"CREATE ROLE {OWNER}" in printed.text.replace('"', "").replace("\\", "")
    assert (DATABASE,) not in rig.ask("postgres", "SELECT datname FROM pg_database")
    assert user.does(MAKE).changed > 0
    assert user.does(MAKE).changed == 0
    assert user.does(DEPLOY).changed > 0
    assert user.does(DEPLOY).changed == 0
    user.does(f"ansible-playbook playbooks/verify.yml -e mlflow_tracking_uri=http://localhost:{user.port}")
    assert rig.ask(DATABASE, "SELECT count(*) FROM runs")[0][0] > 0
    assert user.does(MAKE).changed == 0


def test_with_the_sql_and_an_mlflow_that_is_there_already(rig, user):
    user.psql(filled(RIGHTS))
    plain = f"postgresql+psycopg2://{OWNER}:{PASSWORDS[OWNER]}@{rig.address}:{rig.port}/{DATABASE}"
    run(sys.executable, "-m", "mlflow", "db", "upgrade", plain)
    before = fingerprint(dsn(rig))
    looked = user.does(LOOK)
    assert fingerprint(dsn(rig)) == before
    assert looked.changed == 0
    refused = user.types(DEPLOY)
    assert refused.code != 0
    assert "database_adopt_enabled" in refused.text
    assert fingerprint(dsn(rig)) == before
    assert user.does(ADOPT).changed > 0
    assert user.does(DEPLOY).changed == 0


def test_from_one_role_to_two(rig, user):
    rig.role(SERVER, PASSWORDS[SERVER])
    rig.database(DATABASE, SERVER)
    user.write(database_owner_username="", database_owner_password="")
    user.does(DEPLOY)
    rig.role(OWNER, PASSWORDS[OWNER])
    user.psql(f"\\connect {DATABASE}\n{SECOND_ROLE}")
    user.write(database_owner_username=OWNER, database_owner_password=PASSWORDS[OWNER])
    assert user.does(DEPLOY).changed > 0
    assert user.does(DEPLOY).changed == 0
    asked = "SELECT has_schema_privilege(%s, 'public', 'CREATE'), has_table_privilege(%s, 'runs', 'INSERT')"
    assert rig.ask(DATABASE, asked, SERVER, SERVER) == [(False, True)]
    user.does(f"ansible-playbook playbooks/verify.yml -e mlflow_tracking_uri=http://localhost:{user.port}")
