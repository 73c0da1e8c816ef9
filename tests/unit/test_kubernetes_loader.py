# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which minikube brings images to its cluster: the one with which the role of that name made it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOWNLOADED, OTHER_FOLDER, ON_PATH, NAMED = ".local/share/mlops.mlflow/bin", "tools", "programs", "named"


def put_program(path: Path) -> None:
    """It writes down what it was called with."""
    path.parent.mkdir(parents=True)
    path.write_text(f'#!/bin/sh\necho "$0 $*" >> {path.parent}/calls\n', encoding="utf-8")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("there", "variables", "taken"),
    [
        ([DOWNLOADED], {}, DOWNLOADED),
        ([DOWNLOADED, ON_PATH], {}, ON_PATH),
        ([DOWNLOADED, OTHER_FOLDER], {"minikube_bin_dir": "{home}/tools"}, OTHER_FOLDER),
        ([DOWNLOADED, ON_PATH, NAMED], {"minikube_path": "{home}/named/minikube"}, NAMED),
        ([], {}, ""),
    ],
)
def test_the_program_that_made_the_cluster_is_called(tmp_path: Path, there, variables, taken) -> None:
    # Without whatever the machine has.
    (tmp_path / "system").mkdir()
    for name in ("sh", "env", "mkdir", "rm", "sleep", "cat", "chmod", "echo"):
        (tmp_path / "system" / name).symlink_to(shutil.which(name) or name)
    for folder in there:
        put_program(tmp_path / folder / "minikube")
    given = {name: value.format(home=tmp_path) for name, value in variables.items()}
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "tests/minikube/load.yml", "-e", json.dumps(given)],
        cwd=ROOT,
        env={
            "PATH": f"{tmp_path / ON_PATH}:{tmp_path / 'system'}",
            "HOME": str(tmp_path),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "playbooks/collections"),
            "ANSIBLE_HOME": str(tmp_path / ".ansible"),
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    called = {folder: tmp_path / folder / "calls" for folder in there}
    assert [folder for folder in there if called[folder].exists()] == [taken][: len(there)]
    if taken:
        assert done.returncode == 0, done.stdout + done.stderr
        words = called[taken].read_text(encoding="utf-8")
        assert words == f"{tmp_path / taken}/minikube --profile mlflow image load mlops-mlflow/postgres:15-abc\n"
    else:
        assert done.returncode == 2
        assert "minikube: not found" in done.stdout
        assert "give another command in kubernetes_image_loader" in " ".join(done.stdout.split())
