# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: database_problems
short_description: Say what is wrong with what is given for a database
description:
  - Looks at the variables of the role together, and at the files for TLS.
  - It is made for the role P(mlops.mlflow.database#role).
version_added: 0.2.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input, kind, files
options:
  _input:
    description: The variables of the role without C(database_).
    type: dict
    required: true
  kind:
    description: Whether it is the deployment's own or an external one.
    type: str
    required: true
  files:
    description: The texts of the files that are given for TLS, by what they are.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Say what is wrong
  ansible.builtin.debug:
    msg: "{{ database_given | mlops.mlflow.database_problems('external', {}) }}"
"""

RETURN = r"""
_value:
  description: Sentences that name the variable. None where all is right.
  type: list
  elements: str
"""

from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils import _database


def database_problems(given: dict[str, Any], kind: str, files: dict[str, str]) -> list[str]:
    return _database.problems(given, kind, files)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        return {"database_problems": database_problems}
