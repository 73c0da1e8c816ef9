# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment of MLflow servers."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _mlflow_environment as environment

SETTINGS: dict[str, Any] = {
    "on_s3": False,
    "s3": {},
    "job_execution_enabled": False,
    "assistant_enabled": False,
    "requests_per_worker": 12,
    "guard_parts_disabled": [],
    "presigned_urls_enabled": False,
    "presigned_downloads_enabled": False,
    "source": "",
    "load_balancer_enabled": False,
    "drain_seconds": 5,
}
ALWAYS = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_SQLALCHEMYSTORE_POOL_RECYCLE": "1800",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
OWN_KEY = environment.S3_KEY


@pytest.mark.parametrize(
    ("changed", "more"),
    [
        ({}, {}),
        ({"job_execution_enabled": True}, {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "true"}),
        ({"assistant_enabled": True}, {"MLFLOW_ENABLE_REMOTE_ASSISTANT": "true"}),
        ({"on_s3": True}, {"AWS_DEFAULT_REGION": "us-east-1", **OWN_KEY}),
    ],
)
def test_what_mlflow_reads(changed: dict[str, Any], more: dict[str, str]) -> None:
    assert environment.server({**SETTINGS, **changed}) == {**ALWAYS, **more}


@pytest.mark.parametrize(
    ("store", "found"),
    [
        ({"access_key": "a", "secret_key": "hidden"}, {"AWS_DEFAULT_REGION": "us-east-1", **OWN_KEY}),
        ({"region": "eu", "instance_role_enabled": True}, {"AWS_DEFAULT_REGION": "eu"}),
        (
            {"endpoint_url": "http://s3:9000"},
            {"AWS_DEFAULT_REGION": "us-east-1", **environment.S3_CHECKSUMS, **OWN_KEY},
        ),
        (
            {"endpoint_url": "", "addressing_style": "path"},
            {"AWS_DEFAULT_REGION": "us-east-1", **OWN_KEY, "MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE": "path"},
        ),
        ({"addressing_style": "auto"}, {"AWS_DEFAULT_REGION": "us-east-1", **OWN_KEY}),
    ],
)
def test_how_a_store_is_reached(store: dict[str, Any], found: dict[str, str]) -> None:
    assert environment.s3(store) == found
    # Also where artifacts go elsewhere, for models that are in a store.
    said = environment.server({**SETTINGS, "s3": store})
    assert said.get("MLFLOW_S3_ENDPOINT_URL", "") == store.get("endpoint_url", "")


@pytest.mark.parametrize(
    ("changed", "more"),
    [
        ({}, {}),
        ({"guard_parts_disabled": ["web", "metrics"]}, {"MLFLOW_GUARD_PARTS_DISABLED": "web,metrics"}),
        ({"source": "/src"}, {"PYTHONPATH": "/opt/mlflow-source:/opt/mlflow-guard"}),
        ({"load_balancer_enabled": True}, {"FORWARDED_ALLOW_IPS": "*", "MLFLOW_GUARD_DRAIN_SECONDS": 5}),
        ({"presigned_urls_enabled": True}, {}),
        ({"on_s3": True}, {"MLFLOW_GUARD_PRESIGNED_URLS": "false"}),
        ({"on_s3": True, "presigned_urls_enabled": True}, {"MLFLOW_GUARD_PRESIGNED_URLS": "true"}),
        ({"on_s3": True, "presigned_downloads_enabled": True}, {"MLFLOW_GUARD_PRESIGNED_URLS": "public"}),
        (
            {"on_s3": True, "s3": {"ca_certificates": "PEM"}},
            {"MLFLOW_GUARD_PRESIGNED_URLS": "false", "AWS_CA_BUNDLE": "/run/secrets/s3_ca.pem"},
        ),
    ],
)
def test_what_the_container_is_given_besides(changed: dict[str, Any], more: dict[str, Any]) -> None:
    assert environment.guard({**SETTINGS, **changed}) == {"MLFLOW_GUARD_REQUESTS_AT_ONCE": 12, **more}
