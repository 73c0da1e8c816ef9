# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: minikube_url
short_description: Say where a node port of a cluster of minikube is reached
description:
  - Finds the port of this machine that leads there, by the containers that publish it, else by what minikube noted when
    it made the cluster. Without one it is the node's own address.
  - It is made for the role P(mlops.mlflow.kubernetes#role).
version_added: 0.1.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input
options:
  _input:
    description: The running containers, as M(community.docker.docker_host_info) lists them.
    type: list
    elements: dict
    required: true
  listed:
    description: What C(minikube profile list --light --output=json) answered.
    type: dict
    required: true
  profile:
    description: The name of the cluster.
    type: str
    required: true
  node_port:
    description: The node port.
    type: int
    required: true
  address:
    description: The address of a node.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Say where it is reached
  ansible.builtin.debug:
    msg: "{{ containers | mlops.mlflow.minikube_url(listed={}, profile='mlflow', node_port=30500, address=node) }}"
"""

RETURN = r"""
_value:
  description: A dictionary with C(url), and C(published), which says whether that is a port of this machine.
  type: dict
"""

from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._minikube import url


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        return {"minikube_url": url}
