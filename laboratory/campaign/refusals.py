# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in the way of a deployment, looked at before it is begun."""

from __future__ import annotations

from laboratory.benchmark.deployment import Deployment
from laboratory.benchmark.processes import StepFailed, perform
from tests.runner import docker
from tests.runner.stages import port_is_free


def check_port(port: int) -> None:
    """The one that the Docker engine is to publish."""
    if port_is_free(port):
        return
    publishers = ["docker", "ps", "--filter", f"publish={port}", "--format", "the container {{.Names}}"]
    holder = perform(publishers, check=False).stdout.strip() or "another process"
    raise StepFailed(f"Port {port} is taken by {holder}: stop that, or choose another port with --port.")


def check_name(deployment: Deployment) -> None:
    left = deployment.left() if docker.engine_answers() else []
    if left:
        raise StepFailed(
            f"There already is a deployment {deployment.name} ({left[0]}), most likely of a campaign that was "
            f"killed: go on with that by --resume, take it down by `ansible-playbook playbooks/destroy.yml -e "
            f"deployment={deployment.name}`, or choose other names by --prefix."
        )
