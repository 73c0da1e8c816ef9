# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: port_refusal
short_description: Say which container has the port of a deployment
description:
  - A port can belong to another deployment, to a cluster of minikube, or to any other container.
version_added: 0.2.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input, port, deployment
options:
  _input:
    description: The containers, as P(mlops.mlflow.engine_contents#filter) gives them.
    type: list
    elements: dict
    required: true
  port:
    description: The port of the host, 1 to 65535.
    type: int
    required: true
  deployment:
    description: The name of the deployment that is to have it.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Check that no other container has the port
  ansible.builtin.assert:
    that: contents.containers | mlops.mlflow.port_refusal(5000, 'local') == ''
"""

RETURN = r"""
_value:
  description: A sentence that names who has the port and what to do. Empty if it is free, or the deployment's own.
  type: str
"""

from typing import Any, Callable

from ansible_collections.mlops.mlflow.plugins.module_utils import _public_port


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"port_refusal": _public_port.port_refusal}
