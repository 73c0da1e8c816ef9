#!/usr/bin/python
# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: check_input
short_description: Find everything that is wrong with the input of roles, before anything is changed
description:
  - Validates the variables of the role that the task is in by the role's argument spec, as Ansible does by itself, and
    by rules between its options. Ansible's own validation, M(ansible.builtin.validate_argument_spec), and
    M(ansible.builtin.assert) stop at the first role and the first assertion; this one goes on, so that a user reads all
    sentences at once.
  - Several roles collect what is wrong in the fact C(input_faults). The first check has O(collect=begin), and the last
    one O(collect=end), which fails with all that was found. Where nobody collects, a check fails by itself.
  - An option that is wrong by itself is not judged by rules. An option that only has the value of another variable goes
    by the name of that variable, and what one role has told of it another does not tell again. A rule that cannot be
    evaluated because of something else that is wrong is left out.
version_added: 0.2.0
author:
  - the mlops.mlflow contributors (@mlops)
extends_documentation_fragment:
  - mlops.mlflow.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  entry_point:
    description: The entry point in the role's C(meta/argument_specs.yml). Without one nothing is validated by a spec.
    type: str
  judge:
    description: >-
      The role whose rules between options are written in Python, by its name without the collection's. They are asked
      about the options that are right by themselves.
    type: str
    choices: [mlflow_server]
  rules:
    description:
      - Name of a variable with a list of rules, each of which has C(that), an expression, and C(msg), the sentence for
        the user where it is false.
      - It is a name, so that each rule is evaluated by itself.
    type: str
  found:
    description: Sentences of what was found wrong in other ways.
    type: list
    elements: str
    default: []
  warnings:
    description: Sentences of what is no fault, and ought to be known.
    type: list
    elements: str
    default: []
  collect:
    description: Whether this is the first check of several, or the last, or any other.
    type: str
    choices: [begin, go_on, end]
    default: go_on
"""

EXAMPLES = r"""
- name: Check the input
  mlops.mlflow.check_input:
    entry_point: main
    rules: __rules
  vars:
    __rules:
      - that: "{{ example_first | int <= example_last | int }}"
        msg: "example_first is {{ example_first }}: give a number that is not above example_last, {{ example_last }}."
"""

RETURN = r"""
faults:
  description: What is wrong.
  returned: when the check fails
  type: list
  elements: dict
  contains:
    message:
      description: The sentence for the user.
      type: str
      returned: always
    options:
      description: The options of the role that it names.
      type: list
      elements: str
      returned: always
    role:
      description: The role whose input it is about, without the collection's name.
      type: str
      returned: always
"""
