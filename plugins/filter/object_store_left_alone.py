# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: object_store_left_alone
short_description: Name the external object stores of deployments that are taken away
description:
  - Reads what deployments keep of themselves and says where the artifacts are of which nothing is deleted.
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
    msg: "{{ ['{}'] | mlops.mlflow.object_store_left_alone }}"
"""

RETURN = r"""
_value:
  description: A place for each deployment that has one.
  type: list
  elements: str
"""

from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils import _object_store


def object_store_left_alone(records: list[str]) -> list[str]:
    return _object_store.left_alone(records)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        return {"object_store_left_alone": object_store_left_alone}
