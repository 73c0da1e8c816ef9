# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: left_elsewhere
short_description: Say what stays in stores and databases of somebody else when deployments are taken away
description:
  - Reads what deployments keep of themselves and says where the artifacts and runs are of which nothing is deleted.
  - It is made for the role P(mlops.mlflow.deployment#role).
version_added: 0.2.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input
options:
  _input:
    description: The texts of the deployments' records of the arguments that were applied last.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Say what is left alone
  ansible.builtin.debug:
    msg: "{{ ['{}'] | mlops.mlflow.left_elsewhere }}"
"""

RETURN = r"""
_value:
  description: A sentence about stores and one about databases, where deployments have such.
  type: list
  elements: str
"""

from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils import _left_elsewhere


def left_elsewhere(records: list[str]) -> list[str]:
    return _left_elsewhere.sentences(records)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        return {"left_elsewhere": left_elsewhere}
