# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""python -m mlflow_guard.launch OPTIONS: MLflow's own command `mlflow server OPTIONS`, in this process.

MLflow prepares the stores, starts its web server as a child, and then only waits for it, with all its libraries and
connections in memory. Where nothing is left to do for it, this process becomes the web server instead.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

# Variables that would make the server open another store than the checked one, and passwords of libpq.
FOREIGN_VARIABLES = (
    "MLFLOW_TRACKING_URI",
    "MLFLOW_REGISTRY_URI",
    "MLFLOW_REGISTRY_STORE_URI",
    "MLFLOW_DEFAULT_ARTIFACT_ROOT",
    "MLFLOW_ARTIFACTS_DESTINATION",
    "PGPASSWORD",
    "PGSERVICE",
    "PGOPTIONS",
    "PGHOST",
    "PGHOSTADDR",
    "PGDATABASE",
    "PGUSER",
    "PGPORT",
)


MLFLOW_APPLICATION = "mlflow.server.fastapi_app:app"
APPLICATION = "mlflow_guard.web:app"


def become(command: list[str], *, extra_env: dict[str, str], **_options: object) -> NoReturn:
    """Become the web server, with the command and the variables that MLflow made for it."""
    # The same application with shorter ways; with another one, such as that of basic-auth, nothing is changed.
    words = [APPLICATION if word == MLFLOW_APPLICATION else str(word) for word in command]
    sys.stdout.flush()
    sys.stderr.flush()
    os.execvpe(words[0], words, {**os.environ, **extra_env})


def main() -> None:
    """Run MLflow's command line."""
    import mlflow.server
    from mlflow.cli import cli
    from mlflow.environment_variables import MLFLOW_SERVER_ENABLE_JOB_EXECUTION

    # With jobs MLflow starts their runner after the web server, so there it stays the parent. A release of MLflow
    # that starts its server otherwise stays it too, and only needs more memory.
    if not MLFLOW_SERVER_ENABLE_JOB_EXECUTION.get() and hasattr(mlflow.server, "_exec_cmd"):
        mlflow.server._exec_cmd = become
    cli.main(["server", *sys.argv[1:]], prog_name="mlflow")


if __name__ == "__main__":
    main()
