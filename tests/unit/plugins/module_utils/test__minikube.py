# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is concluded from the answers of minikube, of Docker and of a cluster that has just been started."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _kubernetes_ready as ready
from ansible_collections.mlops.mlflow.plugins.module_utils import _minikube as minikube

UP = {"Host": "Running", "Kubelet": "Running", "APIServer": "Running", "Kubeconfig": "Configured"}
DOWN = {"Host": "Stopped", "Kubelet": "Stopped", "APIServer": "Stopped", "Kubeconfig": "Stopped"}
WORKER = {"Host": "Running", "Kubelet": "Running", "APIServer": "Irrelevant", "Kubeconfig": "Irrelevant"}
DEAD = {**WORKER, "Host": "Stopped", "Kubelet": "Stopped"}


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (UP, "running"),
        (DOWN, "stopped"),
        (None, "stopped"),
        ([], "stopped"),
        ("", "stopped"),
        ({**UP, "APIServer": "Paused", "Kubelet": "Stopped"}, "paused"),
        ({**UP, "Kubelet": "Stopped"}, "unhealthy"),
        ({**UP, "Kubeconfig": "Misconfigured"}, "unhealthy"),
        ({"Host": "Nonexistent"}, "stopped"),
        ([UP, WORKER], "running"),
        # One node of several was stopped or removed: a start puts that right.
        ([UP, DEAD], "unhealthy"),
        ([UP, {**WORKER, "Host": "Nonexistent"}], "unhealthy"),
        ([UP, {**WORKER, "Kubelet": "Stopped"}], "unhealthy"),
        ([DOWN, DEAD], "stopped"),
    ],
)
def test_state(answer: Any, state: str) -> None:
    assert minikube.state_of(answer if answer == "" else json.dumps(answer)) == state


PORT = "127.0.0.1:5000:30500"
ONE: dict[str, Any] = {
    "Name": "mlflow", "Driver": "docker", "CPUs": 2, "Memory": 4096, "DiskSize": 20000, "ExposedPorts": [PORT],
    "KubernetesConfig": {"KubernetesVersion": "v1.35.1"}, "Nodes": [{"Name": ""}], "Addons": {"dashboard": True},
}  # fmt: skip
TWO = {**ONE, "ExposedPorts": [], "Nodes": [{"Name": ""}, {"Name": "m02"}]}
ASKED: dict[str, Any] = {
    "state": "started", "profile": "mlflow", "driver": "auto", "cpus": 2, "memory_mb": 4096, "disk_size_mb": 20000,
    "kubernetes_version": "", "nodes": 1, "port": PORT, "addons": [], "chosen_driver": "docker", "start_args": [],
    "wait_timeout": 360, "force": False,
}  # fmt: skip


@pytest.mark.parametrize(
    ("config", "asked", "words"),
    [
        (ONE, {}, []),
        (ONE, {"disk_size_mb": 9000, "cpus": "2", "kubernetes_version": "v1.35"}, []),
        (TWO, {"nodes": 2}, []),
        (TWO, {"nodes": 3}, []),
        # The port of several nodes is that of a load balancer, which can be made anew.
        (TWO, {"nodes": 2, "port": "127.0.0.1:5001:30500"}, []),
        ({**ONE, "Driver": "kvm2", "ExposedPorts": None}, {}, []),
        ({**ONE, "Driver": "kvm2", "ExposedPorts": None}, {"nodes": 2}, []),
        (ONE, {"port": "127.0.0.1:5001:30500"}, ["published port", "5001:30500, it has 127.0.0.1:5000:30500"]),
        ({**ONE, "ExposedPorts": None}, {}, ["published port", "it has none"]),
        (ONE, {"nodes": 2}, ["minikube_nodes is 2, it has 1, which has the published port for itself"]),
        (TWO, {"nodes": 1}, ["minikube_nodes is 1, it has 2"]),
        ({**ONE, "Driver": "kvm2"}, {"disk_size_mb": 9000}, ["minikube_disk_size_mb is 9000, it has 20000"]),
        (ONE, {"kubernetes_version": "1.3"}, ["minikube_kubernetes_version is 1.3, it has 1.35.1"]),
        (ONE, {"driver": "podman", "cpus": 4}, ["minikube_driver is podman, it has docker", "minikube_cpus is 4"]),
    ],
)
def test_differences(config: dict[str, Any], asked: dict[str, Any], words: list[str]) -> None:
    found = "; ".join(minikube.differences(config, {**ASKED, **asked}))
    assert bool(found) == bool(words)
    for word in words:
        assert word in found


def listed(*configs: dict[str, Any], invalid: tuple[str, ...] = ()) -> dict[str, Any]:
    valid = [{"Name": each["Name"], "Config": each} for each in configs]
    return {"valid": valid, "invalid": [{"Name": name} for name in invalid]}


def test_look() -> None:
    other = {**ONE, "Name": "other"}
    asked = {**ASKED, "nodes": 3, "addons": ["a"]}
    found = minikube.look(listed(TWO, other), json.dumps([UP, WORKER]), "mlflow", asked)
    assert (found["state"], found["nodes"], found["others"]) == ("running", ["mlflow", "mlflow-m02"], ["other"])
    assert (found["further_nodes"], found["addons"], found["differences"]) == (1, ["a"], [])
    assert minikube.look(listed(ONE), json.dumps(UP), "mlflow", {**ASKED, "addons": ["dashboard"]})["addons"] == []
    assert minikube.look(listed(other), "", "mlflow", ASKED)["state"] == "absent"
    assert minikube.look({}, "", "mlflow", ASKED)["others"] == []
    broken = minikube.look(listed(invalid=("mlflow",)), "", "mlflow", ASKED)
    assert (broken["state"], broken["differences"]) == ("broken", ["minikube calls its profile invalid"])


START = ["start", "--profile=mlflow", "--interactive=false", "--keep-context", "--wait=all", "--wait-timeout=360s"]
SIZES = ["--driver=docker", "--cpus=2", "--memory=4096mb", "--disk-size=20000mb"]
DELETE, STOP = ["delete", "--profile=mlflow"], ["stop", "--profile=mlflow"]
ADD, ENABLE = ["node", "add", "--profile=mlflow"], ["addons", "enable", "ingress", "--profile=mlflow"]


@pytest.mark.parametrize(
    ("cluster", "asked", "commands"),
    [
        ({"state": "absent"}, {}, [[*START, *SIZES, f"--ports={PORT}"]]),
        ({"state": "absent"}, {"nodes": 2}, [[*START, *SIZES, "--nodes=2"]]),
        ({"state": "absent"}, {"force": True, "start_args": ["--cni=x"]},
         [[*START, "--force", *SIZES, f"--ports={PORT}", "--cni=x"]]),
        ({"state": "absent"}, {"addons": ["ingress"]}, [[*START, *SIZES, f"--ports={PORT}"], ENABLE]),
        ({"state": "broken", "differences": ["x"]}, {}, [DELETE, [*START, *SIZES, f"--ports={PORT}"]]),
        ({"state": "running", "differences": ["x"], "further_nodes": 1}, {"nodes": 2},
         [DELETE, [*START, *SIZES, "--nodes=2"]]),
        ({"state": "running"}, {}, []),
        ({"state": "running", "further_nodes": 2, "addons": ["ingress"]}, {}, [ADD, ADD, ENABLE]),
        ({"state": "stopped", "further_nodes": 1}, {}, [START, ADD]),
        ({"state": "unhealthy"}, {}, [START]),
        ({"state": "paused"}, {}, [["unpause", "--profile=mlflow"]]),
        ({"state": "running"}, {"state": "stopped"}, [STOP]),
        ({"state": "paused"}, {"state": "stopped"}, [STOP]),
        ({"state": "stopped"}, {"state": "stopped"}, []),
        ({"state": "absent"}, {"state": "stopped"}, []),
        ({"state": "broken", "differences": ["x"]}, {"state": "absent"}, [DELETE]),
        ({"state": "absent"}, {"state": "absent"}, []),
        ({"state": "running"}, {"state": "present"}, []),
    ],
)  # fmt: skip
def test_plan(cluster: dict[str, Any], asked: dict[str, Any], commands: list[list[str]]) -> None:
    cluster = {"differences": [], "further_nodes": 0, "addons": [], **cluster}
    steps = minikube.plan(cluster, {**ASKED, **asked})
    assert [each["argv"] for each in steps] == commands
    assert all(each["says"] and each["name"] for each in steps)


def test_images_come_from_the_archive_at_once_and_from_docker_one_by_one() -> None:
    images = {
        "profile": "mlflow",
        "missing_images": ["a:1", "b:1", "c:1"],
        "archived_images": ["a:1", "b:1"],
        "archive": "/x",
    }
    front = ["image", "load", "--profile=mlflow"]
    assert [each["argv"] for each in minikube.image_steps(images)] == [
        [*front, "--daemon=false", "--remote=false", "/x"],
        [*front, "--daemon=true", "--remote=false", "c:1"],
    ]


def container(labels: dict[str, str], *ports: dict[str, Any]) -> dict[str, Any]:
    return {"Labels": labels, "Ports": list(ports)}


def published(inner: int, outer: int, address: str = "127.0.0.1") -> dict[str, Any]:
    return {"IP": address, "PrivatePort": inner, "PublicPort": outer, "Type": "tcp"}


NODE, BALANCER = {minikube.NODE_LABEL: "mlflow"}, {minikube.BALANCER_LABEL: "mlflow"}


@pytest.mark.parametrize(
    ("containers", "profiles", "url", "is_published"),
    [
        ([container(NODE, published(22, 49153), published(30500, 5000))], {}, "http://localhost:5000", True),
        ([container(NODE, published(22, 49153)), container(BALANCER, published(5000, 5001))], {}, "http://localhost:5001",
         True),
        ([container(NODE, published(30500, 8080, "192.0.2.1"))], {}, "http://192.0.2.1:8080", True),
        ([container(NODE, published(30500, 8080, "0.0.0.0"))], {}, "http://localhost:8080", True),
        # What another cluster, or a container of nobody's, publishes.
        ([container({minikube.NODE_LABEL: "other"}, published(30500, 5000)), container({}, published(30500, 5001))], {},
         "http://192.168.49.2:30500", False),
        ([container(NODE, published(22, 49153), {"PrivatePort": 30500, "Type": "tcp"})], {}, "http://192.168.49.2:30500",
         False),
        ([], listed(ONE), "http://localhost:5000", True),
        ([], listed({**ONE, "ExposedPorts": ["8080:30500/tcp"]}), "http://localhost:8080", True),
        ([], listed({**ONE, "ExposedPorts": ["30500"]}), "http://192.168.49.2:30500", False),
        ([], listed({**ONE, "ExposedPorts": ["127.0.0.1:5000:30080"]}), "http://192.168.49.2:30500", False),
        ([], listed({**ONE, "Name": "other"}), "http://192.168.49.2:30500", False),
        ([], {"valid": None}, "http://192.168.49.2:30500", False),
    ],
)  # fmt: skip
def test_url(containers: list, profiles: dict[str, Any], url: str, is_published: bool) -> None:
    found = minikube.url(containers, profiles, "mlflow", 30500, "192.168.49.2")
    assert found == {"url": url, "published": is_published}


def node(name: str = "mlflow", ready_is: str = "True", **spec: Any) -> dict[str, Any]:
    condition = {"type": "Ready", "status": ready_is, "message": "no network yet"}
    labels = {ready.ZONE: "zone-a"} if name == "mlflow" else {}
    return {"metadata": {"name": name, "labels": labels}, "spec": spec, "status": {"conditions": [condition]}}


RUNS = {"status": {"containerStatuses": [{"name": "p", "ready": True}]}}
WELL: dict[str, Any] = {
    "nodes": [node("mlflow-m02"), node()], "dns": [{"endpoints": [{"conditions": {"ready": True}}]}],
    "class": "standard", "provisioner": "k8s.io/minikube-hostpath", "provisioner_pods": [RUNS],
}  # fmt: skip
TAINT = {"key": "node.kubernetes.io/unreachable", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, []),
        ({"provisioner": "shop.example.com", "provisioner_pods": None}, []),
        ({"nodes": [node(), node("w", unschedulable=True, taints=[{"key": "node.kubernetes.io/unschedulable"}])]}, []),
        ({"nodes": [node(), node("w", taints=[{"key": "gpu", "effect": "NoSchedule"}])]}, []),
        ({"nodes": []}, ["0 of 2 nodes"]),
        ({"nodes": [node()]}, ["1 of 2 nodes"]),
        ({"nodes": [node(), node("w", "False")]}, ["node w is not ready (no network yet)"]),
        ({"nodes": [node(), node("w", "Unknown")]}, ["node w is not ready"]),
        ({"nodes": [node(), {"metadata": {"name": "w"}}]}, ["node w is not ready (not Ready)"]),
        ({"nodes": [node(), node("w", taints=[TAINT])]}, ["tainted unreachable"]),
        ({"dns": []}, ["DNS (CoreDNS) does not answer"]),
        ({"dns": [{"endpoints": None}]}, ["DNS"]),
        ({"dns": [{"endpoints": [{"conditions": {"ready": False}}]}]}, ["DNS"]),
        ({"class": ""}, ["no default StorageClass"]),
        ({"provisioner_pods": []}, ["provisioner of volumes (k8s.io/minikube-hostpath)"]),
        ({"provisioner_pods": [{"status": {}}]}, ["provisioner of volumes"]),
        ({"dns": [], "class": ""}, ["DNS", "StorageClass"]),
    ],
)
def test_what_a_cluster_lacks(change: dict[str, Any], words: list[str]) -> None:
    found = ready.lacking({**WELL, **change}, 2)
    assert len(found) == len(words)
    for sentence, word in zip(found, words, strict=True):
        assert word in sentence


def test_nodes_are_in_the_order_of_their_names() -> None:
    assert ready.summary(WELL) == {
        "nodes": [{"name": "mlflow", "zone": "zone-a"}, {"name": "mlflow-m02", "zone": ""}],
        "storage_class": "standard",
    }


DRIVER = {"name": "Docker", "program": "docker", "container": True, "systems": ["Linux", "Darwin"]}
QEMU = {"name": "QEMU", "program": "qemu", "container": False, "systems": ["Linux"]}
MACHINE = {"system": "Linux", "programs": ["docker", "qemu"], "kvm": True}


@pytest.mark.parametrize(
    ("driver", "machine", "answer", "fault"),
    [
        (DRIVER, {}, {"stdout": "{}", "answers": True}, ""),
        # It was not asked.
        (DRIVER, {}, {"answers": False}, ""),
        (DRIVER, {"programs": []}, {}, "there is no Docker (no program docker on the PATH)"),
        (
            DRIVER,
            {},
            {"stdout": "", "stderr": "warning\ncannot connect\n", "answers": False},
            "Docker does not answer (cannot connect)",
        ),
        (DRIVER, {}, {"stdout": "", "answers": False}, "Docker does not answer (no reason given)"),
        (QEMU, {}, {}, ""),
        (QEMU, {"system": "Darwin"}, {}, "QEMU is not for macOS"),
        (QEMU, {"system": "Windows"}, {}, "QEMU is not for Windows"),
        (QEMU, {"kvm": False}, {}, "there is no /dev/kvm for QEMU (in a virtual machine: no nested virtualisation)"),
    ],
)
def test_why_a_driver_cannot_be_used(driver, machine, answer, fault: str) -> None:
    found = minikube.driver_faults({"it": driver}, {**MACHINE, **machine}, {"it": answer}, "/dev/kvm")
    assert found == {"it": fault}
