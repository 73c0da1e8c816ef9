# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: database_warnings
short_description: Say what ought to be known of what is given for a database
description:
  - Says which protection is missing, and how to have it.
  - It is made for the role P(mlops.mlflow.database#role).
version_added: 0.2.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input, kind
options:
  _input:
    description: The variables of the role without C(database_).
    type: dict
    required: true
  kind:
    description: Whether it is the deployment's own or an external one.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Say what is missing
  ansible.builtin.debug:
    msg: "{{ database_given | mlops.mlflow.database_warnings('external') }}"
"""

RETURN = r"""
_value:
  description: Sentences that name the variable. None where nothing is missing.
  type: list
  elements: str
"""

from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils import _database


def database_warnings(given: dict[str, Any], kind: str) -> list[str]:
    return _database.warnings(given, kind)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        return {"database_warnings": database_warnings}
