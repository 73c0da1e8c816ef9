# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action behind the module check_input, whose documentation is in plugins/modules."""

from __future__ import annotations

import os
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.mlops.mlflow.plugins.module_utils import _mlflow_server_input
from ansible_collections.mlops.mlflow.plugins.module_utils._input import NotKnown, faults, found_fault

# The fact in which faults are collected, each with its role and options; None while nobody collects.
COLLECTED = "input_faults"
# The options that the playbook decides, each with what users set instead.
DECIDED = "wiring_decides"
# Those who judge options together, by role.
JUDGES = {"mlflow_server": _mlflow_server_input.problems}


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        variables = task_vars or {}
        _result, arguments = self.validate_argument_spec(
            argument_spec={
                "entry_point": {"type": "str"},
                "judge": {"type": "str", "choices": [*JUDGES]},
                "rules": {"type": "str"},
                "found": {"type": "list", "elements": "str", "default": []},
                "warnings": {"type": "list", "elements": "str", "default": []},
                "collect": {"type": "str", "choices": ["begin", "go_on", "end"], "default": "go_on"},
            }
        )
        collected = variables.get(COLLECTED) if arguments["collect"] != "begin" else []
        role = os.path.basename(variables.get("role_path", ""))
        spec = self._spec(arguments["entry_point"], variables)
        found = [*(collected or []), *(found_fault(role, each, spec, variables) for each in arguments["found"])]
        rules = variables.get(arguments["rules"] or "", [])
        # It is read where something has been found already.
        decided = self._templar.template(variables.get(DECIDED) or {}) if found else {}
        judge = JUDGES.get(arguments["judge"])
        found += faults(role, spec, variables, rules, self._evaluate, found, decided, judge)
        result["changed"] = False
        if arguments["warnings"]:
            result["warnings"] = arguments["warnings"]
        if collected is None or arguments["collect"] == "end":
            result["ansible_facts"] = {COLLECTED: None}
            if found:
                return {**result, "failed": True, "msg": "\n".join(each["message"] for each in found), "faults": found}
            return result
        return {**result, "ansible_facts": {COLLECTED: found}}

    def _spec(self, entry_point: str | None, variables: dict[str, Any]) -> dict[str, Any]:
        """The options of an entry point of the role that the task is in."""
        if not entry_point:
            return {}
        path = os.path.join(variables["role_path"], "meta", "argument_specs.yml")
        specs = self._loader.load_from_file(path)["argument_specs"]
        return specs[entry_point].get("options", {})

    def _evaluate(self, expression: Any) -> Any:
        try:
            value = self._templar.template(expression)
        except AnsibleError as error:
            raise NotKnown(str(error)) from error
        return value
