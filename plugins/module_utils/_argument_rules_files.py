# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""Rules on files that arguments, URIs and variables name: whether the server can have them at all."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._argument_findings import Finding, make_finding
from ansible_collections.mlops.mlflow.plugins.module_utils._argument_rules_shared import in_paths
from ansible_collections.mlops.mlflow.plugins.module_utils._arguments import Resolved, show
from ansible_collections.mlops.mlflow.plugins.module_utils._uris import parse_database_uri

# Words of the web servers that name what they read. What they write (sockets, process numbers) is not meant.
READ_WORDS = frozenset(
    (
        "--ssl-certfile",
        "--ssl-keyfile",
        "--ssl-ca-certs",
        "--certfile",
        "--keyfile",
        "--ca-certs",
        "--log-config",
        "--log-config-json",
        "--env-file",
        "--config",
        "-c",
    )
)
# Parameters of database URIs that name a file, in one driver or another.
READ_PARAMETERS = frozenset(
    ("sslrootcert", "sslcert", "sslkey", "sslcrl", "sslcrldir", "passfile", "servicefile")
    + ("ssl_ca", "ssl_cert", "ssl_key", "ssl_capath", "read_default_file")
)
# Variables that name a file by their very name: AWS_CA_BUNDLE, SSL_CERT_FILE, PGSSLROOTCERT and many more.
READ_VARIABLE = re.compile(
    r"(_FILE|_BUNDLE|_CONFIG_PATH|_CERT_PATH|_CREDENTIALS|_CERT_DIR|_SSL_(CA|CERT|KEY))$"
    r"|^PG(SSLROOTCERT|SSLCERT|SSLKEY|SSLCRL|PASSFILE|SERVICEFILE)$|^UVICORN_(SSL_(CERT|KEY)FILE|SSL_CA_CERTS|LOG_CONFIG)$"
)


def check_files(resolved: Resolved, words: list[tuple[str, Any]]) -> list[Finding]:
    """Each file that is named and lies outside of what the servers can read; each path is reported once."""
    readable = resolved.request.readable_paths
    if not readable:
        return []
    findings: list[Finding] = []
    seen = set()
    for label, path in named_files(resolved, words):
        if path in seen or not path.startswith("/") or in_paths(path, (*readable, *resolved.request.shared_paths)):
            continue
        seen.add(path)
        found = f"it names {show(path)}, which the servers do not have"
        findings.append(make_finding("file-not-mounted", label, found))
    return findings


def named_files(resolved: Resolved, words: list[tuple[str, Any]]) -> list[tuple[str, str]]:
    """(where it is named, path) of every file that somebody is going to read."""
    files = [(label, word.value or "") for label, word in words if word.flag in READ_WORDS]
    archival = resolved.value("trace_archival_config")
    if archival:
        files.append((resolved.label("trace_archival_config"), archival))
    for name in ("backend_store_uri", "registry_store_uri", "read_replica_backend_store_uri", "workspace_store_uri"):
        uri = parse_database_uri(resolved.value(name) or "")
        files += [(resolved.label(name), value) for key, value in (uri.query if uri else []) if key in READ_PARAMETERS]
    uri = parse_database_uri(resolved.request.auth_database_uri or "")
    files += [("auth_database_uri", value) for key, value in (uri.query if uri else []) if key in READ_PARAMETERS]
    files += [(name, text) for name, text in sorted(resolved.environment.items()) if READ_VARIABLE.search(name)]
    return files
