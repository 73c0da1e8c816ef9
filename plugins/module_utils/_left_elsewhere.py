# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""What deployments that are taken away leave in stores and databases of somebody else, by their records."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote, urlsplit

# Where the stores and the database of a deployment answer in its own networks; as in the roles.
OWN_ENDPOINTS = ("http://seaweedfs:8333", "http://minio:9000")
OWN_DATABASE = "postgres"


def environment(text: str) -> dict[str, Any]:
    """What the servers were given; a record that cannot be read says nothing, and is no reason to keep a deployment."""
    try:
        return dict(json.loads(text)["state"]["environment"])
    except (ValueError, KeyError, TypeError):
        return {}


def store(variables: dict[str, Any]) -> str:
    place, endpoint = (
        str(variables.get(name) or "") for name in ("MLFLOW_ARTIFACTS_DESTINATION", "MLFLOW_S3_ENDPOINT_URL")
    )
    if not place.startswith("s3://") or endpoint in OWN_ENDPOINTS:
        return ""
    return f"{place} at {endpoint}" if endpoint else place


def database(variables: dict[str, Any]) -> str:
    named = [database_of(str(variables.get(f"MLFLOW_{name}_STORE_URI") or "")) for name in ("BACKEND", "REGISTRY")]
    return " and ".join(each for each in named if each)


def database_of(uri: str) -> str:
    scheme, _mark, rest = uri.partition("://")
    place, _mark, name = rest.partition("?")[0].rpartition("@")[2].partition("/")
    if not scheme.startswith("postgresql") or urlsplit(f"//{place}").hostname == OWN_DATABASE:
        return ""
    return f"database {unquote(name)} on {place}"


def sentences(records: list[str]) -> list[str]:
    found = [environment(text) for text in records]
    stores, databases = ([place for each in found if (place := kind(each))] for kind in (store, database))
    said = []
    if stores:
        said.append(
            f"Nothing is deleted in an external store: the artifacts stay in {', '.join(stores)} (docs/external-s3.md)."
        )
    if databases:
        said.append(
            "Nothing is changed in an external database: runs, models and roles stay in "
            f"{', '.join(databases)} (docs/external-database.md)."
        )
    return said
