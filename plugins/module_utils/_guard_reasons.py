# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""What the guard found, in sentences with the variables of this collection."""

from __future__ import annotations

from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils import _database_reasons, _object_store

# Those that role database tells of.
STORES = ("backend_store", "registry_store")


def explain(findings: list[dict[str, Any]], store: dict[str, Any], database: dict[str, Any] | None = None) -> list[str]:
    """A sentence for each error. `store` and `database` are the connections, as the servers get them."""
    errors = [each for each in findings if each.get("severity") == "error"]
    return list(dict.fromkeys(told(each, store, database or {}) for each in errors))


def told(finding: dict[str, Any], store: dict[str, Any], database: dict[str, Any]) -> str:
    is_database = str(finding.get("argument", "")).partition(".")[0] in STORES
    if is_database and database.get("external"):
        return _database_reasons.sentence(finding, database["given"])
    return _object_store.sentence(finding, store)
