# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: load_balancer_unused
author:
  - the mlops.mlflow contributors (@mlops)
version_added: 0.1.0
short_description: The servers that HAProxy does not use, and why
description:
  - Reads the answer of HAProxy to C(GET /stats;json), and names each server that one of its backends does not use.
options:
  _input:
    description: The HTTP answer, with its head. It may be empty.
    type: str
    required: true
  servers:
    description: The names of the servers that should be used.
    type: list
    elements: str
    required: true
  silence:
    description: Why there is no answer, for servers that the answer does not tell of.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Check that every server is in use
  ansible.builtin.assert:
    that: asked.stdout | mlops.mlflow.load_balancer_unused(['a', 'b'], asked.stderr) | length == 0
"""

RETURN = r"""
_value:
  description: Each server that is not used, with the reason in brackets.
  type: list
  elements: str
"""

from typing import Any, Callable

from ansible_collections.mlops.mlflow.plugins.module_utils import _load_balancer


def load_balancer_unused(answer: str, servers: list, silence: str = "") -> list[str]:
    return _load_balancer.unused(answer, list(servers), silence)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"load_balancer_unused": load_balancer_unused}
