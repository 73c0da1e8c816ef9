# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The containers and networks of a running deployment, by the Docker command line; DOCKER_HOST may name another."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

from laboratory.benchmark.processes import StepFailed, perform

LABEL = "mlops.mlflow.deployment"
ZONE = "mlops.mlflow.zone"
SERVICE = "com.docker.compose.service"
# A server that was killed starts anew and checks its databases before it serves.
HEALTHY_SECONDS = 180


@dataclass(frozen=True)
class Container:
    """restarts: how often the engine has brought it back. image: its identity."""

    identity: str
    name: str
    service: str
    zone: str
    healthy: bool
    restarts: int = 0
    image: str = ""


def docker(*words: str, check: bool = True, timeout: float = 120) -> str:
    return perform(["docker", *words], check=check, timeout=timeout).stdout


def _inspected(*identities: str) -> list[dict]:
    return json.loads(docker("inspect", *identities)) if identities else []


def deployments() -> list[str]:
    """The names of all that run here."""
    return sorted(set(docker("ps", "--filter", f"label={LABEL}", "--format", f'{{{{.Label "{LABEL}"}}}}').split()))


@dataclass(frozen=True)
class Deployment:
    name: str

    def containers(self) -> list[Container]:
        """Those of the services, stopped ones too; not those of tools that run once."""
        found = []
        for each in _inspected(*docker("ps", "--all", "--quiet", "--filter", f"label={LABEL}={self.name}").split()):
            labels, state = each["Config"]["Labels"], each["State"]
            if labels.get("com.docker.compose.oneoff") != "True" and SERVICE in labels:
                healthy = state["Running"] and state.get("Health", {}).get("Status", "healthy") == "healthy"
                name = each["Name"].lstrip("/")
                zone, restarts = labels.get(ZONE, ""), each["RestartCount"]
                found.append(Container(each["Id"], name, labels[SERVICE], zone, healthy, restarts, each["Image"]))
        return sorted(found, key=lambda container: container.service)

    def servers(self) -> list[Container]:
        return [each for each in self.containers() if each.service.startswith("mlflow-server")]

    def service(self, *names: str) -> Container:
        """The first of the services that there is."""
        for each in self.containers():
            if each.service in names:
                return each
        raise StepFailed(f"The deployment {self.name} has no service {' or '.join(names)}.")

    def zones(self) -> list[str]:
        return sorted({each.zone for each in self.servers() if each.zone})

    def bridge(self, network: str) -> str:
        """The host's network interface behind one of the deployment's networks."""
        words = ["--filter", f"label={LABEL}={self.name}", "--filter", f"label=com.docker.compose.network={network}"]
        found = docker("network", "ls", "--no-trunc", "--quiet", *words).split()
        if not found:
            raise StepFailed(f"The deployment {self.name} has no network {network}.")
        options = json.loads(docker("network", "inspect", found[0]))[0]["Options"]
        return options.get("com.docker.network.bridge.name", f"br-{found[0][:12]}")

    def public_url(self) -> str:
        """Where clients reach it on this machine."""
        for each in self.containers():
            for bindings in _inspected(each.identity)[0]["NetworkSettings"]["Ports"].values():
                for binding in bindings or []:
                    return f"http://localhost:{binding['HostPort']}"
        raise StepFailed(f"The deployment {self.name} publishes no port.")

    def wait_until_healthy(self, seconds: float = HEALTHY_SECONDS) -> None:
        end = time.monotonic() + seconds
        while True:
            ill = [each.service for each in self.containers() if not each.healthy]
            if not ill:
                return
            if time.monotonic() > end:
                raise StepFailed(f"{', '.join(ill)} of {self.name} did not become healthy in {seconds:g} s.")
            time.sleep(0.5)
