# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: minikube_cluster
short_description: Say how a cluster of minikube is, and how it differs from what is asked for
description:
  - Concludes it from the answers of C(minikube profile list) and C(minikube status).
  - It is made for the role P(mlops.mlflow.minikube#role).
version_added: 0.1.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input
options:
  _input:
    description: What C(minikube profile list --light --output=json) answered.
    type: dict
    required: true
  status:
    description: What C(minikube status --output=json) answered; empty where it was not asked.
    type: str
    required: true
  profile:
    description: The name of the cluster.
    type: str
    required: true
  asked:
    description: What the cluster should be, with C(driver), C(cpus), C(memory_mb), C(disk_size_mb),
      C(kubernetes_version), C(nodes), C(port) and C(addons).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Note how the cluster is
  ansible.builtin.set_fact:
    cluster: "{{ listed | mlops.mlflow.minikube_cluster(status=status, profile='mlflow', asked=asked) }}"
"""

RETURN = r"""
_value:
  description:
    - A dictionary with C(state) (one of V(absent), V(broken), V(stopped), V(paused), V(unhealthy) and V(running)),
      C(config) (minikube's own record of it), C(nodes) (the names of its machines), C(others) (other profiles),
      C(differences) (sentences; what cannot be changed), C(further_nodes) (how many are to be added) and C(addons)
      (those that are to be enabled).
  type: dict
"""

from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._minikube import look


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        return {"minikube_cluster": look}
