# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: database_server_refusals
short_description: Say why a database server is not to be changed
description:
  - Finds roles and databases that are there already and have to do with something else than MLflow.
  - It is made for the role P(mlops.mlflow.database_server#role).
version_added: 0.2.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input, seen, contents, passwords
options:
  _input:
    description: The variables of the role without C(database_server_).
    type: dict
    required: true
  seen:
    description: What C(server.sql) of the role found on the server.
    type: dict
    required: true
  contents:
    description: The results of C(contents.sql) of the role, each with the name of the database as C(item).
    type: list
    elements: dict
    required: true
  passwords:
    description: State of the password by C(owner) and C(server), from P(mlops.mlflow.database_server_passwords#filter).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Say what must not be touched
  ansible.builtin.debug:
    msg: "{{ given | mlops.mlflow.database_server_refusals(seen, contents.results, passwords) }}"
"""

RETURN = r"""
_value:
  description: Sentences that name the variable, and what was found. None where all may be done.
  type: list
  elements: str
"""

from typing import Any, Callable

from ansible_collections.mlops.mlflow.plugins.module_utils import _database_server


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"database_server_refusals": _database_server.refusals}
