# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""On Kubernetes, an image of PostgreSQL that cannot read the data of the one that runs is refused by its tag."""

from __future__ import annotations

import json
import os
import subprocess

import yaml

from tests.unit.kubernetes_render import ROOT

# What runs, what is wanted, and whether that is refused.
CASES = [
    ("", "postgres:17-bookworm", False),
    ("docker.io/library/postgres:15.18-bookworm", "docker.io/library/postgres:15.19-bookworm", False),
    ("docker.io/library/postgres:15.18-bookworm", "docker.io/library/postgres:17.2", True),
    ("mlops-mlflow/postgres:15-528695d1a8d9", "registry:5000/postgres:17@sha256:0123", True),
    ("registry:5000/postgres:15", "registry:5000/postgres@sha256:0123", False),
    ("registry:17000/postgres:15", "registry:18000/postgres:15", False),
]


def test_versions_are_compared_by_their_tags(tmp_path) -> None:
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [
            {
                "name": "Plan",
                "block": [
                    {
                        "ansible.builtin.include_role": {
                            "name": "mlops.mlflow.postgres",
                            "tasks_from": "render_kubernetes",
                        },
                        "vars": {
                            "postgres_current_image": now,
                            "postgres_image": wanted,
                            **dict.fromkeys(
                                (f"postgres_{role}_password" for role in ("superuser", "owner", "server")), "12345678"
                            ),
                        },
                    },
                    {"ansible.builtin.debug": {"msg": f"OUTCOME {number} planned"}},
                ],
                "rescue": [{"ansible.builtin.debug": {"msg": f"OUTCOME {number} {{{{ ansible_failed_result.msg }}}}"}}],
            }
            for number, (now, wanted, _refused) in enumerate(CASES)
        ],
    }
    playbook = tmp_path / "play.yml"
    playbook.write_text(yaml.safe_dump([play], sort_keys=False), encoding="utf-8")
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "playbooks" / "collections")}
    environment["ANSIBLE_CALLBACK_RESULT_FORMAT"] = "json"
    result = subprocess.run(
        ["ansible-playbook", str(playbook)], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    said = [
        json.loads("{" + line.strip().rstrip(",") + "}")["msg"]
        for line in result.stdout.splitlines()
        if '"msg": "OUTCOME' in line
    ]
    assert len(said) == len(CASES), result.stdout
    for text, (now, wanted, refused) in zip(said, CASES, strict=True):
        if refused:
            assert now in text
            assert wanted in text
            assert "docs/postgresql.md" in text
        else:
            assert text.endswith(" planned"), text
