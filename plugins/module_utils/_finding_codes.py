# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""The codes of findings, as they are called now and as sentences carry them."""

from __future__ import annotations

# What the guard once called by a name of its own. The others had underscores in the place of hyphens.
RENAMED = {
    "driver-missing": "database-driver-missing",
    "destination-relative": "artifact-path-relative",
    "destination-not-mounted": "artifact-path-not-mounted",
}


def current(code: str) -> str:
    """The code as it is called now; answers and logs of earlier releases have the former names."""
    code = code.replace("_", "-")
    return RENAMED.get(code, code)


def with_code(message: str, code: str) -> str:
    """A sentence of the guard's with its code at the end, where the check has it too."""
    return f"{message.rstrip('.')} [{current(code)}]." if message and code else message
