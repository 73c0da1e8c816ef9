# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: kubernetes_records
short_description: Say which deployments on Kubernetes are recorded
description:
  - Each record is in a folder that has the name of its deployment.
version_added: 0.2.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input, name, given
options:
  _input:
    description: Pairs of the path and the text of a record.
    type: list
    elements: list
    required: true
  name:
    description: The deployment that is asked for; empty for all.
    type: str
    required: true
  given:
    description: C(context) and C(namespace) of the deployment, for one that has no record.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Find the deployments that are recorded here
  ansible.builtin.set_fact:
    records: "{{ paths | zip(texts) | mlops.mlflow.kubernetes_records('', {'context': ''}) }}"
"""

RETURN = r"""
_value:
  description: The records, each with its C(name).
  type: list
  elements: dict
"""

from typing import Any, Callable

from ansible_collections.mlops.mlflow.plugins.module_utils import _kubernetes_plan


def kubernetes_records(files: list, name: str, given: dict[str, Any]) -> list[dict[str, Any]]:
    return _kubernetes_plan.records(list(files), name, given)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"kubernetes_records": kubernetes_records}
