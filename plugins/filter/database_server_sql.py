# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: database_server_sql
short_description: Write SQL that prepares a database server
description:
  - Writes for psql what the role would do. No password is in it.
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
- name: Show it
  ansible.builtin.debug:
    msg: "{{ given | mlops.mlflow.database_server_sql }}"
"""

RETURN = r"""
_value:
  description: The script for psql.
  type: str
"""

from typing import Any, Callable

from ansible_collections.mlops.mlflow.plugins.module_utils import _database_server_sql


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"database_server_sql": _database_server_sql.script}
