# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""What a change of arguments means for the data that is there already."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from ansible_collections.mlops.mlflow.plugins.module_utils._argument_findings import Finding, make_finding
from ansible_collections.mlops.mlflow.plugins.module_utils._argument_rules_shared import ENDPOINTS, workspaces_enabled
from ansible_collections.mlops.mlflow.plugins.module_utils._arguments import Resolved
from ansible_collections.mlops.mlflow.plugins.module_utils._catalogue import Release, parse_version
from ansible_collections.mlops.mlflow.plugins.module_utils._secret_values import fingerprint
from ansible_collections.mlops.mlflow.plugins.module_utils._uris import (
    database_identity,
    has_password,
    uri_scheme,
    without_password,
)

HARMLESS, RESTART, ARTIFACTS_MOVE, SCHEMA_STEP, DATA_UNREACHABLE = (
    "harmless",
    "restart",
    "artifacts_move",
    "schema_step",
    "data_unreachable",
)


# The head of a release that the catalogue does not know begins with this word.
UNKNOWN = "unknown"
HIDDEN = "(not shown)"


class Transition(NamedTuple):
    """One change, its class, and the code by which it is refused, announced or accepted (empty if it needs none)."""

    argument: str
    before: Any
    after: Any
    kind: str
    code: str
    message: str

    def as_dict(self) -> dict[str, Any]:
        entry = dict(self._asdict())
        entry["class"] = entry.pop("kind")
        return entry


def effective(resolved: Resolved) -> dict[str, Any]:
    """The values that decide what the server does and where its data are, without secrets and defaults folded in."""
    values: dict[str, Any] = {}
    for name, entry in resolved.values.items():
        if name in resolved.broken or entry.value is None:
            continue
        value = entry.value
        if isinstance(value, str) and has_password(value):
            value = without_password(value)
        values[name] = value
    values["enable_workspaces"] = workspaces_enabled(resolved)
    if "registry_store_uri" not in values and "backend_store_uri" in values:
        values["registry_store_uri"] = values["backend_store_uri"]
    if resolved.request.auth_database_uri:
        values["auth_database_uri"] = without_password(resolved.request.auth_database_uri)
    return values


def position(release: Release, revisions: list[str]) -> list[Any]:
    """How far a release's migrations reach: their number, and the last one. Releases are never compared by version."""
    if not release.known:
        return [len(revisions) + 1, f"{UNKNOWN} ({release.version})"]
    return [len(revisions), revisions[-1] if revisions else ""]


def make_state(
    resolved: Resolved, argv: list[str], environment: dict[str, str], secret_names: list[str]
) -> dict[str, Any]:
    """What is kept in the file: enough to compare with and to read, and no secret.

    A variable that is not MLflow's own may be a secret by any name, so that no more than a fingerprint of it is kept.
    """
    known = resolved.release.variables | {option.variable for option in resolved.release.options.values()}
    clear = {
        name: text
        for name, text in environment.items()
        if name in ENDPOINTS or ((name in known or name.startswith("AWS_")) and text == resolved.environment[name])
    }
    return {
        "mlflow_version": resolved.release.version,
        "replicas": resolved.request.replicas,
        "platform": resolved.request.platform,
        "argv": argv,
        "environment": clear,
        "fingerprints": {
            name: fingerprint(name, text) for name, text in sorted(resolved.environment.items()) if name not in clear
        },
        "secret_environment": sorted(set(secret_names) | set(resolved.request.secret_environment)),
        "effective": effective(resolved),
        "tracking_revisions": position(resolved.release, resolved.release.tracking_revisions),
        "auth_revisions": position(resolved.release, resolved.release.auth_revisions),
    }


def same_place(one: str | None, other: str | None) -> bool:
    """Whether two artifact locations are one: a slash at the end makes no difference."""
    return (one or "").rstrip("/") == (other or "").rstrip("/")


def compare(before: dict[str, Any], after: dict[str, Any]) -> tuple[list[Transition], list[Finding]]:
    """Every change from the state that was last applied, and what is to be refused or announced about it."""
    transitions: list[Transition] = []
    old, new = before["effective"], after["effective"]

    def note(argument: str, kind: str, was: Any, becomes: Any, reason: str, code: str = "") -> None:
        transitions.append(Transition(argument, was, becomes, kind, code, f"{argument}: {reason}"))

    compare_versions(before, after, note)
    if before["replicas"] != after["replicas"]:
        note(
            "replicas",
            HARMLESS,
            before["replicas"],
            after["replicas"],
            "another number of replicas serves the same data",
        )
    if before["platform"] != after["platform"]:
        note("platform", RESTART, before["platform"], after["platform"], "the servers run elsewhere, on the same data")

    served_before, served_after = serves(old), serves(new)
    for name in sorted(set(old) | set(new)):
        was, becomes = old.get(name), new.get(name)
        if was == becomes:
            continue
        if name in ("backend_store_uri", "registry_store_uri", "auth_database_uri"):
            compare_store(name, was, becomes, old, new, note)
        elif name == "artifacts_destination":
            if same_place(was, becomes) or not (served_before or served_after):
                note(name, RESTART, was, becomes, "the destination is the same place, or not in use")
            elif not served_before:
                note(name, ARTIFACTS_MOVE, was, becomes, "new proxied artifacts go to another place")
            elif not served_after:
                note(name, RESTART, was, becomes, "the destination is not in use any more")
            else:
                note(
                    name,
                    DATA_UNREACHABLE,
                    was,
                    becomes,
                    "proxied artifacts are looked for in another place",
                    "artifacts-destination-changed",
                )
        elif name == "default_artifact_root":
            if same_place(was, becomes):
                note(name, RESTART, was, becomes, "the root is the same place")
            else:
                note(
                    name,
                    ARTIFACTS_MOVE,
                    was,
                    becomes,
                    "new experiments keep their artifacts elsewhere",
                    "artifact-root-changed",
                )
        elif name == "serve_artifacts" and served_before and not served_after:
            note(
                name,
                DATA_UNREACHABLE,
                was,
                becomes,
                "artifacts stored through the proxy are out of reach",
                "artifacts-proxy-removed",
            )
        elif name == "serve_artifacts":
            note(name, ARTIFACTS_MOVE, was, becomes, "new artifacts go through the proxy")
        elif name == "artifacts_only" and becomes:
            note(
                name, DATA_UNREACHABLE, was, becomes, "runs and experiments are not served any more", "tracking-removed"
            )
        elif name == "enable_workspaces" and was and not becomes:
            note(
                name,
                DATA_UNREACHABLE,
                was,
                becomes,
                "data outside the default workspace is out of reach",
                "workspaces-removed",
            )
        elif name == "static_prefix":
            note(name, RESTART, was, becomes, "the server answers under another path", "address-changed")
        elif name == "app_name" and was == "basic-auth":
            note(name, RESTART, was, becomes, "users are not asked for a password any more", "authentication-removed")
        elif is_default(name, was, becomes):
            note(name, HARMLESS, was, becomes, "the value is the default of the release")
        else:
            note(name, RESTART, was, becomes, "servers take the value at start")
    compare_environment(before, after, old, new, note)
    findings = [make_finding(entry.code, entry.argument, describe(entry)) for entry in transitions if entry.code]
    return transitions, findings


def describe(entry: Transition) -> str:
    """The change in words, for the sentence of its finding."""
    before = "unset" if entry.before is None else f"'{entry.before}'"
    after = "unset" if entry.after is None else f"'{entry.after}'"
    return f"it changes from {before} to {after}: {entry.message.partition(': ')[2]}"


def serves(values: dict[str, Any]) -> bool:
    return values.get("serve_artifacts") is not False


def is_default(name: str, was: Any, becomes: Any) -> bool:
    """An option that appears or disappears with a release, without being set."""
    return (was in (None, False) and becomes in (None, False)) or (
        name in ("secrets_cache_ttl", "secrets_cache_max_size", "x_frame_options") and None in (was, becomes)
    )


def order_of(version: str) -> tuple[Any, ...]:
    """Orders releases by their numbers: 3.18.0rc1 comes before 3.18.0, and 3.18.0.post1 behind it."""
    parts = parse_version(version)
    if parts is None:
        return ()
    early = bool(re.search("a|b|rc|dev", parts[3]))
    numbers = tuple((letters, int(number)) for letters, number in re.findall(r"([a-z]+)(\d+)", parts[3]))
    return (*parts[:3], not early, numbers)


def compare_versions(before: dict[str, Any], after: dict[str, Any], note: Any) -> None:
    was, becomes = before["mlflow_version"], after["mlflow_version"]
    if was == becomes:
        return
    steps = [("tracking_revisions", "the tracking database")]
    if "basic-auth" in (before["effective"].get("app_name"), after["effective"].get("app_name")):
        steps.append(("auth_revisions", "the database of users"))
    for key, name in steps:
        old_count, old_head = before[key]
        new_count, new_head = after[key]
        if old_head == new_head:
            continue
        if UNKNOWN in (old_head.partition(" ")[0], new_head.partition(" ")[0]):
            # Of a release that is not in the catalogue nothing is known but its number. It is never harmless.
            upwards = order_of(becomes) > order_of(was)
            reason = f"the revisions of {name} are not known for both releases"
            code = "schema-upgrade" if upwards else "schema-downgrade"
            note("mlflow_version", SCHEMA_STEP, was, becomes, reason, code)
            return
        difference = abs(new_count - old_count)
        if new_count >= old_count:
            reason = f"{name} goes from revision {old_head} to {new_head} ({difference} steps)"
            note("mlflow_version", SCHEMA_STEP, was, becomes, reason, "schema-upgrade")
        else:
            reason = f"{name} is at revision {old_head}, and this release ends at {new_head} ({difference} steps back)"
            note("mlflow_version", SCHEMA_STEP, was, becomes, reason, "schema-downgrade")
        return
    note("mlflow_version", RESTART, was, becomes, "the release changes, the database revisions stay")


def compare_store(name: str, was: Any, becomes: Any, old: dict[str, Any], new: dict[str, Any], note: Any) -> None:
    if name == "registry_store_uri":
        follows = (old.get("backend_store_uri"), new.get("backend_store_uri"))
        if (was, becomes) == follows:
            return  # it is the backend store, which is reported by itself
        code = "registry-store-changed"
    else:
        code = {"backend_store_uri": "backend-store-changed", "auth_database_uri": "auth-store-changed"}[name]
    one, other = database_identity(was or ""), database_identity(becomes or "")
    if one is not None and one == other:
        note(name, RESTART, was, becomes, "the same database is reached in another way")
    elif was is None and name == "auth_database_uri":
        note(name, RESTART, was, becomes, "the database of users is named now")
    else:
        note(name, DATA_UNREACHABLE, was, becomes, "it is another database", code)


def uses_s3(values: dict[str, Any]) -> bool:
    return any(
        uri_scheme(str(values.get(name) or "")) == "s3" for name in ("artifacts_destination", "default_artifact_root")
    )


def endpoint(environment: dict[str, str]) -> str:
    """The S3 endpoint that counts: MLflow's own variable first."""
    return next((environment[name].rstrip("/") for name in ENDPOINTS if environment.get(name)), "")


def compare_environment(
    before: dict[str, Any], after: dict[str, Any], old: dict[str, Any], new: dict[str, Any], note: Any
) -> None:
    was, becomes = endpoint(before["environment"]), endpoint(after["environment"])
    if was != becomes and uses_s3(old) and uses_s3(new):
        note(
            "MLFLOW_S3_ENDPOINT_URL",
            DATA_UNREACHABLE,
            was or None,
            becomes or None,
            "the same bucket name leads to other data",
            "artifacts-endpoint-changed",
        )
    first, second = before["environment"], after["environment"]
    # What is a secret now is not shown either where an earlier release of this collection kept it in clear.
    old_prints, new_prints = before.get("fingerprints", {}), after["fingerprints"]
    for name in sorted({*first, *second, *old_prints, *new_prints} - set(ENDPOINTS)):
        was, becomes = old_prints.get(name, first.get(name)), new_prints.get(name, second.get(name))
        if was == becomes:
            continue
        if name in {**old_prints, **new_prints}:
            was, becomes = (None if value is None else HIDDEN for value in (was, becomes))
        note(name, RESTART, was, becomes, "servers take the environment at start")
    if before["secret_environment"] != after["secret_environment"]:
        note(
            "secret_environment",
            RESTART,
            ", ".join(before["secret_environment"]),
            ", ".join(after["secret_environment"]),
            "servers take the environment at start",
        )


def as_texts(before: dict[str, Any] | None, after: dict[str, Any]) -> tuple[str, str]:
    """Both states as readable lines, for the diff. Of what is not shown it is said whether it changes."""
    prints = (before or {}).get("fingerprints", {}), after["fingerprints"]
    hidden = {*prints[0], *prints[1]}
    changed = {name for name in hidden if name in prints[0] and prints[0][name] != prints[1].get(name)}
    return as_text(before, hidden, set()), as_text(after, hidden, changed)


def as_text(state: dict[str, Any] | None, hidden: set[str], changed: set[str]) -> str:
    if not state:
        return ""
    lines = [
        f"mlflow_version: {state['mlflow_version']}",
        f"platform: {state['platform']}",
        f"replicas: {state['replicas']}",
        "argv:",
    ]
    lines += [f"  {word}" for word in state["argv"]]
    lines.append("environment:")
    for name in sorted({*state["environment"], *state.get("fingerprints", {})}):
        if name in hidden:
            lines.append(f"  {name} {HIDDEN}{', another value' if name in changed else ''}")
        else:
            lines.append(f"  {name}={json.dumps(state['environment'][name])[1:-1]}")
    lines.append("secret_environment:")
    lines += [f"  {name}" for name in state["secret_environment"]]
    return "\n".join(lines) + "\n"
