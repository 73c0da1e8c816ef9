# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rig, once for all tests of a run, and deployments that go with their test."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.images.conftest import Role, network_of_its_own
from tests.stores.conftest import unused_port
from tests.stores.playbooks import Deployment

from .rig import ADMIN_PASSWORD, HOST, OWNER, PASSWORDS, SERVER, Rig


@pytest.fixture(scope="session")
def images(tmp_path_factory) -> dict:
    """What is missing is built, which takes minutes."""
    components = ["postgres", "object_store", "mlflow_server", "load_balancer"]
    return Role(tmp_path_factory.mktemp("images"))(images_components=components).resolved


@pytest.fixture(scope="session")
def rig(images, tmp_path_factory) -> Iterator[Rig]:
    with network_of_its_own("databases-test") as (network, address):
        made = Rig(network, address, tmp_path_factory.mktemp("rig"), images["postgres"]["reference"])
        try:
            made.start()
            yield made
        finally:
            made.remove()


def dsn(rig: Rig) -> str:
    return f"host={rig.address} port={rig.port} user=postgres password={ADMIN_PASSWORD} dbname=postgres"


def given(rig: Rig, name: str) -> dict[str, Any]:
    """What a user sets who has two roles."""
    return {
        "database": "external",
        "database_host": HOST,
        "database_port": rig.port,
        "database_name": name,
        "database_ca_file": str(rig.authority.ca),
        "database_server_username": SERVER,
        "database_server_password": PASSWORDS[SERVER],
        "database_owner_username": OWNER,
        "database_owner_password": PASSWORDS[OWNER],
        "mlflow_server_hosts": rig.hosts,
    }


def fresh_name(kind: str) -> str:
    return f"{kind}-{secrets.token_hex(3)}"


@pytest.fixture
def database(rig) -> Iterator[str]:
    """An empty database with the two roles."""
    name = fresh_name("models").replace("-", "_")
    rig.database(name, OWNER, SERVER)
    yield name
    rig.drop(name)


@pytest.fixture
def deployment(rig, database, tmp_path) -> Iterator[Deployment]:
    """One server with a local volume on the empty database; at the end it is taken away, whatever became of it."""
    made = Deployment(fresh_name("databases"), tmp_path, unused_port(), "local.yml", given(rig, database))
    yield made
    made.destroy()
    assert made.containers == []


@pytest.fixture
def untouched(tmp_path: Path) -> Iterator[Deployment]:
    """One of which nothing may be there after a refusal."""
    made = Deployment(fresh_name("databases"), tmp_path, unused_port(), "local.yml", {})
    yield made
    left = made.containers, made.home.exists()
    if any(left):
        made.destroy()
    assert left == ([], False), "something was changed before the refusal"
