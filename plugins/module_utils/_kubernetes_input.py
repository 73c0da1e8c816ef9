# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""What is wrong with what a user chooses for objects and pods on Kubernetes: one sentence for each variable."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Callable

from ansible_collections.mlops.mlflow.plugins.module_utils._kubernetes_quantity import UNITS, amount

KEY = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?", re.ASCII)
LABEL = re.compile(r"([A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?)?", re.ASCII)
HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
VOLUME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
QUANTITY = re.compile(rf"\d+(\.\d+)?(m|{'|'.join(unit for unit in UNITS if unit)}|[PE]i?)?")
# What selectors, policies and the removal of a deployment go by.
OWN = re.compile(r"app[.]kubernetes[.]io/(name|component|part-of|instance|managed-by)|mlops[.]mlflow[./].*")
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
TOLERATION = {"key": str, "operator": str, "value": str, "effect": str, "tolerationSeconds": int}
AFFINITIES = ("nodeAffinity", "podAffinity", "podAntiAffinity")
POLICIES = ("DoNotSchedule", "ScheduleAnyway")
SOURCES = ("configMapRef", "secretRef")
# Those that the restricted level of pod security allows, under which the namespace is.
VOLUMES = (
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret",
)  # fmt: skip
OWN_VOLUMES = ("config", "dumps", "secrets", "tmp")
# Mounts of the role, and folders of the image without which nothing runs there.
OWN_MOUNTS = ("/etc/mlflow-guard", "/run/secrets", "/tmp", "/var/lib/mlflow-guard/dumps")
OF_THE_IMAGE = ("/bin", "/dev", "/lib", "/lib64", "/opt/mlflow", "/proc", "/sys", "/usr/bin", "/usr/lib")
CLOSED = ("/dev", "/etc/mlflow-guard", "/proc", "/run/secrets", "/sys", "/var/run/secrets")

Problems = Iterator[str]


def labels(name: str, given: Any) -> Problems:
    """Labels: keys and short texts, and none that the deployment sets itself."""
    yield from selector(name, given)
    for key in given:
        if OWN.fullmatch(str(key)):
            yield f"{name} has {key}, which the deployment sets itself: choose another key."


def selector(name: str, given: Any) -> Problems:
    """What labels are compared with."""
    yield from keys(name, given)
    for key, value in given.items():
        if not isinstance(value, str) or not LABEL.fullmatch(value):
            yield (
                f"{name} has {key} with the value {value!r}: give a text in quotes of at most 63 letters, digits, "
                "dashes, dots and underscores."
            )


def annotations(name: str, given: Any) -> Problems:
    """Annotations: keys and any text."""
    yield from keys(name, given)
    for key, value in given.items():
        if not isinstance(value, str):
            yield f"{name} has {key} with the value {value!r}, which is no text: put it in quotes."
        if OWN.fullmatch(str(key)):
            yield f"{name} has {key}, which the deployment sets itself: choose another key."


def keys(name: str, given: Any) -> Problems:
    for key in given:
        if not isinstance(key, str) or not KEY.fullmatch(key):
            yield f"{name} has the key {key!r}: give one such as team or example.com/team."


def one_name(name: str, given: Any) -> Problems:
    if given and not NAME.fullmatch(str(given)):
        yield f"{name} is '{given}': give the name of an object, of lower-case letters, digits, dashes and dots."


def names(name: str, given: Any) -> Problems:
    for each in given:
        if not isinstance(each, str) or not NAME.fullmatch(each):
            yield (
                f"{name} has {each!r}: give names of Secrets of the namespace, of lower-case letters, digits, dashes "
                "and dots."
            )


def tolerations(name: str, given: Any) -> Problems:
    for each in given:
        unknown = [key for key, value in each.items() if not isinstance(value, TOLERATION.get(key, ()))]
        if unknown:
            yield f"{name} has {each} with {', '.join(map(str, unknown))}: give {', '.join(TOLERATION)}."
        elif each.get("operator", "Equal") not in ("Equal", "Exists"):
            yield f"{name} has the operator {each['operator']}: give Equal or Exists."
        elif each.get("effect", EFFECTS[0]) not in EFFECTS:
            yield f"{name} has the effect {each['effect']}: give {', '.join(EFFECTS)}, or leave it out for all of them."
        elif not each.get("key") and each.get("operator") != "Exists":
            yield f"{name} has {each} without a key: give one, or the operator Exists for all taints."
        elif each.get("operator") == "Exists" and each.get("value"):
            yield f"{name} has {each}: leave the value out, or take the operator Equal."
        elif "tolerationSeconds" in each and each.get("effect") != "NoExecute":
            yield f"{name} has {each}: tolerationSeconds goes with the effect NoExecute only."


def affinity(name: str, given: Any) -> Problems:
    unknown = [key for key, value in given.items() if key not in AFFINITIES or not isinstance(value, dict)]
    if unknown:
        yield f"{name} has {', '.join(map(str, unknown))}: give {', '.join(AFFINITIES)} as Kubernetes takes them."


def constraints(name: str, given: Any) -> Problems:
    for each in given:
        skew = each.get("maxSkew")
        right = isinstance(skew, int) and skew >= 1 and each.get("whenUnsatisfiable") in POLICIES
        if not right or not KEY.fullmatch(str(each.get("topologyKey", ""))):
            yield (
                f"{name} has {each}: give topologyKey (such as kubernetes.io/hostname), maxSkew (1 or more) and "
                f"whenUnsatisfiable ({' or '.join(POLICIES)})."
            )


def resources(name: str, given: Any) -> Problems:
    unknown = [key for key, value in given.items() if key not in ("requests", "limits") or not isinstance(value, dict)]
    if unknown:
        yield f"{name} has {', '.join(map(str, unknown))}: give requests and limits."
        return
    for part, quantities in given.items():
        for resource, quantity in quantities.items():
            if not QUANTITY.fullmatch(str(quantity)):
                yield f"{name} has {part} with {resource} {quantity!r}: give an amount such as 500m or 2Gi."
                return
    limits = given.get("limits", {})
    for resource, quantity in given.get("requests", {}).items():
        if resource in limits and amount(resource, quantity) > amount(resource, limits[resource]):
            yield f"{name} requests {resource} {quantity}, and its limit is {limits[resource]}: give at most that."


def env_from(name: str, given: Any) -> Problems:
    for each in given:
        source = [key for key in SOURCES if key in each]
        if len(source) != 1 or not named(each[source[0]]) or {*each} - {*SOURCES, "prefix"}:
            yield (
                f"{name} has {each}: give secretRef or configMapRef with the name of an object of the namespace, such "
                "as {'secretRef': {'name': 'proxy'}}, and perhaps a prefix."
            )


def volumes(name: str, given: Any) -> Problems:
    seen = set()
    for each in given:
        own, kinds = each.get("name"), sorted({*each} - {"name"})
        if not VOLUME.fullmatch(str(own or "")) or own in OWN_VOLUMES or own in seen:
            yield (
                f"{name} has the volume '{own or ''}': give each a name of its own, of lower-case letters, digits and "
                f"dashes, and not {', '.join(OWN_VOLUMES)}, which the role has."
            )
        elif len(kinds) != 1 or kinds[0] not in VOLUMES or not isinstance(each[kinds[0]], dict):
            yield (
                f"{name} has the volume {own} with {', '.join(kinds) or 'nothing'}: give one of {', '.join(VOLUMES)}, "
                "which the restricted level of pod security allows."
            )
        seen.add(own)


def inside(path: str, folder: str) -> bool:
    return f"{path}/".startswith(f"{folder.rstrip('/')}/")


def mounts(name: str, given: Any) -> Problems:
    for each in given:
        path = str(each.get("mountPath", ""))
        if not re.fullmatch(r"(/[^/:\s]+)+", path) or "/.." in path or not each.get("name"):
            yield f"{name} has {each}: give the name of a volume, and mountPath, an absolute path without a last slash."
        elif any(inside(own, path) for own in (*OWN_MOUNTS, *OF_THE_IMAGE)) or any(inside(path, own) for own in CLOSED):
            yield f"{name} has the mountPath {path}, where the server has files of its own: choose one such as /etc/ca."


def http_route(name: str, given: Any) -> Problems:
    hosts, parents = given.get("hostnames") or [], given.get("parent_refs") or []
    if given and not (hosts and isinstance(hosts, list) and all(HOST.fullmatch(str(each)) for each in hosts)):
        yield (
            f"{name} has the hostnames {hosts}: give a list of names in lower case without scheme, port or path, such "
            "as mlflow.example.com."
        )
    if given and not (parents and isinstance(parents, list) and all(named(each) for each in parents)):
        yield f"{name} has the parent_refs {parents}: give a list of Gateways, each with its name."
    yield from annotations(f"{name}.annotations", given.get("annotations") or {})


def named(reference: Any) -> bool:
    return isinstance(reference, dict) and bool(NAME.fullmatch(str(reference.get("name", ""))))


# `-e NAME=VALUE` makes a text of everything.
LISTS = ("env_from", "extra_volume_mounts", "extra_volumes", "tolerations", "topology_spread_constraints")


def shape(option: str, name: str, given: Any) -> Problems:
    """Whether it is a list, a dictionary or a text at all."""
    if option in LISTS or option == "image_pull_secrets":
        entry = dict if option in LISTS else str
        if not isinstance(given, list) or not all(isinstance(each, entry) for each in given):
            of_what = "dictionaries" if entry is dict else "names"
            yield f"{name} is {given!r}: give a list of {of_what}, as YAML or JSON."
    elif option != "priority_class" and not isinstance(given, dict):
        yield f"{name} is {given!r}: give a dictionary, as YAML or JSON."


CHECKS: dict[str, Callable[[str, Any], Problems]] = {
    "affinity": affinity,
    "annotations": annotations,
    "env_from": env_from,
    "extra_volume_mounts": mounts,
    "extra_volumes": volumes,
    "http_route": http_route,
    "image_pull_secrets": names,
    "labels": labels,
    "node_selector": selector,
    "pod_annotations": annotations,
    "pod_labels": labels,
    "priority_class": one_name,
    "resources": resources,
    "schema_resources": resources,
    "service_account_annotations": annotations,
    "tolerations": tolerations,
    "topology_spread_constraints": constraints,
}


def problems(options: dict[str, Any], prefix: str) -> list[str]:
    """One sentence for everything that is wrong with the variables, whose names have that prefix."""
    found = []
    for option, value in options.items():
        name = f"{prefix}_{option}"
        found += list(shape(option, name, value)) or list(CHECKS[option](name, value))
    if found:
        return found
    there = {each.get("name") for each in options.get("extra_volumes") or []}
    for each in options.get("extra_volume_mounts") or []:
        if each.get("name") and each["name"] not in there:
            found.append(
                f"{prefix}_extra_volume_mounts names the volume {each['name']}, which {prefix}_extra_volumes does not "
                f"have: it has {', '.join(sorted(map(str, there))) or 'none'}."
            )
    return found
