# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: engine_contents
short_description: Say what a Docker engine has, as far as deployments are concerned
description:
  - Gives the few things that are used of each container, volume and network, with the deployment that it belongs to.
version_added: 0.2.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input
options:
  _input:
    description: C(containers), C(volumes) and C(networks) as the engine lists them.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Note the containers
  ansible.builtin.set_fact:
    containers: "{{ (docker_host | mlops.mlflow.engine_contents).containers }}"
"""

RETURN = r"""
_value:
  description: C(containers), C(volumes) and C(networks).
  type: dict
"""

from typing import Any, Callable

from ansible_collections.mlops.mlflow.plugins.module_utils import _engine


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"engine_contents": _engine.contents}
