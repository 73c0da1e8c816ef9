# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests on a cluster that has a deployment; `molecule verify -s k8s` runs them.

MLOPS_MLFLOW_CLUSTER says which: the variables with which it was deployed, as JSON. They can run in
two processes (`-n 2`).
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator

import pytest
from kubernetes import client, config
from xdist.scheduler import LoadFileScheduling

from tests.databases.rig import Rig
from tests.images.conftest import Role, network_of_its_own

VARIABLE = "MLOPS_MLFLOW_CLUSTER"
# The cluster of the test bed, whose defaults may be changed for a while.
BED = "molecule-k8s"

# Here every test has a deployment of its own.
APART = "test_refusals.py"


class InTwo(LoadFileScheduling):
    """What needs the scenario's deployment as it is runs in one process and in its order, the rest in another one."""

    def _split_scope(self, nodeid: str) -> str:
        return "apart" if APART in nodeid else "deployment"


def pytest_xdist_make_scheduler(config: pytest.Config, log) -> InTwo:
    return InTwo(config, log)


@pytest.fixture(scope="session")
def variables() -> dict:
    if VARIABLE not in os.environ:
        pytest.fail(f"{VARIABLE} is not set: `molecule verify -s k8s` runs these tests.")
    given = json.loads(os.environ[VARIABLE])
    # One of the tests takes the default away for a while.
    return {**given, "kubernetes_storage_class": "standard"} if given["kubernetes_context"] == BED else given


@pytest.fixture(scope="session")
def api(variables) -> client.ApiClient:
    return config.new_client_from_config(variables["kubernetes_kubeconfig"] or None, variables["kubernetes_context"])


def address_of_a_node(api) -> str:
    [found, *_others] = client.CoreV1Api(api).list_node().items
    return next(each.address for each in found.status.addresses if each.type == "InternalIP")


@pytest.fixture
def furnished(variables) -> None:
    if variables["kubernetes_context"] != BED:
        pytest.skip("nothing is known of this cluster's network, metrics and Ingress controller")


@pytest.fixture
def space(api):
    """Makes namespaces, and takes them away."""
    core, made = client.CoreV1Api(api), []

    def make(name: str, **labels: str) -> str:
        core.create_namespace({"metadata": {"name": name, "labels": labels}})
        made.append(name)
        return name

    yield make
    for name in made:
        # Destroying a deployment takes its namespace along.
        with contextlib.suppress(client.ApiException):
            core.delete_namespace(name)


@pytest.fixture(scope="session")
def rig(tmp_path_factory) -> Iterator[Rig]:
    """A PostgreSQL that is outside of the cluster, and was not deployed by this collection."""
    image = Role(tmp_path_factory.mktemp("images"))(images_components=["postgres"]).resolved["postgres"]["reference"]
    with network_of_its_own("databases-test") as (network, address):
        made = Rig(network, address, tmp_path_factory.mktemp("rig"), image)
        try:
            made.start()
            yield made
        finally:
            made.remove()
