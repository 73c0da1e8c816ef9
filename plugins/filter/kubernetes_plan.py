# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: kubernetes_plan
short_description: Put the plans of all components together to the objects of a deployment
description:
  - Gives each object the namespace and the labels of the deployment, and sorts them by the phase in which they are
    applied.
  - Kinds that a deployment can do without are left out where the cluster does not offer them.
version_added: 0.2.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input, namespace, labels, policies, optional, kinds, shared
options:
  _input:
    description: Pairs of a component and its plan.
    type: list
    elements: list
    required: true
  namespace:
    description: The namespace of the deployment.
    type: str
    required: true
  labels:
    description: The labels of all that belongs to the deployment.
    type: dict
    required: true
  policies:
    description: Objects of the deployment itself.
    type: list
    elements: dict
    required: true
  optional:
    description: Kinds that a deployment can do without.
    type: list
    elements: str
    required: true
  kinds:
    description: Which of them the cluster offers.
    type: list
    elements: str
    required: true
  shared:
    description: Whether others use the namespace too, so that objects select pods of the deployment only.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Put the plans together
  ansible.builtin.set_fact:
    plan: "{{ parts | mlops.mlflow.kubernetes_plan('mlflow', labels, policies, optional, cluster.kinds) }}"
"""

RETURN = r"""
_value:
  description:
    - The objects by phase (C(secrets), C(data), C(jobs), C(servers)), what to wait for and to provision, the
      components with more to do, and the kinds that were left out.
  type: dict
"""

from typing import Any, Callable

from ansible_collections.mlops.mlflow.plugins.module_utils import _kubernetes_plan


def kubernetes_plan(
    components: list, namespace: str, labels: dict[str, str], policies: list, optional: list, kinds: list,
    shared: bool = False,
) -> dict[str, Any]:  # fmt: skip
    settings = _kubernetes_plan.Settings(namespace, labels, list(policies), list(optional), list(kinds), shared)
    return _kubernetes_plan.put_together(list(components), settings)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"kubernetes_plan": kubernetes_plan}
