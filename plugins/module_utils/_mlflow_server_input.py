# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""What is wrong with the options of role mlflow_server together, in sentences. Their types are right already.

Each judge takes the options that its parameters name, without C(mlflow_server_). One whose options are not all right by
themselves is not asked.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, Callable

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.mlops.mlflow.plugins.module_utils import _mlflow_servers

PREFIX = "mlflow_server_"
# Least, most, and what to do.
NUMBERS = {
    "schema_lock_timeout": (0, 86_400, "give 0 to 86400 seconds"),
    "schema_blocked_timeout": (1, 86_400, "give 1 to 86400 seconds"),
    "drain_seconds": (0, 3600, "give 0 to 3600 seconds"),
    "verify_artifact_mib": (0, 1024, "give 0 to 1024 MiB; 0 leaves that check out"),
    "workers": (0, 64, "give 1 to 64, or 0 to let the role choose"),
    "requests_per_worker": (1, 1000, "give 1 to 1000"),
}
MOST_SERVERS = 64
ZONE = re.compile(r"[a-z][a-z0-9]{0,19}")
DESTINATION = re.compile(r"s3://[^/\s]+(/\S*)?|/\S+")
FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
ONE_LINE = re.compile(r"[^\n\r\x00]+")
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
ADDRESS = re.compile(r"[0-9]{1,3}([.][0-9]{1,3}){3}|[0-9a-fA-F:]*:[0-9a-fA-F:.]*")
# Options of `mlflow server` that have variables of their own.
OWN_OPTIONS = ("backend_store_uri", "artifacts_destination", "host", "port", "workers")

Problems = Iterator[str]


def problems(values: Mapping[str, Any]) -> list[str]:
    """All of them, from the options that are right by themselves, by their full names."""
    known = {name.removeprefix(PREFIX): value for name, value in values.items()}
    found = [
        f"{PREFIX}{name} is {known[name]}: {words}."
        for name, (least, most, words) in NUMBERS.items()
        if name in known and not least <= int(known[name]) <= most
    ]
    for judge in JUDGES:
        wanted = list(inspect.signature(judge).parameters)
        if all(name in known for name in wanted):
            found += judge(**{name: known[name] for name in wanted})
    return found


def listed(names: Any) -> str:
    return ", ".join(map(str, names))


def zone_names(zones: Any) -> Problems:
    if isinstance(zones, str):
        yield (
            f"mlflow_server_zones is the text '{zones}': give a list, such as "
            """-e '{"mlflow_server_zones": ["a", "b"]}'."""
        )
    elif not sound(zones):
        yield (
            f"mlflow_server_zones is {zones}: give each zone a name of its own of at most 20 lower-case letters and "
            "digits, beginning with a letter, such as a and b."
        )


def sound(zones: Any) -> bool:
    if isinstance(zones, str):
        return False
    names = [str(zone) for zone in zones]
    return len({*names}) == len(names) and all(map(ZONE.fullmatch, names))


def servers(zones: Any, zone_replicas: dict[str, Any], replicas: Any, platform: str) -> Problems:
    """How many servers there are, and where. The first thing that is wrong has the others as its consequences."""
    if not sound(zones):
        return
    unknown = [zone for zone in zone_replicas if zone not in zones]
    without = [zone for zone in zones if zone_replicas and _mlflow_servers.whole(zone_replicas.get(zone)) < 1]
    number = _mlflow_servers.replicas(zone_replicas, replicas)
    if unknown:
        yield (
            f"mlflow_server_zone_replicas names the unknown zone {listed(unknown)}: the zones are "
            f"{listed(zones) or 'none'}."
        )
    elif without:
        yield (
            f"mlflow_server_zone_replicas is {zone_replicas}, which leaves a zone without a server: give each of "
            f"{listed(zones)} at least 1, or take the zone out."
        )
    elif not 1 <= number <= MOST_SERVERS:
        yield (
            f"mlflow_server_replicas is {replicas}: at least 1 server is needed, and at most {MOST_SERVERS} are "
            "possible."
        )
    elif number < len(zones):
        yield (
            f"mlflow_server_replicas is {replicas}, which leaves a zone without a server: give at least {len(zones)}, "
            f"one for each of the zones {listed(zones)}, or fewer zones."
        )
    elif not zones and number > 1 and platform != "kubernetes":
        yield (
            f"mlflow_server_replicas is {replicas}, but this deployment has one server: several need zones and a load "
            "balancer, which playbooks/multi-az.yml has."
        )


def presigned_urls(guard_parts_disabled: list[str], presigned_downloads_enabled: Any) -> Problems:
    if "artifacts" in guard_parts_disabled and boolean(presigned_downloads_enabled):
        yield (
            "mlflow_server_guard_parts_disabled has artifacts, which makes the URLs of "
            "mlflow_server_presigned_downloads_enabled: leave one of the two out."
        )


def destination(artifacts_destination: str) -> Problems:
    if not DESTINATION.fullmatch(str(artifacts_destination)):
        yield (
            f"mlflow_server_artifacts_destination is '{artifacts_destination}': give an S3 URI with a bucket, such as "
            "s3://mlflow, or the absolute path of a volume in the container, such as /mlartifacts."
        )


def keys(artifacts_destination: str, s3: dict[str, Any]) -> Problems:
    has_keys = s3.get("access_key") and s3.get("secret_key")
    if str(artifacts_destination).startswith("s3://") and not (s3.get("instance_role_enabled") or has_keys):
        yield (
            "mlflow_server_s3 has no access_key or secret_key, but the artifacts go to "
            f"{artifacts_destination}: give both, or instance_role_enabled."
        )


def options(args: dict[str, Any]) -> Problems:
    own = [name for name in OWN_OPTIONS if name in args]
    if own:
        yield (
            f"mlflow_server_args has {listed(own)}, which the role sets itself: use mlflow_server_backend_store, "
            "mlflow_server_artifacts_destination, mlflow_server_public_address, mlflow_server_public_port or "
            "mlflow_server_workers instead."
        )
    serves = args.get("serve_artifacts")
    refused = "with which the guard would not let the servers start"
    if "registry_store_uri" in args:
        yield (
            f"mlflow_server_args has registry_store_uri, {refused}: leave it out, and models are in the database of "
            "the runs, or set database_registry_name for a second database on an external server."
        )
    if serves is not None and not boolean(serves, strict=False):
        yield (
            f"mlflow_server_args has serve_artifacts: false, {refused}: leave it out, since clients reach artifacts "
            "through the servers."
        )


def file_names(files: dict[str, str]) -> Problems:
    names = [name for name in files if not FILE.fullmatch(str(name))]
    if names:
        yield (
            f"mlflow_server_files has the name {listed(names)}: give the name of a file in /run/secrets, of letters, "
            "digits, dots, dashes and underscores, without a folder."
        )
    # Which says of a text that is no path what it says of a path to nowhere.
    missing = [path for path in files.values() if not os.path.isfile(str(path))]
    if missing:
        yield (
            f"mlflow_server_files names {listed(missing)}, and the control node has no file there: give the absolute "
            "path of one that exists."
        )


def secret_variables(secret_environment: dict[str, Any]) -> Problems:
    names = [name for name in secret_environment if not VARIABLE.fullmatch(str(name))]
    if names:
        yield (
            f"mlflow_server_secret_environment has {listed(names)}, which is not a name of a variable: use letters, "
            "digits and underscores."
        )
    # The line break at the end of a file is left out where it is read.
    if not all(ONE_LINE.fullmatch(str(value).removesuffix("\n")) for value in secret_environment.values()):
        yield (
            "mlflow_server_secret_environment has a value that is empty or has a line break: give text in one line; "
            "JSON and PEM can be written so."
        )


def host_names(hosts: dict[str, Any]) -> Problems:
    if not all(HOST.fullmatch(str(name)) and ADDRESS.fullmatch(str(address)) for name, address in hosts.items()):
        yield (
            f"mlflow_server_hosts is {hosts}: give names of hosts with their IP addresses, such as "
            "{'s3.example.com': '192.0.2.7'}."
        )


def checkout(source: str) -> Problems:
    if source and not source.startswith(("/", "~")):
        yield f"mlflow_server_source is '{source}', a relative path: give an absolute one."


JUDGES: tuple[Callable[..., Problems], ...] = (
    zone_names,
    servers,
    presigned_urls,
    destination,
    keys,
    options,
    file_names,
    secret_variables,
    host_names,
    checkout,
)
