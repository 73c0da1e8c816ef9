# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders the manifests of a deployment with the roles themselves, without a cluster and without an engine.

One run of ansible-playbook has a play for each case, because starting it takes longer than a play does.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
KINDS = [
    "policy/v1/PodDisruptionBudget",
    "autoscaling/v2/HorizontalPodAutoscaler",
    "networking.k8s.io/v1/Ingress",
    "gateway.networking.k8s.io/v1/HTTPRoute",
]
PHASES = ("secrets", "data", "jobs", "servers")


def play(name: str, variables: dict[str, Any], target: Path, steps: tuple[str, ...]) -> dict[str, Any]:
    """The tasks of playbooks/k8s.yml up to the plan, with what a cluster and an engine would have answered."""
    original = yaml.safe_load((ROOT / "playbooks" / "k8s.yml").read_text(encoding="utf-8"))[0]
    images = {
        component: {"reference": f"registry.example.com/{component}:1", "pull_policy": "IfNotPresent"}
        for component in original["vars"]["wiring_components"]
    }
    cluster = {
        "claims": [],
        "others": [],
        "quotas": [],
        "limit_ranges": [],
        "container_images": {},
        "kinds": KINDS,
        "nodes": [],
        "context": "",
        "kubeconfig": "",
        "provider": "",
        "version": "v1.35.1",
    }
    return {
        "name": name,
        "hosts": "localhost",
        "gather_facts": False,
        "vars_files": [str(ROOT / "playbooks" / path) for path in original["vars_files"]],
        "vars": {
            **original["vars"],
            "deployment_name": "rendered",
            "object_store": "seaweedfs",
            "kubernetes_namespace": "mlflow",
            "kubernetes_storage_class": "",
            "kubernetes_home_root": str(target.parent / "home"),
            "deployment_secrets_root": str(target.parent / "secrets"),
            "kubernetes_url": "http://localhost:5000",
            "kubernetes_cluster": cluster,
            "kubernetes_images": images,
            **variables,
        },
        "tasks": [
            {
                "name": step,
                "ansible.builtin.include_role": {"name": "mlops.mlflow.kubernetes", "tasks_from": step},
            }
            for step in steps
        ]
        + [
            {
                "name": "Keep the plan",
                "ansible.builtin.copy": {
                    "content": "{{ [kubernetes_plan, kubernetes_namespace | string] | to_json }}",
                    "dest": str(target),
                    "mode": "0600",
                },
            }
        ],
    }


def render(
    cases: dict[str, dict[str, Any]], folder: Path, steps: tuple[str, ...] = ("names", "validate", "plan")
) -> dict[str, dict[str, Any]]:
    """The plan of each case."""
    plays = [play(name, variables, folder / f"{name}.json", steps) for name, variables in cases.items()]
    playbook = folder / "render.yml"
    # The wiring reads what is beside it.
    with contextlib.suppress(FileExistsError):
        (playbook.parent / "vars").symlink_to(ROOT / "playbooks/vars")
    playbook.write_text(yaml.safe_dump(plays, sort_keys=False), encoding="utf-8")
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "playbooks" / "collections"),
        "HOME": str(folder),
    }
    result = subprocess.run(
        ["ansible-playbook", str(playbook)],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return {name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))[0] for name in cases}
