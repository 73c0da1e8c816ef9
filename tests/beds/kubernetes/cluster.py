# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host asks of the running cluster."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path

from tests.beds.commands import BedFailed, tail, wait_for
from tests.beds.kubernetes.settings import DOMAIN, NODE, NODE_ADDRESS, Bed

STORAGE_CLASS = "standard"


def connect(kubeconfig: Path):
    """The API, without any proxy of the machine's. Imported late: it takes a second."""
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = NODE_ADDRESS
    from kubernetes import client, config

    config.load_kube_config(str(kubeconfig))
    return client


def node_is_ready(client) -> bool:
    with contextlib.suppress(Exception):
        conditions = client.CoreV1Api().read_node(NODE, _request_timeout=5).status.conditions or []
        return any(each.type == "Ready" and each.status == "True" for each in conditions)
    return False


def _has_default_account(client) -> bool:
    with contextlib.suppress(client.ApiException):
        return bool(client.CoreV1Api().read_namespaced_service_account("default", "default").secrets)
    return False


def _make_storage_class(client) -> None:
    client.StorageV1Api().create_storage_class(
        client.V1StorageClass(
            metadata=client.V1ObjectMeta(
                name=STORAGE_CLASS, annotations={"storageclass.kubernetes.io/is-default-class": "true"}
            ),
            provisioner="kubernetes.io/host-path",
            reclaim_policy="Delete",
        )
    )


def _wait(bed: Bed, what: str, seconds: float, seen: Callable[[], bool]) -> None:
    """Wait for something, and not for what a program would do that has ended."""

    def seen_or_ended() -> bool:
        for name, how in json.loads(bed.state.read_text(encoding="utf-8"))["ended"].items():
            raise BedFailed(f"{name} ended at {how}:\n{tail(bed.logs / f'{name}.log')}")
        return seen()

    wait_for(what, seconds, seen_or_ended)


def finish(bed: Bed) -> None:
    """Make what every cluster of a provider has, and wait until pods can run."""
    client = connect(bed.kubeconfig())
    _make_storage_class(client)
    _wait(bed, "The node did not become ready", 60, lambda: node_is_ready(client))
    _wait(bed, "The default service account did not come", 30, lambda: _has_default_account(client))
    name = f"kubernetes.default.svc.{DOMAIN}"
    _wait(bed, f"The name {name} did not come", 30, lambda: name in bed.hosts.read_text(encoding="utf-8"))
