# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: database_server_failure
short_description: Explain an error of a database server
description:
  - Makes a sentence of an error of connecting, or of the work, with the variable and with what to do.
  - It is made for the role P(mlops.mlflow.database_server#role).
version_added: 0.2.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input, given
options:
  _input:
    description: What the module says.
    type: str
    required: true
  given:
    description: The variables of the role without C(database_server_).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Explain it
  ansible.builtin.fail:
    msg: "{{ result.msg | mlops.mlflow.database_server_failure(given) }}"
"""

RETURN = r"""
_value:
  description: The sentence.
  type: str
"""

from typing import Any, Callable

from ansible_collections.mlops.mlflow.plugins.module_utils import _database_server_login


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"database_server_failure": _database_server_login.failure}
