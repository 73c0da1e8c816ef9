# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: minikube_driver_faults
short_description: Say why each driver of minikube cannot be used on a machine
description:
  - It is made for the role P(mlops.mlflow.minikube#role).
version_added: 0.2.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input, machine, answers, device
options:
  _input:
    description: The drivers, each with C(name), C(program), C(container) and C(systems).
    type: dict
    required: true
  machine:
    description: What the machine is, with C(system), C(programs) and C(kvm).
    type: dict
    required: true
  answers:
    description: What the engines of drivers said, by driver, with C(answers) for whether that was of use.
    type: dict
    required: true
  device:
    description: The device that virtual machines need.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Note which drivers cannot be used
  ansible.builtin.set_fact:
    faults: "{{ drivers | mlops.mlflow.minikube_driver_faults(machine, {}, '/dev/kvm') }}"
"""

RETURN = r"""
_value:
  description: The reason for each driver, which is empty where it can be used.
  type: dict
"""

from typing import Any, Callable

from ansible_collections.mlops.mlflow.plugins.module_utils import _minikube


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"minikube_driver_faults": _minikube.driver_faults}
