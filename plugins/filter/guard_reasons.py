# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: guard_reasons
short_description: Say with the collection's variables what the guard found
description:
  - The guard knows nothing of the variables of the roles; what it finds at a store or a
    database of somebody else follows from one of them.
  - It is made for the role P(mlops.mlflow.mlflow_server#role).
version_added: 0.2.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input, store, database
options:
  _input:
    description: The findings of the guard.
    type: list
    elements: dict
    required: true
  store:
    description: The connection to the store, as the servers get it.
    type: dict
    required: true
  database:
    description: The connection to the database, as the servers get it.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Say what was found
  ansible.builtin.debug:
    msg: "{{ answer.findings | mlops.mlflow.guard_reasons({'bucket': 'mlflow'}) | join(' ') }}"
"""

RETURN = r"""
_value:
  description: A sentence for each finding that is an error, also for those that are about something else.
  type: list
  elements: str
"""

from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils import _guard_reasons


def guard_reasons(
    findings: list[dict[str, Any]], store: dict[str, Any], database: dict[str, Any] | None = None
) -> list[str]:
    return _guard_reasons.explain(findings, store, database or {})


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        return {"guard_reasons": guard_reasons}
