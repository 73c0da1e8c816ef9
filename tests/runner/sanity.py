# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-test sanity in a copy of the project at the path that it insists on."""

from __future__ import annotations

import ast
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from tests.runner.artifact import build
from tests.runner.commands import BIN, ROOT, Counts, StageFailed, output, run, scratch

# ansible-test keeps its virtual environments here; a home of their own leaves the user's home alone.
HOME = ROOT / ".venv" / "sanity"

# ansible-test downloads a program that installs pip from a site which is not among the package registries, and need
# not be reachable where those are. Python brings pip along; this stands in for the download. ansible-test runs it as
# a module inside the interpreter of the environment to be filled, so pip gets processes of its own.
GET_PIP = """\
import subprocess
import sys

packages = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
for module in (["ensurepip", "--default-pip"], ["pip", "install", "--quiet", *packages]):
    result = subprocess.run([sys.executable, "-m", *module], stdout=subprocess.DEVNULL)
    if result.returncode:
        sys.exit(result.returncode)
"""


def pip_settings() -> str:
    """What pip would use here, as a file: ansible-test hides the environment, and another home hides the user's."""
    listing = output([sys.executable, "-m", "pip", "config", "list"])
    sections: dict[str, dict[str, str]] = {"global": {}}
    # The environment's come last, since they win.
    for line in sorted(listing.stdout.splitlines(), key=lambda text: text.startswith(":env:")):
        match = re.fullmatch(r"(:env:|[\w-]+)\.([\w-]+)=(.*)", line)
        if match:
            section = "global" if match[1] == ":env:" else match[1]
            sections.setdefault(section, {})[match[2]] = str(ast.literal_eval(match[3]))
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE")
    if bundle:
        sections["global"].setdefault("cert", bundle)
    return "".join(
        f"[{section}]\n" + "".join(f"{key} = {' '.join(value.split())}\n" for key, value in entries.items())
        for section, entries in sections.items()
    )


def write_private(path: Path, content: str) -> None:
    """Settings of pip can hold a password."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(content)
    os.replace(name, path)


def prepare_home() -> None:
    asked = output(
        [
            str(BIN / "python"),
            "-c",
            "import sys, types; from ansible_test._internal.python_requirements import get_venv_packages as packages; "
            "print(packages(types.SimpleNamespace(version='%d.%d' % sys.version_info[:2]))['pip'])",
        ]
    )
    if asked.returncode:
        raise StageFailed(f"ansible-test does not say which pip it wants: {asked.stderr.strip()}")
    write_private(HOME / f".ansible/test/cache/get_pip_{asked.stdout.strip().replace('.', '_')}.py", GET_PIP)
    write_private(HOME / ".config" / "pip" / "pip.conf", pip_settings())


def sanity() -> Counts:
    prepare_home()
    counts = Counts()
    with scratch() as folder:
        # What users get, and what ansible-test needs besides: the programs of the development are not part of it.
        copy = folder / "ansible_collections" / "mlops" / "mlflow"
        shutil.unpack_archive(build(folder), copy)
        shutil.copy2(ROOT / "galaxy.yml", copy)
        asked = output([str(BIN / "python"), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"])
        version = asked.stdout.strip()
        listed = output(["ansible-test", "sanity", "--list-tests"], cwd=copy, HOME=str(HOME))
        tests = listed.stdout.split()
        if listed.returncode or not tests:
            raise StageFailed(f"ansible-test lists no sanity tests: {listed.stderr.strip()}")
        succeeded = run(
            ["ansible-test", "sanity", "--python", version, "--color", "no", "--truncate", "0", "--junit"],
            cwd=copy,
            HOME=str(HOME),
        )
        failed = {
            match[1]
            for path in (copy / "tests" / "output" / "bot").glob("*.json")
            if (match := re.fullmatch(r"ansible-test-sanity-([\w-]+?)(-python-[\d.]+)?", path.stem))
        }
        counts.passed += len(tests) - len(failed)
        for name in sorted(failed):
            counts.check(False, f"ansible-test sanity --test {name}")
        if not succeeded and not failed:
            raise StageFailed("ansible-test failed; see above.")
    return counts
