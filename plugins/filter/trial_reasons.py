# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: trial_reasons
short_description: Say why what was tried is of no use
description:
  - Reads the guard's answers in the results of the containers.
  - It is made for the role P(mlops.mlflow.mlflow_server#role).
version_added: 0.2.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input, store, database
options:
  _input:
    description: The results of the containers.
    type: list
    elements: dict
    required: true
  store:
    description: The connection to the store, as the servers get it.
    type: dict
    required: true
  database:
    description: What is known of the database, as the servers get it.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show why it is of no use
  ansible.builtin.debug:
    msg: "{{ trials.results | mlops.mlflow.trial_reasons({}, {}) }}"
"""

RETURN = r"""
_value:
  description: Sentences with the variables of the collection. None where all is right.
  type: list
  elements: str
"""

from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils import _guard_trial


def trial_reasons(results: list[dict[str, Any]], store: dict[str, Any], database: dict[str, Any]) -> list[str]:
    return _guard_trial.reasons(results, store, database)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        return {"trial_reasons": trial_reasons}
