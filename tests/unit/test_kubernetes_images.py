# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a deployment on Kubernetes keeps of its images, where none of them comes from this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
STEPS = (("images", "recall"), ("kubernetes", "images"), ("images", "keep"))
REFERENCES = {name: f"registry.example.com/{name}:1" for name in ("postgres", "mlflow_server")}


def play(folder: Path, variables: dict, steps: tuple[tuple[str, str], ...]) -> None:
    """Tasks of roles, with the variables of playbooks/k8s.yml and nothing of a cluster or an engine."""
    original = yaml.safe_load((ROOT / "playbooks/k8s.yml").read_text(encoding="utf-8"))[0]
    document = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars_files": [str(ROOT / "playbooks" / path) for path in original["vars_files"]],
        "vars": {
            **original["vars"],
            "deployment_name": "kept",
            "kubernetes_home_root": str(folder / "home"),
            "deployment_secrets_root": str(folder / "secrets"),
            # Nothing is installed, should the engine be asked for after all.
            "docker_install_enabled": False,
            "kubernetes_image_pull_policy": "auto",
            "kubernetes_image_references": REFERENCES,
            **variables,
        },
        "tasks": [
            {"ansible.builtin.include_role": {"name": f"mlops.mlflow.{role}", "tasks_from": step}}
            for role, step in steps
        ],
    }
    (folder / "play.yml").write_text(yaml.safe_dump([document], sort_keys=False), encoding="utf-8")
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), str(folder / "play.yml")],
        # Without a program called docker.
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "DOCKER_HOST": f"unix://{folder}/none",
            "LC_ALL": "C.UTF-8",
            "TMPDIR": os.environ.get("TMPDIR", "/tmp"),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "playbooks/collections"),
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        },
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_that_the_store_is_an_external_one_is_kept(tmp_path: Path) -> None:
    play(tmp_path, {"object_store": "external"}, STEPS)
    record = json.loads((tmp_path / "home/kept/images.json").read_text(encoding="utf-8"))
    assert record["components"]["object_store"]["kind"] == "external"
    # The next run, which does not say it again.
    play(tmp_path, {}, STEPS)
    assert json.loads((tmp_path / "home/kept/images.json").read_text(encoding="utf-8")) == record
