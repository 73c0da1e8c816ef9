# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""Whether a deployment can have its public port on a Docker host."""

from __future__ import annotations

from typing import Any


def port_refusal(containers: list[dict[str, Any]], port: int, deployment: str) -> str:
    """Why a deployment cannot have the port: another container has it. Empty where none has."""
    holder = next((each for each in containers if port in each["ports"]), None)
    if holder is None or holder["deployment"] == deployment:
        return ""
    if other := holder["deployment"]:
        reason = (
            f"the deployment {other}, and one deployment at a time can have it: take that one down first with "
            f"`ansible-playbook playbooks/destroy.yml -e deployment={other}` (add -e keep_data=true to keep its data)"
        )
    elif cluster := holder["cluster"]:
        reason = f"the minikube cluster {cluster}: stop it with `minikube stop --profile={cluster}`"
    else:
        reason = f"the container {holder['name']}, which is not part of this collection: stop it"
    return f"Port {port} belongs to {reason}, or choose another deployment_public_port."
