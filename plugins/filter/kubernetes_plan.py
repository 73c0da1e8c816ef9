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
positional: _input, settings
options:
  _input:
    description: Pairs of a component and its plan.
    type: list
    elements: list
    required: true
  settings:
    description:
      - C(namespace) and C(labels) of all that belongs to the deployment, C(policies) (objects of its own),
        C(optional) (kinds that it can do without), C(kinds) and C(version) that the cluster has, and C(given) (labels,
        annotations and image_pull_secrets that the user chooses for all).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Put the plans together
  ansible.builtin.set_fact:
    plan: "{{ parts | mlops.mlflow.kubernetes_plan(settings) }}"
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


def kubernetes_plan(components: list, settings: dict[str, Any]) -> dict[str, Any]:
    return _kubernetes_plan.put_together(list(components), _kubernetes_plan.Settings(**settings))


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"kubernetes_plan": kubernetes_plan}
