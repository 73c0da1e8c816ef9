# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Training tests: they prove that a tracking server can be used for real work.

They train real models on real data, log everything that MLflow can log, and read it back through fresh clients,
so they need nothing of the deployment but its public address. From the root of the project:

    MLFLOW_TRACKING_URI=http://localhost:5000 python -m unittest discover -s playbooks/training -t .
    MLFLOW_TRACKING_URI=http://localhost:5000 python -m unittest playbooks.training

Needed are mlflow, scikit-learn and requests in the versions of requirements.txt. A server with authentication takes
MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN.

Every name is unique, so several of these runs can use one server at the same time. At the end the tests delete their
registered models and artifacts, and mark their experiments as deleted; the rows of those stay in the database until
`mlflow gc` is run there, which a client cannot do.
"""

from __future__ import annotations

import unittest
from pathlib import Path

from playbooks.training.support import require_server


def load_tests(loader: unittest.TestLoader, tests: unittest.TestSuite, pattern: str | None) -> unittest.TestSuite:
    """Ask once whether the server can be used at all, before every test fails for the same reason."""
    require_server()
    folder = Path(__file__).resolve().parent
    for path in sorted(folder.glob(pattern or "test*.py")):
        tests.addTests(loader.loadTestsFromName(f"{__name__}.{path.stem}"))
    return tests
