# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: find_deployments
short_description: Tell the user's own deployments from others on the same engine
description:
  - Sorts the deployments of which something is on a host into those that were deployed from a folder, and others.
  - It is made for the role P(mlops.mlflow.deployment#role).
version_added: 0.1.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input
options:
  _input:
    description: The containers, each with C(deployment) and C(home), the folder that Compose was called in.
    type: list
    elements: dict
    required: true
  labelled:
    description: The deployments that volumes and networks belong to.
    type: list
    elements: str
    required: true
  files:
    description: The deployments that have a file of theirs below O(root).
    type: list
    elements: str
    required: true
  secrets:
    description: The deployments that have secrets on the control node.
    type: list
    elements: str
    required: true
  root:
    description: The folder that has a folder for each deployment.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Say which deployments are here
  ansible.builtin.debug:
    msg: >-
      {{
        [{'deployment': 'test', 'home': '/opt/mlflow/test'}]
        | mlops.mlflow.find_deployments(labelled=['test'], files=[], secrets=[], root='/opt/mlflow')
      }}
"""

RETURN = r"""
_value:
  description:
    - A dictionary with C(own), a list of names, and C(others), the folders of the others by their names, empty where
      it is not known.
  type: dict
"""

from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._deployments import find


def find_deployments(containers: list[dict[str, Any]], **options: Any) -> dict[str, Any]:
    return find(containers, **options)._asdict()


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        return {"find_deployments": find_deployments}
