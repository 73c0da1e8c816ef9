# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: kubernetes_leftovers
short_description: Find objects of a deployment that are no longer wanted
description:
  - Compares by kind and name, and gives what is enough to remove an object.
version_added: 0.2.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input, wanted, kinds, namespace
options:
  _input:
    description: The objects that are there.
    type: list
    elements: dict
    required: true
  wanted:
    description: The objects that are to stay.
    type: list
    elements: dict
    required: true
  kinds:
    description: Kinds that may be removed, such as V(networking.k8s.io/v1/Ingress), in the order in which they are.
    type: list
    elements: str
    required: true
  namespace:
    description: The namespace of the deployment.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Note what is left over
  ansible.builtin.set_fact:
    leftovers: "{{ cluster.objects | mlops.mlflow.kubernetes_leftovers(plan.servers, kinds, 'mlflow') }}"
"""

RETURN = r"""
_value:
  description: C(apiVersion), C(kind) and C(metadata) of each object.
  type: list
  elements: dict
"""

from typing import Any, Callable

from ansible_collections.mlops.mlflow.plugins.module_utils import _kubernetes_plan


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"kubernetes_leftovers": _kubernetes_plan.leftovers}
