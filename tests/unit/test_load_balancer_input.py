# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input to the role load_balancer: each is refused in a sentence with the variable, what was found, what to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SERVERS = [{"name": "mlflow-server-a1"}, {"name": "mlflow-server-b1"}]
STORE = {"host": "seaweedfs", "port": 8333, "bucket": "mlflow"}
CASES: dict[str, tuple[dict, list[str]]] = {
    "no servers": ({"servers": []}, ["load_balancer_servers", "at least one"]),
    "a name twice": ({"servers": [SERVERS[0], SERVERS[0]]}, ["load_balancer_servers", "mlflow-server-a1", "own"]),
    "a bad name": ({"servers": [{"name": "Server A"}]}, ["load_balancer_servers", "Server A", "lower-case"]),
    "a server without a name": ({"servers": [{"zone": "a"}]}, ["load_balancer_servers", "name"]),
    "an unknown key": ({"servers": [{"name": "a", "port": 1}]}, ["load_balancer_servers", "port"]),
    "port 0": ({"public_port": 0}, ["load_balancer_public_port", "0", "65535"]),
    "a name for an address": ({"public_address": "localhost"}, ["load_balancer_public_address", "localhost", "IP"]),
    "a number too many": ({"public_address": "127.0.0.256"}, ["load_balancer_public_address", "256", "IP"]),
    "no networks": ({"networks": []}, ["load_balancer_networks", "at least one"]),
    "its own network": ({"networks": ["public"]}, ["load_balancer_networks", "public", "own"]),
    "a negative limit": ({"requests_per_worker": -1}, ["load_balancer_requests_per_worker", "-1", "no limit"]),
    "checks without a pause": ({"check_interval_ms": 0}, ["load_balancer_check_interval_ms", "0", "milliseconds"]),
    "a slow start of hours": ({"slow_start_seconds": 9999}, ["load_balancer_slow_start_seconds", "9999", "600"]),
    "no time": ({"timeout_seconds": 0}, ["load_balancer_timeout_seconds", "0", "86400"]),
    "no time in the queue": ({"queue_timeout_seconds": 0}, ["load_balancer_queue_timeout_seconds", "0", "3600"]),
    "no time to stop": ({"stop_seconds": 0}, ["load_balancer_stop_seconds", "0", "3600"]),
    "no time to settle": ({"settle_seconds": 1}, ["load_balancer_settle_seconds", "1", "3600"]),
    "the clients' port": ({"statistics_port": 5000}, ["load_balancer_statistics_port", "5000", "for clients"]),
    "a port of root": ({"statistics_port": 80}, ["load_balancer_statistics_port", "80", "1024"]),
    "a proxy by name": ({"trusted_proxies": ["proxy.example"]}, ["load_balancer_trusted_proxies", "proxy.example"]),
    "a prefix too long": ({"trusted_proxies": ["10.0.0.0/33"]}, ["load_balancer_trusted_proxies", "/33", "such as"]),
    "a store without a port": ({"object_store": {"host": "s", "bucket": "b"}}, ["load_balancer_object_store", "port"]),
    "a bad bucket": ({"object_store": {**STORE, "bucket": "My/B"}}, ["load_balancer_object_store", "My/B", "bucket"]),
    "a bad store port": ({"object_store": {**STORE, "port": 0}}, ["load_balancer_object_store", "0", "65535"]),
}
FINE = {
    "defaults": {},
    "everything": {
        "object_store": STORE,
        "trusted_proxies": ["10.0.0.0/8", "192.0.2.7", "fd00::/8", "::1"],
        "public_address": "::",
        "requests_per_worker": 0,
        "slow_start_seconds": 0,
    },
}


def task(name: str, variables: dict) -> dict:
    given = {"servers": SERVERS, **variables}
    include = {
        "name": f"Validate {name}",
        "ansible.builtin.include_role": {"name": "mlops.mlflow.load_balancer", "tasks_from": "validate"},
        "vars": {f"load_balancer_{key}": value for key, value in given.items()},
    }
    # A loop has its messages in its items.
    items = "ansible_failed_result.results | default([]) | selectattr('failed') | map(attribute='msg') | join(' ')"
    said = "{{ refusals | combine({case: (" + items + ") or ansible_failed_result.msg | string}) }}"
    note = {"name": f"Note {name}", "vars": {"case": name}, "ansible.builtin.set_fact": {"refusals": said}}
    return {"block": [include], "rescue": [note]}


@pytest.fixture(scope="module")
def refusals(tmp_path_factory) -> dict[str, str]:
    """What the role says to all cases, in one run of Ansible."""
    folder = tmp_path_factory.mktemp("refusals")
    tasks = [task(name, variables) for name, (variables, _words) in CASES.items()]
    tasks += [task(name, variables) for name, variables in FINE.items()]
    copy = {"content": "{{ refusals | to_json }}", "dest": str(folder / "refusals.json"), "mode": "0600"}
    tasks.append({"name": "Keep them", "ansible.builtin.copy": copy})
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {"refusals": {}},
        "tasks": tasks,
    }
    (folder / "play.yml").write_text(yaml.safe_dump([play], sort_keys=False))
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "playbooks/collections"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
    }
    command = ["ansible-playbook", str(folder / "play.yml")]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    return json.loads((folder / "refusals.json").read_text())


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_refused_in_words(refusals, name):
    assert name in refusals, "it was accepted"
    for word in CASES[name][1]:
        assert word in refusals[name]


@pytest.mark.parametrize("name", FINE)
def test_good_input_is_accepted(refusals, name):
    assert name not in refusals, refusals.get(name)
