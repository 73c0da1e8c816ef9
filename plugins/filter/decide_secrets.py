# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: decide_secrets
short_description: Say where each secret of a deployment comes from
description:
  - Puts the secrets of a deployment together from those that are given, those that are kept on the control node and new
    ones, and says in sentences without secrets what is refused. It writes nothing.
  - It is made for the role P(mlops.mlflow.deployment#role). It is a filter because a module's answer cannot hold
    secrets.
version_added: 0.1.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input
options:
  _input:
    description: The kinds of the secrets by their names, V(password) or V(fernet).
    type: dict
    required: true
  encrypting:
    description: What is encrypted in the database with a secret, by its name.
    type: dict
    required: true
  given:
    description: Given values by name.
    type: dict
    required: true
  renewed:
    description: Names of secrets that get a new value.
    type: list
    elements: str
    required: true
  previous:
    description: Values until now by name.
    type: dict
    required: true
  kept:
    description: The content of the files on the control node by their names.
    type: dict
    required: true
  has_data:
    description: Whether the deployment has data already.
    type: bool
    required: true
  name:
    description: What messages call the deployment.
    type: str
    required: true
  place:
    description: What messages call the folder on the control node.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Put the secrets together
  ansible.builtin.set_fact:
    decision: >-
      {{
        {'database_password': 'password'}
        | mlops.mlflow.decide_secrets(encrypting={}, given={}, renewed=[], previous={}, kept={}, has_data=false,
                                      name='the deployment test', place='~/secrets')
      }}
  no_log: true
"""

RETURN = r"""
_value:
  description:
    - A dictionary with C(values) (the secrets by name), C(previous) (those that stored data may still be encrypted
      with), C(files) (the content of the files to be kept, by name) and C(refusals) (sentences; with one of them the
      rest is empty).
  type: dict
"""

from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._secrets import Request, decide


def decide_secrets(kinds: dict[str, str], **options: Any) -> dict[str, Any]:
    return decide(Request(kinds, **options))._asdict()


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        return {"decide_secrets": decide_secrets}
