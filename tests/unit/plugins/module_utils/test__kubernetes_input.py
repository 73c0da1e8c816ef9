# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with what is chosen for objects and pods, and that nothing is where nothing is."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _kubernetes_input as given
from ansible_collections.mlops.mlflow.plugins.module_utils import _kubernetes_pod as pods

CA = {"name": "ca", "configMap": {"name": "ca"}}
ROUTE = {"hostnames": ["mlflow.example.com"], "parent_refs": [{"name": "gate", "namespace": "infra"}]}
LISTS = (*given.LISTS, "image_pull_secrets")
GOOD: list[dict[str, Any]] = [
    {**{name: [] if name in LISTS else {} for name in given.CHECKS}, "priority_class": ""},
    {"node_selector": {"kubernetes.io/os": "linux", "disk": ""}},
    {"tolerations": [{"key": "gpu", "operator": "Exists"}, {"operator": "Exists", "effect": "NoSchedule"}]},
    {"tolerations": [{"key": "a", "value": "b", "effect": "NoExecute", "tolerationSeconds": 5}]},
    {"tolerations": pods.soon_replaced([])},
    {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {}}}},
    {"priority_class": "system-cluster-critical"},
    {"resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": 1, "memory": "1024Mi"}}},
    {"resources": {"limits": {"memory": "2Gi", "nvidia.com/gpu": 1}}},
    {"labels": {"team": "a", "example.com/cost": "1.2-x"}},
    {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/x"}},
    {"image_pull_secrets": ["registry", "registry.example.com"]},
    {"env_from": [{"secretRef": {"name": "a"}}, {"configMapRef": {"name": "b", "optional": True}, "prefix": "X_"}]},
    {"extra_volumes": [CA], "extra_volume_mounts": [{"name": "ca", "mountPath": "/etc/ca", "readOnly": True}]},
    {"extra_volumes": [CA], "extra_volume_mounts": [{"name": "ca", "mountPath": "/etc/ssl/certs"}]},
    {"topology_spread_constraints": list(pods.SPREAD)},
    {"http_route": {**ROUTE, "tls_enabled": True, "annotations": {"a": "b"}}},
]


@pytest.mark.parametrize("options", GOOD, ids=str)
def test_nothing_is_wrong(options: dict[str, Any]) -> None:
    assert given.problems(options, "mlflow_server") == []


def mounted(path: str) -> dict[str, Any]:
    return {"extra_volumes": [CA], "extra_volume_mounts": [{"name": "ca", "mountPath": path}]}


BAD: list[tuple[dict[str, Any], list[str]]] = [
    ({"node_selector": "disk=ssd"}, ["x_node_selector is 'disk=ssd'", "dictionary"]),
    ({"node_selector": {"gpu": True}}, ["x_node_selector has gpu", "True", "quotes"]),
    ({"node_selector": {"a b": "c"}}, ["x_node_selector has the key 'a b'"]),
    ({"tolerations": {"key": "gpu"}}, ["x_tolerations is", "list"]),
    ({"tolerations": ["gpu"]}, ["x_tolerations is", "list"]),
    ({"tolerations": [{"keys": "gpu"}]}, ["x_tolerations has", "with keys", "tolerationSeconds"]),
    ({"tolerations": [{"key": "gpu", "value": 1}]}, ["with value", "effect"]),
    ({"tolerations": [{"key": "gpu", "operator": "In"}]}, ["operator In", "Equal or Exists"]),
    ({"tolerations": [{"key": "gpu", "operator": "Exists", "effect": "Never"}]}, ["effect Never", "NoSchedule"]),
    ({"tolerations": [{"effect": "NoSchedule"}]}, ["without a key", "Exists"]),
    ({"tolerations": [{"key": "gpu", "operator": "Exists", "value": "a"}]}, ["leave the value out"]),
    ({"tolerations": [{"key": "a", "operator": "Exists", "tolerationSeconds": 3}]}, ["NoExecute only"]),
    ({"affinity": {"nodeAffinty": {}}}, ["x_affinity has nodeAffinty", "podAntiAffinity"]),
    ({"affinity": {"nodeAffinity": []}}, ["x_affinity has nodeAffinity"]),
    ({"priority_class": "High"}, ["x_priority_class is 'High'", "lower-case"]),
    ({"resources": {"cpu": "1"}}, ["x_resources has cpu", "requests and limits"]),
    ({"resources": {"requests": "1"}}, ["x_resources has requests", "requests and limits"]),
    ({"resources": {"requests": {"memory": "2 GB"}}}, ["memory '2 GB'", "2Gi"]),
    ({"resources": {"requests": {"memory": "2Gi"}, "limits": {"memory": "512Mi"}}}, ["2Gi", "limit is 512Mi"]),
    ({"schema_resources": {"requests": {"cpu": 2}, "limits": {"cpu": "500m"}}}, ["x_schema_resources", "500m"]),
    ({"labels": {"app.kubernetes.io/name": "a"}}, ["app.kubernetes.io/name", "sets itself"]),
    ({"pod_labels": {"mlops.mlflow.uses-database": "true"}}, ["mlops.mlflow.uses-database", "sets itself"]),
    ({"labels": {"team": "a b"}}, ["x_labels has team", "'a b'", "63"]),
    ({"annotations": {"a": 1}}, ["x_annotations has a", "quotes"]),
    ({"pod_annotations": {"mlops.mlflow.files": "a"}}, ["mlops.mlflow.files", "sets itself"]),
    ({"image_pull_secrets": "registry"}, ["x_image_pull_secrets is 'registry'", "list of names"]),
    ({"image_pull_secrets": ["My_Registry"]}, ["x_image_pull_secrets has 'My_Registry'", "lower-case"]),
    ({"env_from": [{"secretRef": {}}]}, ["x_env_from has", "secretRef or configMapRef"]),
    ({"env_from": [{"secretRef": {"name": "a"}, "configMapRef": {"name": "b"}}]}, ["x_env_from has"]),
    ({"env_from": [{"name": "A", "value": "b"}]}, ["x_env_from has"]),
    ({"extra_volumes": [{"name": "tmp", "emptyDir": {}}]}, ["the volume 'tmp'", "name of its own"]),
    ({"extra_volumes": [CA, CA]}, ["the volume 'ca'", "name of its own"]),
    ({"extra_volumes": [{"name": "a", "hostPath": {"path": "/"}}]}, ["hostPath", "restricted"]),
    ({"extra_volumes": [{"name": "a"}]}, ["with nothing", "configMap"]),
    ({"extra_volume_mounts": [{"name": "ca", "mountPath": "/etc/ca"}]}, ["names the volume ca", "it has none"]),
    (mounted("etc/ca"), ["mountPath", "absolute"]),
    (mounted("/etc/ca/"), ["mountPath", "absolute"]),
    (mounted("/etc/../run"), ["mountPath", "absolute"]),
    (mounted("/run/secrets"), ["/run/secrets", "files of its own"]),
    (mounted("/run/secrets/ca"), ["/run/secrets/ca", "files of its own"]),
    (mounted("/run"), ["mountPath /run,", "files of its own"]),
    (mounted("/usr"), ["mountPath /usr,", "files of its own"]),
    (mounted("/tmp"), ["mountPath /tmp,", "files of its own"]),
    ({"topology_spread_constraints": [{"topologyKey": "a", "maxSkew": 0}]}, ["maxSkew (1 or more)"]),
    ({"topology_spread_constraints": [{"maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway"}]}, ["topologyKey"]),
    ({"http_route": {"parent_refs": [{"name": "gate"}]}}, ["the hostnames []", "mlflow.example.com"]),
    ({"http_route": {**ROUTE, "hostnames": ["https://mlflow.example.com"]}}, ["https://", "without scheme"]),
    ({"http_route": {**ROUTE, "parent_refs": []}}, ["the parent_refs []", "Gateways"]),
    ({"http_route": {**ROUTE, "parent_refs": [{"namespace": "infra"}]}}, ["the parent_refs", "name"]),
]


@pytest.mark.parametrize(("options", "words"), BAD, ids=str)
def test_it_is_said_what_is_wrong_in_one_sentence(options: dict[str, Any], words: list[str]) -> None:
    found = given.problems(options, "x")
    assert len(found) == 1, found
    for word in (*words, "x_"):
        assert word in found[0]


def test_each_option_that_pods_take_is_checked() -> None:
    taken = {"node_selector", "tolerations", "affinity", "priority_class", "pod_labels", "pod_annotations"}
    assert taken | {"env_from", "extra_volumes", "extra_volume_mounts"} <= set(given.CHECKS)
