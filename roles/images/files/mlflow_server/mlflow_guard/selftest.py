# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""Whether the image has all that the server's features need. All failures are told at once."""

from __future__ import annotations

import importlib
import os
import shutil

from mlflow_guard import known
from mlflow_guard.answer import Answer, finding

# Import -> what needs it.
IMPORTS = {
    "mlflow.store.tracking.sqlalchemy_store": "the backend store",
    "mlflow.store.model_registry.sqlalchemy_store": "the model registry",
    "mlflow.server.fastapi_app": "the web server",
    "mlflow.store.artifact.s3_artifact_repo": "S3 artifacts",
    "uvicorn": "the web server",
    "sqlalchemy": "the databases",
    "alembic": "the schema step",
    "psycopg2": "PostgreSQL",
    "psycopg": "PostgreSQL, where no driver is named",
    "boto3": "S3 artifacts",
    "prometheus_flask_exporter": "--expose-prometheus",
    "mlflow_guard.proxied_s3": "S3 artifacts through the server",
    "mlflow_guard.folder": "artifacts in a folder",
    "flask_wtf": "--app-name basic-auth",
    "mlflow.server.auth.db.utils": "the users' database of basic-auth",
    "huey": "the job queue",
    "graphene": "the web page's queries",
}
OPTIONAL = {"pymysql": "MySQL and MariaDB"}


def run(answer: Answer) -> None:
    """Import everything, look for the web page and the dump program."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["DO_NOT_TRACK"] = "true"
    # The basic-auth package insists on a key as soon as it is imported as an app; any will do here.
    os.environ.setdefault("MLFLOW_FLASK_SERVER_SECRET_KEY", "selftest")
    done = []
    for name, purpose in IMPORTS.items():
        try:
            importlib.import_module(name)
            done.append(name)
        except Exception as error:
            answer.add(
                finding(
                    "import_failed",
                    name,
                    f"it is needed for {purpose} and cannot be imported: {type(error).__name__}: {error}",
                )
            )
    optional = {}
    for name in OPTIONAL:
        optional[name] = importlib.util.find_spec(name) is not None
    from mlflow_guard.revisions import RevisionsUnknown, head, mlflow_directory, mlflow_version

    try:
        page = mlflow_directory() / "server" / "js" / "build" / "index.html"
        if not page.is_file() or not page.stat().st_size:
            answer.add(
                finding(
                    "import_failed",
                    "web page",
                    f"{page} is missing",
                    "install the package mlflow and not only mlflow-skinny",
                )
            )
        answer.facts["mlflow"] = mlflow_version()
        answer.facts["heads"] = {kind: head(kind) for kind in ("backend", "auth")}
    except RevisionsUnknown as error:
        answer.add(finding("mlflow_unreadable", "image", str(error)))
    known.tell(answer)
    if not shutil.which("pg_dump"):
        answer.add(finding("dump_program_missing", "image", "pg_dump is not on PATH"))
    answer.facts["imported"] = done
    answer.facts["optional"] = optional
