# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rig, once for all tests of a run, and deployments that go with their test."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.images.conftest import Role, network_of_its_own

from .playbooks import Deployment
from .rig import Rig


@pytest.fixture(scope="session")
def images(tmp_path_factory) -> dict:
    """Images of both stores and of the rest; what is missing is built, which takes minutes."""
    folder = tmp_path_factory.mktemp("images")
    components = ["postgres", "object_store", "mlflow_server", "load_balancer"]
    resolved = Role(folder)(images_components=components, images_object_store="seaweedfs").resolved
    other = folder / "other"
    other.mkdir()
    minio = Role(other)(images_components=["object_store"], images_object_store="minio").resolved
    return {**resolved, "seaweedfs": resolved["object_store"], "minio": minio["object_store"]}


@pytest.fixture(scope="session")
def rig(images, tmp_path_factory) -> Iterator[Rig]:
    with network_of_its_own("stores-test") as (network, address):
        made = Rig(network, address, tmp_path_factory.mktemp("rig"), images)
        try:
            made.start_minio()
            made.start_weed()
            made.start_proxy()
            yield made
        finally:
            made.remove()


def unused_port() -> int:
    """Another run of these tests, or somebody's deployment, may be here as well."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def deployment(tmp_path_factory) -> Iterator[Deployment]:
    """One that is not there yet; at the end it is taken away, whatever has become of it."""
    made = Deployment(f"stores-{secrets.token_hex(3)}", tmp_path_factory.mktemp("deployment"), unused_port())
    yield made
    made.destroy()
    assert made.containers == []


@pytest.fixture
def untouched(tmp_path: Path) -> Iterator[Deployment]:
    """One of which nothing may be there after a refusal."""
    made = Deployment(f"stores-{secrets.token_hex(3)}", tmp_path, unused_port())
    yield made
    left = made.containers, made.home.exists()
    if any(left):
        made.destroy()
    assert left == ([], False), "something was changed before the refusal"
