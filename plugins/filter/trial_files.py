# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: trial_files
short_description: Choose the files that a trial of a store or database needs
description:
  - Passwords of the database have no business in a trial of the store, and the other way round.
  - It is made for the role P(mlops.mlflow.mlflow_server#role).
version_added: 0.2.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input, trials
options:
  _input:
    description: The files of the plan.
    type: list
    elements: dict
    required: true
  trials:
    description: What is tried.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show what would be written
  ansible.builtin.debug:
    msg: "{{ mlflow_server_plan.files | mlops.mlflow.trial_files(['store']) | map(attribute='path') }}"
"""

RETURN = r"""
_value:
  description: Those of them that are needed.
  type: list
  elements: dict
"""

from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils import _guard_trial


def trial_files(files: list[dict[str, Any]], trials: list[str]) -> list[dict[str, Any]]:
    return _guard_trial.files_for(files, trials)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        return {"trial_files": trial_files}
