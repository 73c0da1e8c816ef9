# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look for the values of secrets in everything that others may see, and say where one was found, not which value.

Arguments: the folder with the secrets on the control node, and the folder of the deployment. Standard input: the ids of
its containers. Looked at are what docker shows of the containers and of their images, the processes with arguments of
the whole machine, the containers' logs, and the rendered files that are not secret files themselves.
"""

from __future__ import annotations

import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from pathlib import Path


def run(*command: str) -> str:
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return result.stdout.decode("utf-8", "replace")


def places(containers: list[str], home: Path) -> Iterator[tuple[str, str]]:
    """Pairs of a place's name and all that can be read there."""
    yield "the processes of this machine", run("ps", "-eww", "-o", "args")
    for container in containers:
        name = run("docker", "inspect", "--format", "{{.Name}}", container).strip().lstrip("/")
        image = run("docker", "inspect", "--format", "{{.Image}}", container).strip()
        yield f"docker inspect {name}", run("docker", "inspect", container)
        yield f"docker top {name}", run("docker", "top", container, "-eo", "args")
        yield f"docker logs {name}", run("docker", "logs", container)
        yield (
            f"the image of {name}",
            run("docker", "image", "inspect", image) + run("docker", "history", "--no-trunc", image),
        )
    for path in sorted(home.rglob("*")):
        if path.is_file() and "secrets" not in path.relative_to(home).parts:
            yield str(path), path.read_bytes().decode("utf-8", "replace")


def main(secrets_home: str, home: str) -> int:
    secrets = {path.name: path.read_text(encoding="utf-8").strip() for path in Path(secrets_home).iterdir()}
    containers = sys.stdin.read().split()
    if not secrets or not containers:
        print(f"There is nothing to look for: {len(secrets)} secrets, {len(containers)} containers.")
        return 1
    leaks, looked = [], 0
    for place, content in places(containers, Path(home)):
        looked += 1
        for name, value in secrets.items():
            if any(form in content for form in {value, urllib.parse.quote(value, safe="")}):
                leaks.append(f"the value of {name} in {place}")
    secret_files = [path for path in Path(home).rglob("*") if path.is_file() and "secrets" in path.parts]
    for path in secret_files:
        if path.stat().st_mode & 0o077:
            leaks.append(f"{path} can be read by others (mode {path.stat().st_mode & 0o777:04o})")
    if leaks:
        print(f"Found {'; '.join(leaks)}.")
        return 1
    print(f"None of {len(secrets)} secrets is in any of {looked} places.")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
