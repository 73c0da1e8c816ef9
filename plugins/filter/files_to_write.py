# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: files_to_write
short_description: The secret files of a plan as they are written
description:
  - Gives those files of a plan that are secret, as M(mlops.mlflow.deployment_files) takes them.
version_added: 0.2.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input
options:
  _input:
    description: The files of a plan.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Write the files
  mlops.mlflow.deployment_files:
    path: /srv/mlflow
    secret_files: "{{ plan.files | mlops.mlflow.files_to_write }}"
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
        return {"files_to_write": _deployment_plan.files_to_write}
