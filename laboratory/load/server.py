# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The few things that the main process itself asks of the server."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from laboratory.load.record import CREDENTIALS, error_class

ANSWER_SECONDS = 20


class ServerRefused(Exception):
    """One sentence for the user."""


@contextlib.contextmanager
def _impatient() -> Iterator[None]:
    """No retries, and a short wait: for a server that should be up."""
    wanted = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": str(ANSWER_SECONDS)}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def create_experiment(url: str, name: str) -> str:
    """A new experiment's id. It needs the database, so it also tells whether the server is of use."""
    shown = CREDENTIALS.sub("//", url)
    try:
        with _impatient():
            client = MlflowClient(tracking_uri=url, registry_uri=url)
            if client.get_experiment_by_name(name):
                raise ServerRefused(
                    f"--experiment '{name}' is there already at {shown}: give a new name, or none, "
                    "so that nobody's data is touched."
                )
            return client.create_experiment(name)
    except MlflowException as error:
        raise ServerRefused(
            f"--url {shown} does not answer as an MLflow server ({error_class(error)}): "
            "deploy first, or give the address of a running server."
        ) from None


def delete_experiment(url: str, experiment_id: str) -> str:
    """Its artifacts first: a deleted experiment would keep them. Returns what went wrong, or nothing."""
    try:
        mlflow.set_tracking_uri(url)
        client = MlflowClient(tracking_uri=url, registry_uri=url)
        get_artifact_repository(client.get_experiment(experiment_id).artifact_location).delete_artifacts()
        client.delete_experiment(experiment_id)
    except Exception as error:
        return error_class(error)
    return ""
