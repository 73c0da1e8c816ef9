# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: kubernetes_stuck_pods
short_description: Find pods of StatefulSets that are not ready
description:
  - A StatefulSet does not replace a pod that never got ready, not even by a good one.
version_added: 0.2.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input
options:
  _input:
    description: The pods as the cluster gave them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Remove them
  kubernetes.core.k8s:
    state: absent
    kind: Pod
    namespace: mlflow
    name: "{{ item }}"
  loop: "{{ found.resources | mlops.mlflow.kubernetes_stuck_pods }}"
"""

RETURN = r"""
_value:
  description: Their names.
  type: list
  elements: str
"""

from typing import Any, Callable

from ansible_collections.mlops.mlflow.plugins.module_utils import _kubernetes_plan


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"kubernetes_stuck_pods": _kubernetes_plan.stuck_pods}
