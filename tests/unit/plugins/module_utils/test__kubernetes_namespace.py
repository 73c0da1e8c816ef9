# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A namespace that others use too: what is theirs stays theirs."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _kubernetes_namespace as namespace

OWN = {namespace.LABEL: "k8s"}


def item(name: str, labels: dict | None = None, **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, **({"labels": labels} if labels else {}), **more.pop("metadata", {})}, **more}


@pytest.mark.parametrize(
    ("kind", "found", "theirs"),
    [
        ("ConfigMap", item("shop"), ["ConfigMap/shop"]),
        ("ConfigMap", item("shop", {"app": "shop"}), ["ConfigMap/shop"]),
        ("ConfigMap", item("a", OWN), []),
        # Another deployment of this collection is somebody else's too.
        ("ConfigMap", item("a", {namespace.LABEL: "other"}), ["ConfigMap/a"]),
        ("ConfigMap", item("kube-root-ca.crt"), []),
        ("ServiceAccount", item("default"), []),
        ("ServiceAccount", item("shop"), ["ServiceAccount/shop"]),
        ("Secret", item("default-token-x", type="kubernetes.io/service-account-token"), []),
        ("Secret", item("tls", type="kubernetes.io/tls"), ["Secret/tls"]),
        # It goes with what made it.
        ("Pod", item("a", metadata={"ownerReferences": [{"kind": "Job"}]}), []),
        ("Event", item("a"), []),
    ],
)
def test_what_belongs_to_others(kind: str, found: dict, theirs: list[str]) -> None:
    assert namespace.of_others(kind, [found], "k8s") == theirs


@pytest.mark.parametrize(
    ("resource", "names"),
    [
        ({"name": "secrets", "kind": "Secret", "namespaced": True, "verbs": ["get", "list"]}, [("secrets", "Secret")]),
        ({"name": "pods/log", "kind": "Pod", "namespaced": True, "verbs": ["get", "list"]}, []),
        ({"name": "bindings", "kind": "Binding", "namespaced": True, "verbs": ["create"]}, []),
        ({"name": "nodes", "kind": "Node", "namespaced": False, "verbs": ["get", "list"]}, []),
    ],
)
def test_what_can_be_listed(resource: dict, names: list) -> None:
    assert namespace.listable([resource]) == names


class Api:
    """Answers of an API server with one group besides the core."""

    ANSWERS = {
        "/apis": {
            "groups": [
                {"preferredVersion": {"groupVersion": "apps/v1"}},
                {"preferredVersion": {"groupVersion": "metrics.k8s.io/v1beta1"}},
            ]
        },
        "/api/v1": {"resources": [{"name": "secrets", "kind": "Secret", "namespaced": True, "verbs": ["list"]}]},
        "/apis/apps/v1": {
            "resources": [{"name": "deployments", "kind": "Deployment", "namespaced": True, "verbs": ["list"]}]
        },
    }
    LISTS = {
        # This user may not list Secrets.
        "/api/v1/namespaces/team/secrets": None,
        "/apis/apps/v1/namespaces/team/deployments": [item("shop"), item("mlflow-server", OWN)],
    }

    def ask(self, path: str) -> tuple[int, dict[str, Any]]:
        return 200, self.ANSWERS[path]

    def items(self, path: str) -> list[dict[str, Any]] | None:
        return self.LISTS[path]


def test_all_kinds_of_the_cluster_are_listed() -> None:
    assert namespace.others(Api(), "team", "k8s") == ["Deployment/shop"]


def test_what_would_be_taken_over_is_named() -> None:
    planned = [{"kind": "Service", **item("postgres")}, {"kind": "Service", **item("mlflow-server")}]
    assert namespace.collisions(planned, ["ConfigMap/postgres", "Service/postgres"]) == ["Service/postgres"]
    assert not namespace.collisions(planned, [])


POLICY = {"podSelector": {"matchLabels": {"app": "postgres"}}}
USERS = {"podSelector": {"matchLabels": {"uses": "true"}}}
ELSEWHERE = {"podSelector": {"matchLabels": {"uses": "true"}}, "namespaceSelector": {}}
ANYBODY: dict = {"podSelector": {}}
OWN_USERS = {"podSelector": {"matchLabels": {"uses": "true", **OWN}}}


@pytest.mark.parametrize(
    ("kind", "spec", "scoped"),
    [
        ("Service", {"selector": {"app": "x"}, "ports": [1]}, {"selector": {"app": "x", **OWN}, "ports": [1]}),
        (
            "StatefulSet",
            {"selector": {"matchLabels": {"a": "x"}}},
            {"selector": {"matchLabels": {"a": "x", **OWN}}},
        ),
        ("PodDisruptionBudget", {"selector": {"matchLabels": {}}}, {"selector": {"matchLabels": OWN}}),
        # All pods of the namespace, which are others' too.
        ("NetworkPolicy", {"podSelector": {}}, {"podSelector": {"matchLabels": OWN}}),
        (
            "NetworkPolicy",
            {
                **POLICY,
                "ingress": [{"from": [USERS, ELSEWHERE, ANYBODY]}, {"ports": [1]}],
                "egress": [{"to": [USERS]}],
            },
            {
                "podSelector": {"matchLabels": {"app": "postgres", **OWN}},
                "ingress": [{"from": [OWN_USERS, ELSEWHERE, ANYBODY]}, {"ports": [1]}],
                "egress": [{"to": [OWN_USERS]}],
            },
        ),
        ("ConfigMap", {}, {}),
    ],
)
def test_objects_select_pods_of_the_deployment_only(kind: str, spec: dict, scoped: dict) -> None:
    assert namespace.scoped({"kind": kind, "spec": spec}, "k8s") == {"kind": kind, "spec": scoped}
