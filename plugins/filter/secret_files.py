# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: secret_files
short_description: Plan files for secrets
description:
  - Gives one file for each secret, as the plan of a component holds it, readable by one user.
version_added: 0.2.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input, folder, uid, passing
options:
  _input:
    description: The secrets, by the name of the file.
    type: dict
    required: true
  folder:
    description: The folder of the files, below that of the deployment.
    type: str
    required: true
  uid:
    description: The user who reads them.
    type: int
    required: true
  passing:
    description: Names of those that are there for a single run. Their going replaces nothing.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Plan the files
  ansible.builtin.set_fact:
    files: "{{ {'password': 'example'} | mlops.mlflow.secret_files('secrets/postgres', 10001) }}"
"""

RETURN = r"""
_value:
  description: The files.
  type: list
  elements: dict
"""

from typing import Any, Callable

from ansible_collections.mlops.mlflow.plugins.module_utils import _deployment_plan


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"secret_files": _deployment_plan.secret_files}
