# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module's main() as Ansible would: parameters in, JSON on stdout and an exit code out."""

from __future__ import annotations

import json
from typing import Any, Callable

import pytest
from ansible.module_utils.testing import patch_module_args


@pytest.fixture
def run_module(capfd) -> Callable[..., dict[str, Any]]:
    def run(main: Callable[[], None], **params: Any) -> dict[str, Any]:
        with patch_module_args(params), pytest.raises(SystemExit) as stop:
            main()
        out = capfd.readouterr().out
        answer = json.loads(out)
        assert stop.value.code == (1 if answer.get("failed") else 0)
        # The whole of what Ansible would see, for tests that look for secrets.
        answer["_out"] = out
        return answer

    return run
