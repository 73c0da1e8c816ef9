# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from ansible_collections.mlops.mlflow.plugins.module_utils import _left_elsewhere as left

ROOT = Path(__file__).resolve().parents[4]


def kept(**environment: str) -> str:
    return json.dumps({"format": 1, "state": {"environment": environment}})


HERE = kept(
    MLFLOW_ARTIFACTS_DESTINATION="s3://a",
    MLFLOW_S3_ENDPOINT_URL="http://minio:9000",
    MLFLOW_BACKEND_STORE_URI="postgresql+psycopg2://mlflow_server@postgres:5432/mlflow",
)
THERE = kept(
    MLFLOW_ARTIFACTS_DESTINATION="s3://b/c",
    MLFLOW_S3_ENDPOINT_URL="https://s3.example.com",
    MLFLOW_BACKEND_STORE_URI="postgresql+psycopg2://u@db.example.com:5433/my%20models?sslmode=verify-full",
)
AWS = kept(MLFLOW_ARTIFACTS_DESTINATION="s3://d")
STORES = "the artifacts stay in s3://b/c at https://s3.example.com, s3://d (docs/external-s3.md)."
DATABASES = "stay in database my models on db.example.com:5433 (docs/external-database.md)."


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([], []),
        (["", "no JSON", "[]", "3", '{"state": []}', kept()], []),
        ([HERE, kept(MLFLOW_ARTIFACTS_DESTINATION="/mlartifacts")], []),
        ([HERE, THERE, AWS], [STORES, DATABASES]),
        ([AWS], ["the artifacts stay in s3://d (docs/external-s3.md)."]),
        ([kept(MLFLOW_BACKEND_STORE_URI="sqlite:////mlflow.db")], []),
        ([kept(MLFLOW_BACKEND_STORE_URI="postgresql://u@[::1]:5432/m")], ["stay in database m on [::1]:5432 (docs"]),
        (
            [
                kept(
                    MLFLOW_BACKEND_STORE_URI="postgresql://u@h/runs",
                    MLFLOW_REGISTRY_STORE_URI="postgresql://u@h/models",
                )
            ],
            ["stay in database runs on h and database models on h (docs"],
        ),
    ],
)
def test_what_stays_elsewhere_is_named(records: list[str], said: list[str]) -> None:
    found = left.sentences(records)
    assert len(found) == len(said)
    assert all(part in whole for part, whole in zip(said, found))


def test_own_endpoints_are_those_of_the_roles() -> None:
    variables = yaml.safe_load((ROOT / "roles/object_store/vars/main.yml").read_text(encoding="utf-8"))
    assert set(variables["__object_store_endpoints"].values()) == set(left.OWN_ENDPOINTS)
    wiring = yaml.safe_load((ROOT / "playbooks/vars/wiring.yml").read_text(encoding="utf-8"))
    assert wiring["database_own_store"]["host"] == left.OWN_DATABASE
