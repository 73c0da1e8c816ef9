# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: kubernetes_images
short_description: Say which image each component has on a cluster
description:
  - An image that the user names is one that nodes can pull. Others come from the engine of the machine that deploys.
version_added: 0.2.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input, given, resolved, pull_policy
options:
  _input:
    description: The components.
    type: list
    elements: str
    required: true
  given:
    description: References that the user gives, by component.
    type: dict
    required: true
  resolved:
    description: What the role P(mlops.mlflow.images#role) found, by component.
    type: dict
    required: true
  pull_policy:
    description: V(auto), or a policy for all of them.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Name the images
  ansible.builtin.set_fact:
    images: "{{ ['postgres'] | mlops.mlflow.kubernetes_images({}, images_resolved, 'auto') }}"
"""

RETURN = r"""
_value:
  description:
    - C(reference), C(pull_policy) and C(local) of each component. A component that needs none has an empty reference.
  type: dict
"""

from typing import Any, Callable

from ansible_collections.mlops.mlflow.plugins.module_utils import _kubernetes_plan


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"kubernetes_images": _kubernetes_plan.images}
