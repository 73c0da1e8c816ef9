# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change that cannot start: the role's own tasks, Compose and the engine, with services that are a line of shell."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
from pathlib import Path

import pytest

from .conftest import ROOT, run

GOOD, OTHER = "sleep 1000", "sleep 1001"
BAD = "echo 'fatal: no such thing, said secret-of-the-toy'; exit 3"
PUT_BACK = "The services are again what they were before this change."


class Toy:
    """The deployment, and what is there of it."""

    def __init__(self, root: Path, image: str) -> None:
        self.root, self.image, self.name = root, image, f"images-test-{secrets.token_hex(4)}"
        self.label = f"label=mlops.mlflow.deployment={self.name}"

    def deploy(self, command: str, **variables: str) -> subprocess.CompletedProcess:
        values = {"deployment_name": self.name, "deployment_home_root": str(self.root), "image": self.image}
        extra = json.dumps({**values, "command": command, **variables})
        environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "playbooks" / "collections")}
        playbook = str(ROOT / "tests" / "images" / "put_back.yml")
        return run("ansible-playbook", playbook, "-e", extra, check=False, timeout=300, env=environment)

    def containers(self) -> dict[str, str]:
        """The service of each container that runs well, and the container."""
        form = '{{.Label "com.docker.compose.service"}} {{.ID}}'
        out = run("docker", "ps", "--filter", self.label, "--filter", "health=healthy", "--format", form).stdout
        return dict(line.split() for line in out.splitlines())

    def files(self) -> dict[str, str]:
        home = self.root / self.name
        return {str(path.relative_to(home)): path.read_text() for path in home.rglob("*") if path.is_file()}

    def remove(self) -> None:
        for kind, words in (("container", ["rm", "--force"]), ("network", ["rm"])):
            listing = ["ls", "--all"] if kind == "container" else ["ls"]
            project = f"label=com.docker.compose.project=mlflow-{self.name}"
            found = run("docker", kind, *listing, "--quiet", "--filter", project).stdout.split()
            if found:
                run("docker", kind, *words, *found)


@pytest.fixture
def toy(tmp_path, images):
    found = Toy(tmp_path, images["load_balancer"]["reference"])
    yield found
    found.remove()


def test_what_was_replaced_is_put_back(toy) -> None:
    first = toy.deploy(BAD)
    assert first.returncode != 0
    assert "There was nothing before this change that could be put back." in first.stdout + first.stderr
    good = toy.deploy(GOOD)
    assert good.returncode == 0, good.stdout[-3000:]
    before, files = toy.containers(), toy.files()
    assert set(before) == {"a", "b"}
    # The end of every change: what is kept is what runs, and nothing else is.
    assert files["compose.yml"] == files["compose.applied.yml"]
    assert len(files) == 3

    bad = toy.deploy(BAD)
    said = bad.stdout + bad.stderr
    assert bad.returncode != 0
    # On a busy host it may have been started again before it is looked at, and then the engine has no code of its end.
    assert re.search(r"a does not start: it ended( with exit code 3)?: fatal: no such thing, said [*]{8}[.]", said)
    assert PUT_BACK in said
    assert "secret-of-the-toy" not in said
    # The reason comes first, and the whole of it is short.
    assert len(said[said.index("does not start") :]) < 6000
    after = toy.containers()
    assert (after["b"], set(after)) == (before["b"], {"a", "b"})
    assert toy.files() == files

    missing = toy.deploy(GOOD, image="mlops-mlflow/nothing:1")
    assert "No such image: mlops-mlflow/nothing:1" in missing.stdout
    assert PUT_BACK in missing.stdout
    assert toy.containers() == after
    assert toy.files() == files

    again = toy.deploy(GOOD)
    assert "changed=0 " in again.stdout
    right = toy.deploy(OTHER)
    assert right.returncode == 0, right.stdout[-3000:]
    assert not set(toy.containers().values()) & set(after.values())
    assert OTHER in "".join(toy.files().values())
    assert GOOD + "\n" not in "".join(toy.files().values())
