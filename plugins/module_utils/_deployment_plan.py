# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""The plans of all components put together to that of the deployment, and how much memory its services may have."""

from __future__ import annotations

import hashlib
import json
from typing import Any, NamedTuple

FILES_LABEL = "mlops.mlflow.files"
LISTS = ("files", "first", "rolling")
# `asked`: something was asked for that is to be done also where no file and no service differs.
HOOKS = ("asked", "survey", "preflight", "move", "prepare", "provision", "schema", "keep", "settle", "verify")
KEY_LENGTH = 12
# The log of each container is a file and those that it was before.
LOG_FILES = 3
# A host says a little less of its memory after each change of its kernel, which is no reason to replace a container.
HOST_STEP_MB, LIMIT_STEP_MB = 256, 16
SIXTEENTHS = 16


class PlanError(Exception):
    """The input cannot be used; the message is one sentence that names the variable and says what to do."""


class Settings(NamedTuple):
    """What the deployment adds to the plans."""

    label: dict[str, str]
    log_mb: int
    host_memory_mb: int
    memory_limits_mb: dict[str, Any]


def merged(first: dict, second: dict) -> dict:
    """Both, with dictionaries put together at every depth."""
    result = dict(first)
    for key, value in second.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


def digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:KEY_LENGTH]


def replaced(value: Any, names: dict[str, str]) -> Any:
    """The value with `./OLD` as `./NEW`, where it is a text of its own or the end of one such as `option:./OLD`."""
    if isinstance(value, dict):
        return {key: replaced(each, names) for key, each in value.items()}
    if isinstance(value, list):
        return [replaced(each, names) for each in value]
    if isinstance(value, str):
        head, mark, tail = value.rpartition("./")
        if mark and tail in names and (not head or head.endswith(":")):
            return f"{head}./{names[tail]}"
    return value


def by_content(plan: dict[str, Any]) -> dict[str, Any]:
    """The plan with its files in folders that are named by the content of all of them.

    So a container that still runs with the files of an earlier plan finds those when it is started again, whatever
    has been planned since. A file that is `passing` is there for a single step, and its going replaces nothing.
    """
    files = plan.get("files") or []
    key = digest([[each["path"], each["content"]] for each in files if not each.get("passing")])
    names = {
        each["path"]: "/".join((*each["path"].split("/")[:-1], key, each["path"].split("/")[-1])) for each in files
    }
    compose = replaced(plan.get("compose") or {}, names)
    services = {
        name: merged(body, {"labels": {FILES_LABEL: key}}) for name, body in (compose.get("services") or {}).items()
    }
    if services:
        compose = {**compose, "services": services}
    return {**plan, "compose": compose, "files": [{**each, "path": names[each["path"]]} for each in files]}


def memory_limits(components: list[tuple[str, dict]], settings: Settings) -> dict[str, int]:
    """The limit of each service in MiB.

    A component's plan says in `memory` what each service needs at the least, and how many sixteenths of the host's
    memory are its share; the shares of all components are not more than all of it. So no service can take the host
    down with it, and a limit does not hang on what other components are there.
    """
    host = settings.host_memory_mb // HOST_STEP_MB * HOST_STEP_MB
    given = checked_limits(settings.memory_limits_mb, settings.host_memory_mb, [name for name, _plan in components])
    limits = {}
    for component, plan in components:
        for service, wish in (plan.get("memory") or {}).items():
            limit = int(given.get(component, 0))
            need = int(wish["need"])
            if limit and limit < need:
                raise PlanError(
                    f"deployment_memory_limits_mb gives {component} {limit} MiB, but {service} needs at least "
                    f"{need} as it is configured: give it that, or leave it out."
                )
            share = int(host * float(wish["share"]) / SIXTEENTHS) // LIMIT_STEP_MB * LIMIT_STEP_MB
            limits[service] = limit or max(share, need)
    return limits


def checked_limits(given: dict[str, Any], host_memory_mb: int, components: list[str]) -> dict[str, int]:
    """The limits that the user gives, or what is wrong with them, as far as it can be told without the plans."""
    if not isinstance(given, dict):
        raise PlanError(
            f"deployment_memory_limits_mb is {given!r}: give a dictionary such as {{'postgres': 2048}}, by component."
        )
    unknown = sorted(given.keys() - set(components))
    if unknown:
        raise PlanError(
            f"deployment_memory_limits_mb names {', '.join(unknown)}, and the components of this deployment are "
            f"{', '.join(components)}: use those."
        )
    for component, limit in given.items():
        try:
            fits = 1 <= int(limit) <= host_memory_mb
        except (TypeError, ValueError):
            fits = False
        if not fits:
            raise PlanError(
                f"deployment_memory_limits_mb gives {component} {limit!r}, and the host has {host_memory_mb} MiB: "
                f"give a number from 1 to {host_memory_mb}, or leave {component} out."
            )
    total = sum(int(limit) for limit in given.values())
    if total > host_memory_mb:
        raise PlanError(
            f"deployment_memory_limits_mb gives {', '.join(given)} {total} MiB together, and the host has "
            f"{host_memory_mb}: give less."
        )
    return {component: int(limit) for component, limit in given.items()}


def service_additions(name: str, body: dict[str, Any], limits: dict[str, int], settings: Settings) -> dict[str, Any]:
    """What every service of a deployment has, whatever component it is of."""
    addition: dict[str, Any] = {"labels": settings.label}
    if settings.log_mb:
        size = max(1, settings.log_mb * 1024 // LOG_FILES)
        addition["logging"] = {"driver": "json-file", "options": {"max-size": f"{size}k", "max-file": str(LOG_FILES)}}
    if name in limits:
        addition["mem_limit"] = f"{limits[name]}m"
    whole = merged(body, addition)
    # What else of the service is another one counts as well: with it, a run that was cut short is finished by the next.
    key = digest(whole)
    return merged(whole, {"labels": {FILES_LABEL: key}})


def put_together(components: list[tuple[str, dict[str, Any]]], settings: Settings) -> dict[str, Any]:
    """The plan of the deployment."""
    limits = memory_limits(components, settings)
    compose: dict[str, Any] = {}
    plan: dict[str, Any] = {name: [] for name in (*LISTS, *HOOKS)}
    for component, each in components:
        named = by_content(each)
        compose = merged(compose, named["compose"])
        for name in LISTS:
            plan[name] += named.get(name) or []
        for name in HOOKS:
            if named.get(name):
                plan[name].append(component)
    services = {
        name: service_additions(name, body, limits, settings) for name, body in (compose.get("services") or {}).items()
    }
    for kind in ("networks", "volumes"):
        compose[kind] = {
            name: merged(body or {}, {"labels": settings.label}) for name, body in (compose.get(kind) or {}).items()
        }
    plan["compose"] = {**compose, "services": services}
    plan["services"] = sorted(name for name, body in services.items() if "profiles" not in body)
    return plan


def secret_files(
    secrets: dict[str, str], folder: str, uid: int, passing: list[str] | None = None
) -> list[dict[str, Any]]:
    """Secrets as files of a plan, in the folder; those that are `passing` are there for a single run."""
    files = []
    for name, content in secrets.items():
        file = {"path": f"{folder}/{name}", "content": content, "mode": "0400", "uid": uid, "secret": True}
        files.append(file if passing is None else {**file, "passing": name in passing})
    return files


def files_to_write(files: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The secret files of a plan, as they are written."""
    return [
        {"path": each["path"], "content": each["content"], "mode": each["mode"], "owner": int(each["uid"])}
        for each in files
        if "secret" in each
    ]


def planned(
    components: list[tuple[str, dict[str, Any]]],
    label: dict[str, str],
    log_mb: int,
    host_memory_mb: int,
    memory_limits_mb: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The plan, or what is wrong with it: Ansible makes more than a sentence of a filter's error."""
    try:
        return put_together(components, Settings(label, int(log_mb), int(host_memory_mb), memory_limits_mb or {}))
    except PlanError as error:
        return {"problem": str(error)}
