# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: kubernetes_pods
short_description: Give the pods of a component on Kubernetes what the user chooses for them
description:
  - Completes the templates of pods in the objects of a component, and the annotations of its ServiceAccount.
  - Pods of a Deployment are spread over nodes and zones, and soon leave a node that is dead.
  - Where nothing is chosen, other objects are as they were.
version_added: 0.2.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input, options
options:
  _input:
    description: Lists of objects, by phase.
    type: dict
    required: true
  options:
    description:
      - The variables of the role without their prefix, of which each may be left out - C(node_selector),
        C(tolerations), C(affinity), C(priority_class), C(pod_labels), C(pod_annotations),
        C(service_account_annotations), C(topology_spread_constraints), C(env_from), C(extra_volumes) and
        C(extra_volume_mounts).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Plan the objects
  ansible.builtin.set_fact:
    plan: "{{ objects | mlops.mlflow.kubernetes_pods({'node_selector': {'disktype': 'ssd'}}) }}"
"""

RETURN = r"""
_value:
  description: The same lists.
  type: dict
"""

from typing import Any, Callable

from ansible_collections.mlops.mlflow.plugins.module_utils import _kubernetes_pod


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"kubernetes_pods": _kubernetes_pod.completed}
