# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""Whether the image has all that the server's features need. All failures are told at once."""

from __future__ import annotations

import importlib
import inspect
import os
import shutil

from mlflow_guard.answer import Answer, finding
from mlflow_guard.in_mlflow import known_code

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
    "mlflow_guard.in_mlflow.proxied_s3": "S3 artifacts through the server",
    "mlflow_guard.in_mlflow.folder": "artifacts in a folder",
    "flask_wtf": "--app-name basic-auth",
    "mlflow.server.auth.db.utils": "the users' database of basic-auth",
    "huey": "the job queue",
    "graphene": "the web page's queries",
}
# What MLflow does not promise to keep, and the guard uses: a release without it must fail here, and not in a migration.
PRIVATE_NAMES = {
    "mlflow.server:_exec_cmd": "the bounds of the web server",
    "mlflow.server.handlers:_add_static_prefix": "paths below a static prefix",
    "mlflow.store.artifact.local_artifact_repo:_set_default_file_mode": "artifacts in a folder",
    **{
        f"mlflow.store.artifact.local_artifact_repo:LocalArtifactRepository.{name}": "artifacts in a folder"
        for name in (
            "_cleanup_staged_artifact",
            "_create_staging_artifact",
            "_download_file",
            "_get_destination_artifact_path",
            "_get_or_create_artifact_dir",
            "_publish_staged_artifact",
        )
    },
    **{
        f"mlflow.store.artifact.s3_artifact_repo:S3ArtifactRepository.{name}": "S3 artifacts"
        for name in ("_bucket_owner_params", "_download_file", "_get_s3_client")
    },
    "mlflow.store.db.utils:_initialize_tables": "the schema step",
    "mlflow.store.db.utils:_upgrade_db": "the schema step",
    "mlflow.store.tracking.sqlalchemy_store:SqlAlchemyStore._log_metrics": "metrics by one statement",
    "mlflow.store.tracking.sqlalchemy_store:SqlAlchemyStore._log_metrics_once": "metrics by one statement",
    **{
        f"mlflow.utils.validation:{name}": "metrics by one statement"
        for name in (
            "_validate_batch_log_data",
            "_validate_batch_log_limits",
            "_validate_metric",
            "_validate_run_id",
        )
    },
}
OPTIONAL = {"pymysql": "MySQL and MariaDB"}


def is_there(place: str) -> bool:
    """Whether MODULE:NAME is there; NAME may be CLASS.NAME, of a method or of what the class gives to each instance."""
    module, name = place.split(":")
    try:
        found = importlib.import_module(module)
        for part in name.split("."):
            found, owner = getattr(found, part, None), found
    except ImportError:
        return False
    return found is not None or (inspect.isclass(owner) and f"self.{part} = " in inspect.getsource(owner))


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
                    "import-failed",
                    name,
                    f"it is needed for {purpose} and cannot be imported: {type(error).__name__}: {error}",
                )
            )
    for place, purpose in PRIVATE_NAMES.items():
        if not is_there(place):
            missing = f"it is needed for {purpose}, and this release of MLflow does not have it"
            answer.add(finding("import-failed", place.replace(":", "."), missing))
    optional = {}
    for name in OPTIONAL:
        optional[name] = importlib.util.find_spec(name) is not None
    from mlflow_guard.inspect.revisions import RevisionsUnknown, head, mlflow_directory, mlflow_version

    try:
        page = mlflow_directory() / "server" / "js" / "build" / "index.html"
        if not page.is_file() or not page.stat().st_size:
            answer.add(
                finding(
                    "import-failed",
                    "web page",
                    f"{page} is missing",
                    "install the package mlflow and not only mlflow-skinny",
                )
            )
        answer.facts["mlflow"] = mlflow_version()
        answer.facts["heads"] = {kind: head(kind) for kind in ("backend", "auth")}
    except RevisionsUnknown as error:
        answer.add(finding("mlflow-unreadable", "image", str(error)))
    known_code.tell(answer)
    if not shutil.which("pg_dump"):
        answer.add(finding("dump-program-missing", "image", "pg_dump is not on PATH"))
    answer.facts["imported"] = done
    answer.facts["optional"] = optional
