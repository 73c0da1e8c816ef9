# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""minikube's own folder: how it is started, Kubernetes' programs, and what a new cluster is started with."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

from tests.beds.commands import BedFailed, perform, say
from tests.beds.kubernetes import runtime
from tests.beds.kubernetes.settings import HOME, KUBECONFIG, MINIKUBE, OWN_IMAGES, RUNTIME, UPSTREAM_IMAGES, Parts
from tests.runner.commands import ROOT

ZONES = ("east", "west")
START_SECONDS = 1800
# First on the PATH of whoever starts privileged containers.
PATH = HOME / "path"
STATE = HOME / ".minikube"
VARIABLES = HOME / "variables.json"
NETWORK = HOME / "kube-router.yaml"
MANIFESTS = Path(__file__).with_name("manifests")
# minikube copies these into the nodes.
NODE_PROGRAMS = ("kubeadm", "kubelet", "kubectl")
STARTER = """\
#!/bin/sh
export MINIKUBE_HOME='{home}' PATH='{home}/path':"$PATH"
exec '{program}' "$@"
"""
DOCKER = """\
#!/bin/sh
# The nodes of minikube, and no other containers, get a runtime without what root lacks on this machine.
command=$1
case $command in
run | create)
    for word; do
        if [ "$word" = --privileged ]; then
            shift
            exec '{docker}' "$command" --runtime={runtime} "$@"
        fi
    done
    ;;
esac
exec '{docker}' "$@"
"""


def _script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def start_arguments(node_image: str) -> list[str]:
    """Of `minikube start`, what makes it take what is there."""
    return [
        f"--base-image={node_image}",
        "--container-runtime=containerd",
        "--preload=false",
        "--cache-images=false",
        "--auto-update-drivers=false",
        "--install-addons=true",
        f"--cni={NETWORK}",
    ]


def upstream_arguments() -> list[str]:
    """The same parts, as minikube brings them: a network that enforces policies, and metrics."""
    return ["--container-runtime=containerd", "--cni=calico", "--addons=metrics-server"]


def variables(version: str, arguments: list[str]) -> dict:
    """For role minikube."""
    return {
        "minikube_kubernetes_version": version,
        "minikube_start_args": arguments,
        "minikube_force_enabled": True,
        # Images of addons are asked for by digests, which stand-ins do not have.
        "minikube_addons": [],
    }


def prepare(parts: Parts, folders: dict[str, Path], node_image: str) -> dict:
    """Whatever a cluster is started with is built and here."""
    _script(MINIKUBE, STARTER.format(home=HOME, program=folders["minikube"] / "minikube"))
    shutil.rmtree(PATH, ignore_errors=True)
    if runtime.is_needed():
        _script(PATH / "docker", DOCKER.format(docker=shutil.which("docker"), runtime=RUNTIME))
    cache = STATE / "cache" / "linux" / "amd64" / f"v{parts.version}"
    cache.mkdir(parents=True, exist_ok=True)
    for name in NODE_PROGRAMS:
        _link(folders["kubernetes"] / name, cache / name)
    NETWORK.write_text(manifest("kube-router"), encoding="utf-8")
    return _record({"minikube_path": str(MINIKUBE), **variables(parts.version, start_arguments(node_image))})


def prepare_upstream(version: str) -> dict:
    """Role minikube fetches the program, and minikube the rest."""
    HOME.mkdir(parents=True, exist_ok=True)
    return _record(variables(version, upstream_arguments()))


def _record(found: dict) -> dict:
    VARIABLES.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return found


def _link(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy(source, target)


def recorded() -> dict:
    if not VARIABLES.exists():
        raise BedFailed("No bed is up: `bed up` provides it.")
    return json.loads(VARIABLES.read_text(encoding="utf-8"))


def is_upstream(found: dict) -> bool:
    return "minikube_path" not in found


def manifest(name: str, upstream: bool = False) -> str:
    """What is applied to a cluster, with the names of the images."""
    text = (MANIFESTS / f"{name}.yaml").read_text(encoding="utf-8")
    for image, reference in (UPSTREAM_IMAGES if upstream else OWN_IMAGES).items():
        text = text.replace(f"image: {image}\n", f"image: {reference}\n")
    return text


def environment() -> dict[str, str]:
    return {**os.environ, "MINIKUBE_HOME": str(HOME), "KUBECONFIG": str(KUBECONFIG)}


def start(profile: str, nodes: int, port: int) -> None:
    """By role minikube, as users do it."""
    say(f"Starting the cluster {profile}")
    more = {"minikube_profile": profile, "minikube_nodes": nodes, "minikube_public_port": port}
    more["minikube_zones"] = list(ZONES[:nodes])
    playbook = Path(sys.executable).with_name("ansible-playbook")
    words = [str(playbook), str(ROOT / "playbooks/minikube.yml"), "-e", f"@{VARIABLES}", "-e", json.dumps(more)]
    perform(["env", f"KUBECONFIG={KUBECONFIG}", f"PATH={PATH}:{os.environ['PATH']}", *words], timeout=START_SECONDS)


def profiles() -> list[str]:
    """The clusters that are here, whatever state they are in."""
    return sorted(path.parent.name for path in STATE.glob("profiles/*/config.json"))


def remove() -> bool:
    """All clusters and what they were started with; whether there was anything."""
    there = HOME.exists()
    if profiles() and MINIKUBE.exists():
        perform(["env", f"KUBECONFIG={KUBECONFIG}", str(MINIKUBE), "delete", "--all"], timeout=900)
    runtime.disable()
    shutil.rmtree(HOME, ignore_errors=True)
    return there
