# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: database_connection
short_description: Say how the servers reach the database
description:
  - Puts what is given for an external database, or what is known of the deployment's own, into one form.
  - It is made for the role P(mlops.mlflow.database#role).
version_added: 0.2.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input, kind, files, own
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
  own:
    description: How the servers reach the PostgreSQL of the deployment itself.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Say how servers reach the database
  ansible.builtin.set_fact:
    database_connection: "{{ database_given | mlops.mlflow.database_connection('external', {}, {}) }}"
"""

RETURN = r"""
_value:
  description: The connection, as the servers get it.
  type: dict
"""

from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils import _database


def database_connection(given: dict[str, Any], kind: str, files: dict[str, str], own: dict[str, Any]) -> dict[str, Any]:
    return _database.connection(given, kind, files, own)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        return {"database_connection": database_connection}
