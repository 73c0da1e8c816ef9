#!/usr/bin/python
# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubernetes_wait
short_description: Wait until workloads are up, or say at once why they never will be
description:
  - Waits until Deployments, StatefulSets and DaemonSets have rolled out, and Jobs have ended well.
  - Of a DaemonSet, nodes that do not answer are not waited for.
  - Ends early, with one sentence that says why and what to do, where waiting is of no use - an image that is not to be
    had, a quota or pod security that forbids the pods, no node that takes a pod, a container that keeps failing, a
    failed Job.
  - It is there because M(kubernetes.core.k8s) with C(wait) goes on waiting for what will never be up, and then does
    not say why.
version_added: 0.1.0
author:
  - the mlops.mlflow contributors (@mlops)
extends_documentation_fragment:
  - mlops.mlflow.attributes
  - mlops.mlflow.kubernetes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  workloads:
    description: What to wait for, such as V(StatefulSet/postgres). The kinds are V(Deployment), V(StatefulSet),
      V(DaemonSet) and V(Job).
    type: list
    elements: str
    required: true
  timeout:
    description: How many seconds to wait. With V(0) it only looks.
    type: int
    default: 300
  known_warnings:
    description: What was returned as RV(seen_warnings) before something was applied. These events say nothing of
      what is waited for now. Without it, those that are there when the module begins.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Wait for the data services
  mlops.mlflow.kubernetes_wait:
    kubeconfig: ~/.kube/config
    context: minikube
    namespace: mlflow
    workloads: [StatefulSet/postgres, StatefulSet/seaweedfs]
"""

RETURN = r"""
ready:
  description: Whether all of them are up. Always true where O(timeout) is above 0, because the module fails otherwise.
  returned: success
  type: bool
seen_warnings:
  description: The warnings that the namespace has, for O(known_warnings).
  returned: success
  type: list
  elements: str
log:
  description: The end of what the pods of Jobs wrote.
  returned: where a Job is among the workloads
  type: str
reason:
  description: Why it failed, in words.
  returned: failure
  type: str
"""

import os
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.mlops.mlflow.plugins.module_utils import _kubernetes_api as api
from ansible_collections.mlops.mlflow.plugins.module_utils import _kubernetes_wait as wait
from ansible_collections.mlops.mlflow.plugins.module_utils._last_words import last_words

PATHS = {
    "Deployment": "/apis/apps/v1",
    "StatefulSet": "/apis/apps/v1",
    "DaemonSet": "/apis/apps/v1",
    "Job": "/apis/batch/v1",
}
LOG_LINES = 200
# For the log of a container that has just ended, one second apart.
LOG_ATTEMPTS = 5


def look(cluster: api.Cluster, namespace: str, workload: str, known: set) -> wait.Seen:
    """Read a workload and what belongs to it. Warnings that were there before do not count."""
    kind, _slash, name = workload.partition("/")
    status, found = cluster.ask(f"{PATHS[kind]}/namespaces/{namespace}/{kind.lower()}s/{name}")
    if status == 403:
        raise api.ClusterError(
            f"This user may not look at the {kind} {name} in the namespace {namespace}: ask for a role that may."
        )
    if status != 200:
        # Not there yet, or the API server is not well: the next look tells.
        return wait.Seen({"kind": kind, "metadata": {"name": name, "generation": 1}})
    labels = (found["spec"].get("selector") or {}).get("matchLabels") or {"job-name": name}
    if kind == "Job":
        labels = {"job-name": name}
    selector = ",".join(f"{key}%3D{value}" for key, value in labels.items())
    pods = cluster.items(f"/api/v1/namespaces/{namespace}/pods?labelSelector={selector}") or []
    fresh = [each for each in warnings(cluster, namespace) if identity(each) not in known]
    come = any(wait.unscheduled(pod) for pod in pods) and nodes_come(cluster, namespace)
    return wait.Seen({**found, "kind": kind}, pods, fresh, come)


def nodes_come(cluster: api.Cluster, namespace: str) -> bool:
    """Whether something adds nodes for pods of the namespace."""
    path = f"/api/v1/namespaces/{namespace}/events?fieldSelector=reason%3D"
    return any(cluster.items(path + reason) for reason in wait.NODES_COME)


def warnings(cluster: api.Cluster, namespace: str) -> list[dict[str, Any]]:
    """Warnings of the namespace, the newest last."""
    found = cluster.items(f"/api/v1/namespaces/{namespace}/events?fieldSelector=type%3DWarning") or []
    return sorted(found, key=lambda each: each.get("lastTimestamp") or each.get("eventTime") or "")


def identity(event: dict[str, Any]) -> str:
    """An event that occurs again is the same object with a higher count."""
    return f"{event['metadata']['uid']}/{event.get('count', 1)}"


def log_of(cluster: api.Cluster, namespace: str, seen: wait.Seen, previous: bool = False) -> str:
    """The end of what the pods wrote."""
    texts = []
    for pod in wait.newest(seen):
        path = f"/api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}/log?tailLines={LOG_LINES}"
        found = wait.log(cluster.text(path + "&previous=true")) if previous else ""
        texts.append(found or wait.log(cluster.text(path)))
    return "\n".join(text for text in texts if text)


def sentence(cluster: api.Cluster, namespace: str, seen: wait.Seen, reason: str) -> str:
    """What the user reads: with a container that ended, what it wrote last."""
    log = ""
    if "ended" in reason:
        for _time in range(LOG_ATTEMPTS):
            log = log_of(cluster, namespace, seen, previous=True)
            if log:
                break
            # A node that has just ended a container does not always have its log at once.
            time.sleep(1)
    said = last_words(log)
    return f"{seen.name}: {reason}{': ' + ' | '.join(said).rstrip('.') if said else ''}."


def watch(cluster: api.Cluster, params: dict[str, Any], known: set) -> dict[str, Any]:
    """Look until all are up, one is hopeless, or the time is over."""
    namespace, end, pause = params["namespace"], time.monotonic() + params["timeout"], 0.3
    # Of each workload the reason why it is hopeless, up to the details that change, and since when there is that one.
    since: dict[str, tuple[str, float]] = {}
    while True:
        seen = [look(cluster, namespace, workload, known) for workload in params["workloads"]]
        logs = "\n".join(log_of(cluster, namespace, each) for each in seen if each.workload["kind"] == "Job")
        left = [each for each in seen if wait.unfinished(each)]
        if not left:
            return {"ready": True, "log": logs}
        for each in left:
            reason, now = wait.hopeless(each), time.monotonic()
            kind = reason.partition(" (")[0]
            if since.get(each.name, ("", now))[0] != kind:
                since[each.name] = (kind, now)
            held = now - since[each.name][1] if reason else 0
            if reason and params["timeout"] and held >= wait.patience(reason, params["timeout"]):
                return {"reason": sentence(cluster, namespace, each, reason), "log": logs}
        if time.monotonic() >= end:
            if not params["timeout"]:
                return {"ready": False, "log": logs}
            why = "; ".join(f"{each.name}: {wait.unfinished(each)} {wait.last_word(each)}".rstrip() for each in left)
            return {
                "reason": f"After {params['timeout']} s not all is up ({why}): look at it with `kubectl -n "
                f"{namespace} describe pods`, or give it more time in kubernetes_wait_timeout.",
                "log": logs,
            }
        time.sleep(pause)
        pause = min(pause * 1.3, 1.5)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "kubeconfig": {"type": "str", "required": True},
            "context": {"type": "str", "required": True},
            "namespace": {"type": "str", "required": True},
            "workloads": {"type": "list", "elements": "str", "required": True},
            "timeout": {"type": "int", "default": 300},
            "known_warnings": {"type": "list", "elements": "str"},
        },
        supports_check_mode=True,
    )
    if not api.HAS_KUBERNETES:
        module.fail_json(msg=missing_required_lib("kubernetes"))
    wrong = [
        each for each in module.params["workloads"] if each.partition("/")[0] not in PATHS or not each.partition("/")[2]
    ]
    if wrong:
        module.fail_json(
            msg=f"workloads has {', '.join(wrong)}: give KIND/NAME, with one of the kinds {', '.join(PATHS)}."
        )
    try:
        files = os.pathsep.join(api.kubeconfig_files(module.params["kubeconfig"]))
        cluster = api.Cluster(files, module.params["context"])
        there = sorted(identity(each) for each in warnings(cluster, module.params["namespace"]))
        known = module.params["known_warnings"]
        answer = watch(cluster, module.params, set(there if known is None else known))
    except api.ClusterError as error:
        module.fail_json(msg=str(error))
    if "reason" in answer:
        module.fail_json(msg=answer["reason"], **answer)
    module.exit_json(changed=False, seen_warnings=there, **answer)


if __name__ == "__main__":
    main()
