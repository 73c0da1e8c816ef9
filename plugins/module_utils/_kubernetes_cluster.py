# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""What has to be known of a cluster before anything is applied to it, and what stands in the way."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils import _kubernetes_namespace
from ansible_collections.mlops.mlflow.plugins.module_utils._kubernetes_api import Cluster, ClusterError
from ansible_collections.mlops.mlflow.plugins.module_utils._kubernetes_quantity import bytes_of, cpus_of
from ansible_collections.mlops.mlflow.plugins.module_utils._text import one_line

LABEL = _kubernetes_namespace.LABEL
GENERAL = "kubernetes_storage_class"
DEFAULT_CLASS = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)


@dataclass(frozen=True)
class Wanted:
    """What the deployment asks of the cluster."""

    deployment: str
    namespace: str
    rights: list[dict[str, Any]]
    kinds: list[str]
    storage_class: str | None
    node_port: int
    # Whether the deployment makes the namespace, and whether what others have in it is listed.
    namespace_managed: bool = True
    others: bool = False
    # Kinds of which the objects of the deployment are listed.
    owned_kinds: tuple[str, ...] = ()
    # Classes that components choose for their volumes, and variables that name Secrets and ConfigMaps, by variable.
    storage_classes: dict[str, str] = field(default_factory=dict)
    needed: dict[str, Any] = field(default_factory=dict)


def full_name(image: str) -> str:
    """An image's name as nodes know it: with its registry and tag."""
    first, slash, rest = image.partition("/")
    if not slash:
        image = f"docker.io/library/{image}"
    elif "." not in first and ":" not in first and first != "localhost":
        image = f"docker.io/{first}/{rest}"
    return image if re.search(r"[:@][^/]*$", image) else f"{image}:latest"


def node_facts(node: dict[str, Any]) -> dict[str, Any]:
    """What counts of a node."""
    status, spec = node.get("status") or {}, node.get("spec") or {}
    conditions = {each["type"]: each["status"] for each in status.get("conditions") or []}
    allocatable = status.get("allocatable") or {}
    taints = [each for each in spec.get("taints") or [] if each.get("effect") in ("NoSchedule", "NoExecute")]
    return {
        "name": node["metadata"]["name"],
        "address": next(
            (each["address"] for each in status.get("addresses") or [] if each["type"] == "InternalIP"), ""
        ),
        "answers": conditions.get("Ready") == "True",
        "usable": conditions.get("Ready") == "True" and not spec.get("unschedulable") and not taints,
        "cpus": cpus_of(allocatable.get("cpu", "0")),
        "memory_mb": bytes_of(allocatable.get("memory", "0")) // 2**20,
        "images": sorted({full_name(name) for each in status.get("images") or [] for name in each.get("names") or []}),
    }


def default_class(classes: list[dict[str, Any]]) -> str:
    """The name of the default StorageClass; empty where there is none."""
    for each in classes:
        notes = each["metadata"].get("annotations") or {}
        if any(notes.get(name) == "true" for name in DEFAULT_CLASS):
            return each["metadata"]["name"]
    return ""


def port_holder(services: list[dict[str, Any]], port: int) -> str:
    """The Service that has a node port, as namespace/name; empty where it is free."""
    for each in services:
        if any(item.get("nodePort") == port for item in (each.get("spec") or {}).get("ports") or []):
            return f"{each['metadata']['namespace']}/{each['metadata']['name']}"
    return ""


def ready_in(pod: dict[str, Any]) -> set[str]:
    """The containers of a pod that are ready, by name."""
    return {each["name"] for each in (pod.get("status") or {}).get("containerStatuses") or [] if each.get("ready")}


def running_images(pods: list[dict[str, Any]]) -> list[str]:
    """Images that a node must have, because containers run from them."""
    found = set()
    for pod in pods:
        found |= {full_name(each["image"]) for each in pod["spec"]["containers"] if each["name"] in ready_in(pod)}
    return sorted(found)


def container_images(pods: list[dict[str, Any]]) -> dict[str, str]:
    """The image of each container that is ready, by the container's name."""
    return {
        each["name"]: each["image"]
        for pod in pods
        for each in pod["spec"]["containers"]
        if each["name"] in ready_in(pod)
    }


def review(cluster: Cluster, right: dict[str, Any], namespace: str) -> str:
    """What this user may not do, in words; empty where it is allowed."""
    group, _slash, resource = right["resource"].rpartition("/")
    resource, _colon, subresource = resource.partition(":")
    attributes = {"group": group, "resource": resource, "subresource": subresource, "verb": right["verb"]}
    if not right.get("cluster_wide"):
        attributes["namespace"] = namespace
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {name: value for name, value in attributes.items() if value}},
    }
    status, answer = cluster.ask(path, "POST", body)
    if status == 401:
        raise ClusterError(
            f"The cluster of the context {cluster.context} does not know this user (401): log in again, or repair the "
            "kubeconfig file."
        )
    if status >= 400:
        raise ClusterError(
            f"The cluster of the context {cluster.context} does not say what this user may do "
            f"({one_line(answer.get('message', status))}): choose a user that may at least ask."
        )
    return (
        ""
        if (answer.get("status") or {}).get("allowed")
        else f"{right['verb']} {resource}{'/' * bool(subresource)}{subresource}"
    )


def api_of(version: str) -> str:
    """The path of an API version."""
    return f"/{'api' if version == 'v1' else 'apis'}/{version}"


def offered(cluster: Cluster, kinds: list[str]) -> dict[str, str]:
    """Those of the kinds, written as version/Kind, that the API server has, with the resources' names in its paths."""
    found = {}
    for version in sorted({kind.rpartition("/")[0] for kind in kinds}):
        status, answer = cluster.ask(api_of(version))
        for each in answer.get("resources") or [] if status == 200 else []:
            kind = f"{version}/{each['kind']}"
            # Subresources have a slash in their names.
            if kind in kinds and "/" not in each["name"]:
                found[kind] = each["name"]
    return found


def objects(cluster: Cluster, kind: str, resource: str, place: str) -> list[dict[str, Any]]:
    """The objects of one kind at a place, which are none where the user may not see them: kind and name."""
    version, _slash, name = kind.rpartition("/")
    found = cluster.items(f"{api_of(version)}/{place.format(resource)}") or []
    return [{"apiVersion": version, "kind": name, "metadata": {"name": each["metadata"]["name"]}} for each in found]


def named_in(needed: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The variable, the resource and the name of each Secret and ConfigMap that must be there."""
    keys = {"secretRef": "secrets", "secret": "secrets", "configMapRef": "configmaps", "configMap": "configmaps"}
    found = []

    def look(variable: str, value: Any) -> None:
        for key, each in value.items() if isinstance(value, dict) else []:
            name = each.get("name") or each.get("secretName") if isinstance(each, dict) else None
            if key in keys and name and not each.get("optional"):
                found.append((variable, keys[key], str(name)))
            look(variable, each)
        for each in value if isinstance(value, list) else []:
            look(variable, {"secret": {"name": each}} if isinstance(each, str) else each)

    for variable, value in needed.items():
        look(variable, value)
    return sorted(set(found))


def absent(cluster: Cluster, each: tuple[str, str, str], namespace: str) -> str:
    """What is named and is not there, in words; empty where it is."""
    variable, resource, name = each
    kind = {"secrets": "Secret", "configmaps": "ConfigMap"}[resource]
    status, _answer = cluster.ask(f"{namespace}/{resource}/{name}")
    return f"{variable} names the {kind} {name}" if status == 404 else ""


def survey(cluster: Cluster, wanted: Wanted) -> dict[str, Any]:
    """Ask all questions at once."""
    namespace = f"/api/v1/namespaces/{wanted.namespace}"
    version_status, version = cluster.ask("/version")
    if version_status == 404:
        raise cluster.no_api_server()
    with ThreadPoolExecutor(8) as pool:
        denied = pool.map(lambda right: review(cluster, right, wanted.namespace), wanted.rights)
        space = pool.submit(cluster.ask, namespace)
        classes = pool.submit(cluster.items, "/apis/storage.k8s.io/v1/storageclasses")
        nodes = pool.submit(cluster.items, "/api/v1/nodes")
        services = pool.submit(cluster.items, "/api/v1/services")
        ours = f"?labelSelector={LABEL}%3D{wanted.deployment}"
        pods = pool.submit(cluster.items, f"{namespace}/pods{ours}")
        claims = pool.submit(cluster.items, f"{namespace}/persistentvolumeclaims{ours}")
        quotas = pool.submit(cluster.items, f"{namespace}/resourcequotas")
        ranges = pool.submit(cluster.items, f"{namespace}/limitranges")
        theirs = _kubernetes_namespace.others(cluster, wanted.namespace, wanted.deployment) if wanted.others else []
        kinds = pool.submit(offered, cluster, [*wanted.kinds, *wanted.owned_kinds])
        place = f"namespaces/{wanted.namespace}/{{}}{ours}"
        owned = pool.map(
            lambda kind: objects(cluster, kind, kinds.result()[kind], place),
            [kind for kind in wanted.owned_kinds if kind in kinds.result()],
        )
        lacking = list(pool.map(lambda each: absent(cluster, each, namespace), named_in(wanted.needed)))
        mine = [each for some in owned for each in some]
        refused = [each for each in denied if each]
    status, found = space.result()
    return {
        "context": cluster.context,
        "host": cluster.host,
        "version": str(version.get("gitVersion", "")) if version_status == 200 else "",
        # Who may use a namespace that somebody else gave need not be allowed to look at it.
        "namespace_exists": status == 200 or (status == 403 and not wanted.namespace_managed),
        "namespace_owner": ((found.get("metadata") or {}).get("labels") or {}).get(LABEL, "") if status == 200 else "",
        "namespace_ends": status == 200 and (found.get("status") or {}).get("phase") == "Terminating",
        "storage_classes": None
        if classes.result() is None
        else sorted(each["metadata"]["name"] for each in classes.result()),
        "default_storage_class": default_class(classes.result() or []),
        "nodes": None if nodes.result() is None else [node_facts(each) for each in nodes.result()],
        "node_port_holder": port_holder(services.result() or [], wanted.node_port) if wanted.node_port else "",
        "running_images": running_images(pods.result() or []),
        "container_images": container_images(pods.result() or []),
        "claims": sorted(each["metadata"]["name"] for each in claims.result() or []),
        "lacking": [each for each in lacking if each],
        "kinds": sorted(set(wanted.kinds) & set(kinds.result())),
        "objects": mine,
        "denied": refused,
        "others": theirs,
        "quotas": quotas.result() or [],
        "limit_ranges": ranges.result() or [],
    }


def obstacles(facts: dict[str, Any], wanted: Wanted) -> list[str]:
    """One sentence for each thing that stands in the way, the one that matters most first."""
    context, namespace, found = facts["context"], wanted.namespace, []
    if facts["denied"]:
        some = ", ".join(facts["denied"][:5]) + (f" and {len(facts['denied']) - 5} more" if facts["denied"][5:] else "")
        found.append(
            f"The user of the context {context} may not {some} in the namespace {namespace}: ask the cluster's "
            "administrator for a role that may, or choose another kubernetes_context or kubernetes_namespace."
        )
    if facts["namespace_ends"]:
        found.append(
            f"The namespace {namespace} is just being removed from the cluster of the context {context}: wait until "
            "it is gone, and run again."
        )
    else:
        found += namespace_obstacles(facts, wanted)
    if wanted.storage_class is not None and facts["storage_classes"] is not None:
        found += storage_obstacles(facts, wanted.storage_class, wanted.storage_classes)
    if facts["nodes"] is not None and not any(each["usable"] for each in facts["nodes"]):
        found.append(
            f"The cluster of the context {context} has no node that is ready and takes pods: look at `kubectl get "
            "nodes`."
        )
    for each in facts["lacking"]:
        found.append(
            f"{each}, which the namespace {namespace} does not have: create it first, in a namespace that is there "
            "before the first run (docs/kubernetes.md)."
        )
    holder = facts["node_port_holder"]
    if holder and holder.partition("/")[0] != namespace:
        found.append(
            f"mlflow_server_node_port is {wanted.node_port}, which belongs to the Service {holder}: choose another "
            "port from 30000 to 32767, "
            "or 0 for none."
        )
    return found


def namespace_obstacles(facts: dict[str, Any], wanted: Wanted) -> list[str]:
    """Whether the namespace is what the user says it is."""
    owner, namespace = facts["namespace_owner"], wanted.namespace
    if not wanted.namespace_managed:
        if facts["namespace_exists"]:
            return []
        return [
            f"kubernetes_namespace is {namespace}, which is not there, and kubernetes_namespace_managed is false: "
            f"create it with `kubectl create namespace {namespace}`, name another one, or leave "
            "kubernetes_namespace_managed out."
        ]
    if not facts["namespace_exists"] or owner == wanted.deployment:
        return []
    if owner:
        return [
            f"kubernetes_namespace is {namespace}, which is there and belongs to the deployment {owner}: choose "
            "another namespace, or remove that one first."
        ]
    return [
        f"kubernetes_namespace is {namespace}, which is there and belongs to something else: choose another namespace, "
        "or set kubernetes_namespace_managed to false to deploy beside what is in it."
    ]


def storage_obstacles(facts: dict[str, Any], general: str, own: dict[str, str]) -> list[str]:
    """Whether volumes can be had: of the class of their component, of the general one, or of the cluster's default."""
    names = ", ".join(facts["storage_classes"]) or "none"
    chosen = {variable if name else GENERAL: name or general for variable, name in (own or {GENERAL: general}).items()}
    missing = [
        f"{variable} is {name}, which the cluster does not have: it has {names}."
        for variable, name in chosen.items()
        if name and name not in facts["storage_classes"]
    ]
    if missing:
        return missing
    if "" in chosen.values() and not facts["default_storage_class"]:
        return [
            f"The cluster of the context {facts['context']} has no default StorageClass, so no volume can be had: "
            "give one of its classes "
            f"({names}) in kubernetes_storage_class, or let its administrator install one."
        ]
    return []
