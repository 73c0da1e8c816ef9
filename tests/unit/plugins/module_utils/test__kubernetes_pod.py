# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is chosen for pods: where they run, and what they are given besides."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _kubernetes_pod as pods

OWN = {"app": "web"}
CONTAINER = {"name": "c", "image": "x/y:1", "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}]}


def workload(kind: str = "StatefulSet", **spec: Any) -> dict[str, Any]:
    pod = {"containers": [CONTAINER], "volumes": [{"name": "tmp", "emptyDir": {}}], **spec}
    template = {"metadata": {"labels": OWN}, "spec": pod}
    return {"kind": kind, "metadata": {"name": "a"}, "spec": {"selector": {"matchLabels": OWN}, "template": template}}


def completed(item: dict[str, Any], **options: Any) -> dict[str, Any]:
    return pods.completed({"data": [item]}, options)["data"][0]


def test_where_nothing_is_chosen_nothing_changes() -> None:
    """Another template would restart the data services of every deployment that is there."""
    nothing = {
        "node_selector": {},
        "tolerations": [],
        "affinity": {},
        "priority_class": "",
        "pod_labels": {},
        "pod_annotations": {},
        "service_account_annotations": {},
    }
    for item in (workload(), workload("Job"), {"kind": "ServiceAccount", "metadata": {"name": "a"}}):
        assert completed(item, **nothing) == item


@pytest.mark.parametrize("kind", ["StatefulSet", "Job"])
def test_what_is_chosen_is_in_the_template_only(kind: str) -> None:
    before = workload(kind)
    toleration = {"key": "gpu", "operator": "Exists"}
    after = completed(
        before,
        node_selector={"disk": "ssd"},
        tolerations=[toleration],
        affinity={"nodeAffinity": {}},
        priority_class="high",
        pod_labels={"team": "a"},
        pod_annotations={"note": "b"},
    )
    template = after["spec"].pop("template")
    assert template["metadata"] == {"labels": {**OWN, "team": "a"}, "annotations": {"note": "b"}}
    assert template["spec"] == {
        **before["spec"].pop("template")["spec"],
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [toleration],
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "high",
    }
    # The selector above all: it cannot be changed.
    assert after == before


def test_the_component_s_own_labels_win() -> None:
    after = completed(workload(), pod_labels={"app": "other"})
    assert after["spec"]["template"]["metadata"]["labels"] == OWN


def test_environment_volumes_and_mounts_are_added() -> None:
    source = {"secretRef": {"name": "proxy"}}
    volume, mount = {"name": "ca", "configMap": {"name": "ca"}}, {"name": "ca", "mountPath": "/etc/ca"}
    pod = completed(workload(), env_from=[source], extra_volumes=[volume], extra_volume_mounts=[mount])["spec"][
        "template"
    ]["spec"]
    assert pod["volumes"] == [{"name": "tmp", "emptyDir": {}}, volume]
    assert pod["containers"] == [
        {**CONTAINER, "envFrom": [source], "volumeMounts": [*CONTAINER["volumeMounts"], mount]}
    ]


def test_a_service_account_gets_its_annotations_and_others_none() -> None:
    account = {"kind": "ServiceAccount", "metadata": {"name": "a"}}
    service = {"kind": "Service", "metadata": {"name": "a"}, "spec": {}}
    found = pods.completed({"data": [account, service]}, {"service_account_annotations": {"role": "x"}})["data"]
    assert found == [{**account, "metadata": {"name": "a", "annotations": {"role": "x"}}}, service]


DEAD = {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}
NOT_READY = {"key": "node.kubernetes.io/not-ready", **DEAD}
UNREACHABLE = {"key": "node.kubernetes.io/unreachable", **DEAD}


@pytest.mark.parametrize(
    ("given", "added"),
    [
        ([], [NOT_READY, UNREACHABLE]),
        ([{"key": "gpu", "operator": "Exists"}], [NOT_READY, UNREACHABLE]),
        ([{"operator": "Exists", "effect": "NoSchedule"}], [NOT_READY, UNREACHABLE]),
        ([{**NOT_READY, "tolerationSeconds": 600}], [UNREACHABLE]),
        ([{"key": "node.kubernetes.io/unreachable", "operator": "Exists"}], [NOT_READY]),
        ([{"operator": "Exists"}], []),
    ],
)
def test_servers_soon_leave_a_dead_node_unless_the_user_says_how_soon(given, added) -> None:
    spec = completed(workload("Deployment"), tolerations=given)["spec"]["template"]["spec"]
    assert spec.get("tolerations", []) == [*given, *added]
    assert completed(workload(), tolerations=given)["spec"]["template"]["spec"].get("tolerations", []) == given


COUNTED = {
    "labelSelector": {"matchLabels": OWN},
    "matchLabelKeys": ["pod-template-hash"],
    "nodeTaintsPolicy": "Honor",
    "maxSkew": 1,
}
BY_NODE = {**COUNTED, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"}
BY_ZONE = {**COUNTED, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway"}
BY_RACK = {"topologyKey": "example.com/rack", "maxSkew": 2, "whenUnsatisfiable": "DoNotSchedule"}


@pytest.mark.parametrize(("given", "found"), [([], [BY_NODE, BY_ZONE]), ([BY_RACK], [{**COUNTED, **BY_RACK}])])
def test_servers_are_spread(given, found) -> None:
    spec = completed(workload("Deployment"), topology_spread_constraints=given)["spec"]["template"]["spec"]
    assert spec["topologySpreadConstraints"] == found
    assert "topologySpreadConstraints" not in completed(workload())["spec"]["template"]["spec"]


@pytest.mark.parametrize(
    ("version", "must"),
    [("v1.26.15", False), ("v1.27.0", True), ("v1.31.14+k3s1", True), ("1.35.1-gke.100", True), ("", True)],
)
def test_an_old_cluster_would_count_servers_that_go(version: str, must: bool) -> None:
    """A rule that must be kept could then leave both servers on one node, or a new one without any."""
    spec = completed(workload("Deployment"))["spec"]["template"]["spec"]
    found = pods.for_release(spec, version)
    if must:
        assert found == spec
        return
    selector = {"labelSelector": {"matchLabels": OWN}, "maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway"}
    keys = ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
    assert found == {**spec, "topologySpreadConstraints": [{"topologyKey": key, **selector} for key in keys]}


def test_pods_that_are_not_spread_are_the_same_for_every_release() -> None:
    spec = workload()["spec"]["template"]["spec"]
    assert pods.for_release(spec, "v1.20.0") == spec
