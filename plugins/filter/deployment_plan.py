# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: deployment_plan
author:
  - the mlops.mlflow contributors (@mlops)
version_added: 0.1.0
short_description: Put the plans of all components together to that of a deployment
description:
  - Names the files of each component by their content, so that a container which still runs as it was planned before
    finds its own files when it is started again.
  - Gives each service the label of the deployment, a bound on its log, and a limit of its memory that fits the host.
options:
  _input:
    description: Pairs of a component and its plan.
    type: list
    elements: list
    required: true
  label:
    description: The label of all that belongs to the deployment.
    type: dict
    required: true
  log_mb:
    description: How many MiB of log each container may keep. With V(0) the engine decides.
    type: int
    required: true
  host_memory_mb:
    description: The memory of the host in MiB.
    type: int
    required: true
  memory_limits_mb:
    description: Limits in MiB by component, in the place of those that follow from the host's memory.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Put the plans together
  ansible.builtin.set_fact:
    plan: "{{ ['postgres'] | zip([postgres_plan]) | mlops.mlflow.deployment_plan({'owner': 'me'}, 30, 8192) }}"
"""

RETURN = r"""
_value:
  description: The plan of the deployment. Where there can be none, it has nothing but a C(problem), one sentence that
    names the variable.
  type: dict
"""

from typing import Any, Callable

from ansible_collections.mlops.mlflow.plugins.module_utils import _deployment_plan as plans


def deployment_plan(
    components: list,
    label: dict[str, str],
    log_mb: int,
    host_memory_mb: int,
    memory_limits_mb: dict[str, Any] | None = None,
) -> dict[str, Any]:
    settings = plans.Settings(label, int(log_mb), int(host_memory_mb), memory_limits_mb or {})
    try:
        return plans.put_together(list(components), settings)
    except plans.PlanError as error:
        # What Ansible makes of an error of a filter is more than a sentence.
        return {"problem": str(error)}


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"deployment_plan": deployment_plan}
