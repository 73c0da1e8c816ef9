# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tests on bare machines do there: type a command, and see that nothing is left."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Protocol

from tests.beds.fresh import host, root
from tests.beds.machine.remote import ansible

COMPONENTS = ["postgres", "object_store", "mlflow_server", "load_balancer"]
COMMANDS_SECONDS = 1500
# The places share two processors, so MLflow starts slowly.
PATIENCE = "-e deployment_wait_timeout=900"
HEALTH = "python3 -c 'import urllib.request as u; print(u.urlopen(\"http://localhost:5000/health\").status)'"
# An engine that ends removes its file.
STOP = "kill $(cat /run/docker.pid) && while test -e /run/docker.pid; do sleep 0.2; done"


class Place(Protocol):
    name: str

    def command(self, line: str, **variables: str) -> list[str]: ...


class Shared:
    """What is made once: the tree under test, and the images of a deployment, which take most of a first one's time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        host.copy_of_the_tree(folder)
        record = folder / "images.json"
        chosen = {"images_components": COMPONENTS, "images_record": str(record)}
        ansible("tests/beds/images.yml", f"--extra-vars={json.dumps(chosen)}")
        made = json.loads(record.read_text(encoding="utf-8"))["components"].values()
        self.images = [each["reference"] for each in made]


def run(place: Place, line: str, **variables: str) -> str:
    """What a command says, which can be read in this file for as long as it runs."""
    log = root.FOLDER / f"{place.name}.said"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as output:
        # `timeout` ends the command, and its output is there all the same.
        command = ["timeout", str(COMMANDS_SECONDS), *place.command(line, **variables)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, check=False)
    said = log.read_text(encoding="utf-8", errors="replace")
    log.unlink()
    assert done.returncode == 0, f"`{line}` ended with {done.returncode}:\n{said[-8000:]}"
    return said.strip()


def destroy(place: Place) -> None:
    """Take down what is deployed, and see that nothing is left."""
    run(place, "cd mlops.mlflow && make destroy")
    for listed in ("ps --all", "volume ls", "network ls"):
        assert run(place, f"docker {listed} --quiet --filter label=mlops.mlflow.deployment") == ""
    assert run(place, "ls ~/.local/share/mlops.mlflow ~/.config/mlops.mlflow/localhost 2>/dev/null || true") == ""
