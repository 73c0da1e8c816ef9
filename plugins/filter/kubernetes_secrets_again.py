# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: kubernetes_secrets_again
short_description: Make Secrets that were read fit to be applied again
description:
  - Leaves out what the cluster noted on them itself.
version_added: 0.2.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input, namespace
options:
  _input:
    description: The Secrets as the cluster gave them.
    type: list
    elements: dict
    required: true
  namespace:
    description: Their namespace.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Put them back
  kubernetes.core.k8s:
    definition: "{{ found.resources | mlops.mlflow.kubernetes_secrets_again('mlflow') }}"
"""

RETURN = r"""
_value:
  description: The Secrets.
  type: list
  elements: dict
"""

from typing import Any, Callable

from ansible_collections.mlops.mlflow.plugins.module_utils import _kubernetes_plan


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"kubernetes_secrets_again": _kubernetes_plan.secrets_again}
