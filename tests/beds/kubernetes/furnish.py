# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cluster of the tests has besides: zones, metrics, an Ingress controller, and the objects of Gateway API."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import yaml

from tests.beds import go_programs
from tests.beds.commands import perform, say, wait_for
from tests.beds.kubernetes import home
from tests.beds.kubernetes.settings import CACHE, GATEWAY_API, KUBECONFIG, MINIKUBE

READY_SECONDS = 900
DEFINITIONS = "config/crd/standard"
METRICS = "/apis/metrics.k8s.io/v1beta1/nodes"


def definitions() -> Path:
    """The file with the definitions of Gateway API's objects."""
    return CACHE / f"gateway-api-{GATEWAY_API[1]}.yaml"


def keep_definitions(go: go_programs.Go) -> None:
    if definitions().exists():
        return
    folder = go_programs.files(*GATEWAY_API, (DEFINITIONS,), go) / DEFINITIONS
    texts = [path.read_text(encoding="utf-8").strip() for path in sorted(folder.glob("*.yaml"))]
    new = definitions().with_suffix(".new")
    new.write_text("\n---\n".join(texts) + "\n", encoding="utf-8")
    new.rename(definitions())


# A user who may do nothing.
RESTRICTED = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "restricted", "namespace": "default"}}


def restricted(kubeconfig: dict, context: str, token: str) -> dict:
    """The kubeconfig of that user, by the one of an administrator."""
    place = next(each["context"]["cluster"] for each in kubeconfig["contexts"] if each["name"] == context)
    name = f"{context}-restricted"
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [each for each in kubeconfig["clusters"] if each["name"] == place],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": place, "user": name}}],
        "current-context": name,
    }


class Cluster:
    def __init__(self, profile: str) -> None:
        program = str(MINIKUBE) if MINIKUBE.exists() else shutil.which("minikube") or "minikube"
        self.words = ["env", f"KUBECONFIG={KUBECONFIG}", program, "--profile", profile]
        # minikube leaves the current context alone, and by itself it names the cluster only.
        self.words += ["kubectl", "--", "--context", profile]

    def ask(self, *words: str, stdin: str | None = None, check: bool = True) -> str:
        return perform([*self.words, *words], timeout=600, check=check, stdin=stdin)

    def apply(self, text: str) -> None:
        self.ask("apply", "--server-side", "--force-conflicts", "--filename=-", stdin=text)


def ready(text: str) -> bool:
    """Whether Deployments, as kubectl lists them, have all their pods."""
    items = json.loads(text or "{}").get("items", [])
    return bool(items) and all(
        item.get("status", {}).get("readyReplicas", 0) >= item["spec"]["replicas"] for item in items
    )


def measured(text: str) -> bool:
    """Whether an answer of the metrics API has a node."""
    return text.startswith("{") and bool(json.loads(text).get("items"))


def all_of(profile: str, upstream: bool) -> None:
    cluster = Cluster(profile)
    cluster.apply(json.dumps(RESTRICTED))
    token = cluster.ask("create", "token", "restricted", "--namespace=default", "--duration=24h").strip()
    kubeconfig = yaml.safe_load(KUBECONFIG.read_text(encoding="utf-8"))
    path = KUBECONFIG.with_name("restricted.kubeconfig")
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(restricted(kubeconfig, profile, token)), encoding="utf-8")
    if definitions().exists():
        cluster.apply(definitions().read_text(encoding="utf-8"))
    # Where upstream's images are used, minikube has its own metrics-server.
    for name in ("traefik",) if upstream else ("metrics-server", "traefik"):
        cluster.apply(home.manifest(name, upstream))
    say("Waiting for metrics and the Ingress controller")
    wait_for(
        f"The Deployments of kube-system were not ready in {profile}",
        READY_SECONDS,
        lambda: ready(cluster.ask("get", "deployments", "--namespace=kube-system", "--output=json", check=False)),
        pause=1,
    )
    if not upstream:
        cluster.apply(home.manifest("metrics-api"))
    wait_for(
        f"There were no metrics of the nodes of {profile}",
        READY_SECONDS,
        lambda: measured(cluster.ask("get", "--raw", METRICS, check=False)),
        pause=1,
    )
