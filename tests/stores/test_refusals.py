# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with an external store is told in a sentence with the variable, before anything is changed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .playbooks import Deployment
from .rig import ADMIN, LATE_PORT, MINIO, MINIO_PORT, REGION, WEED, Rig, policy

GOOD = f"https://{MINIO}:{MINIO_PORT}"


@pytest.fixture(scope="module")
def store(rig: Rig) -> Rig:
    """A bucket, and keys that may do all but one thing."""
    admin = rig.client(ADMIN)
    admin.create_bucket(Bucket="refusing", CreateBucketConfiguration={"LocationConstraint": REGION})
    for name, without in RIGHTS.items():
        rig.user(name, policy("refusing", without=without))
    return rig


RIGHTS = {
    "whole": "",
    "blind": "s3:ListBucket",
    "mute": "s3:PutObject",
    "deaf": "s3:GetObject",
    "kept": "s3:DeleteObject",
}


def given(rig: Rig, user: str = "whole") -> dict:
    return {
        "mlflow_server_hosts": rig.hosts,
        "object_store_endpoint_url": GOOD,
        "object_store_bucket": "refusing",
        "object_store_region": REGION,
        "object_store_ca_file": str(rig.authority.ca),
        "object_store_access_key": user,
        "object_store_secret_key": f"Hidden-of-{user}",
    }


# By what is wrong: what is given instead, and words of the answer.
CASES: dict[str, tuple[Callable[[Rig], dict], list[str]]] = {
    "nobody answers": (
        lambda rig: {"object_store_endpoint_url": f"https://{MINIO}:29999"},
        ["object_store_endpoint_url", f"{MINIO}:29999", "cannot be reached"],
    ),
    "a name that nobody knows": (
        lambda rig: {"object_store_endpoint_url": f"https://nowhere.test:{MINIO_PORT}"},
        ["object_store_endpoint_url", "nowhere.test", "cannot be reached"],
    ),
    "virtual hosts that the store does not have": (
        lambda rig: {"object_store_addressing_style": "virtual"},
        ["object_store_endpoint_url", f"refusing.{MINIO}"],
    ),
    "no authority": (
        lambda rig: {"object_store_ca_file": ""},
        ["object_store_ca_file: ", "is empty", "certificate of the authority"],
    ),
    "the wrong authority": (
        lambda rig: {"object_store_ca_file": str(rig.stranger.ca)},
        ["object_store_ca_file: ", "stranger/ca.pem' does not have"],
    ),
    "a name that the certificate does not have": (
        lambda rig: {"object_store_endpoint_url": f"https://{WEED}:{MINIO_PORT}"},
        ["object_store_endpoint_url: ", "name that the store's certificate has"],
    ),
    "TLS where there is none": (
        lambda rig: {"object_store_endpoint_url": f"https://{MINIO}:{LATE_PORT}"},
        ["object_store_endpoint_url: ", "http://"],
    ),
    "an unknown key": (
        lambda rig: {"object_store_access_key": "nobody"},
        ["object_store_access_key: ", "InvalidAccessKeyId"],
    ),
    "a wrong secret": (
        lambda rig: {"object_store_secret_key": "Hidden-and-wrong"},
        ["object_store_secret_key: ", "SignatureDoesNotMatch"],
    ),
    "a wrong token": (
        lambda rig: {"object_store_session_token": "Hidden-and-wrong"},
        ["object_store_session_token: ", "temporary"],
    ),
    "no such bucket": (
        lambda rig: {
            "object_store_bucket": "nowhere",
            "object_store_access_key": ADMIN[0],
            "object_store_secret_key": ADMIN[1],
        },
        ["object_store_bucket: ", "nowhere", "does not exist", "create"],
    ),
    "another region": (
        lambda rig: {"object_store_region": "us-east-1"},
        ["object_store_region: ", "'eu-central-1'", "'us-east-1'"],
    ),
    "clocks that differ": (
        lambda rig: {"object_store_endpoint_url": f"http://{MINIO}:{LATE_PORT}", "object_store_ca_file": ""},
        ["RequestTimeTooSkewed", "clocks", "NTP"],
    ),
    "no right to list": (lambda rig: given(rig, "blind"), ["object_store_access_key: listing", "s3:ListBucket"]),
    "no right to write": (lambda rig: given(rig, "mute"), ["object_store_access_key: writing", "s3:PutObject"]),
    "no right to read": (lambda rig: given(rig, "deaf"), ["object_store_access_key: reading", "s3:GetObject"]),
    "no right to delete": (lambda rig: given(rig, "kept"), ["object_store_access_key: deleting", "s3:DeleteObject"]),
    "no role": (
        lambda rig: {
            "object_store_access_key": "",
            "object_store_secret_key": "",
            "object_store_instance_role_enabled": True,
            "mlflow_server_environment": {"AWS_EC2_METADATA_DISABLED": "true"},
        },
        ["object_store_instance_role_enabled: ", "role"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_told_before_anything_is_changed(store: Rig, untouched: Deployment, name: str) -> None:
    changes, words = CASES[name]
    played = untouched.deploy(**{**given(store), **changes(store)})
    assert played.code != 0, played.text
    assert [word for word in words if word not in played.reason] == [], f"{played.reason}\n{played.text[-3000:]}"
    assert "Hidden" not in played.text
    # The deployment has no file and no container; the fixture looks. Nor is anything left in the store.
    admin = store.client(ADMIN)
    left = admin.list_objects_v2(Bucket="refusing").get("Contents", [])
    if name == "no right to delete":
        for each in left:
            admin.delete_object(Bucket="refusing", Key=each["Key"])
    else:
        assert left == []
