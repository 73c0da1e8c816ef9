# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads the tables of cases beside this file and lays them over a configuration in which nothing is to be found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from ansible_collections.mlops.mlflow.plugins.module_utils._arguments import Request
from ansible_collections.mlops.mlflow.plugins.module_utils._catalogue import Catalogue
from ansible_collections.mlops.mlflow.plugins.module_utils._check import find_release

HERE = Path(__file__).parent
CATALOGUE = Catalogue()
DEFAULT_VERSION = "3.17.2"

SOUND_ARGS = {
    "backend_store_uri": "postgresql+psycopg2://mlflow_server@postgres:5432/mlflow",
    "artifacts_destination": "s3://mlflow",
    "host": "0.0.0.0",
    "port": 5000,
    "workers": 2,
}
# Each is passed only to releases that read it: another one would rightly be told that it is ignored.
SOUND_ENVIRONMENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
SOUND_SECRETS = ("MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY", "MLFLOW_CRYPTO_KEK_PASSPHRASE")


def load_cases(name: str) -> list[dict[str, Any]]:
    return yaml.safe_load((HERE / name).read_text(encoding="utf-8"))


def variables_of(version: str) -> frozenset:
    return find_release(version, CATALOGUE)[0].variables


def overlay(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**base, **changes}.items() if value is not None or name not in base}


def make_request(case: dict[str, Any]) -> Request:
    """The request of a case."""
    version = str(case.get("version", DEFAULT_VERSION))
    options = {
        name: tuple(value) if isinstance(value, list) else value for name, value in case.get("request", {}).items()
    }
    args, environment = case.get("args", {}), case.get("environment", {})
    if not case.get("plain"):
        known = variables_of(version)
        args = overlay(SOUND_ARGS, args)
        environment = overlay({name: text for name, text in SOUND_ENVIRONMENT.items() if name in known}, environment)
        options.setdefault(
            "secret_environment", tuple(name for name in SOUND_SECRETS if name in known and name not in environment)
        )
    return Request(mlflow_version=version, args=args, environment=environment, **options)
