# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""Whether a cluster that was just started takes pods: its nodes, its DNS and its volumes."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from ansible_collections.mlops.mlflow.plugins.module_utils._kubernetes_api import Cluster
from ansible_collections.mlops.mlflow.plugins.module_utils._kubernetes_cluster import default_class, ready_in

ZONE = "topology.kubernetes.io/zone"
# What makes volumes, by the provisioner of a StorageClass: the namespace and a label of its pods, as minikube has them.
PROVISIONERS = {
    "k8s.io/minikube-hostpath": ("kube-system", "integration-test=storage-provisioner"),
    "rancher.io/local-path": ("local-path-storage", "app=local-path-provisioner"),
    "hostpath.csi.k8s.io": ("kube-system", "app.kubernetes.io/name=csi-hostpathplugin"),
}
SLICES = "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices"
DNS = f"{SLICES}?labelSelector={quote('kubernetes.io/service-name=kube-dns', safe='')}"


def facts_of(cluster: Cluster) -> dict[str, Any]:
    """All that is looked at. What this user may not see, or what is not there yet, is empty."""
    classes = cluster.items("/apis/storage.k8s.io/v1/storageclasses") or []
    name = default_class(classes)
    provisioner = next((each["provisioner"] for each in classes if each["metadata"]["name"] == name), "")
    pods = None
    if provisioner in PROVISIONERS:
        namespace, labels = PROVISIONERS[provisioner]
        pods = cluster.items(f"/api/v1/namespaces/{namespace}/pods?labelSelector={quote(labels, safe='')}") or []
    return {
        "nodes": cluster.items("/api/v1/nodes") or [],
        "dns": cluster.items(DNS) or [],
        "class": name,
        "provisioner": provisioner,
        "provisioner_pods": pods,
    }


def node_trouble(node: dict[str, Any]) -> str:
    """Why a node takes no pods; empty where it does. One that somebody has cordoned is as it is meant to be."""
    conditions = {each["type"]: each for each in (node.get("status") or {}).get("conditions") or []}
    ready = conditions.get("Ready") or {}
    if ready.get("status") != "True":
        return ready.get("message") or ready.get("reason") or "not Ready"
    for taint in (node.get("spec") or {}).get("taints") or []:
        name = taint["key"].removeprefix("node.kubernetes.io/")
        if name not in (taint["key"], "unschedulable"):
            return f"it is tainted {name}"
    return ""


def answers(slices: list[dict[str, Any]]) -> bool:
    """Whether a Service has an address that is ready."""
    return any(
        (endpoint.get("conditions") or {}).get("ready") is not False
        for each in slices
        for endpoint in each.get("endpoints") or []
    )


def lacking(facts: dict[str, Any], nodes: int) -> list[str]:
    """What is missing, in words; empty where pods can be started."""
    found = []
    if len(facts["nodes"]) < nodes:
        found.append(f"{len(facts['nodes'])} of {nodes} nodes have joined")
    for node in facts["nodes"]:
        trouble = node_trouble(node)
        if trouble:
            found.append(f"the node {node['metadata']['name']} is not ready ({' '.join(trouble.split())[:200]})")
    if not answers(facts["dns"]):
        found.append("DNS (CoreDNS) does not answer")
    if not facts["class"]:
        found.append("there is no default StorageClass, so no volume can be had")
    elif facts["provisioner_pods"] is not None and not any(ready_in(pod) for pod in facts["provisioner_pods"]):
        found.append(f"the provisioner of volumes ({facts['provisioner']}) does not run")
    return found


def summary(facts: dict[str, Any]) -> dict[str, Any]:
    """What callers go on with."""
    nodes = [
        {"name": node["metadata"]["name"], "zone": (node["metadata"].get("labels") or {}).get(ZONE, "")}
        for node in facts["nodes"]
    ]
    return {"nodes": sorted(nodes, key=lambda each: each["name"]), "storage_class": facts["class"]}
