# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The deployment that is measured: made and taken away by the playbooks, or started by docker compose alone."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from laboratory.benchmark.processes import PLAYBOOK_SECONDS, StepFailed, perform, say, seconds
from tests.runner import docker
from tests.runner.commands import ROOT, StageFailed

GUARD = "mlflow-guard"
PROVISION = "/usr/local/lib/mlops-mlflow/provision.sh"
THIS_HOST = ROOT / "inventories/local/hosts.yml"
UP = ("up", "--detach", "--wait", "--wait-timeout", "300", "--pull", "never")


def _reasons(document: dict) -> list[str]:
    """Why tasks failed; of a loop, why its items did."""
    results = [result for play in document["plays"] for task in play["tasks"] for result in task["hosts"].values()]
    found = []
    for result in results:
        if result.get("failed") or result.get("unreachable"):
            items = [item for item in result.get("results", []) if item.get("failed")]
            found += [str(item.get("msg")) for item in items or [result]]
    return found


class Deployment:
    """Its name is one that no user's deployment has, so nothing of theirs is ever touched."""

    def __init__(
        self, playbook: str, port: int, prefix: str = "benchmark", inventory: Path = THIS_HOST, name: str = ""
    ) -> None:
        self.inventory = inventory
        self.playbook = playbook
        self.port = port
        self.name = f"{prefix}-{name or playbook}"
        self.variables: dict[str, object] = {}
        self.home = Path("~/.local/share/mlops.mlflow").expanduser() / self.name
        self.secrets = Path("~/.config/mlops.mlflow/localhost").expanduser() / self.name

    @property
    def url(self) -> str:
        """On Kubernetes the way in is the cluster's own."""
        return str(self.variables.get("kubernetes_public_url") or f"http://localhost:{self.port}")

    # --- by the playbooks -------------------------------------------------------------------------------------------

    def _playbook(self, name: str, timeout: float) -> int:
        """Run a playbook and return how many tasks changed something."""
        names = {"deployment_name": self.name, "deployment": self.name, "deployment_public_port": self.port}
        variables = {**self.variables, **names}
        done = perform(
            [
                "ansible-playbook",
                f"--inventory={self.inventory}",
                f"--extra-vars={json.dumps(variables)}",
                f"playbooks/{name}.yml",
            ],
            timeout=timeout,
            check=False,
            ANSIBLE_STDOUT_CALLBACK="ansible.posix.json",
        )
        try:
            document = json.loads(done.stdout)
        except ValueError:
            document = {"plays": [], "stats": {}}
        if done.returncode or not document["stats"]:
            said = " ".join(_reasons(document)) or f"{done.stdout}{done.stderr}"[-800:]
            raise StepFailed(f"playbooks/{name}.yml failed: {said}")
        return sum(host["changed"] for host in document["stats"].values())

    def deploy(self, timeout: float = PLAYBOOK_SECONDS) -> int:
        return self._playbook(self.playbook, timeout)

    def destroy(self) -> int:
        return self._playbook("destroy", PLAYBOOK_SECONDS)

    def left(self) -> list[str]:
        """What there is of the deployment: containers, volumes, networks, files and secrets."""
        try:
            found = docker.labelled(self.name)
        except StageFailed as failure:
            raise StepFailed(str(failure)) from None
        return found + [f"folder {folder}" for folder in (self.home, self.secrets) if folder.exists()]

    def images(self) -> str:
        """The record of the images that the deployment runs on."""
        return (self.home / "images.json").read_text()

    def two_tasks(self) -> None:
        """The least that a playbook for this can be: a file, and Compose's own look at the running project."""
        tasks = [
            {
                "name": "Write a file",
                "ansible.builtin.copy": {"content": "", "dest": str(self.home / "compose.yml"), "force": False},
            },
            {"name": "Start the project", "community.docker.docker_compose_v2": {"project_src": str(self.home)}},
        ]
        play = [{"name": "Two tasks", "hosts": "mlflow", "gather_facts": False, "tasks": tasks}]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "two.yml")
            path.write_text(json.dumps(play), encoding="utf-8")
            perform(["ansible-playbook", f"--inventory={self.inventory}", str(path)])

    # --- by docker compose ------------------------------------------------------------------------------------------

    def compose(self, *words: str) -> str:
        return perform(["docker", "compose", *words], cwd=self.home).stdout

    def public_side(self) -> list[str]:
        """The containers between the clients and the data: servers, and the load balancer where there is one."""
        wanted = [name for name in self._running_services() if name.startswith(("mlflow-server", "load-balancer"))]
        return self.compose("ps", "--quiet", *wanted).split()

    def server(self) -> str:
        """The container of the (first) server."""
        names = [name for name in self._running_services() if name.startswith("mlflow-server")]
        found = self.compose("ps", "--quiet", *names).split() if names else []
        if not found:
            raise StepFailed(f"No MLflow server of {self.name} runs.")
        return found[0]

    def _running_services(self) -> list[str]:
        return sorted(self.compose("ps", "--services").split())

    def compose_steps(self) -> dict[str, float]:
        """Seconds of each step by which docker compose brings up the rendered project from nothing.

        A bare `docker compose up --wait` of a fresh project cannot succeed: without roles, bucket and schema the
        server's start gate refuses, as it should. So the fair counterpart of a deploy does with docker compose alone
        what has to be done between the data services and the servers, and nothing else: no check of the arguments,
        no rendering, no verification.
        """
        services = json.loads(self.compose("--profile", "tools", "config", "--format", "json"))["services"]
        helpers = [name for name, body in services.items() if body.get("profiles") and name != GUARD]
        data = [name for name, body in services.items() if not body.get("profiles") and "mlflow-server" not in name]
        scripted = [
            name for name in data if PROVISION in [config.get("target") for config in services[name].get("configs", [])]
        ]
        self.compose("down", "--volumes", "--remove-orphans", "--timeout", "60")

        def start_data() -> None:
            for name in helpers:
                self.compose("run", "--rm", "--no-deps", "-T", name)
            self.compose(*UP, *data)

        def provision() -> None:
            for name in scripted:
                self.compose("exec", "-T", name, "sh", PROVISION)

        times = {
            "docker compose up --wait, data services": seconds(start_data),
            "their provisioning scripts by docker compose exec": seconds(provision),
            "schema step by docker compose run": seconds(
                self.compose, "run", "--rm", "--no-deps", "-T", GUARD, "schema", "--mode", "initialize"
            ),
            "docker compose up --wait, all services": seconds(self.compose, *UP),
        }
        if not any(name.startswith("mlflow-server") for name in self._running_services()):
            raise StepFailed("docker compose started no MLflow server.")
        return times

    def compose_up_with_data(self) -> float:
        """Seconds of the single command, on volumes in which roles, bucket and schema are there already."""
        self.compose("down", "--timeout", "60")
        return seconds(self.compose, *UP)

    def clean(self) -> None:
        """Whatever an interrupted run left, goes."""
        if self.left():
            say(f"removing {self.name}")
            self.destroy()
        left = self.left()
        if left:
            raise StepFailed(
                f"{', '.join(left)} could not be removed: remove it with "
                f"`ansible-playbook playbooks/destroy.yml -e deployment={self.name}`."
            )
