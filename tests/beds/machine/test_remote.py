# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""single-az on a remote host with systemd, by SSH and an inventory: nothing of it depends on the control node.

The host reaches no mirror, and its engine is stopped at first. pytest tests/beds/machine; as root.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.beds.machine.test_bed import UP_SECONDS, bed, free_port, skip_where_there_can_be_none
from tests.runner.commands import ROOT, environment

SET = "remote"
NAME = "remote-single-az"
PLAYBOOK_SECONDS = 1200
COMPONENTS = ["postgres", "object_store", "mlflow_server"]


@dataclass(frozen=True)
class Remote:
    inventory: Path
    port: int

    def play(self, playbook: str, *more: str) -> dict[str, int]:
        """What the last line of Ansible counts for the host."""
        names = {"deployment_name": NAME, "deployment": NAME, "deployment_public_port": self.port}
        # Its one processor starts MLflow slowly.
        names["deployment_wait_timeout"] = 900
        names["mlflow_tracking_uri"] = f"http://localhost:{self.port}"
        document = ansible(f"--inventory={self.inventory}", f"--extra-vars={json.dumps(names)}", playbook, *more)
        return document["stats"]


def ansible(*words: str) -> dict:
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


def there(line: str) -> str:
    return bed("run", SET, "--", line).stdout.strip()


def here() -> str:
    """What the control node's own engine has of the deployment."""
    command = ["docker", "ps", "--all", "--quiet", "--filter", f"label=mlops.mlflow.deployment={NAME}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> list[str]:
    record = tmp_path_factory.mktemp("images") / "images.json"
    chosen = {"images_components": COMPONENTS, "images_record": str(record)}
    ansible("tests/beds/images.yml", f"--extra-vars={json.dumps(chosen)}")
    return [each["reference"] for each in json.loads(record.read_text(encoding="utf-8"))["components"].values()]


@pytest.fixture(scope="module")
def remote(images, tmp_path_factory) -> Iterator[Remote]:
    skip_where_there_can_be_none(SET)
    inventory = tmp_path_factory.mktemp("inventory") / "hosts.yml"
    try:
        bed("up", SET, "--images", *images, timeout=UP_SECONDS)
        bed("inventory", SET, "--file", str(inventory))
        yield Remote(inventory, free_port())
    finally:
        bed("down", SET)


def test_from_a_stopped_engine_to_nothing_left(remote) -> None:
    there("systemctl disable --now docker.service docker.socket")
    assert there("systemctl is-active docker || true") == "inactive"

    first = remote.play("playbooks/single-az.yml")[f"{SET}-1"]
    assert first["changed"] > 0
    assert there("systemctl is-active docker; systemctl is-enabled docker").split() == ["active", "enabled"]
    # The port is the host's own loopback's, and nothing is deployed here.
    listening = there(f"ss --listening --tcp --numeric --no-header 'sport = {remote.port}'").split()
    assert f"127.0.0.1:{remote.port}" in listening
    assert here() == ""

    assert remote.play("playbooks/single-az.yml")[f"{SET}-1"]["changed"] == 0
    assert remote.play("playbooks/single-az.yml", "--check")[f"{SET}-1"]["changed"] == 0

    bed("forward", SET, str(remote.port), "--to", str(remote.port))
    assert remote.play("playbooks/verify.yml")["localhost"]["ok"] == 2

    remote.play("playbooks/destroy.yml")
    for listed in ("ps --all", "volume ls", "network ls"):
        assert there(f"docker {listed} --quiet --filter label=mlops.mlflow.deployment={NAME}") == ""
    assert there("ls ~/.local/share/mlops.mlflow 2>/dev/null || true") == ""
    assert not Path(f"~/.config/mlops.mlflow/{SET}-1/{NAME}").expanduser().exists()
