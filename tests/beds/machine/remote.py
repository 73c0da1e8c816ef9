# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deployment on a test machine: its playbooks by SSH, what is there, and that nothing is left of it."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.beds.machine.test_bed import UP_SECONDS, bed, free_port, skip_where_there_can_be_none
from tests.runner.commands import ROOT, environment

PLAYBOOK_SECONDS = 1200
# A test machine has one processor, which starts MLflow slowly.
PATIENCE = {"deployment_wait_timeout": 900, "load_balancer_settle_seconds": 300}


def ansible(*words: str) -> dict:
    """What the playbook's run says of itself, as JSON."""
    done = subprocess.run(
        ["ansible-playbook", *words],
        cwd=ROOT,
        env=environment(ANSIBLE_STDOUT_CALLBACK="ansible.posix.json"),
        capture_output=True,
        text=True,
        timeout=PLAYBOOK_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    return json.loads(done.stdout)


@dataclass(frozen=True)
class Remote:
    """A deployment of this name on the first machine of a set; its public port is the same there and here."""

    machines: str
    name: str
    inventory: Path
    port: int
    variables: dict[str, object] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def play(self, playbook: str, *more: str, host: str = "") -> dict[str, int]:
        """What the last line of Ansible counts for the host, which is the machine unless another one is named."""
        names = {"deployment_name": self.name, "deployment": self.name, "deployment_public_port": self.port}
        names |= {"mlflow_tracking_uri": self.url, **PATIENCE, **self.variables}
        first = f"{self.machines}-1"
        limit = f"--limit={first},localhost"
        said = ansible(f"--inventory={self.inventory}", limit, f"--extra-vars={json.dumps(names)}", playbook, *more)
        return said["stats"][host or first]

    def train(self) -> None:
        """By the public port, from here."""
        assert self.play("playbooks/verify.yml", host="localhost")["ok"] == 3

    def run(self, line: str, number: int = 1) -> str:
        """On one of the machines, as root."""
        return bed("run", f"{self.machines}-{number}", "--", line).stdout.strip()

    def here(self) -> str:
        """What the control node's own engine has of the deployment."""
        command = ["docker", "ps", "--all", "--quiet", "--filter", f"label=mlops.mlflow.deployment={self.name}"]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout

    def assert_nothing_is_left(self) -> None:
        for listed in ("ps --all", "volume ls", "network ls"):
            assert self.run(f"docker {listed} --quiet --filter label=mlops.mlflow.deployment={self.name}") == ""
        assert self.run("ls ~/.local/share/mlops.mlflow 2>/dev/null || true") == ""
        assert not Path(f"~/.config/mlops.mlflow/{self.machines}-1/{self.name}").expanduser().exists()


@contextlib.contextmanager
def remote(
    machines: str, name: str, components: Sequence[str], count: int = 1, **variables: object
) -> Iterator[Remote]:
    """Machines that have the images of these components; the test skips itself where there can be none."""
    skip_where_there_can_be_none(machines)
    with TemporaryDirectory(prefix="mlops-mlflow-remote-") as folder:
        record, inventory = Path(folder) / "images.json", Path(folder) / "hosts.yml"
        chosen = {"images_components": list(components), "images_record": str(record)}
        ansible("tests/beds/images.yml", f"--extra-vars={json.dumps(chosen)}")
        made = json.loads(record.read_text(encoding="utf-8"))["components"].values()
        try:
            bed(
                "up",
                machines,
                "--count",
                str(count),
                "--images",
                *(each["reference"] for each in made),
                timeout=UP_SECONDS,
            )
            bed("inventory", machines, "--file", str(inventory))
            found = Remote(machines, name, inventory, free_port(), variables)
            bed("forward", machines, str(found.port), "--to", str(found.port))
            yield found
        finally:
            bed("down", machines)
