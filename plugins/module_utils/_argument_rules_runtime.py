# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""Rules on the environment and on what replicas share: variables, secrets, authentication, jobs, workspaces."""

from __future__ import annotations

import base64
import binascii
import re
from difflib import SequenceMatcher, get_close_matches
from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._argument_findings import Finding, make_finding
from ansible_collections.mlops.mlflow.plugins.module_utils._argument_rules_shared import (
    LIBPQ_VALUES,
    host_allowed,
    split_list,
    worker_count,
    workspaces_enabled,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._arguments import (
    Resolved,
    show,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._catalogue import Catalogue, describe_lives
from ansible_collections.mlops.mlflow.plugins.module_utils._secret_values import is_secret
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
        if (
            SERVICE_LINK.match(name)
            or re.match("(tcp|udp)://", resolved.environment.get(name, ""))
            or name.startswith(FOREIGN_PREFIXES)
        ):
            continue
        lives = catalogue.lives_of_variable(name)
        if lives:
            found = f"MLflow {release.version} does not read it"
            remedy = f"remove it, or deploy a release that reads it ({describe_lives(lives, catalogue.newest)})"
            findings.append(make_finding("environment-not-in-release", name, found, remedy))
            continue
        findings.append(unknown_variable(resolved, name, upper, option_variables))
    return findings


# Words that people add to the names of MLflow's variables, or use for one another.
FILLERS = frozenset(("SERVER", "TRACKING", "OPT", "OPTS", "OPTION", "OPTIONS", "ARG", "ARGS", "NAME", "VALUE"))
# Either of the two says where artifacts go.
ALTERNATIVES = {"default_artifact_root": "artifacts_destination", "artifacts_destination": "default_artifact_root"}


def unknown_variable(resolved: Resolved, name: str, upper: str, option_variables: set) -> Finding:
    """A name that no release knows: a misspelling by which a setting is lost, or a variable of the shop's own.

    It counts as misspelt if it reads like a variable of MLflow's that is not set, and has no word that means something
    else: MLFLOW_DB_HOST is not a misspelling of MLFLOW_HOST.
    """
    meant = meant_variable(upper, option_variables) or meant_variable(upper, resolved.release.variables)
    nearest, exact = meant or ("", False)
    if not nearest:
        return make_finding("environment-unknown", name, "no MLflow release knows the variable")
    option = next((option.name for option in resolved.release.options.values() if option.variable == nearest), "")
    there = resolved.given(option) if option else resolved.has_variable(nearest)
    if nearest.startswith("MLFLOW_AUTH_") and resolved.value("app_name") != "basic-auth":
        return make_finding("environment-unknown", name, f"{nearest}, which it may mean, is for basic authentication")
    if not there and option and not exact and option in ALTERNATIVES:
        there = resolved.given(ALTERNATIVES[option])
    if there:
        found = f"MLflow knows no such variable; what it may mean, {nearest}, is given"
        return make_finding("environment-unknown", name, found)
    return make_finding("environment-misspelt", name, "MLflow knows no such variable", f"did you mean {nearest}?")


def meant_variable(upper: str, known: Any) -> tuple[str, bool] | None:
    """The known name that an unknown one most probably means, and whether they have the same number of words."""
    words = upper.split("_")[1:]
    found: list[tuple[float, str, bool]] = []
    for candidate in get_close_matches(upper, sorted(known), n=8, cutoff=0.78):
        theirs = candidate.split("_")[1:]
        matched = [word for word in words if get_close_matches(word, theirs, n=1, cutoff=0.6)]
        rest = [word for word in words if word not in matched and word not in FILLERS]
        if not rest and matched and 2 * len(matched) > len(theirs):
            ratio = SequenceMatcher(None, upper, candidate).ratio()
            found.append((len(matched) + ratio, candidate, len(words) == len(theirs)))
    return max(found)[1:] if found else None


# Variables that are converted to a number in another place than MLflow's list of variables, or by boto3 and libpq.
OTHER_NUMBERS = {
    "MLFLOW_CRYPTO_KEK_VERSION": "int",
    "AWS_MAX_ATTEMPTS": "int",
    "AWS_METADATA_SERVICE_TIMEOUT": "int",
    "AWS_METADATA_SERVICE_NUM_ATTEMPTS": "int",
    "PGCONNECT_TIMEOUT": "int",
}
# Numbers outside of these are refused late, or mean something else than they say.
RANGES = {
    "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": (0, None, "a pool has no negative size"),
    "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW": (-1, None, "-1 alone means without bound"),
    "MLFLOW_SQLALCHEMYSTORE_POOL_RECYCLE": (-1, None, "-1 alone means never"),
    "MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE": (5 * 1024**2, 5 * 1024**3, "S3 takes parts of 5 MiB to 5 GiB"),
    "MLFLOW_PRESIGNED_DOWNLOAD_URL_TTL_SECONDS": (1, 604800, "S3 signs for at most seven days"),
    "MLFLOW_CRYPTO_KEK_VERSION": (1, None, "versions are counted from 1"),
    "MLFLOW_TRACE_SAMPLING_RATIO": (0, 1, "it is a share of all"),
    "AWS_MAX_ATTEMPTS": (1, None, "boto3 makes at least one attempt"),
}
NOT_NEGATIVE = re.compile(r"_(TIMEOUT|SIZE|SECONDS|INTERVAL|TTL|RETRIES|MILLIS|CAPACITY|CONNECTIONS|FIELDS|ALIASES)$")
LEVELS = ("CRITICAL", "DEBUG", "ERROR", "FATAL", "INFO", "NOTSET", "WARN", "WARNING")
# Variables that take one of a few words; True: in any case. libpq's and boto3's are compared as they stand.
WORDS = {
    "MLFLOW_LOGGING_LEVEL": (LEVELS, True),
    "MLFLOW_SERVER_JOB_EXECUTION_ENGINE": (("executor",), True),
    "MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE": (("auto", "path", "virtual"), False),
    "AWS_REQUEST_CHECKSUM_CALCULATION": (("when_required", "when_supported"), True),
    "AWS_RESPONSE_CHECKSUM_VALIDATION": (("when_required", "when_supported"), True),
    "AWS_RETRY_MODE": (("legacy", "standard", "adaptive"), False),
    "PGSSLMODE": (LIBPQ_VALUES["sslmode"], False),
    "PGGSSENCMODE": (LIBPQ_VALUES["gssencmode"], False),
    "PGCHANNELBINDING": (LIBPQ_VALUES["channel_binding"], False),
    "PGTARGETSESSIONATTRS": (LIBPQ_VALUES["target_session_attrs"], False),
}


def check_numbers(resolved: Resolved) -> list[Finding]:
    """Every variable that the release converts to a number, by its own definition of it."""
    findings = []
    option_variables = {option.variable for option in resolved.release.options.values()}
    for name, kind in sorted({**OTHER_NUMBERS, **resolved.release.numbers}.items()):
        text = resolved.environment.get(name)
        if text is None or name in option_variables:
            continue
        problem = number_problem(name, text, kind)
        if problem:
            findings.append(make_finding("environment-value-invalid", name, *problem))
    return findings


def number_problem(name: str, text: str, kind: str) -> tuple[str, str] | None:
    """What Python's int() or float(), or the one that reads the number, has against it."""
    words = "whole number" if kind == "int" else "number"
    try:
        number = int(text) if kind == "int" else float(text)
    except ValueError:
        return f"{show(text)} is no {words}" if text else "the value is empty", f"give a {words} without a unit"
    low, high, why = RANGES.get(name, (None, None, ""))
    if low is None and name.endswith("_WORKERS"):
        low, why = 1, "no work is done without a worker"
    elif low is None and NOT_NEGATIVE.search(name):
        low, why = 0, "it counts something"
    if (low is not None and number < low) or (high is not None and number > high):
        bounds = f"from {low} on" if high is None else f"from {low} to {high}"
        return f"{number} is out of range, {why}", f"give a {words} {bounds}"
    return None


def check_forms(resolved: Resolved) -> list[Finding]:
    """Addresses of queues, and times as cron writes them."""
    findings = []
    for name in ("MLFLOW_SERVER_JOB_HUEY_REDIS_URL", "MLFLOW_GATEWAY_BUDGET_REDIS_URL"):
        text = resolved.environment.get(name)
        if text and not re.match(r"(rediss?|unix)://.", text):
            found = f"{show(text)} is not an address of Redis"
            findings.append(make_finding("environment-value-invalid", name, found, "write redis://host:port/number"))
    name = "MLFLOW_TRACE_ROLLUPS_SCHEDULE"
    text = resolved.environment.get(name)
    if (
        text
        and resolved.knows_variable(name)
        and not re.fullmatch(r"[\d*/,A-Za-z-]+( +[\d*/,A-Za-z-]+){4}", text.strip())
    ):
        found = f"{show(text)} is not a cron expression of five fields"
        findings.append(
            make_finding("environment-value-invalid", name, found, 'write five fields, such as "0 2 * * *"')
        )
    return findings


def check_words(resolved: Resolved) -> list[Finding]:
    """Variables that take one of a few words."""
    findings = check_forms(resolved)
    table = {"MLFLOW_SQLALCHEMYSTORE_POOLCLASS": (sorted(resolved.release.pool_classes), False), **WORDS}
    for name, (words, any_case) in sorted(table.items()):
        text = resolved.environment.get(name)
        if not text or not words or (name.startswith("MLFLOW_") and not resolved.knows_variable(name)):
            continue
        same = [word for word in words if word.lower() == text.strip().lower()]
        if text not in words and not (any_case and same):
            remedy = f"write {same[0]}" if same else f"use one of: {', '.join(words)}"
            findings.append(make_finding("environment-value-invalid", name, f"{show(text)} is not such a word", remedy))
    return findings


def check_values(resolved: Resolved) -> list[Finding]:
    """Variables that MLflow reads as true or false take four words only; then numbers and words."""
    findings = check_numbers(resolved) + check_words(resolved)
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
        if is_secret(name, text) and text:
            findings.append(make_finding("secret-in-environment", name, "the variable carries a secret in clear text"))
        elif name not in option_variables and "://" in text and has_password(text):
            findings.append(make_finding("secret-in-environment", name, f"the URI {show(text)} carries a password"))
    return findings


def check_authentication(resolved: Resolved) -> list[Finding]:
    findings = []
    app = resolved.value("app_name")
    if app and app not in resolved.release.options["app_name"].choices:
        return [
            make_finding(
                "app-of-plugin", resolved.label("app_name"), f"{show(app)} is not an application of MLflow's own"
            )
        ]
    if app != "basic-auth":
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
    if not resolved.knows_variable(name) or resolved.value("artifacts_only"):
        return []
    if not resolved.switch(name):
        return check_idle_jobs(resolved, name)
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


def check_idle_jobs(resolved: Resolved, switch: str) -> list[Finding]:
    """What does nothing while no jobs are run."""
    names = ("MLFLOW_SERVER_JOB_HUEY_REDIS_URL", "MLFLOW_SERVER_JOB_EXECUTION_ENGINE")
    idle = [name for name in names if resolved.has_variable(name)]
    if resolved.switch("MLFLOW_SQL_TRACE_ROLLUPS_ENABLED"):
        idle.append("MLFLOW_SQL_TRACE_ROLLUPS_ENABLED")
    if resolved.given("trace_archival_config"):
        idle.append(resolved.label("trace_archival_config"))
    found = f"{switch} is false, so no job reads it"
    return [make_finding("jobs-setting-ignored", name, found) for name in idle]


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
