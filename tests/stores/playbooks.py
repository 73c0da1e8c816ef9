# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks, run as users run them, with folders of the test."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TASK_FAILED = re.compile(r"^fatal: \[.*?\]: FAILED! => (\{.*\})$", re.MULTILINE)


@dataclass
class Played:
    text: str
    code: int

    @property
    def changed(self) -> int:
        found = re.findall(r"changed=(\d+)", self.text)
        return sum(map(int, found)) if found else -1

    @property
    def reason(self) -> str:
        """What the task says that ended the run."""
        answers = TASK_FAILED.findall(self.text)
        return json.loads(answers[-1]).get("msg", "") if answers else ""


def typed(command: list[str], folder: Path | None = None) -> Played:
    """What a command does in a shell with the tools of the project, and nothing else of these tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "MLFLOW_"))}
    environment = {
        **kept,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "playbooks/collections"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
        "ANSIBLE_NOCOLOR": "true",
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
        "ANSIBLE_CALLBACK_FORMAT_PRETTY": "false",
    }
    run = {"capture_output": True, "text": True, "timeout": 1200, "check": False, "stdin": subprocess.DEVNULL}
    done = subprocess.run(command, cwd=folder, env=environment, **run)
    return Played(done.stdout + done.stderr, done.returncode)


@dataclass
class Deployment:
    """One deployment: its name, the folder for its files and secrets, its port, and what each run of it is told."""

    name: str
    folder: Path
    port: int
    playbook: str = "single-az.yml"
    common: dict[str, Any] = field(default_factory=lambda: {"object_store": "external"})

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def home(self) -> Path:
        return self.folder / "home" / self.name

    def _play(self, playbook: str, *options: str, **variables: Any) -> Played:
        path = str(ROOT / "playbooks" / playbook)
        return typed(["ansible-playbook", path, "--extra-vars", json.dumps(variables), *options])

    def _roots(self) -> dict[str, str]:
        return {
            "deployment_home_root": str(self.folder / "home"),
            "deployment_secrets_root": str(self.folder / "secrets"),
        }

    def deploy(self, *options: str, **variables: Any) -> Played:
        known = {**self._roots(), "deployment_name": self.name, "deployment_public_port": self.port}
        return self._play(self.playbook, *options, **{**known, **self.common, **variables})

    def adopt(self) -> Played:
        return self._play("adopt.yml", **{**self._roots(), "deployment_name": self.name, **self.common})

    def verify(self) -> Played:
        return self._play("verify.yml", mlflow_tracking_uri=self.url)

    def destroy(self) -> Played:
        return self._play("destroy.yml", **self._roots(), deployment=self.name)

    @property
    def containers(self) -> list[str]:
        filters = ["--filter", f"label=mlops.mlflow.deployment={self.name}"]
        listing = ["docker", "ps", "--all", "--format", "{{.Names}} {{.ID}}", *filters]
        return sorted(subprocess.run(listing, capture_output=True, text=True, check=True).stdout.splitlines())
