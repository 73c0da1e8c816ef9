# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: mlflow_server_environment
short_description: Say which environment MLflow servers have
description:
  - Concludes it from the variables of the role P(mlops.mlflow.mlflow_server#role), for which it is made. Nothing in it
    is secret.
version_added: 0.2.0
author:
  - the mlops.mlflow contributors (@mlops)
positional: _input
options:
  _input:
    description: The variables of the role without their prefix, and C(on_s3) for whether artifacts are in S3.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Note the environment
  ansible.builtin.set_fact:
    environment: "{{ settings | mlops.mlflow.mlflow_server_environment }}"
"""

RETURN = r"""
_value:
  description: C(server) is what MLflow reads, and C(guard) what the container is given besides.
  type: dict
"""

from typing import Any, Callable

from ansible_collections.mlops.mlflow.plugins.module_utils import _mlflow_environment


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"mlflow_server_environment": _mlflow_environment.environment}
