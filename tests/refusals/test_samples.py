# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The samples in inventories/ are accepted as they stand, and each host gets its own values.

Ansible reads them and plans with them in check mode. Their hosts do not exist, so this machine stands in for them, with
folders and a port that nobody else has. Of a cluster it has to be one that exists: here the sample comes as far as
its name, and tests/kubernetes plans with it.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "inventories"
# In place of the hosts, and after the playbook: what was planned for each of them.
SHOW = """\
- name: Show what was planned
  hosts: mlflow
  gather_facts: false
  tasks:
    - name: Write it down
      ansible.builtin.copy:
        content: "{{ deployment_plan | to_json }}"
        dest: "{{ planned }}-{{ inventory_hostname }}"
        mode: "0600"
      check_mode: false
"""


def ansible(program: str, *words: str, expected: int = 0) -> str:
    """As from the folder of the checkout, whatever the environment of the tests says."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', os.defpath)}"
    done = subprocess.run(
        [program, *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == expected, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout


def listed(inventory: Path, *words: str) -> dict[str, dict]:
    return json.loads(ansible("ansible-inventory", f"--inventory={inventory}", "--list", *words))["_meta"]["hostvars"]


def planned(inventory: Path, folder: Path, hosts: set[str], *words: str) -> dict[str, str]:
    """The plan of each host, as text."""
    (folder / "show.yml").write_text(SHOW, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    here = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "deployment_home_root": str(folder / "home"),
        "deployment_name": f"sample-{uuid.uuid4().hex[:8]}",
        "deployment_public_port": port,
        "deployment_secrets_root": str(folder / "secrets"),
        "planned": str(folder / "planned"),
    }
    playbooks = [str(ROOT / "playbooks/single-az.yml"), str(folder / "show.yml")]
    ansible(
        "ansible-playbook",
        f"--inventory={inventory}",
        "--check",
        f"--extra-vars={json.dumps(here)}",
        *words,
        *playbooks,
    )
    assert not (folder / "home").exists()
    assert not (folder / "secrets").exists()
    return {host: (folder / f"planned-{host}").read_text(encoding="utf-8") for host in hosts}


def test_one_host(tmp_path: Path) -> None:
    inventory = SAMPLES / "remote"
    hosts = listed(inventory)
    assert set(hosts) == {"mlflow.example.com"}
    plan = planned(inventory, tmp_path, set(hosts))["mlflow.example.com"]
    assert "0.0.0.0" in plan
    assert "http://seaweedfs:8333" in plan


def test_two_hosts_get_a_plan_each(tmp_path: Path) -> None:
    """With the vaulted file made as the sample says."""
    inventory = tmp_path / "inventory"
    shutil.copytree(SAMPLES / "two-hosts", inventory)
    vault, password = inventory / "group_vars/mlflow/vault.yml", tmp_path / "password"
    names = yaml.safe_load(Path(f"{vault}.example").read_text(encoding="utf-8"))
    secrets = {name: uuid.uuid4().hex for name in names}
    vault.write_text(yaml.safe_dump(secrets), encoding="utf-8")
    password.write_text(uuid.uuid4().hex, encoding="utf-8")
    with_password = f"--vault-password-file={password}"
    ansible("ansible-vault", "encrypt", with_password, str(vault))
    assert vault.read_text(encoding="utf-8").startswith("$ANSIBLE_VAULT;")

    hosts = listed(inventory, with_password)
    own = {"staging.example.com": ("staging", 1), "production.example.com": ("production", 4)}
    assert {host: (each["object_store_prefix"], each["mlflow_server_workers"]) for host, each in hosts.items()} == own
    assert all(each.items() >= secrets.items() for each in hosts.values())

    plans = planned(inventory, tmp_path, set(hosts), with_password)
    for host, (prefix, workers) in own.items():
        assert f"s3://models/{prefix}" in plans[host]
        assert f"--workers={workers}" in plans[host]
        assert host in plans[host]
        assert all(secret in plans[host] for secret in secrets.values())
        other = next(name for name in own if name != host)
        assert other not in plans[host]
        assert f"s3://models/{own[other][0]}" not in plans[host]


def test_a_cluster(tmp_path: Path) -> None:
    """The context of the sample is the one that is asked; at this address nothing answers."""
    inventory = SAMPLES / "cluster"
    name = listed(inventory)["localhost"]["kubernetes_context"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        server = {"server": f"http://127.0.0.1:{free.getsockname()[1]}"}
    named = {
        "clusters": [{"name": "sample", "cluster": server}],
        "contexts": [{"name": name, "context": {"cluster": "sample", "user": "sample"}}],
        "users": [{"name": "sample", "user": {"token": "sample"}}],
    }
    (tmp_path / "config").write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **named}), encoding="utf-8")
    roots = {each: str(tmp_path / each) for each in ("kubernetes_home_root", "deployment_secrets_root")}
    given = json.dumps({"kubernetes_kubeconfig": str(tmp_path / "config"), **roots})
    words = [f"--inventory={inventory}", "--check", f"--extra-vars={given}", str(ROOT / "playbooks/k8s.yml")]
    said = ansible("ansible-playbook", *words, expected=2)
    assert f"{name} " in said
    assert "does not answer" in said


def test_no_secret_is_in_a_sample() -> None:
    """The file to be vaulted is a form: an empty value is refused, a made-up one would be taken."""
    forms = list(SAMPLES.rglob("vault.yml.example"))
    assert forms
    for form in forms:
        assert set(yaml.safe_load(form.read_text(encoding="utf-8")).values()) == {""}
    assert not list(SAMPLES.rglob("vault.yml"))


@pytest.mark.parametrize("name", sorted(path.name for path in SAMPLES.iterdir() if path.is_dir()))
def test_every_sample_is_an_inventory_of_the_playbooks(name: str) -> None:
    groups = json.loads(ansible("ansible-inventory", f"--inventory={SAMPLES / name}", "--list"))
    assert groups["mlflow"]["hosts"]
