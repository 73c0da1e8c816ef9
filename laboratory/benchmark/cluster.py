#!/usr/bin/env python3
# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deployment on Kubernetes by playbooks/k8s.yml, and the same objects by kubectl, side by side.

On the test bed, which it brings up for this, or on another cluster with --context. `kubectl apply` of everything at
once cannot succeed: without roles, bucket and schema the start gate of the servers refuses, as it should. So the
counterpart does by kubectl what has to be done between the data services and the servers, and nothing else.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

# A script's own folder comes first on the path; the modules are found from the project's root instead.
sys.path[0] = str(Path(__file__).resolve().parents[2])

from laboratory.benchmark import machine
from laboratory.benchmark.deployment import Deployment
from laboratory.benchmark.processes import BUILD_SECONDS, StepFailed, perform, say, seconds
from laboratory.benchmark.report import Report
from tests.runner.commands import ROOT
from tests.runner.stages import port_is_free

BED = str(ROOT / "tests/beds/kubernetes/bed")
BED_CONTEXT = "mlops-mlflow-bed"
BED_KUBECONFIG = Path("~/.cache/mlops.mlflow/minikube/kubeconfig").expanduser()
KINDS = ("serviceaccount", "networkpolicy", "secret", "configmap", "pvc", "service", "statefulset", "job", "deployment")
# What the API server adds to objects, and what holds for the one that was read only.
OWN_METADATA = ("name", "namespace", "labels", "annotations")
GIVEN_SPEC = {"Service": ("clusterIP", "clusterIPs"), "PersistentVolumeClaim": ("volumeName",)}
# By which a claim knows its volume, which went with the deployment.
BINDING = ("pv.kubernetes.io/", "volume.kubernetes.io/", "volume.beta.kubernetes.io/")
JOB_LABELS = ("controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name")
PROVISION = "/usr/local/lib/mlops-mlflow/provision.sh"
WAIT = "--timeout=300s"


def arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="laboratory/benchmark/cluster.py", description=__doc__.splitlines()[0], allow_abbrev=False
    )
    parser.add_argument("--context", default="", help="of the cluster (default: the test bed, brought up for this)")
    parser.add_argument("--kubeconfig", default="", metavar="FILE", help="that has it (default: as kubectl)")
    parser.add_argument("--image-loader", default="", metavar="COMMAND", help="brings an image to the nodes")
    parser.add_argument("--replicas", type=int, default=1, metavar="N", help="servers, 1 to 64 (default: 1)")
    parser.add_argument("--repetitions", type=int, default=3, metavar="N", help="default: 3")
    parser.add_argument("--port", type=int, default=5000, help="of this machine, for the bed (default: 5000)")
    parser.add_argument("--url", default="", help="where another cluster's servers are reached")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures into this file")
    given = parser.parse_args(words)
    for name, most in (("replicas", 64), ("repetitions", 100), ("port", 65535)):
        if not 1 <= getattr(given, name) <= most:
            parser.error(f"--{name} is {getattr(given, name)}: give 1 to {most}")
    return given


def restored(item: dict) -> dict:
    """An object as it was applied, from one that is there."""
    kind, spec = item["kind"], item.get("spec")
    item["metadata"] = {name: value for name, value in item["metadata"].items() if name in OWN_METADATA}
    item.pop("status", None)
    if "annotations" in item["metadata"]:
        notes = item["metadata"]["annotations"]
        item["metadata"]["annotations"] = {name: notes[name] for name in notes if not name.startswith(BINDING)}
    for name in GIVEN_SPEC.get(kind, ()):
        spec.pop(name, None)
    if kind == "Job":
        spec.pop("selector", None)
        for labels in (item["metadata"].get("labels") or {}, spec["template"]["metadata"]["labels"]):
            for name in JOB_LABELS:
                labels.pop(name, None)
    return item


class ByKubectl:
    """The same objects, without the playbook."""

    def __init__(self, kubeconfig: str, context: str, namespace: str) -> None:
        chosen = ["--kubeconfig", kubeconfig] if kubeconfig else []
        self.base = ["kubectl", *chosen, "--context", context]
        self.namespace = namespace

    def run(self, *words: str, stdin: str = "") -> str:
        return perform([*self.base, "--namespace", self.namespace, *words], stdin=stdin, timeout=600).stdout

    def read(self) -> list[dict]:
        label = f"mlops.mlflow.deployment={self.namespace}"
        found = json.loads(self.run("get", ",".join(KINDS), "--selector", label, "--output", "json"))["items"]
        space = json.loads(self.run("get", "namespace", self.namespace, "--output", "json"))
        # Its finalizers are the API server's.
        space.pop("spec", None)
        return [restored(space), *(restored(item) for item in found)]

    def apply(self, objects: list[dict]) -> None:
        document = {"apiVersion": "v1", "kind": "List", "items": objects}
        self.run("apply", "--server-side", "--filename", "-", stdin=json.dumps(document))

    def steps(self, objects: list[dict]) -> dict[str, float]:
        """Seconds of each."""
        jobs = [each for each in objects if each["kind"] == "Job"]
        servers = [each for each in objects if each["kind"] == "Deployment"]
        data = [each for each in objects if each not in jobs and each not in servers]
        names = [each["metadata"]["name"] for each in data if each["kind"] == "StatefulSet"]

        def start_data() -> None:
            self.apply(data[:1])
            self.apply(data[1:])
            for name in names:
                self.run("rollout", "status", f"statefulset/{name}", WAIT)

        def provision() -> None:
            for name in names:
                self.run("exec", f"{name}-0", "--", "sh", PROVISION)

        def schema() -> None:
            self.apply(jobs)
            for job in jobs:
                self.run("wait", "--for=condition=complete", f"job/{job['metadata']['name']}", WAIT)

        def start_servers() -> None:
            self.apply(servers)
            for each in servers:
                self.run("rollout", "status", f"deployment/{each['metadata']['name']}", WAIT)

        return {
            "kubectl apply and rollout status, data services": seconds(start_data),
            "their provisioning scripts by kubectl exec": seconds(provision),
            "schema step as a Job": seconds(schema),
            "kubectl apply and rollout status, servers": seconds(start_servers),
        }

    def remove(self) -> None:
        self.run("delete", "namespace", self.namespace, "--wait=true", "--timeout=300s")


def measure(report: Report, deployment: Deployment, kubectl: ByKubectl, repetitions: int) -> None:
    """In turns, so that a busy machine slows both alike."""
    say("first deploy: not measured, it makes sure of the images")
    deployment.deploy(timeout=BUILD_SECONDS)
    deployment.destroy()
    deploys, second, changes, destroys, steps = [], [], [], [], []
    for number in range(1, repetitions + 1):
        turn = f"{number} of {repetitions}"
        say(f"deploy, {turn}")
        deploys.append(seconds(deployment.deploy))
        say(f"second run, {turn}")
        second.append(seconds(lambda: changes.append(deployment.deploy())))
        objects = kubectl.read()
        say(f"destroy, {turn}")
        destroys.append(seconds(deployment.destroy))
        say(f"kubectl alone, {turn}")
        steps.append(kubectl.steps(objects))
        kubectl.remove()
    totals = [sum(parts.values()) for parts in steps]
    report.add("Deploy", "ansible-playbook playbooks/k8s.yml", "s", deploys)
    report.add("Deploy", "the same objects by kubectl, from nothing", "s", totals)
    for part in steps[0]:
        report.add("Deploy", f"  {part}", "s", [parts[part] for parts in steps])
    report.add("Deploy", "more by the playbook", "s", [a - b for a, b in zip(deploys, totals)], target=15)
    report.add("Second run", "ansible-playbook playbooks/k8s.yml", "s", second, target=15)
    report.add("Second run", "changed", "tasks", changes, target=0)
    report.add("Destroy", "ansible-playbook playbooks/destroy.yml", "s", destroys)


def prepared(given: argparse.Namespace) -> tuple[Deployment, ByKubectl]:
    deployment = Deployment("k8s", given.port)
    if not given.context:
        if not port_is_free(given.port):
            raise StepFailed(f"Port {given.port} is taken: stop what has it, or choose another port with --port.")
        perform([BED, "start", BED_CONTEXT, "--port", str(given.port)], timeout=BUILD_SECONDS)
        given.kubeconfig = str(BED_KUBECONFIG)
    deployment.variables = {
        "kubernetes_kubeconfig": given.kubeconfig,
        "kubernetes_context": given.context or BED_CONTEXT,
        "kubernetes_namespace": deployment.name,
        "kubernetes_image_loader": given.image_loader.split(),
        "kubernetes_public_url": given.url if given.context else deployment.url,
        "mlflow_server_replicas": given.replicas,
    }
    return deployment, ByKubectl(given.kubeconfig, given.context or BED_CONTEXT, deployment.name)


def main(words: list[str]) -> int:
    given = arguments(words)
    settings = {"servers": given.replicas, "repetitions": given.repetitions, "cluster": given.context or "the test bed"}
    report = Report(machine.facts(), settings)
    code, started = 0, time.monotonic()
    try:
        deployment, kubectl = prepared(given)
        try:
            measure(report, deployment, kubectl, given.repetitions)
        finally:
            if given.context:
                deployment.destroy()
            else:
                perform([BED, "down"], check=False)
                deployment.variables["kubernetes_forget"] = True
                deployment.destroy()
    except StepFailed as failure:
        print(failure, file=sys.stderr)
        code = 1
    say(f"done after {time.monotonic() - started:.0f} s")
    if report.figures:
        print(report.as_table())
        if given.json:
            report.write(given.json)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
