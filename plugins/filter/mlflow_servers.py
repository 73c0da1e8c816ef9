# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: mlflow_servers
short_description: Say how many MLflow servers there are, where they run, and what they may use
description:
  - Spreads the servers over the zones, and divides the CPUs and the memory of the host among them.
  - It is made for the role P(mlops.mlflow.mlflow_server#role).
version_added: 0.2.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input
options:
  _input:
    description:
      - The variables of the role without their prefix, with C(zones), C(zone_replicas), C(replicas), C(workers),
        C(host_cpus), C(host_memory_mb), C(networks), C(job_execution_enabled), and C(way_out) for servers that reach
        what is outside of the host.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Note the servers
  ansible.builtin.set_fact:
    servers: "{{ (settings | mlops.mlflow.mlflow_servers).servers }}"
"""

RETURN = r"""
_value:
  description:
    - C(servers) with name, zone, workers and networks, in the order in which they are replaced, the number of
      C(replicas) and of C(workers) of each, and the C(memory) that each service needs.
  type: dict
"""

from typing import Any, Callable

from ansible_collections.mlops.mlflow.plugins.module_utils import _mlflow_servers


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"mlflow_servers": _mlflow_servers.plan}
