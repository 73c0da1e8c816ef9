# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""Trials of what others run, by the guard, before anything is changed: which files each gets, and what it says."""

from __future__ import annotations

import json
import re
from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._guard_reasons import explain
from ansible_collections.mlops.mlflow.plugins.module_utils._text import one_line

# What a trial has no business with.
NOT_FOR = {
    "store": re.compile(r"secrets/mlflow-server/(backend_|previous_|flask_|webhook_|crypto_)"),
    "database": re.compile(r"secrets/mlflow-server/(aws_|s3_)"),
    "survey": re.compile(r"secrets/mlflow-server/(aws_|s3_)"),
}
ANSWER = '{"command"'


def files_for(files: list[dict[str, Any]], trials: list[str]) -> list[dict[str, Any]]:
    """The files of the plan that one of the trials needs."""
    return [each for each in files if any(not NOT_FOR[trial].match(each["path"]) for trial in trials)]


def lines(results: list[dict[str, Any]]) -> list[str]:
    """What the guard said, as lines for people: a name with its value, lists one below the other."""
    return [line for result in results for line in (answer(result) or {}).get("lines") or []]


def answer(result: dict[str, Any]) -> dict[str, Any] | None:
    """What the guard said in a container; None where it could not even begin."""
    lines = [line for line in str((result.get("container") or {}).get("Output") or "").splitlines() if ANSWER in line]
    try:
        return json.loads(lines[-1]) if lines else None
    except ValueError:
        return None


def reasons(results: list[dict[str, Any]], store: dict[str, Any], database: dict[str, Any]) -> list[str]:
    """Why what was tried is of no use. `results` are those of the containers, with the trial as their item."""
    found: list[str] = []
    for result in results:
        said = answer(result)
        if said is None:
            words = result.get("msg") or (result.get("container") or {}).get("Output") or "it gives no reason"
            found.append(f"The {result['trial']} could not be tried: {one_line(words, 400)}")
        elif said.get("exit_code"):
            found += explain(said.get("findings") or [], store, database)
    return found
