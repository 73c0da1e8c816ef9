# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A load on a running MLflow server, a record of every call, and the proof that nothing acknowledged was lost.

`python -m laboratory.load --help` says how to use it; README.md says what comes out.
"""

from __future__ import annotations

import os

# Read by mlflow when it is imported: no call to a site outside, and nothing printed but our own lines.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
# A write is acknowledged when the call returns, so nothing may be sent later.
os.environ["MLFLOW_ENABLE_ASYNC_LOGGING"] = "false"
