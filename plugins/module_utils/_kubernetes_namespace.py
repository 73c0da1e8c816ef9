# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""A namespace that other people use too: what is theirs, and how the deployment keeps to its own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from ansible_collections.mlops.mlflow.plugins.module_utils._deployment_plan import merged

# Filters are made of this file too, and each process that uses one would import the whole client.
if TYPE_CHECKING:
    from ansible_collections.mlops.mlflow.plugins.module_utils._kubernetes_api import Cluster

LABEL = "mlops.mlflow.deployment"
# What Kubernetes makes in each namespace by itself, and what says something about other objects and goes with them.
AUTOMATIC = {("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")}
PASSING = {"Event", "Lease", "Endpoints", "EndpointSlice", "ControllerRevision", "PodMetrics"}
TOKEN = "kubernetes.io/service-account-token"


def is_automatic(kind: str, item: dict[str, Any]) -> bool:
    """Whether an object comes and goes without anybody: by Kubernetes, or with the object that it belongs to."""
    return (
        kind in PASSING
        or (kind, item["metadata"]["name"]) in AUTOMATIC
        or bool(item["metadata"].get("ownerReferences"))
        or item.get("type") == TOKEN
    )


def of_others(kind: str, items: list[dict[str, Any]], deployment: str) -> list[str]:
    """The objects that are not the deployment's, as Kind/name."""
    return [
        f"{kind}/{each['metadata']['name']}"
        for each in items
        if (each["metadata"].get("labels") or {}).get(LABEL) != deployment and not is_automatic(kind, each)
    ]


def listable(resources: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """The names and kinds of resources that are in namespaces and can be listed, by the answer of an API group."""
    return [
        (each["name"], each["kind"])
        for each in resources
        if each.get("namespaced") and "list" in (each.get("verbs") or []) and "/" not in each["name"]
    ]


def others(cluster: Cluster, namespace: str, deployment: str) -> list[str]:
    """What is in a namespace besides the deployment, of every kind that the cluster has and the user may see."""
    _status, groups = cluster.ask("/apis")
    versions = [each["preferredVersion"]["groupVersion"] for each in groups.get("groups") or []]
    paths = ["/api/v1", *(f"/apis/{version}" for version in versions if not version.startswith("metrics.k8s.io/"))]

    def in_group(path: str) -> list[tuple[str, str]]:
        _status, answer = cluster.ask(path)
        return [
            (f"{path}/namespaces/{namespace}/{name}", kind) for name, kind in listable(answer.get("resources") or [])
        ]

    with ThreadPoolExecutor(8) as pool:
        places = [place for found in pool.map(in_group, paths) for place in found]
        lists = pool.map(lambda place: (place[1], cluster.items(place[0]) or []), places)
        return sorted({name for kind, items in lists for name in of_others(kind, items, deployment)})


def collisions(planned: list[dict[str, Any]], theirs: list[str]) -> list[str]:
    """The objects that the deployment would make, and that are there and belong to somebody else."""
    return sorted({f"{each['kind']}/{each['metadata']['name']}" for each in planned} & set(theirs))


def scoped(item: dict[str, Any], deployment: str) -> dict[str, Any]:
    """An object that selects pods, so that it selects none of other people's which have the same labels by chance.

    Of a NetworkPolicy, those that may connect stay who they are where all pods of the namespace may.
    """
    own = {LABEL: deployment}
    spec = item.get("spec") or {}
    if item["kind"] == "Service":
        return merged(item, {"spec": {"selector": own}})
    if item["kind"] in ("Deployment", "StatefulSet", "DaemonSet", "PodDisruptionBudget"):
        return merged(item, {"spec": {"selector": {"matchLabels": own}}})
    if item["kind"] != "NetworkPolicy":
        return item
    rules = {
        direction: [{**rule, peers: [_scoped_peer(peer, own) for peer in rule[peers]]} if peers in rule else rule
                    for rule in spec[direction]]
        for direction, peers in (("ingress", "from"), ("egress", "to"))
        if direction in spec
    }  # fmt: skip
    return merged({**item, "spec": {**spec, **rules}}, {"spec": {"podSelector": {"matchLabels": own}}})


def _scoped_peer(peer: dict[str, Any], own: dict[str, str]) -> dict[str, Any]:
    labels = (peer.get("podSelector") or {}).get("matchLabels")
    if not labels or "namespaceSelector" in peer:
        return peer
    return merged(peer, {"podSelector": {"matchLabels": own}})
