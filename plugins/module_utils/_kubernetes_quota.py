# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""Whether the quotas of a namespace have room for a deployment, before anything is applied.

A quota refuses pods one by one, when the old ones may be gone already.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._kubernetes_quantity import amount

# What a quota can count of containers, and where it stands in a container.
COUNTED = {
    "requests.cpu": ("requests", "cpu"),
    "requests.memory": ("requests", "memory"),
    "limits.cpu": ("limits", "cpu"),
    "limits.memory": ("limits", "memory"),
    "cpu": ("requests", "cpu"),
    "memory": ("requests", "memory"),
}
# The name of a workload, how many pods it has, and what is in a pod.
Pods = list[tuple[str, int, dict[str, Any]]]
DEFAULTS = {"limits": "default", "requests": "defaultRequest"}


def pods_of(objects: list[dict[str, Any]], is_new: bool, nodes: int = 1) -> Pods:
    """The workloads with how many pods each has at most, and what is in a pod.

    One that is updated with the new pod there before an old one goes, which a StatefulSet is not, has one more for a
    while. A DaemonSet has one on each node.
    """
    found = []
    for each in objects:
        template = (each.get("spec") or {}).get("template")
        if template:
            count = nodes if each["kind"] == "DaemonSet" else each["spec"].get("replicas", 1)
            count += 1 if each["kind"] in ("Deployment", "DaemonSet") and not is_new else 0
            found.append((f"{each['kind']} {each['metadata']['name']}", count, template["spec"]))
    return found


def defaults(ranges: list[dict[str, Any]]) -> dict[tuple[str, str], str]:
    """What containers get that say nothing themselves."""
    found: dict[tuple[str, str], str] = {}
    for each in ranges:
        for limit in each["spec"].get("limits") or []:
            if limit.get("type") != "Container":
                continue
            for where, key in DEFAULTS.items():
                found.update({(where, name): value for name, value in (limit.get(key) or {}).items()})
    return found


def said_by(container: dict[str, Any], where: str, resource: str, given: dict[tuple[str, str], str]) -> str | None:
    """What a container asks for: by itself, or by the namespace; a request is the limit where only that is said."""
    resources = container.get("resources") or {}
    own = (resources.get(where) or {}).get(resource)
    if own is None and where == "requests":
        own = (resources.get("limits") or {}).get(resource)
    return given.get((where, resource)) if own is None else str(own)


def problems(
    objects: list[dict[str, Any]],
    quotas: list[dict[str, Any]],
    limit_ranges: list[dict[str, Any]],
    is_new: bool = True,
    nodes: int = 1,
) -> list[str]:
    """A sentence for each quota that has no room.

    Where the deployment is there already, what it uses is part of what is used, so it is compared with the whole quota.
    """
    given, workloads, found = defaults(limit_ranges), pods_of(objects, is_new, nodes), []
    for quota in quotas:
        status = quota.get("status") or {}
        hard = status.get("hard") or quota["spec"].get("hard") or {}
        if quota["spec"].get("scopes") or quota["spec"].get("scopeSelector"):
            # It counts some pods only, and which is known when they run.
            continue
        for name in hard:
            start = f"The quota {quota['metadata']['name']} of the namespace"
            silent = unsaid(name, workloads, given)
            if silent:
                found.append(
                    f"{start} counts {name}, but {silent} has none and the namespace has no LimitRange that gives one: "
                    f"set {COUNTED[name][1]} in the {COUNTED[name][0]} of the variable ..._resources of that component."
                )
                continue
            used = (status.get("used") or {}).get(name, "0") if is_new else "0"
            wanted = needed(name, objects, workloads, given)
            if wanted > amount(name, hard[name]) - amount(name, used):
                found.append(
                    f"{start} has {hard[name]} of {name}{f' with {used} used' if amount(name, used) else ''}, and the "
                    f"deployment needs {shown(name, wanted)}: raise the quota, or ask for less."
                )
    return found


def unsaid(name: str, workloads: Pods, given: dict[tuple[str, str], str]) -> str:
    """A container that does not say what a quota counts, whose pod is refused for that; empty where there is none."""
    where, resource = COUNTED.get(name, ("", ""))
    for workload, _count, pod in workloads if where else []:
        for container in pod["containers"]:
            if said_by(container, where, resource, given) is None:
                return f"the container {container['name']} of the {workload}"
    return ""


def needed(name: str, objects: list[dict[str, Any]], workloads: Pods, given: dict[tuple[str, str], str]) -> float:
    """How much of what a quota counts the deployment has; 0 of what it does not know."""
    claims = [each for each in objects if each["kind"] == "PersistentVolumeClaim"]
    if name in COUNTED:
        where, resource = COUNTED[name]
        return sum(
            count * amount(name, said_by(container, where, resource, given))
            for _workload, count, pod in workloads
            for container in pod["containers"]
        )
    if name in ("pods", "count/pods"):
        return float(sum(count for _workload, count, _pod in workloads))
    if name in ("persistentvolumeclaims", "count/persistentvolumeclaims"):
        return float(len(claims))
    if name == "requests.storage":
        return sum(amount(name, each["spec"]["resources"]["requests"]["storage"]) for each in claims)
    return 0.0


def shown(name: str, value: float) -> str:
    """A number as people write it."""
    if name.endswith("cpu") or not name.endswith(("memory", "storage")):
        return f"{value:g}"
    return f"{value / 2**20:.0f}Mi"
