# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: kubernetes_input_problems
short_description: Say what is wrong with what a user chooses for objects and pods on Kubernetes
description:
  - Checks shapes, names and values, and that nothing is chosen that the deployment sets itself.
version_added: 0.2.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input, prefix
options:
  _input:
    description: The variables of the role without their prefix, such as P(mlops.mlflow.kubernetes_pods#filter) takes.
    type: dict
    required: true
  prefix:
    description: The prefix, such as V(postgres).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Note what is wrong
  ansible.builtin.set_fact:
    problems: "{{ {'node_selector': {'disk': true}} | mlops.mlflow.kubernetes_input_problems('postgres') }}"
"""

RETURN = r"""
_value:
  description: One sentence for each problem.
  type: list
  elements: str
"""

from typing import Any, Callable

from ansible_collections.mlops.mlflow.plugins.module_utils import _kubernetes_input


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"kubernetes_input_problems": _kubernetes_input.problems}
