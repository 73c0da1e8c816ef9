# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: database_server_plan
short_description: Plan what is to be done on a database server
description:
  - Says what each role and each database needs, and with which login it is done.
  - It is made for the role P(mlops.mlflow.database_server#role).
version_added: 0.2.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input, seen, contents, passwords, check_mode
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
  check_mode:
    description: Whether nothing is changed, so that what is not there cannot be looked into.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Plan it
  ansible.builtin.set_fact:
    plan: "{{ given | mlops.mlflow.database_server_plan(seen, contents.results, passwords) }}"
"""

RETURN = r"""
_value:
  description: The plan with C(roles), C(databases), C(worker), C(admin), C(keeps_connect), C(locale) and C(quiet).
  type: dict
"""

from typing import Any, Callable

from ansible_collections.mlops.mlflow.plugins.module_utils import _database_server


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"database_server_plan": _database_server.plan}
