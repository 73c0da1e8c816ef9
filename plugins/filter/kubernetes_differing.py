# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: kubernetes_differing
short_description: Say which objects applying would change
description:
  - Reads the answers of C(kubernetes.core.k8s) in check mode. Differences that are nothing but notes of the API server
    do not count.
version_added: 0.2.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input
options:
  _input:
    description: The answers, one for each object.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Note what differs
  ansible.builtin.set_fact:
    differing: "{{ compared.result.results | mlops.mlflow.kubernetes_differing }}"
"""

RETURN = r"""
_value:
  description: C(kind), C(name) and C(diff) of each object.
  type: list
  elements: dict
"""

from typing import Any, Callable

from ansible_collections.mlops.mlflow.plugins.module_utils import _kubernetes_plan


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"kubernetes_differing": _kubernetes_plan.differing}
