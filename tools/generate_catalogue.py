#!/usr/bin/env python3
# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the catalogue of `mlflow server` from the MLflow releases themselves.

Nothing in the catalogue is written by hand. Of each release on the package index this program takes the wheel of
``mlflow-skinny`` (which holds the command line, the migrations and the environment variables), imports it in a
virtual environment that suits its age, asks click for the options of ``mlflow server`` and reads the alembic
revisions from the migration scripts. Wheels, virtual environments and results are cached, so a second run takes
seconds; the first one takes about four minutes and 450 MB.

    tools/generate_catalogue.py                     write plugins/module_utils/_catalogue_data.py
    tools/generate_catalogue.py --check             say whether the file is what would be written
    tools/generate_catalogue.py --release 3.4.0     print what is found in one release
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "plugins" / "module_utils" / "_catalogue_data.py"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mlops.mlflow" / "catalogue"

PACKAGE = "mlflow-skinny"
FIRST, LAST = (2, 0, 0), (3, 17, 2)

# An old release does not import with today's protobuf, setuptools and packaging, a new one not with the old ones.
# Each environment gets the dependencies of one release; the release itself is then put before them on the path.
OLD_REQUIREMENTS = ["mlflow-skinny==2.15.1", "protobuf<5", "databricks-cli", "entrypoints", "pytz", "setuptools<81"]
ENVIRONMENTS = {
    "old": {"until": (2, 15, 99), "requirements": OLD_REQUIREMENTS},
    "modern": {"until": LAST, "requirements": ["mlflow-skinny==3.17.2", "gunicorn", "waitress", "boto3"]},
}

# Runs in the modern environment: the words of the web servers' own command lines, for --uvicorn-opts and the like, each
# with what it takes. gunicorn and waitress say less than click does; what their own converters accept says the rest.
SERVERS_PROGRAM = r"""
import ast
import inspect
import json
import textwrap

import click
import uvicorn.config
from gunicorn import config, glogging, workers
from waitress import adjustments

ENDINGS = ("file", "dir")  # of the names of options that name a file or folder of the server


def of_click(param):
    if param.is_flag:
        return {"kind": "flag"}
    kind = param.type
    if isinstance(kind, click.Choice):
        return {"kind": "choice", "choices": [getattr(word, "value", word) for word in kind.choices]}
    if isinstance(kind, click.Path) or param.name.endswith(ENDINGS) or param.name in ("ssl_ca_certs", "uds"):
        return {"kind": "path"}
    names = {"loop": "LOOP_FACTORIES", "http": "HTTP_PROTOCOLS", "ws": "WS_PROTOCOLS"}.get(param.name)
    if names:  # a name of uvicorn's own, or module:attribute
        return {"kind": "name", "choices": sorted(getattr(uvicorn.config, names))}
    return {"kind": {"integer": "int", "boolean": "bool"}.get(kind.name, kind.name)}


def of_gunicorn(setting):
    if setting.action in ("store_true", "store_const"):
        return {"kind": "flag"}
    if setting.name == "loglevel":  # gunicorn takes any other word as info
        return {"kind": "choice", "choices": sorted(glogging.Logger.LOG_LEVELS), "any_case": True}
    if setting.name == "worker_class":  # a name of gunicorn's own, or a path with dots
        return {"kind": "name", "choices": sorted(workers.SUPPORTED_WORKERS)}
    validator = inspect.unwrap(getattr(setting.validator, "__func__", setting.validator))

    def accepts(word):
        try:
            setting.type and setting.type(word)
            validator(word)
        except Exception:
            return False
        return True

    record = {"optional": True} if getattr(setting, "nargs", None) == "?" else {}
    if setting.name not in ("user", "group") and not accepts("a-word"):
        if accepts("7") or setting.type is int:
            return {"kind": "octal"} if accepts("0o17") else {"kind": "int", "minimum": 0}
        if accepts("10.0.0.1"):
            return {"kind": "addresses"}
        words = {node.value for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(validator))))
                 if isinstance(node, ast.Constant) and isinstance(node.value, str)}
        words |= {word for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(validator))))
                  if isinstance(node, ast.Name) and isinstance(getattr(config, node.id, None), (dict, frozenset, set))
                  for word in getattr(config, node.id)}
        choices = sorted(word for word in words if word.strip(" ,") and accepts(word))
        if len(choices) > 1:
            return {"kind": "list" if accepts(",".join(choices)) else "choice", "choices": choices, **record}
    if setting.name.endswith(ENDINGS) or setting.name in ("config", "ca_certs", "chdir", "logconfig", "logconfig_json"):
        return {"kind": "path"}
    return {"kind": "text", **record}


def of_waitress(name, convert):
    if convert is int:
        return {"kind": "int", "minimum": 0}
    if convert is adjustments.asoctal:
        return {"kind": "octal"}
    if name == "trusted_proxy_headers":
        return {"kind": "words", "choices": sorted(adjustments.KNOWN_PROXY_HEADERS)}
    return {"kind": "text"}


answer = {"uvicorn": {}, "gunicorn": {}, "waitress": {"--help": {"kind": "flag"}, "--call": {"kind": "flag"}}}
for param in uvicorn.main.params:
    if isinstance(param, click.Option):
        for flag in [*param.opts, *param.secondary_opts]:
            answer["uvicorn"][flag] = of_click(param)
for setting in config.KNOWN_SETTINGS:
    for flag in setting.cli or []:
        answer["gunicorn"][flag] = of_gunicorn(setting())
for name, convert in adjustments.Adjustments._params:
    flag = name.replace("_", "-")
    if convert is adjustments.asbool:
        answer["waitress"]["--" + flag] = answer["waitress"]["--no-" + flag] = {"kind": "flag"}
    else:
        answer["waitress"]["--" + flag] = of_waitress(name, convert)
print(json.dumps(answer))
"""

# What boto3 takes as ExtraArgs of an upload, for MLFLOW_S3_UPLOAD_EXTRA_ARGS.
UPLOAD_PROGRAM = """
import json
from boto3.s3.transfer import S3Transfer

print(json.dumps(sorted(S3Transfer.ALLOWED_UPLOAD_ARGS)))
"""


def load_introspection() -> Any:
    """The collection's own introspection, loaded by path: this program runs from a plain checkout."""
    path = ROOT / "plugins" / "module_utils" / "_introspection.py"
    spec = importlib.util.spec_from_file_location("introspection", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


introspection = load_introspection()


# Sets of names of which each lives from one release to another; MLFLOW_ is cut off the names of variables.
LIVES = ("environment", "switches", "switches_on", "integers", "fractions", "pool_classes", "artifact_schemes")


def version_key(version: str) -> tuple[int, ...]:
    """Order releases by their numbers; the index holds no pre-release of ours."""
    return tuple(int(part) for part in version.split("."))


def pip(*arguments: str, python: str = sys.executable) -> str:
    """Run pip with the machine's own configuration: whichever index it knows is the one that is asked."""
    command = [python, "-m", "pip", "--disable-pip-version-check", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        lines = [line for line in result.stderr.splitlines() if line.startswith("ERROR")] or result.stderr.splitlines()
        raise SystemExit(f"pip {arguments[0]} failed: {' '.join(lines[-2:])}")
    return result.stdout


def list_releases() -> list[str]:
    """All final releases of the index within the range, oldest first."""
    for line in pip("index", "versions", PACKAGE).splitlines():
        if line.startswith("Available versions:"):
            versions = [word.strip() for word in line.split(":", 1)[1].split(",")]
            break
    else:
        raise SystemExit(f"pip does not list the versions of {PACKAGE}; is a package index within reach?")
    final = [version for version in versions if re.fullmatch(r"\d+\.\d+\.\d+", version)]
    return sorted((version for version in final if FIRST <= version_key(version) <= LAST), key=version_key)


def fetch_wheel(version: str) -> Path:
    """The wheel of a release, from the cache where it is there already."""
    wheels = CACHE / "wheels"
    wheels.mkdir(parents=True, exist_ok=True)
    wheel = wheels / f"{PACKAGE.replace('-', '_')}-{version}-py3-none-any.whl"
    if not wheel.exists():
        # Pip writes into a folder of its own first, so that an interrupted download never looks like a wheel.
        with tempfile.TemporaryDirectory(dir=wheels) as folder:
            pip(
                "download",
                "--quiet",
                "--no-deps",
                "--ignore-requires-python",
                "--only-binary=:all:",
                "--dest",
                folder,
                f"{PACKAGE}=={version}",
            )
            os.replace(next(Path(folder).glob("*.whl")), wheel)
    return wheel


def environment_python(version: str) -> str:
    """The interpreter of the virtual environment whose dependencies suit a release; made where it is missing."""
    name = next(name for name, entry in ENVIRONMENTS.items() if version_key(version) <= entry["until"])
    requirements = ENVIRONMENTS[name]["requirements"]
    key = hashlib.sha256(" ".join([sys.version, *requirements]).encode()).hexdigest()[:12]
    folder = CACHE / f"venv-{name}-{key}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        pip("install", "--quiet", *requirements, python=str(python))
        # Only its dependencies are wanted: the release under study must be the only MLflow in sight.
        pip("uninstall", "--quiet", "--yes", PACKAGE, python=str(python))
        (folder / "complete").touch()
    return str(python)


def describe_release(version: str, use_cache: bool = True) -> dict[str, Any]:
    """All that the catalogue holds of one release, found in the release itself."""
    code = Path(__file__).read_text() + Path(introspection.__file__).read_text()
    record_file = CACHE / "records" / hashlib.sha256(code.encode()).hexdigest()[:12] / f"{version}.json"
    if use_cache and record_file.exists():
        return json.loads(record_file.read_text())
    wheel = fetch_wheel(version)
    with tempfile.TemporaryDirectory(prefix="mlflow-catalogue-") as folder, zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
        try:
            options = introspection.read_options(environment_python(version), folder)["options"]
        except introspection.IntrospectionError as error:
            raise SystemExit(f"mlflow {version} could not be imported: {error}") from error
        sources = {
            name: archive.read(name).decode()
            for name in archive.namelist()
            if name.startswith("mlflow/") and name.endswith(".py")
        }
        record = introspection.describe(options, version, sources)
    record_file.parent.mkdir(parents=True, exist_ok=True)
    record_file.write_text(json.dumps(record))
    return record


def ask_modern(program: str) -> Any:
    """What a program prints in the environment of the newest release."""
    command = [environment_python(".".join(map(str, LAST))), "-W", "ignore", "-c", program]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])


def spans(positions: list[int]) -> list[list[int]]:
    """[0, 1, 2, 5] -> [[0, 2], [5, 5]]: most things live from one release to another without a gap."""
    found: list[list[int]] = []
    for position in positions:
        if found and found[-1][1] == position - 1:
            found[-1][1] = position
        else:
            found.append([position, position])
    return found


def longest_chain(chains: list[list[str]]) -> list[str]:
    """The order of all revisions; every release must hold the beginning of it."""
    longest = max(chains, key=len)
    for chain in chains:
        if chain != longest[: len(chain)]:
            raise SystemExit("a release holds revisions in another order than the newest one; extend the format")
    return longest


def condense(records: list[dict[str, Any]]) -> dict[str, Any]:
    """Fold the records of all releases into one table without repetition."""
    options: dict[str, dict[str, list[int]]] = {}
    lives: dict[str, dict[str, list[int]]] = {kind: {} for kind in LIVES}
    for position, record in enumerate(records):
        for option in record["options"]:
            shape = {key: value for key, value in option.items() if key != "name"}
            if shape["flags"] == ["--" + option["name"].replace("_", "-")]:
                del shape["flags"]  # follows from the name
            shape = json.dumps(shape, sort_keys=True)
            options.setdefault(option["name"], {}).setdefault(shape, []).append(position)
        present = {
            "environment": record["environment"],
            "switches": record["switches"],
            "switches_on": [name for name, default in record["switches"].items() if default],
            "integers": [name for name, kind in record["numbers"].items() if kind == "int"],
            "fractions": [name for name, kind in record["numbers"].items() if kind == "float"],
            "pool_classes": record["pool_classes"],
            "artifact_schemes": record["artifact_schemes"],
        }
        for kind, names in present.items():
            for name in names:
                lives[kind].setdefault(name, []).append(position)
    # The newest release decides the order of the options; the order of `argv` follows from it.
    order = [option["name"] for option in records[-1]["options"]]
    order += [name for name in options if name not in order]
    return {
        "releases": [record["release"] for record in records],
        "options": {
            name: [{"in": spans(positions), **json.loads(shape)} for shape, positions in options[name].items()]
            for name in order
        },
        "tracking_revisions": longest_chain([record["tracking_revisions"] for record in records]),
        "tracking_counts": [len(record["tracking_revisions"]) for record in records],
        "auth_revisions": longest_chain([record["auth_revisions"] for record in records]),
        "auth_counts": [len(record["auth_revisions"]) for record in records],
        "server_options": ask_modern(SERVERS_PROGRAM),
        "upload_arguments": ask_modern(UPLOAD_PROGRAM),
        **{
            kind: {name: spans(positions) for name, positions in sorted(names.items())} for kind, names in lives.items()
        },
    }


def wrapped(values: list[Any], separator: str = ", ", width: int = 110) -> str:
    """A JSON list in lines of readable length: of all values, or of texts that hold several words each."""
    words = [json.dumps(value) for value in values] if separator == ", " else values
    lines, line = [], ""
    for word in words:
        if line and len(line) + len(separator) + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line}{separator}{word}" if line else word
    lines.append(line)
    if separator != ", ":
        lines = [json.dumps(text) for text in lines]
    return "[\n  " + ",\n  ".join(lines) + "\n ]"


def render(table: dict[str, Any]) -> str:
    """The data file: JSON text in a Python file, because a module carries Python files only to the managed host."""
    parts = [f' "releases": {wrapped(table["releases"])}']
    variants = []
    for name, shapes in table["options"].items():
        body = ",\n   ".join(json.dumps(shape) for shape in shapes)
        variants.append(f'  "{name}": [\n   {body}]')
    parts.append(' "options": {\n' + ",\n".join(variants) + "\n }")
    for name in ("tracking_revisions", "tracking_counts", "auth_revisions", "auth_counts"):
        parts.append(f' "{name}": {wrapped(table[name])}')
    servers = []
    for server, words in table["server_options"].items():
        # Words that take the same are kept together: what they take, then the words.
        groups: dict[str, list[str]] = {}
        for word, takes in sorted(words.items()):
            groups.setdefault(json.dumps(takes), []).append(word)
        lines = [f"[{takes}, {wrapped(names, ' ')}]" for takes, names in sorted(groups.items())]
        servers.append(f'  "{server}": [\n  ' + ",\n  ".join(lines) + "\n  ]")
    parts.append(' "server_options": {\n' + ",\n".join(servers) + "\n }")
    parts.append(f' "upload_arguments": {wrapped(table["upload_arguments"])}')
    for kind in LIVES:
        # Names with the same life are kept together: the spans, then the names.
        groups: dict[str, list[str]] = {}
        for name, life in table[kind].items():
            groups.setdefault(json.dumps(life), []).append(name.removeprefix("MLFLOW_"))
        lines = [f"[{life}, {wrapped(names, ' ')}]" for life, names in sorted(groups.items())]
        parts.append(f' "{kind}": [\n  ' + ",\n  ".join(lines) + "\n ]")
    text = "{\n" + ",\n".join(parts) + "\n}"
    json.loads(text)
    return f'''\
# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.
# GENERATED by tools/generate_catalogue.py from the MLflow releases themselves; do not edit.
# ruff: noqa: E501

"""Options, environment variables and database revisions of every MLflow release of the catalogue."""

from __future__ import annotations

# The numbers beside options and names are spans of positions in "releases".
# *_counts say how many of the revisions each release has; MLFLOW_ is cut off the names of environment variables.
DATA = r"""
{text}
"""
'''


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--release", action="append", help="print the record of this release and write nothing")
    parser.add_argument("--check", action="store_true", help="exit with 1 if the stored file differs from a new one")
    parser.add_argument("--fresh", action="store_true", help="introspect again, even what the cache holds")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    if arguments.release:
        print(json.dumps([describe_release(version, not arguments.fresh) for version in arguments.release], indent=1))
        return
    records = []
    for version in list_releases():
        records.append(describe_release(version, not arguments.fresh))
        print(
            f"{version}: {len(records[-1]['options'])} options, {len(records[-1]['tracking_revisions'])} revisions",
            file=sys.stderr,
        )
    text = render(condense(records))
    if arguments.check:
        if arguments.output.read_text() != text:
            raise SystemExit(f"{arguments.output} is not what the releases say; run tools/generate_catalogue.py")
        return
    arguments.output.write_text(text)
    print(f"{arguments.output}: {len(records)} releases, {len(text)} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
