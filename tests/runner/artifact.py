# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as users install it: built, installed without network, and used by its full names."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

from tests.runner.commands import ROOT, Counts, StageFailed, output, run, scratch

# What an installed collection has no use for, and a build must leave out.
DEVELOPMENT = (
    ".ci",
    ".config",
    ".git",
    ".venv",
    "laboratory",
    "molecule",
    "playbooks/collections",
    "tests",
    "tools",
)
# They need the laboratory, which only a checkout has.
CHECKOUT_PLAYBOOKS = ("campaign", "resilience")


def is_development(name: str) -> bool:
    return (
        name.startswith((*DEVELOPMENT, *(f"playbooks/{each}.yml" for each in CHECKOUT_PLAYBOOKS)))
        or "__pycache__" in name
    )


def build(folder: Path) -> Path:
    """Build the checkout, and return the archive."""
    built = output(["ansible-galaxy", "collection", "build", str(ROOT), "--output-path", str(folder)])
    archives = list(folder.glob("mlops-mlflow-*.tar.gz"))
    if built.returncode or len(archives) != 1:
        raise StageFailed(f"ansible-galaxy cannot build the collection: {(built.stdout + built.stderr).strip()}")
    return archives[0]


def artifact() -> Counts:
    counts = Counts()
    with scratch() as folder:
        archive = build(folder)
        with tarfile.open(archive) as content:
            names = set(content.getnames())
        unwanted = sorted(name for name in names if is_development(name))
        counts.check(not unwanted, f"the archive holds files of the development: {', '.join(unwanted[:5])}")
        size = archive.stat().st_size
        print(f"{archive.name}: {len(names)} files, {size / 1024:.0f} KiB")
        counts.check(size < 2 << 20, f"the archive has {size} bytes, more than 2 MiB: something strange is in it")

        installed = folder / "installed"
        done = run(
            ["ansible-galaxy", "collection", "install", str(archive), "--collections-path", str(installed)]
            + ["--offline", "--no-deps"],
            ANSIBLE_COLLECTIONS_PATH=str(installed),
        )
        counts.check(done, "ansible-galaxy cannot install the archive")

        # From another folder, and with nothing of the checkout in reach.
        where = {"cwd": folder, "ANSIBLE_COLLECTIONS_PATH": str(installed)}
        counts.add(module(where))
        counts.add(training(where))
        for playbook in sorted((ROOT / "playbooks").glob("*.yml")):
            if playbook.stem not in CHECKOUT_PLAYBOOKS:
                counts.add(playbook_by_name(playbook.stem, where))
    return counts


def module(where: dict) -> Counts:
    """The module accepts a good configuration, and refuses a bad one with the name of the argument."""
    counts = Counts()
    name = "mlops.mlflow.mlflow_server_args"
    good = {
        "backend_store_uri": "postgresql+psycopg2://mlflow@db.example.com:5432/mlflow",
        "artifacts_destination": "s3://mlflow",
        "host": "0.0.0.0",
        "port": 5000,
        "workers": 2,
    }
    for args, accepted, word in ((good, True, '"--port=5000"'), ({**good, "worker": 2}, False, "worker")):
        answer = output(
            ["ansible", "localhost", "-m", name, "-a", json.dumps({"mlflow_version": "3.17.2", "args": args})],
            ANSIBLE_LOAD_CALLBACK_PLUGINS="true",
            ANSIBLE_STDOUT_CALLBACK="ansible.builtin.minimal",
            **where,
        )
        counts.check(
            (answer.returncode == 0) is accepted and word in answer.stdout,
            f"{name} does not work from an installation: {(answer.stdout + answer.stderr).strip()}",
        )
    return counts


def training(where: dict) -> Counts:
    """The training tests are installed, and begin: on the port of the discard service, which nothing uses."""
    counts = Counts()
    name = "mlops.mlflow.verify"
    answer = output(["ansible-playbook", name, "-e", "mlflow_tracking_uri=http://127.0.0.1:9"], **where)
    counts.check(
        answer.returncode != 0 and "but nothing answers there" in answer.stdout,
        f"ansible-playbook {name} does not begin from an installation: {(answer.stdout + answer.stderr).strip()}",
    )
    return counts


def playbook_by_name(name: str, where: dict) -> Counts:
    """Ansible finds only playbooks without a hyphen by a full name, so each of the others has a second name."""
    counts = Counts()
    full = f"mlops.mlflow.{name}"
    command = ["ansible-playbook", "--syntax-check"]
    if "-" in name:
        full = f"mlops.mlflow.{name.replace('-', '_')}"
    answer = output([*command, full], **where)
    counts.check(
        answer.returncode == 0, f"ansible-playbook {full} does not work from an installation: {answer.stderr.strip()}"
    )
    return counts
