# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""What is concluded from the answers of minikube and of Docker, and what is done about it."""

from __future__ import annotations

import json
from typing import Any

# Drivers whose nodes are containers, of which one can publish a port of the machine.
CONTAINERS = ("docker", "podman")
NODE_LABEL = "name.minikube.sigs.k8s.io"
BALANCER_LABEL = "mlops.mlflow.minikube"
RUNNING = {"Host": "Running", "Kubelet": "Running", "APIServer": "Running", "Kubeconfig": "Configured"}
ANYWHERE = {"0.0.0.0": "localhost", "127.0.0.1": "localhost", "::": "localhost", "": "localhost"}


def machine_names(config: dict[str, Any]) -> list[str]:
    """The nodes as minikube calls their machines: the first has the name of the profile."""
    profile, nodes = config.get("Name", ""), config.get("Nodes") or [{}]
    return [profile] + [f"{profile}-{node.get('Name', '')}" for node in nodes[1:]]


def state_of(answer: str) -> str:
    """What `minikube status --output=json` says of a cluster that is there."""
    known = json.loads(answer) if answer.strip() else None
    # A list where there are several nodes, the control plane first; null where the machine behind the profile is gone.
    nodes = known if isinstance(known, list) else [known]
    first = nodes[0] if nodes and nodes[0] else {}
    if first.get("Host", "Nonexistent") in ("Stopped", "Nonexistent"):
        return "stopped"
    if first.get("APIServer") == "Paused":
        return "paused"
    others = all([node.get("Host"), node.get("Kubelet")] == ["Running", "Running"] for node in nodes[1:])
    return "running" if others and all(first.get(key) == value for key, value in RUNNING.items()) else "unhealthy"


def differences(config: dict[str, Any], asked: dict[str, Any]) -> list[str]:
    """What minikube cannot change in a cluster that is there, in words."""
    container = config.get("Driver") in CONTAINERS
    version = (config.get("KubernetesConfig") or {}).get("KubernetesVersion", "").removeprefix("v")
    wanted_version = str(asked["kubernetes_version"]).removeprefix("v")
    if not wanted_version or version.startswith(f"{wanted_version}."):
        wanted_version = version
    nodes, there = int(asked["nodes"]), len(machine_names(config))
    exposed = config.get("ExposedPorts") or []
    pairs = [
        ("minikube_driver", config.get("Driver", "") if asked["driver"] == "auto" else asked["driver"],
         config.get("Driver", "")),
        ("minikube_cpus", asked["cpus"], config.get("CPUs", 0)),
        ("minikube_memory_mb", asked["memory_mb"], config.get("Memory", 0)),
        ("minikube_disk_size_mb", config.get("DiskSize", 0) if container else asked["disk_size_mb"],
         config.get("DiskSize", 0)),
        ("minikube_kubernetes_version", wanted_version, version),
    ]  # fmt: skip
    found = [f"{name} is {want}, it has {have}" for name, want, have in pairs if str(want) != str(have)]
    if nodes < there:
        found.append(f"minikube_nodes is {nodes}, it has {there}")
    elif nodes > there and exposed:
        found.append(f"minikube_nodes is {nodes}, it has {there}, which has the published port for itself")
    elif nodes == 1 and container and exposed != [asked["port"]]:
        found.append(
            "the published port (minikube_public_address:minikube_public_port:minikube_node_port) is "
            f"{asked['port']}, it has {', '.join(exposed) or 'none'}"
        )
    return found


def look(listed: dict[str, Any], status: str, profile: str, asked: dict[str, Any]) -> dict[str, Any]:
    """The cluster, from `minikube profile list --output=json`, and the status of the profile where it is valid."""
    valid = {each["Name"]: each for each in listed.get("valid") or []}
    invalid = {each["Name"] for each in listed.get("invalid") or []}
    config = (valid.get(profile) or {}).get("Config") or {}
    found: dict[str, Any] = {
        "config": config,
        "others": sorted(({*valid, *invalid}) - {profile}),
        "nodes": machine_names(config) if config else [],
        "differences": [],
        "further_nodes": 0,
        "addons": [],
    }
    if profile in invalid:
        return {**found, "state": "broken", "differences": ["minikube calls its profile invalid"]}
    if profile not in valid:
        return {**found, "state": "absent"}
    enabled = config.get("Addons") or {}
    return {
        **found,
        "state": state_of(status),
        "differences": differences(config, asked),
        "further_nodes": max(0, int(asked["nodes"]) - len(found["nodes"])),
        "addons": [name for name in asked["addons"] if not enabled.get(name)],
    }


def step(name: str, says: str, *argv: str) -> dict[str, Any]:
    return {"name": name, "says": says, "argv": list(argv)}


def creation(asked: dict[str, Any]) -> list[str]:
    """The options of the first start of a cluster."""
    words = [
        f"--driver={asked['chosen_driver']}",
        f"--cpus={asked['cpus']}",
        f"--memory={asked['memory_mb']}mb",
        f"--disk-size={asked['disk_size_mb']}mb",
    ]
    nodes = int(asked["nodes"])
    if nodes > 1:
        words.append(f"--nodes={nodes}")
    if asked["kubernetes_version"]:
        words.append(f"--kubernetes-version=v{str(asked['kubernetes_version']).removeprefix('v')}")
    # minikube hands these to every node, and only one of them can have the port.
    if nodes == 1 and asked["chosen_driver"] in CONTAINERS:
        words.append(f"--ports={asked['port']}")
    return words + list(asked["start_args"])


def start_steps(cluster: dict[str, Any], asked: dict[str, Any]) -> list[dict[str, Any]]:
    """What makes a cluster run as asked for, images aside."""
    profile, state = asked["profile"], cluster["state"]
    here = f"--profile={profile}"
    start = ["start", here, "--interactive=false", "--keep-context", "--wait=all"]
    start += [f"--wait-timeout={asked['wait_timeout']}s"] + (["--force"] if asked["force"] else [])
    create = state == "absent" or cluster["differences"]
    steps, further, addons = [], int(cluster["further_nodes"]), cluster["addons"]
    if create:
        further, addons = 0, asked["addons"]
        if state != "absent":
            steps.append(step("delete", f"Delete the cluster {profile} with all data in it", "delete", here))
        each = " each" if int(asked["nodes"]) > 1 else ""
        size = f"{asked['cpus']} CPUs and {asked['memory_mb']} MiB{each}"
        nodes = f"{asked['nodes']} nodes" if each else "one node"
        says = f"Make the cluster {profile} with the driver {asked['chosen_driver']}, {nodes}, {size}, which takes"
        steps.append(step("create", f"{says} some minutes", *start, *creation(asked)))
    elif state == "paused":
        steps.append(step("unpause", f"Wake the paused cluster {profile}", "unpause", here))
    elif state != "running":
        steps.append(step("start", f"Start the cluster {profile}, which is {state}", *start))
    for _number in range(further):
        steps.append(step("add a node", f"Add a node to the cluster {profile}", "node", "add", here))
    for name in addons:
        says = f"Enable the addon {name} of the cluster {profile}"
        steps.append(step(f"enable {name}", says, "addons", "enable", name, here))
    return steps


def image_steps(asked: dict[str, Any]) -> list[dict[str, Any]]:
    """What brings missing images into the cluster: all in the archive at once, and others from Docker."""
    load, steps = ["image", "load", f"--profile={asked['profile']}"], []
    missing, archive = asked["missing_images"], asked["archive"]
    if set(missing) & set(asked["archived_images"]):
        words = [*load, "--daemon=false", "--remote=false", archive]
        steps.append(step(f"load {archive}", f"Load the images in {archive}", *words))
    for image in missing:
        if image not in asked["archived_images"]:
            words = [*load, "--daemon=true", "--remote=false", image]
            steps.append(step(f"load {image}", f"Load the image {image} from Docker", *words))
    return steps


def plan(cluster: dict[str, Any], asked: dict[str, Any]) -> list[dict[str, Any]]:
    """The steps from what is there to the state that is asked for."""
    profile, state = asked["profile"], cluster["state"]
    if asked["state"] == "started":
        return start_steps(cluster, asked)
    if asked["state"] == "stopped" and state in ("running", "paused", "unhealthy"):
        return [step("stop", f"Stop the cluster {profile}", "stop", f"--profile={profile}")]
    if asked["state"] == "absent" and state != "absent":
        says = f"Delete the cluster {profile} with all data in it"
        return [step("delete", says, "delete", f"--profile={profile}")]
    return []


def published(containers: list[dict[str, Any]], profile: str, node_port: int) -> str:
    """Where the running containers of a cluster publish its node port, as HOST:PORT; empty where they do not."""
    for each in containers:
        labels = each.get("Labels") or {}
        balancer, node = labels.get(BALANCER_LABEL) == profile, labels.get(NODE_LABEL) == profile
        for port in each.get("Ports") or []:
            if port.get("PublicPort") and (balancer or (node and port.get("PrivatePort") == node_port)):
                address = port.get("IP", "")
                return f"{ANYWHERE.get(address, address)}:{port['PublicPort']}"
    return ""


def exposed(config: dict[str, Any], node_port: int) -> str:
    """The same from a profile, for machines whose containers cannot be asked."""
    for text in config.get("ExposedPorts") or []:
        *front, inner = text.partition("/")[0].split(":")
        if inner == str(node_port) and front:
            address = ":".join(front[:-1])
            return f"{ANYWHERE.get(address, address)}:{front[-1]}"
    return ""


def url(
    containers: list[dict[str, Any]], listed: dict[str, Any], profile: str, node_port: int, address: str
) -> dict[str, Any]:
    """Where the node port of a cluster of minikube is reached, and whether that is a port of this machine."""
    configs = [each.get("Config") or {} for each in listed.get("valid") or [] if each["Name"] == profile]
    found = published(containers, profile, node_port) or exposed(configs[0] if configs else {}, node_port)
    return {"url": f"http://{found or f'{address}:{node_port}'}", "published": bool(found)}


def driver_fault(driver: dict[str, Any], machine: dict[str, Any], answer: dict[str, Any], device: str) -> str:
    """Why a driver cannot be used on a machine; empty where it can.

    `answer` is what its engine said where it was asked, with `answers` for whether that was of use; `device` is what
    virtual machines need.
    """
    name, system = driver["name"], machine["system"]
    if system not in driver["systems"]:
        return f"{name} is not for {'macOS' if system == 'Darwin' else system}"
    if driver["program"] not in machine["programs"]:
        return f"there is no {name} (no program {driver['program']} on the PATH)"
    if driver["container"] and "stdout" in answer and not answer["answers"]:
        lines = (answer.get("stderr") or "no reason given").strip().split("\n")
        return f"{name} does not answer ({lines[-1]})"
    if not driver["container"] and system == "Linux" and not machine["kvm"]:
        return f"there is no {device} for {name} (in a virtual machine: no nested virtualisation)"
    return ""


def driver_faults(
    drivers: dict[str, dict[str, Any]], machine: dict[str, Any], answers: dict[str, dict[str, Any]], device: str
) -> dict[str, str]:
    """Why each driver cannot be used; empty where it can."""
    return {key: driver_fault(each, machine, answers.get(key) or {}, device) for key, each in drivers.items()}


def steps(cluster: dict[str, Any], asked: dict[str, Any], images: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """All steps: to the state that is asked for, and then those that bring images."""
    return plan(cluster, asked) + (image_steps(images) if images else [])
