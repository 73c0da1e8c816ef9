# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""Whether workloads have come up, and whether they ever will."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._text import one_line

IMAGE = ("ErrImageNeverPull", "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageInspect")
CONFIGURATION = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
# A container that fails that often will fail again.
RESTARTS = 2
QUOTA, NO_NODE = "the quota", "no node takes"
# For how many seconds a quota may be too small because of pods that are about to go.
QUOTA_SECONDS = 30
# For how much of the time-out no node may take a pod: of 300 s these are 90 s, in which whatever adds nodes has looked,
# and the cluster has noticed that a node is dead (54 s).
NO_NODE_SHARE = 0.3
# What the autoscaler of a cluster, or Karpenter, say of a pod for which a node will come. Of one that fits a node which
# comes already the autoscaler says nothing.
NODES_COME = ("TriggeredScaleUp", "Nominated")
# A node that answers says soon that it has got a pod.
UNSEEN_SECONDS = 20
# The label by which the pods of a template are told from those of an earlier one.
REVISIONS = {
    "Deployment": "pod-template-hash",
    "StatefulSet": "controller-revision-hash",
    "DaemonSet": "controller-revision-hash",
}
# What a kubelet answers with status 200 where its runtime has no log (Kubernetes, kuberuntime_container.go).
NO_LOG = "unable to retrieve container logs for "


@dataclass
class Seen:
    """All that was read of one workload: itself, its pods, and warnings in its namespace, the newest last.

    `nodes_come` is whether something said lately that it adds nodes for pods of the namespace.
    """

    workload: dict[str, Any]
    pods: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[dict[str, Any]] = field(default_factory=list)
    nodes_come: bool = False

    @property
    def name(self) -> str:
        return f"{self.workload['kind']} {self.workload['metadata']['name']}"


def unfinished(seen: Seen) -> str:
    """Why a workload is not up yet; empty when it is."""
    workload = seen.workload
    spec, status, kind = workload.get("spec") or {}, workload.get("status") or {}, workload["kind"]
    if kind == "Job":
        return "" if status.get("succeeded") else "it has not ended yet"
    if status.get("observedGeneration", 0) < workload["metadata"].get("generation", 1):
        return "the change has not been noticed yet"
    if kind == "DaemonSet":
        return unfinished_on_nodes(status, len(lost_nodes(seen.pods)))
    wanted, updated = spec.get("replicas", 1), status.get("updatedReplicas", 0)
    useful = status.get("availableReplicas" if kind == "Deployment" else "readyReplicas", 0)
    if kind == "StatefulSet" and status.get("updateRevision") != status.get("currentRevision"):
        updated = min(updated, wanted)
    elif kind == "StatefulSet":
        updated = wanted
    if updated < wanted:
        return f"{updated} of {wanted} pods are as they should be"
    if status.get("replicas", 0) > wanted:
        return f"{status['replicas'] - wanted} old pods are still there"
    return "" if useful >= wanted else f"{useful} of {wanted} pods are ready"


def is_lost(pod: dict[str, Any], now: float) -> bool:
    """Whether the node of the pod does not answer.

    The cluster calls the pod not ready, whose containers were so at the node's last word; or no node has said a word
    of it for a while.
    """
    status, containers = pod.get("status") or {}, (pod.get("status") or {}).get("containerStatuses") or []
    if ready(pod) or not (pod.get("spec") or {}).get("nodeName"):
        return False
    made = datetime.fromisoformat(pod["metadata"]["creationTimestamp"].replace("Z", "+00:00")).timestamp()
    unseen = not status.get("startTime") and now - made > UNSEEN_SECONDS
    return unseen or (bool(containers) and all(each.get("ready") for each in containers))


def lost_nodes(pods: list[dict[str, Any]]) -> set[str]:
    now = datetime.now(timezone.utc).timestamp()
    return {pod["spec"]["nodeName"] for pod in pods if is_lost(pod, now)}


def unfinished_on_nodes(status: dict[str, Any], lost: int) -> str:
    """Why a DaemonSet is not up yet; empty when each node that is to have a pod of it has one that works.

    A node that does not answer still counts in the status, and is not waited for.
    """
    wanted = status.get("desiredNumberScheduled", 0) - lost
    if wanted <= 0:
        return "no node is to have a pod of it"
    updated, useful = status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)
    if updated < wanted:
        return f"{updated} of {wanted} pods are as they should be"
    return "" if useful >= wanted else f"{useful} of {wanted} pods are ready"


def made_of(pod: dict[str, Any], template: dict[str, Any]) -> bool:
    """Whether a pod was made of a template, to which admission may have added something."""
    spec, wanted = pod.get("spec") or {}, template.get("spec") or {}
    containers = {each["name"]: each for each in spec.get("containers") or []}
    annotations = (pod["metadata"].get("annotations") or {}).items()
    return (
        bool(wanted.get("containers"))
        and all(
            containers.get(each["name"], {}).get(key) == each.get(key)
            for each in wanted["containers"]
            for key in ("image", "command", "args", "env", "envFrom")
        )
        and all(each in (spec.get("volumes") or []) for each in wanted.get("volumes") or [])
        and annotations >= ((template.get("metadata") or {}).get("annotations") or {}).items()
    )


def newest(seen: Seen) -> list[dict[str, Any]]:
    """The pods of the workload's last change: what is wrong with older ones is about to be put right."""
    key = REVISIONS.get(seen.workload["kind"])
    pods = [pod for pod in seen.pods if not pod["metadata"].get("deletionTimestamp")]
    if not key or not pods:
        return pods
    # Where a change is taken back, the pods that stay are older than those that go.
    current = [pod for pod in pods if made_of(pod, (seen.workload.get("spec") or {}).get("template") or {})]
    if current and seen.workload["kind"] != "StatefulSet":
        return current
    last = max(pods, key=lambda pod: pod["metadata"]["creationTimestamp"])["metadata"]["labels"].get(key)
    if seen.workload["kind"] == "StatefulSet":
        last = (seen.workload.get("status") or {}).get("updateRevision", last)
    return [pod for pod in pods if pod["metadata"]["labels"].get(key) == last]


def container_trouble(pod: dict[str, Any]) -> str:
    """Why a container of the pod will not start by waiting; empty where it may."""
    status = pod.get("status") or {}
    for each in (status.get("initContainerStatuses") or []) + (status.get("containerStatuses") or []):
        state = each.get("state") or {}
        waiting = state.get("waiting") or {}
        reason, message = waiting.get("reason", ""), one_line(waiting.get("message", ""))
        node = (pod.get("spec") or {}).get("nodeName", "")
        if reason in IMAGE:
            return (
                f"the image {each['image']} is not to be had on the node {node} "
                f"({reason}{': ' + message if message else ''}); "
                "bring it there with kubernetes_image_loader, such as `minikube image load`, or name one that the "
                "node can pull "
                "in kubernetes_image_references"
            )
        if reason in CONFIGURATION:
            pod_name = pod["metadata"]["name"]
            return f"the container {each['name']} of the pod {pod_name} cannot be started ({reason}: {message})"
        if each.get("restartCount", 0) >= RESTARTS and not each.get("ready") and (reason or "terminated" in state):
            ended = (each.get("lastState") or {}).get("terminated") or state.get("terminated") or {}
            return (
                f"the container {each['name']} of the pod {pod['metadata']['name']} ended {each['restartCount']} "
                "times, the last time with "
                f"{ended.get('reason', 'an error')} and code {ended.get('exitCode', '?')}"
            )
    return ""


def ready(pod: dict[str, Any]) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def making_room(seen: Seen) -> bool:
    """Whether pods that were refused are there meanwhile, or may come when others have started or are gone."""
    pods, spec = newest(seen), seen.workload.get("spec") or {}
    wanted = spec.get("replicas", 1)
    if seen.workload["kind"] == "DaemonSet":
        wanted = (seen.workload.get("status") or {}).get("desiredNumberScheduled", 1)
    if seen.workload["kind"] in ("Deployment", "DaemonSet"):
        # While an update has made none of its pods, the newest ones are those that it replaces.
        pods = [pod for pod in pods if made_of(pod, spec.get("template") or {})]
    going = any(pod["metadata"].get("deletionTimestamp") for pod in seen.pods)
    return len(pods) >= wanted or going or not all(ready(pod) for pod in pods)


def refused(seen: Seen) -> str:
    """Why the API server refuses the workload's pods; empty where it does not."""
    if making_room(seen):
        return ""
    name = re.escape(seen.workload["metadata"]["name"])
    for each in reversed(seen.warnings):
        involved, message = each.get("involvedObject") or {}, one_line(each.get("message", ""), 300)
        if each.get("reason") != "FailedCreate" or not re.fullmatch(f"{name}(-[a-z0-9]+)?", involved.get("name", "")):
            continue
        if involved.get("kind") == "Pod" or "forbidden" not in message:
            continue
        if "quota" in message:
            return (
                f"{QUOTA} of the namespace forbids its pod ({message}); "
                "raise the quota, or ask for less in the variables ..._resources"
            )
        if "PodSecurity" in message or "pod security" in message.lower():
            return (
                f"the pod security of the cluster forbids its pod ({message}); "
                "ask its administrator to allow this in the namespace"
            )
        return f"the cluster forbids its pod ({message}); ask its administrator to allow it"
    return ""


def unscheduled(pod: dict[str, Any]) -> dict[str, Any]:
    """The condition that says why a pod has no node; empty where it has one."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    return next((each for each in conditions if (each["type"], each["status"]) == ("PodScheduled", "False")), {})


def said_of(condition: dict[str, Any]) -> str:
    """What the scheduler says, without what follows about moving other pods away, which is the same for all nodes."""
    return one_line(condition.get("message", "").partition(" preemption: ")[0]).rstrip(".")


def has_claim(pod: dict[str, Any]) -> bool:
    return any("persistentVolumeClaim" in each for each in (pod.get("spec") or {}).get("volumes") or [])


def homeless(seen: Seen) -> str:
    """Why no node takes a pod; empty where all have one, or one may yet come or become free.

    A volume can take minutes to be made, during which a pod keeps what the scheduler said of it before.
    """
    if seen.nodes_come or any(pod["metadata"].get("deletionTimestamp") for pod in seen.pods):
        return ""
    for pod in newest(seen):
        condition = unscheduled(pod)
        # Others are moved away for one that is nominated, and a gate holds one back that has not been tried.
        is_nominated = (pod.get("status") or {}).get("nominatedNodeName")
        if condition.get("reason") == "Unschedulable" and not is_nominated and not has_claim(pod):
            return (
                f"{NO_NODE} the pod {pod['metadata']['name']} ({said_of(condition)}); "
                "ask for less in the variables ..._resources, for other nodes in ..._node_selector and "
                "..._tolerations, add a node, or give it more time in kubernetes_wait_timeout"
            )
    return ""


def patience(reason: str, timeout: float) -> float:
    """For how many seconds a reason has to hold until it is final."""
    if reason.startswith(NO_NODE):
        return timeout * NO_NODE_SHARE
    return QUOTA_SECONDS if reason.startswith(QUOTA) else 0


def hopeless(seen: Seen) -> str:
    """Why waiting is of no use; empty while it may be."""
    if seen.workload["kind"] == "Job":
        for each in (seen.workload.get("status") or {}).get("conditions") or []:
            if each["type"] == "Failed" and each["status"] == "True":
                return f"it failed ({each.get('reason', '')})"
    if unfinished(seen):
        for pod in newest(seen):
            trouble = container_trouble(pod)
            if trouble:
                return trouble
        return refused(seen) or homeless(seen)
    return ""


def log(answer: str) -> str:
    """The log in an answer of the API; empty where a kubelet says instead that there is none."""
    return "" if answer.startswith(NO_LOG) else answer


def last_word(seen: Seen) -> str:
    """What is known of a workload that did not come up in time: its pods' own condition, else the last warning."""
    names = {pod["metadata"]["name"] for pod in newest(seen)}
    for pod in newest(seen):
        condition = unscheduled(pod)
        if condition:
            return f"the pod {pod['metadata']['name']} finds no node ({said_of(condition)})"
    for each in reversed(seen.warnings):
        if (each.get("involvedObject") or {}).get("name") in names:
            return f"{each['involvedObject']['name']}: {one_line(each.get('message', ''))}"
    return ""
