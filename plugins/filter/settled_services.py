# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: settled_services
short_description: Say which services run as they are planned
description:
  - A service is settled when it is healthy, and has the image and the files of the plan.
version_added: 0.2.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input, deployment, services
options:
  _input:
    description: The containers, as P(mlops.mlflow.engine_contents#filter) gives them.
    type: list
    elements: dict
    required: true
  deployment:
    description: The name of the deployment.
    type: str
    required: true
  services:
    description: The services of the plan, as Compose takes them.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Note what runs already
  ansible.builtin.set_fact:
    settled: "{{ contents.containers | mlops.mlflow.settled_services('local', plan.compose.services) }}"
"""

RETURN = r"""
_value:
  description: The names of the services.
  type: list
  elements: str
"""

from typing import Any, Callable

from ansible_collections.mlops.mlflow.plugins.module_utils import _engine


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"settled_services": _engine.settled}
