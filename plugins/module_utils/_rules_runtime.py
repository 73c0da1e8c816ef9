# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""Rules on the environment and on what replicas share: variables, secrets, authentication, jobs, workspaces."""

from __future__ import annotations

import base64
import binascii
import re

from ansible_collections.mlops.mlflow.plugins.module_utils._arguments import (
    Resolved,
    closest,
    is_secret_name,
    show,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._catalogue import Catalogue, describe_lives
from ansible_collections.mlops.mlflow.plugins.module_utils._findings import Finding, make_finding
from ansible_collections.mlops.mlflow.plugins.module_utils._rules_artifacts import workspaces_enabled
from ansible_collections.mlops.mlflow.plugins.module_utils._rules_database import worker_count
from ansible_collections.mlops.mlflow.plugins.module_utils._rules_network import host_allowed, split_list
from ansible_collections.mlops.mlflow.plugins.module_utils._uris import has_password

# What Kubernetes injects for a Service called mlflow, beside MLFLOW_PORT.
SERVICE_LINK = re.compile(r"^MLFLOW(_\w+)?_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP)(_\w+)?)$")

# Variables that plugins and the images around MLflow read; nothing is wrong with them on a server.
FOREIGN_PREFIXES = ("MLFLOW_OIDC_",)


def check_runtime(resolved: Resolved, catalogue: Catalogue) -> list[Finding]:
    """All rules of this file."""
    findings: list[Finding] = []
    findings += check_names(resolved, catalogue)
    findings += check_values(resolved)
    findings += check_secrets(resolved)
    findings += check_authentication(resolved)
    findings += check_keys(resolved)
    findings += check_jobs(resolved)
    findings += check_workspaces(resolved)
    return findings


def check_names(resolved: Resolved, catalogue: Catalogue) -> list[Finding]:
    """Misspelt and foreign MLFLOW_* names."""
    findings = []
    release = resolved.release
    names = sorted(set(resolved.environment) | set(resolved.request.secret_environment))
    option_variables = {option.variable for option in release.options.values() if option.variable}
    for name in names:
        upper = name.upper()
        if name in release.variables or name in option_variables:
            if name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
                findings.append(make_finding("tracking-uri-in-environment", name, "it is a setting of clients"))
            continue
        if not upper.startswith("MLFLOW_"):
            if f"MLFLOW_{upper}" in option_variables and "_" in name:
                findings.append(
                    make_finding("environment-unknown", name, f"MLflow reads MLFLOW_{upper}", f"write MLFLOW_{upper}")
                )
            continue
        if upper in release.variables | option_variables:
            findings.append(
                make_finding("environment-misspelt", name, "names of variables are in upper case", f"write {upper}")
            )
            continue
        if SERVICE_LINK.match(name) or name.startswith(FOREIGN_PREFIXES):
            continue
        lives = catalogue.lives_of_variable(name)
        if lives:
            found = f"MLflow {release.version} does not read it"
            remedy = f"remove it, or deploy a release that reads it ({describe_lives(lives, catalogue.newest)})"
            findings.append(make_finding("environment-not-in-release", name, found, remedy))
            continue
        # An option's own variable is the likeliest thing to be meant.
        nearest = closest(upper, option_variables, 0.8) or closest(upper, release.variables, 0.8)
        if nearest:
            findings.append(
                make_finding("environment-misspelt", name, "MLflow knows no such variable", f"did you mean {nearest}?")
            )
        else:
            findings.append(make_finding("environment-unknown", name, "no MLflow release knows the variable"))
    return findings


def check_values(resolved: Resolved) -> list[Finding]:
    """Variables that MLflow reads as true or false take four words only."""
    findings = []
    option_variables = {option.variable for option in resolved.release.options.values()}
    for name in sorted(resolved.release.switches):
        text = resolved.environment.get(name)
        if text is None or name in option_variables:
            continue
        if text.lower() not in ("true", "false", "1", "0"):
            found = f"{show(text)} is neither true nor false" if text else "the value is empty"
            findings.append(make_finding("environment-value-invalid", name, found, "write true or false"))
    if resolved.switch("MLFLOW_SERVER_ENABLE_CUSTOM_SCORERS") and resolved.knows_variable(
        "MLFLOW_SERVER_ENABLE_CUSTOM_SCORERS"
    ):
        findings.append(
            make_finding(
                "custom-scorers-enabled", "MLFLOW_SERVER_ENABLE_CUSTOM_SCORERS", "users' code runs in the server"
            )
        )
    if resolved.knows_variable("MLFLOW_DISABLE_TELEMETRY"):
        off = resolved.switch("MLFLOW_DISABLE_TELEMETRY") or resolved.environment.get("DO_NOT_TRACK", "").lower() in (
            "1",
            "true",
        )
        if not off:
            findings.append(
                make_finding(
                    "telemetry-enabled", "MLFLOW_DISABLE_TELEMETRY", "usage data is sent to MLflow's telemetry service"
                )
            )
    return findings


def check_secrets(resolved: Resolved) -> list[Finding]:
    findings = []
    option_variables = {option.variable for option in resolved.release.options.values()}
    for name, text in sorted(resolved.environment.items()):
        if is_secret_name(name) and text:
            findings.append(make_finding("secret-in-environment", name, "the variable carries a secret in clear text"))
        elif name not in option_variables and "://" in text and has_password(text):
            findings.append(make_finding("secret-in-environment", name, f"the URI {show(text)} carries a password"))
    return findings


def check_authentication(resolved: Resolved) -> list[Finding]:
    findings = []
    if resolved.value("app_name") != "basic-auth":
        for name in ("MLFLOW_AUTH_CONFIG_PATH", "MLFLOW_AUTH_ADMIN_USERNAME", "MLFLOW_AUTH_ADMIN_PASSWORD"):
            if (
                resolved.has_variable(name)
                and "app_name" in resolved.release.options
                and not resolved.given("app_name")
            ):
                findings.append(make_finding("auth-not-enabled", name, "the variable is set, and app_name is not"))
                break
        return findings
    if resolved.knows_variable("MLFLOW_FLASK_SERVER_SECRET_KEY") and not resolved.has_variable(
        "MLFLOW_FLASK_SERVER_SECRET_KEY"
    ):
        findings.append(
            make_finding("auth-secret-key-missing", "app_name", "MLFLOW_FLASK_SERVER_SECRET_KEY is not delivered")
        )
    if resolved.knows_variable("MLFLOW_AUTH_ADMIN_PASSWORD"):
        password = resolved.environment.get("MLFLOW_AUTH_ADMIN_PASSWORD")
        if password and len(password) < 12:
            findings.append(
                make_finding(
                    "auth-admin-password-short",
                    "MLFLOW_AUTH_ADMIN_PASSWORD",
                    "the password is shorter than twelve characters",
                )
            )
        elif not resolved.has_variable("MLFLOW_AUTH_ADMIN_PASSWORD") and not resolved.has_variable(
            "MLFLOW_AUTH_CONFIG_PATH"
        ):
            findings.append(
                make_finding("auth-admin-password-missing", "app_name", "the administrator has no password")
            )
    database = resolved.request.auth_database_uri
    local = database.startswith("sqlite") if database else not resolved.has_variable("MLFLOW_AUTH_CONFIG_PATH")
    if local:
        if resolved.request.replicas > 1:
            found = f"{resolved.request.replicas} replicas keep users in a file each"
            findings.append(make_finding("auth-database-local", "auth_database_uri", found))
        elif not database:
            findings.append(
                make_finding(
                    "auth-database-default",
                    "auth_database_uri",
                    "users are kept in basic_auth.db in the working directory",
                )
            )
    return findings


def is_fernet_key(text: str) -> bool:
    """32 bytes in URL-safe base64, with padding."""
    try:
        return len(base64.b64decode(text.encode(), altchars=b"-_", validate=True)) == 32
    except (ValueError, binascii.Error):
        return False


def check_keys(resolved: Resolved) -> list[Finding]:
    findings = []
    name = "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY"
    if resolved.knows_variable(name):
        text = resolved.environment.get(name)
        if text and not is_fernet_key(text):
            findings.append(make_finding("webhook-key-invalid", name, "the value is no Fernet key"))
        elif not resolved.has_variable(name):
            processes = resolved.request.replicas * worker_count(resolved)
            found = f"it is not delivered, so each of {processes} processes makes its own"
            findings.append(make_finding("webhook-key-missing", name, found))
    name = "MLFLOW_CRYPTO_KEK_PASSPHRASE"
    if resolved.knows_variable(name) and not resolved.has_variable(name):
        findings.append(make_finding("kek-passphrase-missing", name, "it is not delivered"))
    return findings


def check_jobs(resolved: Resolved) -> list[Finding]:
    name = "MLFLOW_SERVER_ENABLE_JOB_EXECUTION"
    if not resolved.knows_variable(name) or not resolved.switch(name) or resolved.value("artifacts_only"):
        return []
    findings = []
    if resolved.request.replicas > 1 and not resolved.has_variable("MLFLOW_SERVER_JOB_HUEY_REDIS_URL"):
        findings.append(make_finding("jobs-with-replicas", name, f"{resolved.request.replicas} replicas run jobs"))
    if resolved.value("static_prefix"):
        findings.append(make_finding("jobs-with-prefix", name, "jobs run, and static_prefix is set"))
    hosts = resolved.value("allowed_hosts")
    address = f"{resolved.value('host')}:{resolved.value('port')}"
    if hosts and not resolved.value("disable_security_middleware") and not host_allowed(address, split_list(hosts)):
        findings.append(
            make_finding("jobs-host-not-allowed", name, f"jobs run, and {address} is not among the allowed hosts")
        )
    return findings


def check_workspaces(resolved: Resolved) -> list[Finding]:
    findings = []
    if resolved.knows_variable("MLFLOW_WORKSPACE") and resolved.environment.get("MLFLOW_WORKSPACE"):
        findings.append(make_finding("workspace-variable-set", "MLFLOW_WORKSPACE", "it is set"))
    enabled = workspaces_enabled(resolved)
    if resolved.value("workspace_store_uri") and not enabled:
        findings.append(
            make_finding("workspace-store-ignored", resolved.label("workspace_store_uri"), "workspaces are not enabled")
        )
    backend = resolved.value("backend_store_uri")
    if enabled and backend and (backend[0] in "./~" or backend.startswith("file:")):
        findings.append(
            make_finding("file-store-with-workspaces", "enable_workspaces", "the backend store is a directory")
        )
    return findings
