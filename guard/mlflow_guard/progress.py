# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""Progress, for whoever reads the log. Only the standard library, for the supervisor and the health check."""

from __future__ import annotations

import sys


def say(text: str) -> None:
    """One line on stderr: stdout is for the answer."""
    sys.stderr.write(f"mlflow-guard: {text}\n")
    sys.stderr.flush()
