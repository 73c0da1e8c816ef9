# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which deployments there are, by their playbooks, and which of them this machine can run."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

from laboratory.benchmark.processes import StepFailed
from tests.runner import docker
from tests.runner.commands import ROOT

COMPOSE, KUBERNETES = "compose", "kubernetes"
# Beside SeaweedFS, which a deployment has without a word.
OTHER_STORES = ("minio",)
# The role by which a playbook deploys says where to.
ROLES = {"mlops.mlflow.deployment": COMPOSE, "mlops.mlflow.kubernetes": KUBERNETES}
NOT_ASKED = "not asked for"
# As minikube signs the contexts that it makes.
MINIKUBE = "minikube.sigs.k8s.io"


@dataclass(frozen=True)
class Candidate:
    """A deployment: its name, where it deploys to, its components, and what its playbook is told.

    Its name is that of its playbook, but for one that is told something.
    """

    name: str
    platform: str
    components: tuple[str, ...] = ()
    variables: Mapping[str, object] = field(default_factory=dict)
    of: str = ""

    @property
    def playbook(self) -> str:
        return self.of or self.name

    @property
    def mounts_nfs(self) -> bool:
        """By its name too: with a server elsewhere NFS is none of its components."""
        return "nfs" in self.components or "nfs" in self.name.split("-")


@dataclass(frozen=True)
class Abilities:
    """What decides about deployments on this machine.

    engine: the Docker engine answers. nfs: the kernel can mount NFS version 4. contexts: those of the kubeconfig that
    the role for Kubernetes may take without being told, which are minikube's.
    """

    engine: bool
    nfs: bool
    contexts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Skipped:
    name: str
    reason: str


def roles_of(play: dict) -> list[str]:
    """The roles that a play runs, in its list of roles and in its tasks."""
    listed = [each.get("role", "") if isinstance(each, dict) else each for each in play.get("roles", [])]
    words = ("ansible.builtin.import_role", "ansible.builtin.include_role")
    run = [task[word] for task in play.get("tasks", []) for word in words if word in task]
    # Of destroy.yml it is another entry point.
    return listed + [each["name"] for each in run if "tasks_from" not in each]


def read(path: Path) -> Candidate | None:
    """The deployment that a playbook makes, if it makes one."""
    for play in yaml.safe_load(path.read_text(encoding="utf-8")) or []:
        for name in roles_of(play):
            if name in ROLES:
                platform = ROLES[name]
                variables = play.get("vars", {})
                given = "deployment_components" if platform == COMPOSE else "kubernetes_components"
                # Those of the collection's own playbooks may run elsewhere, which only a run can tell.
                found = variables.get("wiring_components", variables.get(given))
                return Candidate(path.stem, platform, tuple(found) if isinstance(found, list) else ())
    return None


def on_another_store(candidate: Candidate) -> list[Candidate]:
    """The same deployment on each store that it does not have by itself."""
    if "object_store" not in candidate.components:
        return []
    return [
        replace(candidate, name=f"{candidate.name}-{store}", variables={"object_store": store}, of=candidate.name)
        for store in OTHER_STORES
    ]


def discover(folder: Path = ROOT / "playbooks") -> list[Candidate]:
    """All of the checkout, the simple ones first."""
    found = [candidate for path in folder.glob("*.yml") if (candidate := read(path))]
    found += [other for candidate in found for other in on_another_store(candidate)]
    return sorted(found, key=lambda each: (each.platform != COMPOSE, len(each.components), each.name))


def obstacle(candidate: Candidate, machine: Abilities, extra: Mapping[str, object]) -> str:
    """Why this machine cannot run it, in a sentence; empty if it can."""
    if not machine.engine and (candidate.platform == COMPOSE or not extra.get("kubernetes_image_references")):
        return "the Docker engine does not answer: start it, or install it by `make single-az`"
    if candidate.mounts_nfs and not machine.nfs:
        return (
            "the kernel of this machine cannot mount NFS version 4: load the module nfsv4, or use another machine, "
            "such as a test machine (docs/test-machines.md)"
        )
    if candidate.platform == KUBERNETES and not extra.get("kubernetes_context") and len(machine.contexts) != 1:
        found = f"the kubeconfig has {len(machine.contexts)} contexts of minikube"
        return (
            f"{found}: start a cluster by playbooks/minikube.yml, or name one by --extra-vars kubernetes_context=NAME"
        )
    return ""


def choose(
    candidates: Sequence[Candidate], asked: Sequence[str], machine: Abilities, extra: Mapping[str, object]
) -> tuple[list[Candidate], list[Skipped]]:
    """Those to run, and the others with the reason. What was asked for and does not exist is refused."""
    names = [each.name for each in candidates]
    unknown = [name for name in asked if name not in names]
    if unknown:
        raise StepFailed(
            f"--deployments has {', '.join(unknown)}, and there is no such playbook: choose among {', '.join(names)}."
        )
    chosen, skipped = [], []
    for candidate in candidates:
        if asked and candidate.name not in asked:
            skipped.append(Skipped(candidate.name, NOT_ASKED))
        elif not asked and candidate.of:
            skipped.append(Skipped(candidate.name, f"name it in --deployments to see it beside {candidate.of}"))
        elif reason := obstacle(candidate, machine, extra):
            skipped.append(Skipped(candidate.name, reason))
        else:
            chosen.append(candidate)
    if not chosen:
        reasons = "; ".join(f"{each.name}: {each.reason}" for each in skipped if each.reason != NOT_ASKED)
        raise StepFailed(f"This machine can run none of them: {reasons}.")
    return chosen, skipped


# --- what this machine has ----------------------------------------------------------------------------------------


def _mounts_nfs() -> bool:
    if "nfs4" in Path("/proc/filesystems").read_text(encoding="ascii").split():
        return True
    try:
        return subprocess.run(["modprobe", "--dry-run", "--quiet", "nfsv4"], check=False).returncode == 0
    except FileNotFoundError:
        return False


def _contexts() -> tuple[str, ...]:
    from kubernetes import config

    try:
        contexts, _current = config.list_kube_config_contexts()
    except config.ConfigException:
        return ()
    return tuple(
        each["name"]
        for each in contexts
        for extension in each["context"].get("extensions") or []
        if (extension.get("extension") or {}).get("provider") == MINIKUBE
    )


def abilities() -> Abilities:
    return Abilities(docker.engine_answers(), _mounts_nfs(), _contexts())
