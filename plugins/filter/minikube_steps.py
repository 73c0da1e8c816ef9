# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: minikube_steps
short_description: Say what has to be done to a cluster of minikube
description:
  - Plans the calls of minikube that lead from what is there to what is asked for.
  - It is made for the role P(mlops.mlflow.minikube#role).
version_added: 0.1.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input
options:
  _input:
    description: What P(mlops.mlflow.minikube_cluster#filter) returned.
    type: dict
    required: true
  asked:
    description: What the cluster should be, with what that filter takes, and besides C(state), C(profile),
      C(chosen_driver), C(start_args), C(wait_timeout) and C(force).
    type: dict
    required: true
  images:
    description: Images that are to be brought into the cluster, with C(profile), C(missing_images),
      C(archived_images) and C(archive). Without it there are none.
    type: dict
"""

EXAMPLES = r"""
- name: Plan the steps
  ansible.builtin.set_fact:
    steps: "{{ cluster | mlops.mlflow.minikube_steps(asked=asked) }}"
"""

RETURN = r"""
_value:
  description:
    - The steps in their order, each with C(name), C(says) (one sentence for the user) and C(argv) (the words after the
      program's name).
  type: list
  elements: dict
"""

from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._minikube import image_steps, plan


def minikube_steps(
    cluster: dict[str, Any], asked: dict[str, Any], images: dict[str, Any] | None = None
) -> list[dict[str, Any]]:
    return plan(cluster, asked) + (image_steps(images) if images else [])


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        return {"minikube_steps": minikube_steps}
