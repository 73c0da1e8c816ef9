# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""python -m mlflow_guard.serve.launch OPTIONS: MLflow's own command `mlflow server OPTIONS`, in this process.

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


# What makes the application, whichever it is.
FACTORY = "mlflow_guard.in_mlflow.application:create"
# MODULE:NAME of MLflow's own, for that.
WRAPPED = "MLFLOW_GUARD_APPLICATION"


def wrapped(command: list[str]) -> tuple[list[str], dict[str, str]]:
    """The web server's command with our factory for the application, and the variable that names the one meant."""
    words = [str(word) for word in command]
    if words[1:3] != ["-m", "uvicorn"]:
        # Other servers run the Flask part alone, which has no Assistant.
        return words, {}
    *options, application = words
    return [*options, *([] if "--factory" in options else ["--factory"]), FACTORY], {WRAPPED: application}


def become(command: list[str], *, extra_env: dict[str, str], **_options: object) -> NoReturn:
    """Become the web server, with the command and the variables that MLflow made for it."""
    words, variables = wrapped(command)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execvpe(words[0], words, {**os.environ, **extra_env, **variables})


def main() -> None:
    """Run MLflow's command line."""
    import mlflow.server
    from mlflow.cli import cli
    from mlflow.environment_variables import MLFLOW_SERVER_ENABLE_JOB_EXECUTION

    from mlflow_guard.in_mlflow import application

    start = getattr(mlflow.server, "_exec_cmd", None)
    if start is None and application.assistant_prefix() and not application.is_asked_for():
        sys.exit(f"This MLflow's Assistant cannot be closed: set {application.ASKED_FOR}=true to run it open.")

    def beside(command: list[str], *, extra_env: dict[str, str] | None = None, **options: object) -> object:
        words, variables = wrapped(command)
        return start(words, extra_env={**(extra_env or {}), **variables}, **options)

    # With jobs MLflow starts their runner after the web server, so there it stays the parent.
    mlflow.server._exec_cmd = beside if MLFLOW_SERVER_ENABLE_JOB_EXECUTION.get() else become
    cli.main(["server", *sys.argv[1:]], prog_name="mlflow")


if __name__ == "__main__":
    main()
