# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: database_server_problems
short_description: Say what is wrong with what is given for a database server
description:
  - Looks at the variables of the role together. It does not connect.
  - It is made for the role P(mlops.mlflow.database_server#role).
version_added: 0.2.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input
options:
  _input:
    description: The variables of the role without C(database_server_).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Say what is wrong
  ansible.builtin.debug:
    msg: "{{ given | mlops.mlflow.database_server_problems }}"
"""

RETURN = r"""
_value:
  description: Sentences that name the variable. None where all is right.
  type: list
  elements: str
"""

from typing import Any, Callable

from ansible_collections.mlops.mlflow.plugins.module_utils import _database_server_input


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"database_server_problems": _database_server_input.problems}
