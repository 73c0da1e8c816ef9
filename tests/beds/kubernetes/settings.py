# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where everything of the bed is, and which releases it is made of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.beds import go_programs
from tests.beds.commands import BedFailed
from tests.beds.go_programs import PROGRAMS, Program, at, kubernetes

CACHE = Path("~/.cache/mlops.mlflow").expanduser()
# minikube's own folder, and beside it all that the bed gives it.
HOME = CACHE / "minikube"
# By which these start minikube: as it is called there, nothing else has to be set.
MINIKUBE = HOME / "bin" / "minikube"
KUBECONFIG = HOME / "kubeconfig"
# The name of the engine's runtime that the nodes have where root lacks a capability.
RUNTIME = "mlops-mlflow-bed"
REPOSITORY = "mlops-mlflow-bed"

SUITE = "bookworm"
# minikube's default and its oldest that can be built; a shorter name is the newest of its kind.
VERSIONS = ("1.35.1", "1.34.4", "1.31.14")
DEFAULT = VERSIONS[0]

# What runs in each node besides Kubernetes, under names that are the bed's own.
OWN_IMAGES = {name: f"docker.io/{REPOSITORY}/{name}:1" for name in ("kube-router", "metrics-server", "traefik")}
KICBASE, IMAGES = "deploy/kicbase", "pkg/minikube/constants/constants_kubeadm_images.go"
UPSTREAM_IMAGES = {"traefik": "docker.io/library/traefik:v3.7"}
GATEWAY_API = ("sigs.k8s.io/gateway-api", "v1.5.0")


@dataclass(frozen=True)
class Parts:
    """The programs of a Kubernetes release, and the names of its images."""

    version: str
    programs: dict[str, Program]
    # Of the images beside Kubernetes' own, the names under which kubeadm asks for them.
    etcd: str
    coredns: str
    pause: str

    @property
    def minikube(self) -> Program:
        return self.programs["minikube"]


def version_of(word: str) -> str:
    """A release for what a user calls it: 1.31, v1.31 or 1.31.14; the default for nothing."""
    wanted = word.strip().removeprefix("v")
    for version in VERSIONS:
        if version == (wanted or DEFAULT) or version.startswith(f"{wanted}."):
            return version
    raise BedFailed(f"K8S_VERSION is {word}, and the bed has Kubernetes {', '.join(VERSIONS)}: name one of them.")


def images_of(text: str, version: str) -> dict[str, str]:
    """What minikube's source says of the images of a release."""
    found = re.search(rf'"v{re.escape(version)}": \{{(.*?)\}}', text, re.DOTALL)
    if not found:
        raise BedFailed(f"This minikube does not know Kubernetes {version}: choose another K8S_VERSION.")
    return dict(re.findall(r'"([^"]+)":\s*"([^"]+)"', found[1]))


def source_of(version: str) -> str:
    """The release of etcd's module for the tag of its image: 3.6.6-0."""
    return f"v{version.split('-')[0]}"


def parts(word: str, minikube: Path) -> Parts:
    """By the files of minikube's module."""
    version = version_of(word)
    names = images_of((minikube / IMAGES).read_text("utf-8"), version)
    programs = dict(PROGRAMS)
    programs["kubernetes"] = kubernetes(version)
    programs["etcd"] = at(programs["etcd"], source_of(names["etcd"]))
    programs["coredns"] = at(programs["coredns"], names["coredns/coredns"])
    return Parts(version, programs, names["etcd"], names["coredns/coredns"], names["pause"])


def minikube_files(go: go_programs.Go) -> Path:
    """What the bed takes of minikube's source: the files of its node image, and which images each Kubernetes has."""
    program = PROGRAMS["minikube"]
    return go_programs.files(program.module, program.version, (KICBASE, IMAGES), go)
