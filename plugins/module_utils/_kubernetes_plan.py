# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""What a deployment has on Kubernetes: the plans of its components put together, and what is to be done for them."""

from __future__ import annotations

import json
import posixpath
import re
from typing import Any, NamedTuple

from ansible_collections.mlops.mlflow.plugins.module_utils._deployment_plan import digest, merged
from ansible_collections.mlops.mlflow.plugins.module_utils._kubernetes_namespace import LABEL, scoped
from ansible_collections.mlops.mlflow.plugins.module_utils._kubernetes_pod import for_release
from ansible_collections.mlops.mlflow.plugins.module_utils._kubernetes_wait import ready

# The order in which objects are applied. Secrets come from every phase, and go first.
PHASES = ("data", "jobs", "servers")
LISTS = ("first", "last", "provision")
# What the components do besides: whether they are asked for something, and whether they have a task file of that name.
HOOKS = ("asked", "conclude", "keep", "verify")
# Components that each node has a pod of.
ON_EACH_NODE = ("load_balancer",)
WITH_REGISTRY = re.compile(r"[^/]*[.:][^/]*/")


class Settings(NamedTuple):
    """What the deployment adds to the plans, and what the cluster offers."""

    namespace: str
    labels: dict[str, str]
    # Objects of the deployment itself, such as what pods may talk to.
    policies: list[dict[str, Any]]
    # Kinds without which a deployment works too, and those that this cluster has.
    optional: list[str]
    kinds: list[str]
    version: str
    # What the user chooses for all of them: labels, annotations, pod_labels, pod_annotations and image_pull_secrets.
    given: dict[str, Any]
    # Whether others use the namespace too.
    shared: bool = False


def kind_of(item: dict[str, Any]) -> str:
    return f"{item['apiVersion']}/{item['kind']}"


def chosen(given: dict[str, Any], prefix: str) -> dict[str, Any]:
    """The labels and annotations that the user chooses; without any, nothing."""
    return {name: given[prefix + name] for name in ("labels", "annotations") if given.get(prefix + name)}


def pod(template: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """The template of pods with what the deployment adds, and below that what the user chooses for all pods."""
    template = merged(template, {"metadata": {"labels": settings.labels}})
    template = merged({"metadata": chosen(settings.given, "pod_")}, template)
    spec = for_release(template.get("spec") or {}, settings.version)
    secrets = [{"name": name} for name in settings.given.get("image_pull_secrets") or []]
    return {**template, "spec": {**spec, **({"imagePullSecrets": secrets} if secrets else {})}}


def whole(item: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """The object in the namespace and with the labels of the deployment, which the pods that it makes have too."""
    item = merged(item, {"metadata": {"namespace": settings.namespace, "labels": settings.labels}})
    item = merged({"metadata": chosen(settings.given, "")}, item)
    if "template" in (item.get("spec") or {}):
        item = {**item, "spec": {**item["spec"], "template": pod(item["spec"]["template"], settings)}}
    if item["kind"] == "Job":
        # The template of a Job cannot change, so another template is another Job.
        item = merged(item, {"metadata": {"name": f"{item['metadata']['name']}-{digest(item.get('spec'))}"}})
    return scoped(item, settings.labels[LABEL]) if settings.shared else item


def put_together(components: list[tuple[str, dict[str, Any]]], settings: Settings) -> dict[str, Any]:
    """The plan of the deployment."""
    plan: dict[str, Any] = {name: [] for name in ("secrets", *PHASES, *LISTS, *HOOKS, "left_out")}
    plan["data"] += [whole(policy, settings) for policy in settings.policies]
    for component, part in components:
        for phase in PHASES:
            for item in part.get(phase) or []:
                kind = kind_of(item)
                if kind in settings.optional and kind not in settings.kinds:
                    plan["left_out"].append(kind)
                else:
                    plan["secrets" if item["kind"] == "Secret" else phase].append(whole(item, settings))
        for name in LISTS:
            plan[name] += part.get(name) or []
        for hook in HOOKS:
            if part.get(hook):
                plan[hook].append(component)
    return plan


def leftovers(
    there: list[dict[str, Any]], wanted: list[dict[str, Any]], kinds: list[str], namespace: str
) -> list[dict[str, Any]]:
    """Objects that are there and no longer wanted, as far as they are of these kinds, in the order of the kinds."""
    kept = {(kind_of(item), item["metadata"]["name"]) for item in wanted}
    return [
        {
            "apiVersion": item["apiVersion"],
            "kind": item["kind"],
            "metadata": {"name": item["metadata"]["name"], "namespace": namespace},
        }
        for kind in kinds
        for item in there
        if kind_of(item) == kind and (kind, item["metadata"]["name"]) not in kept
    ]


def rights(resources: list[str], verbs: list[str], cluster_wide: bool = False) -> list[dict[str, Any]]:
    """One right for each resource and each verb, as they are asked for."""
    wide = {"cluster_wide": True} if cluster_wide else {}
    return [{"resource": resource, "verb": verb, **wide} for resource in resources for verb in verbs]


def images(
    components: list[str], given: dict[str, str], resolved: dict[str, dict[str, Any]], pull_policy: str
) -> dict[str, dict[str, Any]]:
    """The image of each component: one that nodes can pull, where the user gives it, or one of this machine's."""
    found = {}
    for component in components:
        own = (resolved.get(component) or {}).get("reference") or ""
        reference = given.get(component) or own
        policy = "IfNotPresent" if given.get(component) else "Never"
        found[component] = {
            "reference": reference,
            "pull_policy": policy if pull_policy == "auto" else pull_policy,
            "local": not given.get(component) and reference != "",
        }
    return found


def missing_images(wanted: dict[str, dict[str, Any]], nodes: list[dict[str, Any]], running: list[str]) -> list[str]:
    """Images of this machine that not every node has which takes pods, and that no pod runs with either.

    A node that the user may not see is taken for one without images. What runs on each node is needed on those too that
    take no other pods, and on a new one.
    """
    lacking = []
    for component, image in wanted.items():
        everywhere = component in ON_EACH_NODE and bool(nodes)
        places = [node for node in nodes if node.get("answers" if everywhere else "usable")]
        reference = image["reference"]
        name = reference if WITH_REGISTRY.match(reference) else f"docker.io/{reference}"
        there = [node for node in places if name in (node.get("images") or [])]
        runs = name in running and not everywhere
        if image["local"] and not runs and len(there) < max(len(places), 1):
            lacking.append(reference)
    return lacking


def differing(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What applying would change, by the answers of a dry run.

    Where nothing but the API server's own notes differ, as for a quantity that it writes in another way, nothing does.
    """
    found = []
    for each in results:
        diff = each.get("diff")
        says_so = diff is None or diff.get("before") or diff.get("after")
        if each["changed"] and (each.get("method") == "create" or says_so):
            item = each["result"]
            found.append({"kind": item["kind"], "name": item["metadata"]["name"], "diff": diff or {}})
    return found


def secrets_again(found: list[dict[str, Any]], namespace: str) -> list[dict[str, Any]]:
    """Secrets as the cluster had them, without what it noted on them itself."""
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": each["type"],
            "metadata": {
                "name": each["metadata"]["name"],
                "namespace": namespace,
                "labels": each["metadata"].get("labels") or {},
            },
            "data": each.get("data") or {},
        }
        for each in found
    ]


def stuck_pods(pods: list[dict[str, Any]]) -> list[str]:
    """Pods of StatefulSets that are not ready: such a set does not replace one that never got so."""
    return [
        pod["metadata"]["name"]
        for pod in pods
        if (pod["metadata"].get("ownerReferences") or [{}])[0].get("kind") == "StatefulSet" and not ready(pod)
    ]


def records(files: list[tuple[str, str]], name: str, given: dict[str, Any]) -> list[dict[str, Any]]:
    """The deployments that are recorded, each in a folder of its name; with a name, that one.

    `given` is the place of a deployment that the user names, for one that has no record.
    """
    found = []
    for path, text in files:
        own = posixpath.basename(posixpath.dirname(path))
        if name in ("", own):
            found.append({**json.loads(text), "name": own})
    if not found and name and given["context"]:
        found.append({**given, "name": name, "kubeconfig": ""})
    return found


def planned(components: list[tuple[str, dict[str, Any]]], settings: dict[str, Any]) -> dict[str, Any]:
    """The plan, with settings by name."""
    return put_together(components, Settings(**settings))
