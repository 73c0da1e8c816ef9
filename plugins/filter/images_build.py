# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: images_build
author:
  - the mlops.mlflow contributors (@mlops)
version_added: 0.1.0
short_description: What builds of container images on a host are told
description:
  - Puts together what the user chose and what the managed host itself uses, such as mirrors, indexes, proxies and
    certificates, and names the base image that is made from them.
options:
  _input:
    description:
      - What the user chose, in the words of the variables of the role C(mlops.mlflow.images) without their prefix.
    type: dict
    required: true
  base_key:
    description: The hash of the files that the base is made with.
    type: str
    required: true
  host:
    description: What the managed host says of itself.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Put the settings of builds together
  ansible.builtin.set_fact:
    build: "{{ settings | mlops.mlflow.images_build(contexts['keys'].base, host) }}"
"""

RETURN = r"""
_value:
  description: Lines for apt, name, key and archive of the base, the environment and the arguments of a build, and the
    path of a CA bundle, which is empty where there is none.
  type: dict
"""

from typing import Any, Callable

from ansible_collections.mlops.mlflow.plugins.module_utils import _images


def images_build(settings: dict[str, Any], base_key: str, host: dict[str, Any]) -> dict[str, Any]:
    return _images.build_settings(settings, base_key, host)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"images_build": images_build}
