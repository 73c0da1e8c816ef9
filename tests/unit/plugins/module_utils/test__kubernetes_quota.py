# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Quotas that have no room for a deployment are named before anything is applied."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _kubernetes_quota as quota


def workload(kind: str, replicas: int, **resources: dict) -> dict[str, Any]:
    container = {"name": "main", "resources": resources}
    return {
        "kind": kind,
        "metadata": {"name": kind.lower()},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": [container]}}},
    }


REQUESTS = {"cpu": "500m", "memory": "1Gi"}
OBJECTS = [
    workload("StatefulSet", 1, requests=REQUESTS, limits={"memory": "2Gi"}),
    workload("Deployment", 2, requests=REQUESTS, limits={"memory": "2Gi"}),
    {
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {"resources": {"requests": {"storage": "10Gi"}}},
    },
    {"kind": "Service", "metadata": {"name": "a"}, "spec": {}},
]
RANGE = [{"spec": {"limits": [{"type": "Pod", "max": {"cpu": "9"}}, {"type": "Container", "default": {"cpu": "2"}}]}}]


def quotas(used: dict | None = None, spec: dict | None = None, **hard: str) -> list[dict[str, Any]]:
    names = {name.replace("_", ".") if "_" in name else name: value for name, value in hard.items()}
    return [{"metadata": {"name": "team"}, "spec": spec or {}, "status": {"hard": names, "used": used or {}}}]


@pytest.mark.parametrize(
    ("given", "ranges", "is_new", "words"),
    [
        ([], [], True, []),
        (quotas(pods="3"), [], True, []),
        (quotas(pods="2"), [], True, ["The quota team", "2 of pods", "needs 3"]),
        (quotas({"pods": "1"}, pods="3"), [], True, ["3 of pods with 1 used", "needs 3"]),
        # What it uses is its own, and an update has a pod more for a while.
        (quotas({"pods": "3"}, pods="4"), [], False, []),
        (quotas({"pods": "3"}, pods="3"), [], False, ["needs 4"]),
        (quotas(requests_cpu="1500m"), [], True, []),
        (quotas(requests_cpu="1"), [], True, ["1 of requests.cpu", "needs 1.5"]),
        (quotas(requests_memory="2Gi"), [], True, ["2Gi of requests.memory", "needs 3072Mi"]),
        (quotas(limits_memory="6Gi"), [], True, []),
        # No container says what a quota counts, and each of its pods would be refused.
        (
            quotas(limits_cpu="100"),
            [],
            True,
            ["counts limits.cpu", "main of the StatefulSet", "..._resources"],
        ),
        (quotas(limits_cpu="6"), RANGE, True, []),
        (quotas(limits_cpu="5"), RANGE, True, ["5 of limits.cpu", "needs 6"]),
        (quotas(persistentvolumeclaims="0"), [], True, ["persistentvolumeclaims", "needs 1"]),
        (quotas(requests_storage="5Gi"), [], True, ["5Gi of requests.storage", "needs 10240Mi"]),
        (quotas(services="0"), [], True, []),
        (quotas(spec={"scopes": ["BestEffort"]}, pods="0"), [], True, []),
    ],
)
def test_what_has_no_room_is_named(given: list, ranges: list, is_new: bool, words: list[str]) -> None:
    found = quota.problems(OBJECTS, given, ranges, is_new)
    assert len(found) == (1 if words else 0), found
    for word in words:
        assert word in found[0]


def test_a_limit_is_a_request_where_only_that_is_said() -> None:
    objects = [workload("StatefulSet", 1, limits={"cpu": "2"})]
    assert quota.problems(objects, quotas(requests_cpu="1"), [], True)
    assert not quota.problems(objects, quotas(requests_cpu="2"), [], True)


@pytest.mark.parametrize(("nodes", "is_new", "fits"), [(2, True, True), (3, True, False), (2, False, False)])
def test_a_daemon_set_has_a_pod_on_each_node(nodes: int, is_new: bool, fits: bool) -> None:
    daemons = [workload("DaemonSet", 0, requests=REQUESTS)]
    assert bool(quota.problems(daemons, quotas(pods="2"), [], is_new, nodes)) is not fits
