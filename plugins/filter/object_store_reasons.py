# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: object_store_reasons
short_description: Say with the collection's variables what the guard found at an object store
description:
  - The guard knows nothing of the variables of the roles; what it finds at a store follows from one of them.
  - It is made for the role P(mlops.mlflow.mlflow_server#role).
version_added: 0.2.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input, given
options:
  _input:
    description: The findings of the guard.
    type: list
    elements: dict
    required: true
  given:
    description: The connection to the store, as the servers get it.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Say what was found
  ansible.builtin.debug:
    msg: "{{ answer.findings | mlops.mlflow.object_store_reasons({'bucket': 'mlflow'}) | join(' ') }}"
"""

RETURN = r"""
_value:
  description: A sentence for each finding that is an error, also for those that are about something else.
  type: list
  elements: str
"""

from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils import _object_store


def object_store_reasons(findings: list[dict[str, Any]], given: dict[str, Any]) -> list[str]:
    return _object_store.explain(findings, given)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        return {"object_store_reasons": object_store_reasons}
