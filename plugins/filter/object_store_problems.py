# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: object_store_problems
short_description: Say what is wrong with what is given for an object store
description:
  - Looks at the variables of the role together, and at the text of the file of certificates.
  - It is made for the role P(mlops.mlflow.object_store#role).
version_added: 0.2.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input, kind, certificates
options:
  _input:
    description: The variables of the role without C(object_store_).
    type: dict
    required: true
  kind:
    description: Which store it is.
    type: str
    required: true
  certificates:
    description: The text of the file of certificates, where one is given.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Say what is wrong
  ansible.builtin.debug:
    msg: "{{ object_store_given | mlops.mlflow.object_store_problems('external') }}"
"""

RETURN = r"""
_value:
  description: Sentences that name the variable. None where all is right.
  type: list
  elements: str
"""

from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils import _object_store


def object_store_problems(given: dict[str, Any], kind: str, certificates: str = "") -> list[str]:
    found = _object_store.problems(kind, given)
    if given["ca_file"] and not found:
        found = [_object_store.certificate_problem(given["ca_file"], certificates)]
    return [sentence for sentence in found if sentence]


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        return {"object_store_problems": object_store_problems}
