# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: kubernetes_missing_images
short_description: Find the images that nodes lack
description:
  - Names the images of the machine that deploys which not every node has, and which no pod runs with.
version_added: 0.2.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input, nodes, running
options:
  _input:
    description: The images, as P(mlops.mlflow.kubernetes_images#filter) gives them.
    type: dict
    required: true
  nodes:
    description: The nodes, with their C(images), and whether each C(answers) and is C(usable).
    type: list
    elements: dict
    required: true
  running:
    description: The images that pods run with.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Find the images that a node lacks
  ansible.builtin.set_fact:
    missing: "{{ images | mlops.mlflow.kubernetes_missing_images(cluster.nodes, cluster.running_images) }}"
"""

RETURN = r"""
_value:
  description: Their references.
  type: list
  elements: str
"""

from typing import Any, Callable

from ansible_collections.mlops.mlflow.plugins.module_utils import _kubernetes_plan


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"kubernetes_missing_images": _kubernetes_plan.missing_images}
