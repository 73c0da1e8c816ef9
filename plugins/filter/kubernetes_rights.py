# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: kubernetes_rights
short_description: List the rights to do something with resources
description:
  - Gives one entry for each resource and each verb, as M(mlops.mlflow.kubernetes_cluster) takes them.
version_added: 0.2.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input, verbs, cluster_wide
options:
  _input:
    description: Resources, such as V(apps/deployments).
    type: list
    elements: str
    required: true
  verbs:
    description: What is to be done with them.
    type: list
    elements: str
    required: true
  cluster_wide:
    description: Whether they are in no namespace.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Name what has to be allowed
  ansible.builtin.set_fact:
    rights: "{{ ['secrets'] | mlops.mlflow.kubernetes_rights(['get', 'create']) }}"
"""

RETURN = r"""
_value:
  description: The rights, each with C(resource) and C(verb), and C(cluster_wide) where that is true.
  type: list
  elements: dict
"""

from typing import Any, Callable

from ansible_collections.mlops.mlflow.plugins.module_utils import _kubernetes_plan


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"kubernetes_rights": _kubernetes_plan.rights}
