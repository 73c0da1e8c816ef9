# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""The environment of MLflow servers, as it follows from the variables of the role."""

from __future__ import annotations

from typing import Any

# Nobody asks a machine or a service for a key where there is one.
S3_KEY = {"AWS_SHARED_CREDENTIALS_FILE": "/run/secrets/aws_credentials", "AWS_EC2_METADATA_DISABLED": "true"}
# Stores other than AWS do not all know the checksums that newer clients send by default.
S3_CHECKSUMS = {
    "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
    "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
}
# For boto3 alone: webhooks and gateways are others' servers, and go on with the authorities of the image.
S3_TRUST = {"AWS_CA_BUNDLE": "/run/secrets/s3_ca.pem"}
SOURCE_PATH = "/opt/mlflow-source:/opt/mlflow-guard"


def s3(store: dict[str, Any]) -> dict[str, str]:
    """How the server reaches a store, without what is secret."""
    found = {"AWS_DEFAULT_REGION": store.get("region", "us-east-1")}
    if store.get("endpoint_url"):
        found.update(S3_CHECKSUMS)
    if not store.get("instance_role_enabled"):
        found.update(S3_KEY)
    style = store.get("addressing_style", "auto")
    if style != "auto":
        found["MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE"] = style
    return found


def server(settings: dict[str, Any]) -> dict[str, str]:
    """What MLflow reads; the check of the arguments sees it together with what the user adds."""
    found = {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": str(settings["job_execution_enabled"]).lower(),
        "MLFLOW_SQLALCHEMYSTORE_POOL_RECYCLE": "1800",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    if settings["assistant_enabled"]:
        found["MLFLOW_ENABLE_REMOTE_ASSISTANT"] = "true"
    if settings["on_s3"]:
        found.update(s3(settings["s3"]))
    if settings["s3"].get("endpoint_url"):
        found["MLFLOW_S3_ENDPOINT_URL"] = settings["s3"]["endpoint_url"]
    return found


def presigned(settings: dict[str, Any]) -> str:
    if settings["presigned_urls_enabled"]:
        return "true"
    return "public" if settings["presigned_downloads_enabled"] else "false"


def guard(settings: dict[str, Any]) -> dict[str, Any]:
    """What the container is given besides; it is not MLflow's, so the check of the arguments does not see it."""
    found = {"MLFLOW_GUARD_REQUESTS_AT_ONCE": settings["requests_per_worker"]}
    if settings["guard_parts_disabled"]:
        found["MLFLOW_GUARD_PARTS_DISABLED"] = ",".join(settings["guard_parts_disabled"])
    if settings["on_s3"]:
        found["MLFLOW_GUARD_PRESIGNED_URLS"] = presigned(settings)
        found.update(S3_TRUST if settings["s3"].get("ca_certificates") else {})
    if settings["source"]:
        found["PYTHONPATH"] = SOURCE_PATH
    if settings["load_balancer_enabled"]:
        # Nothing but the load balancer reaches the servers' port, so what it says of the client is believed.
        found["FORWARDED_ALLOW_IPS"] = "*"
        found["MLFLOW_GUARD_DRAIN_SECONDS"] = settings["drain_seconds"]
    return found


def environment(settings: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Both parts."""
    return {"server": server(settings), "guard": guard(settings)}
