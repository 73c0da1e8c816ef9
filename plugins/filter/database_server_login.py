# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: database_server_login
short_description: Say how modules connect to a database server
description:
  - Makes the options that all modules of the collection C(community.postgresql) have.
  - It is made for the role P(mlops.mlflow.database_server#role).
version_added: 0.2.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input, who, authorities
options:
  _input:
    description: The variables of the role without C(database_server_).
    type: dict
    required: true
  who:
    description: Whose login it is, C(admin), C(owner) or C(server).
    type: str
    required: true
  authorities:
    description: File with the certificates of public authorities, for where no file is given.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Ask for the version
  community.postgresql.postgresql_ping: "{{ given | mlops.mlflow.database_server_login('admin', '/etc/ssl/cert.pem') }}"
"""

RETURN = r"""
_value:
  description: The options by name.
  type: dict
"""

from typing import Any, Callable

from ansible_collections.mlops.mlflow.plugins.module_utils import _database_server_login


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"database_server_login": _database_server_login.login}
