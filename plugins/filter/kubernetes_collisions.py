# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: kubernetes_collisions
short_description: Name the objects that a deployment would make, and that are somebody else's
description:
  - In a namespace that others use too, an object of the same kind and name would be taken over.
  - It is made for the role P(mlops.mlflow.kubernetes#role).
version_added: 0.2.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input, theirs
options:
  _input:
    description: The objects that the deployment would make.
    type: list
    elements: dict
    required: true
  theirs:
    description: What is in the namespace and does not belong to the deployment, each as Kind/name.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Name them
  ansible.builtin.debug:
    msg: "{{ objects | mlops.mlflow.kubernetes_collisions(cluster.others) }}"
"""

RETURN = r"""
_value:
  description: Those that are both, each as Kind/name.
  type: list
  elements: str
"""

from typing import Any, Callable

from ansible_collections.mlops.mlflow.plugins.module_utils import _kubernetes_namespace


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"kubernetes_collisions": _kubernetes_namespace.collisions}
