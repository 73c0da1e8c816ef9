# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: trial_lines
short_description: Say what the guard saw when it looked at a database
description:
  - Reads the guard's answers in the results of the containers.
  - It is made for the role P(mlops.mlflow.mlflow_server#role).
version_added: 0.2.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input
options:
  _input:
    description: The results of the containers.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what was seen
  ansible.builtin.debug:
    msg: "{{ trials.results | mlops.mlflow.trial_lines }}"
"""

RETURN = r"""
_value:
  description: Lines for people.
  type: list
  elements: str
"""

from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils import _guard_trial


def trial_lines(results: list[dict[str, Any]]) -> list[str]:
    return _guard_trial.lines(results)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        return {"trial_lines": trial_lines}
