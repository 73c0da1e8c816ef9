# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pods of a deployment on Kubernetes, where the playbook noted that it is."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from kubernetes import client, config

from laboratory.benchmark.processes import StepFailed
from laboratory.resilience.engine import HEALTHY_SECONDS, LABEL, Container

RECORDS = Path("~/.local/share/mlops.mlflow").expanduser()
SERVERS = "app.kubernetes.io/component=tracking-server"
ZONE = "topology.kubernetes.io/zone"


def deployments() -> list[str]:
    """The names of all that this machine has records of."""
    return sorted(path.parent.name for path in RECORDS.glob("*/kubernetes.json"))


@dataclass(frozen=True)
class ClusterDeployment:
    """What `engine.Deployment` is on Docker Compose."""

    name: str

    @cached_property
    def record(self) -> dict:
        """kubeconfig, context, namespace and url."""
        return json.loads((RECORDS / self.name / "kubernetes.json").read_text(encoding="utf-8"))

    @property
    def namespace(self) -> str:
        return self.record["namespace"]

    @cached_property
    def api(self) -> client.ApiClient:
        return config.new_client_from_config(self.record["kubeconfig"], self.record["context"])

    @property
    def core(self) -> client.CoreV1Api:
        return client.CoreV1Api(self.api)

    @property
    def apps(self) -> client.AppsV1Api:
        return client.AppsV1Api(self.api)

    def public_url(self) -> str:
        return self.record["url"]

    def pods(self, selector: str = "app.kubernetes.io/component!=schema-step") -> list[client.V1Pod]:
        """Those that are meant to stay, the oldest first."""
        found = self.core.list_namespaced_pod(self.namespace, label_selector=f"{LABEL}={self.name},{selector}").items
        staying = [pod for pod in found if not pod.metadata.deletion_timestamp]
        return sorted(staying, key=lambda pod: pod.metadata.creation_timestamp)

    def servers(self) -> list[client.V1Pod]:
        return self.pods(SERVERS)

    def containers(self) -> list[Container]:
        """The pods, as what containers are on Docker Compose. Load balancers have their logs in the cluster."""
        return [
            Container(
                pod.metadata.uid, pod.metadata.name, pod.metadata.labels["app.kubernetes.io/name"], "", is_ready(pod)
            )
            for pod in self.pods("app.kubernetes.io/component notin (schema-step, load-balancer)")
        ]

    def unfinished(self) -> list[str]:
        """Workloads that have not as many ready pods of their last change as they should."""
        deployments = self.apps.list_namespaced_deployment(self.namespace).items
        sets = self.apps.list_namespaced_stateful_set(self.namespace).items
        found = []
        for each in deployments + sets:
            state, wanted = each.status, each.spec.replicas
            counts = {state.replicas or 0, state.updated_replicas or 0, state.ready_replicas or 0}
            if counts != {wanted} or (state.observed_generation or 0) < each.metadata.generation:
                found.append(each.metadata.name)
        return found

    def wait_until_healthy(self, seconds: float = HEALTHY_SECONDS) -> None:
        end = time.monotonic() + seconds
        while True:
            ill = self.unfinished()
            if not ill:
                return
            if time.monotonic() > end:
                raise StepFailed(f"{', '.join(ill)} of {self.name} did not become ready in {seconds:g} s.")
            time.sleep(0.5)


def is_ready(pod: client.V1Pod) -> bool:
    return any(each.type == "Ready" and each.status == "True" for each in pod.status.conditions or [])


def chosen(name: str | None) -> ClusterDeployment:
    """The deployment of that name, or the only one."""
    known = deployments()
    if name in known or (name is None and len(known) == 1):
        return ClusterDeployment(name or known[0])
    found = f"deployed from here are {', '.join(known)}" if known else "none was deployed from here"
    raise StepFailed(f"--deployment is {name or 'not given'}, and {found}: name one, or deploy one first.")
