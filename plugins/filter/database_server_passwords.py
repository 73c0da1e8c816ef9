# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: database_server_passwords
short_description: Say whether the passwords of roles are right
description:
  - Judges answers to connecting with them. A server refuses a wrong password before it looks for anything else.
  - It is made for the role P(mlops.mlflow.database_server#role).
version_added: 0.2.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input
options:
  _input:
    description: The results of connecting, each with C(item), which is C(owner) or C(server).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Judge them
  ansible.builtin.debug:
    msg: "{{ tried.results | mlops.mlflow.database_server_passwords }}"
"""

RETURN = r"""
_value:
  description: By C(owner) and C(server) one of C(right), C(wrong) and C(unknown).
  type: dict
"""

from typing import Any, Callable

from ansible_collections.mlops.mlflow.plugins.module_utils import _database_server


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"database_server_passwords": _database_server.password_states}
