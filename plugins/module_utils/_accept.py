# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""Which codes of findings may be accepted, of the check of the arguments and of the guard, and what is none of them."""

from __future__ import annotations

import difflib

from ansible_collections.mlops.mlflow.plugins.module_utils._argument_findings import (
    ERROR,
    FINDINGS,
    Finding,
    make_finding,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._arguments import show
from ansible_collections.mlops.mlflow.plugins.module_utils._finding_codes import current
from ansible_collections.mlops.mlflow.plugins.module_utils._guard_codes import GUARD_CODES

ACCEPTABLE = "acceptable"
NEVER = "never"
# What is wrong with `accept` itself.
OWN = frozenset(("accept-unknown", "accept-never"))


def nearest(code: str) -> str:
    """The code that was probably meant."""
    known = sorted({*FINDINGS, *GUARD_CODES} - OWN)
    meant = current(code.strip().lower())
    return meant if meant in known else difflib.get_close_matches(meant, known, n=1, cutoff=0)[0]


def may_be_accepted(code: str) -> bool:
    """Whether one of the two accepts it; a warning stops nothing, and is not said any more."""
    refused = FINDINGS.get(code, {}).get("severity") == ERROR
    return code not in OWN and (refused or GUARD_CODES.get(code) != NEVER)


def problems(codes: tuple[str, ...]) -> list[Finding]:
    """What is wrong with the codes that are to be accepted."""
    found = []
    for code in codes:
        if code not in FINDINGS and code not in GUARD_CODES:
            remedy = f"write {nearest(code)}, which is the nearest one (the role's variable is mlflow_server_accept)"
            found.append(make_finding("accept-unknown", "accept", f"{show(code)} is not a code of a finding", remedy))
        elif not may_be_accepted(code):
            remedy = "take it out (of mlflow_server_accept with the role), and do what its own refusal says"
            found.append(make_finding("accept-never", "accept", f"{code} can never be accepted", remedy))
    return found


def for_the_guard(codes: tuple[str, ...]) -> list[str]:
    """Those that the guard accepts, each once. It knows no codes of the check, and would refuse them."""
    return [code for code in dict.fromkeys(codes) if GUARD_CODES.get(code) == ACCEPTABLE]
