# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""What users choose for the pods of a component on Kubernetes: where they run, and what they are given besides."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._deployment_plan import merged

HOSTNAME, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
# A node that takes no pods is no place to spread over, so that a single usable one takes all servers, and with
# DoNotSchedule nothing waits for a node that is not there. Pods of another template are not counted: a rolling update
# ends evenly.
# Zones are a wish, because two rules that must both be kept can leave no node where zones have unlike numbers of them.
SPREAD = (
    {"topologyKey": HOSTNAME, "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"},
    {"topologyKey": ZONE, "maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway"},
)
COUNTED = {"matchLabelKeys": ["pod-template-hash"], "nodeTaintsPolicy": "Honor"}
# The first release that has both of these switched on.
SPREADS = (1, 27)
# Pods without volumes leave a dead node that soon; without this after five minutes.
DEAD_NODE_SECONDS = 30
DEAD_NODE = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


def spread(given: list[dict[str, Any]], labels: dict[str, str]) -> list[dict[str, Any]]:
    """How the pods with these labels are spread: as the user says, or over nodes and zones."""
    counted = {**COUNTED, "labelSelector": {"matchLabels": labels}}
    return [{**counted, **each} for each in given or SPREAD]


def older(constraint: dict[str, Any]) -> dict[str, Any]:
    """The constraint for a cluster that would count the pods of earlier templates too, and nodes that take none."""
    left = {name: value for name, value in constraint.items() if name not in COUNTED}
    return {**left, "whenUnsatisfiable": "ScheduleAnyway"}


def release(version: str) -> tuple[int, int]:
    """The first two numbers of a version; of one that is not known those of a new cluster."""
    match = re.match(r"v?(\d+)[.](\d+)", version)
    return (int(match[1]), int(match[2])) if match else SPREADS


def for_release(spec: dict[str, Any], version: str) -> dict[str, Any]:
    """The pod without what the cluster is too old for."""
    constraints = spec.get("topologySpreadConstraints")
    if not constraints or release(version) >= SPREADS:
        return spec
    return {**spec, "topologySpreadConstraints": [older(each) for each in constraints]}


def soon_replaced(tolerations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The tolerations, with those of a dead node, where the user says nothing of it."""

    def said(key: str) -> bool:
        return any(
            each.get("key") in (None, "", key) and each.get("effect") in (None, "", "NoExecute") for each in tolerations
        )

    more = {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": DEAD_NODE_SECONDS}
    return [*tolerations, *({"key": key, **more} for key in DEAD_NODE if not said(key))]


def pod_of(workload: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """The template of a workload with what is chosen; where nothing is, as it was."""
    template, tolerations, constraints = workload["spec"]["template"], list(options.get("tolerations") or []), []
    if workload["kind"] == "Deployment":
        tolerations = soon_replaced(tolerations)
        given = options.get("topology_spread_constraints") or []
        constraints = spread(given, workload["spec"]["selector"]["matchLabels"])
    spec = {
        "nodeSelector": options.get("node_selector"),
        "tolerations": tolerations,
        "affinity": options.get("affinity"),
        "priorityClassName": options.get("priority_class"),
        "topologySpreadConstraints": constraints,
    }
    # What the component says itself wins: selectors are made of it.
    metadata = {name: options[f"pod_{name}"] for name in ("labels", "annotations") if options.get(f"pod_{name}")}
    template = merged({"metadata": metadata}, template)
    spec = {**template["spec"], **{name: value for name, value in spec.items() if value}}
    return {**template, "spec": with_extras(spec, options)}


def with_extras(spec: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """The pod with further environment, volumes and mounts."""
    extras = {"envFrom": options.get("env_from"), "volumeMounts": options.get("extra_volume_mounts")}
    containers = [
        {**each, **{name: (each.get(name) or []) + list(more) for name, more in extras.items() if more}}
        for each in spec["containers"]
    ]
    volumes = (spec.get("volumes") or []) + list(options.get("extra_volumes") or [])
    return {**spec, "containers": containers, **({"volumes": volumes} if volumes else {})}


def chosen(item: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """An object of a component with what is chosen for it."""
    if item["kind"] == "ServiceAccount" and options.get("service_account_annotations"):
        return merged(item, {"metadata": {"annotations": options["service_account_annotations"]}})
    if "template" in (item.get("spec") or {}):
        return {**item, "spec": {**item["spec"], "template": pod_of(item, options)}}
    return item


def completed(plan: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """The plan of a component, which has lists of objects, with what is chosen for its pods."""
    return {phase: [chosen(item, options) for item in items] for phase, items in plan.items()}
