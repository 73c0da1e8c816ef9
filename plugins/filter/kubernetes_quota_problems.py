# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: kubernetes_quota_problems
short_description: Say which quotas of a namespace have no room for a deployment
description:
  - A quota refuses pods one by one, when the old ones may be gone already. So they are compared before.
  - Quotas with scopes, which count some pods only, are left out.
  - It is made for the role P(mlops.mlflow.kubernetes#role).
version_added: 0.2.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input, quotas, limit_ranges, is_new, nodes
options:
  _input:
    description: The objects that the deployment would make.
    type: list
    elements: dict
    required: true
  quotas:
    description: The ResourceQuotas of the namespace.
    type: list
    elements: dict
    required: true
  limit_ranges:
    description: The LimitRanges of the namespace.
    type: list
    elements: dict
    required: true
  is_new:
    description: Whether nothing of the deployment runs yet. Else what it uses is part of what is used.
    type: bool
    default: true
  nodes:
    description: How many nodes the cluster has, on each of which a DaemonSet has a pod.
    type: int
    default: 1
"""

EXAMPLES = r"""
- name: Say what is too small
  ansible.builtin.debug:
    msg: "{{ objects | mlops.mlflow.kubernetes_quota_problems(cluster.quotas, cluster.limit_ranges) }}"
"""

RETURN = r"""
_value:
  description: A sentence for each quota that has no room.
  type: list
  elements: str
"""

from typing import Any, Callable

from ansible_collections.mlops.mlflow.plugins.module_utils import _kubernetes_quota


def kubernetes_quota_problems(
    objects: list, quotas: list, limit_ranges: list, is_new: bool = True, nodes: int = 1
) -> list[str]:
    return _kubernetes_quota.problems(list(objects), list(quotas), list(limit_ranges), is_new, nodes)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"kubernetes_quota_problems": kubernetes_quota_problems}
