# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: images_plan
author:
  - the mlops.mlflow contributors (@mlops)
version_added: 0.1.0
short_description: Plan where each container image comes from
description:
  - Decides for each image whether it comes from a registry, from an archive or from a build on the managed host.
  - Where a registry has to be asked first, the plan says what for. The same plan with the answers is final.
options:
  _input:
    description:
      - What the user chose, in the words of the variables of the role C(mlops.mlflow.images) without their prefix.
      - The pinned references are in C(references), by the name of the image.
    type: dict
    required: true
  contexts:
    description: A hash of each build context, and the versions in their locks.
    type: dict
    required: true
  record:
    description: What the last run wrote down.
    type: dict
    default: {}
  images:
    description: The images that the engine has, as it lists them.
    type: list
    elements: dict
    default: []
  from_archive:
    description: Names of images that were not there and are looked for in the archive.
    type: list
    elements: str
    default: []
  answers:
    description: Pairs of a reference and the HTTP status that its registry answered with.
    type: list
    elements: list
    default: []
  not_given:
    description: Names of images that their registry answered for and then did not give.
    type: list
    elements: str
    default: []
  obtained:
    description: The ids of images that were pulled or built since, by name.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Plan with what is here
  ansible.builtin.set_fact:
    plan: "{{ settings | mlops.mlflow.images_plan(contexts, record=record, images=engine.images) }}"
"""

RETURN = r"""
_value:
  description:
    - The plan. C(images) has one entry for each image, with its supply, base, reference, id and reason.
    - C(questions) are what registries have to be asked for, C(missing) and C(to_build) the images that are not there.
    - C(errors) say why an image cannot be supplied, C(lacking) what an archive would have to hold.
    - C(resolved) is what other roles are told, C(lines) what the user is told.
  type: dict
"""

from typing import Any, Callable

from ansible_collections.mlops.mlflow.plugins.module_utils import _images as images_


def images_plan(
    settings: dict[str, Any],
    contexts: dict[str, Any],
    record: dict[str, Any] | None = None,
    images: list | None = None,
    from_archive: list | None = None,
    answers: list | None = None,
    not_given: list | None = None,
    obtained: dict[str, str] | None = None,
) -> dict[str, Any]:
    known = images_.Known(
        contexts,
        record or {},
        list(images or []),
        list(from_archive or []),
        list(answers or []),
        list(not_given or []),
        obtained or {},
    )
    return images_.plan_images(settings, known)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"images_plan": images_plan}
