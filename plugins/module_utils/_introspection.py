# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""Ask an MLflow release itself what its server takes.

The same code makes the catalogue (from wheels) and describes, at run time, a release that is newer than the catalogue
but installed beside the module.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from typing import Any

TRACKING_MIGRATIONS = "mlflow/store/db_migrations/versions/"
AUTH_MIGRATIONS = "mlflow/server/auth/db/migrations/versions/"
VARIABLES = "mlflow/environment_variables.py"
ENGINES = "mlflow/store/db/utils.py"
ARTIFACT_REPOSITORIES = "mlflow/store/artifact/artifact_repository_registry.py"

# Runs in the interpreter that can import the release: no imports of ours, plain JSON on the last line of stdout.
OPTIONS_PROGRAM = r"""
import json
import click
import mlflow
from mlflow.cli import cli

options = []
for param in cli.commands["server"].params:
    if not isinstance(param, click.Option):
        continue
    kind = param.type
    default = param.default
    if callable(default) or type(default).__name__ == "Sentinel":
        default = None  # newer click marks "no default" by a sentinel
    record = {"name": param.name, "flags": list(param.opts)}
    if param.secondary_opts:
        record["off_flags"] = list(param.secondary_opts)
    if isinstance(kind, click.Choice):
        record["type"] = "choice"
        record["choices"] = list(kind.choices)
    elif isinstance(kind, click.IntRange):
        record["type"] = "int"
        record["minimum"], record["maximum"] = kind.min, kind.max
    elif isinstance(kind, click.Path):
        record["type"] = "path"
    elif param.is_flag:
        record["type"] = "flag"
    else:
        record["type"] = {"integer": "int", "boolean": "bool"}.get(kind.name, kind.name)
    if param.envvar:
        record["envvar"] = param.envvar
    if default is not None and not (param.is_flag and default is False):
        record["default"] = default if isinstance(default, (str, int, float, bool)) else str(default)
    if param.multiple:
        record["multiple"] = True
    if param.required:
        record["required"] = True
    options.append(record)
print(json.dumps({"version": mlflow.__version__, "folder": list(mlflow.__path__)[0], "options": options}))
"""


class IntrospectionError(Exception):
    """The release could not be imported, or does not look like any MLflow known so far."""


def read_options(python: str, path: str | None = None) -> dict[str, Any]:
    """The options of `mlflow server`, asked of click in the given interpreter."""
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "HOME": path or "/nonexistent",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    if path:
        environment["PYTHONPATH"] = path
    command = [python, "-W", "ignore", "-c", OPTIONS_PROGRAM]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=path, env=environment)
    if result.returncode != 0:
        lines = result.stderr.strip().splitlines()
        raise IntrospectionError(lines[-1] if lines else f"exit code {result.returncode}")
    return json.loads(result.stdout.strip().splitlines()[-1])


def read_revisions(scripts: list[str]) -> list[str]:
    """The revisions of one set of alembic scripts, first to head, from the assignments in them."""
    followers: dict[str | None, str] = {}
    for text in scripts:
        found: dict[str, Any] = {}
        for node in ast.parse(text).body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            for target in targets:
                if isinstance(target, ast.Name) and target.id in ("revision", "down_revision"):
                    found[target.id] = ast.literal_eval(node.value)
        if "revision" not in found:
            continue
        if found["down_revision"] in followers:
            raise IntrospectionError(f"the migrations branch at {found['down_revision']}")
        followers[found["down_revision"]] = found["revision"]
    chain: list[str] = []
    position: str | None = None
    while position in followers:
        position = followers[position]
        chain.append(position)
    if len(chain) != len(followers):
        raise IntrospectionError("the migrations are no single line")
    return chain


def read_switches(text: str) -> dict[str, bool]:
    """The environment variables that MLflow reads as true or false, with their defaults."""
    switches: dict[str, bool] = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "_BooleanEnvironmentVariable":
            name, default = (ast.literal_eval(argument) for argument in node.args[:2])
            if name.startswith("MLFLOW_"):
                switches[name] = bool(default)
    return switches


def read_numbers(text: str) -> dict[str, str]:
    """The environment variables that MLflow converts to a whole number or a fraction: name -> "int" or "float"."""
    numbers: dict[str, str] = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "_EnvironmentVariable":
            name, kind = node.args[0], getattr(node.args[1], "id", "")
            if kind in ("int", "float") and isinstance(name, ast.Constant) and name.value.startswith("MLFLOW_"):
                numbers[name.value] = kind
    return numbers


def read_pool_classes(text: str) -> list[str]:
    """The words that the release takes for MLFLOW_SQLALCHEMYSTORE_POOLCLASS: the keys of its own table."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "pool_class_map":
            return sorted(key.value for key in node.value.keys)
    return []


def read_artifact_schemes(text: str) -> list[str]:
    """The URI schemes for which the release itself has an artifact repository."""
    schemes = set(re.findall(r'\.register\("([a-z0-9-]+)"', text))
    for group in re.findall(r"for scheme in \[([^\]]*)\]", text):
        schemes.update(re.findall(r'"([a-z0-9-]+)"', group))
    return sorted(schemes)


def describe(options: list[dict[str, Any]], release: str, sources: dict[str, str]) -> dict[str, Any]:
    """One record of the catalogue, from the options and the texts of the Python files (by path) of a release."""
    names: set[str] = set()
    for text in sources.values():
        # Every public name that stands as a whole string anywhere: more than the documented ones, never fewer.
        names.update(re.findall(r"""["'](MLFLOW_[A-Z0-9_]*[A-Z0-9])["']""", text))

    def scripts(folder: str) -> list[str]:
        return [text for path, text in sorted(sources.items()) if path.startswith(folder)]

    return {
        "release": release,
        "options": options,
        "tracking_revisions": read_revisions(scripts(TRACKING_MIGRATIONS)),
        "auth_revisions": read_revisions(scripts(AUTH_MIGRATIONS)),
        "environment": sorted(names),
        "switches": read_switches(sources.get(VARIABLES, "")),
        "numbers": read_numbers(sources.get(VARIABLES, "")),
        "pool_classes": read_pool_classes(sources.get(ENGINES, "")),
        "artifact_schemes": read_artifact_schemes(sources.get(ARTIFACT_REPOSITORIES, "")),
    }


def describe_installed(version: str) -> dict[str, Any] | None:
    """The record of the MLflow that this very interpreter can import, if it is the wanted release."""
    try:
        from importlib.metadata import PackageNotFoundError
        from importlib.metadata import version as installed_version
    except ImportError:  # pragma: no cover - part of every supported Python
        return None
    for package in ("mlflow", "mlflow-skinny"):
        try:
            if installed_version(package) == version:
                break
        except PackageNotFoundError:
            continue
    else:
        return None
    try:
        answer = read_options(sys.executable)
        if answer["version"] != version:
            return None
        sources: dict[str, str] = {}
        for folder, _dummy, files in os.walk(answer["folder"]):
            for name in files:
                if name.endswith(".py"):
                    path = os.path.join(folder, name)
                    with open(path, encoding="utf-8") as stream:
                        sources["mlflow/" + os.path.relpath(path, answer["folder"])] = stream.read()
        return describe(answer["options"], version, sources)
    except (IntrospectionError, OSError, ValueError, SyntaxError, KeyError):
        return None
