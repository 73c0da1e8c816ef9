# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What publishes the port of a minikube with several nodes: the role's own tasks, before containers that are as nodes.

Each answers on the node port with its name, and on kube-proxy's health port. Real nodes are in the scenario k8s.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from .conftest import LABEL, ROOT, remove_users, run, until

NODE = """
import http.server, sys, threading
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(sys.argv[1].encode())
    def log_message(self, *_):
        pass
for port in (30500, 10256):
    threading.Thread(target=http.server.ThreadingHTTPServer(("", port), Answer).serve_forever).start()
"""


class Balanced:
    """Nodes by name, and the load balancer before them."""

    def __init__(self, start, image: str, node_image: str, network: str, port: int, folder: Path) -> None:
        self.profile = f"images-test-{secrets.token_hex(4)}"
        self.container = f"{self.profile}-load-balancer"
        self.url = f"http://127.0.0.1:{port}"
        self.folder = folder
        options = ("--network", network, "--entrypoint", "python3")
        self.nodes = {
            name: start(node_image, "-c", NODE, name, options=(*options, "--network-alias", name))
            for name in ("one", "two")
        }
        self.variables = {
            "minikube_profile": self.profile, "minikube_public_address": "127.0.0.1", "minikube_public_port": port,
            "minikube_node_port": 30500, "test_network": network, "test_image": image,
        }  # fmt: skip

    def run(self, *nodes: str) -> int:
        """Run the role's tasks for these nodes, and say how many of them changed something."""
        variables = {**self.variables, "test_nodes": [{"name": name} for name in nodes]}
        environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "playbooks/collections"),
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "ANSIBLE_NOCOLOR": "true",
            "ANSIBLE_HOME": str(self.folder),
        }
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        words = ("tests/minikube/balancer.yml", "--extra-vars", json.dumps(variables))
        done = run(program, *words, cwd=ROOT, env=environment)
        return int(re.search(r"changed=(\d+)", done.stdout)[1])

    def ask(self) -> str:
        """Which node answers; empty where none does."""
        try:
            with urllib.request.urlopen(self.url, timeout=10) as answer:
                return answer.read().decode()
        except (OSError, urllib.error.URLError):
            return ""

    def answering(self) -> set[str]:
        return {self.ask() for _number in range(6)}

    def failures(self, event, seconds: float) -> int:
        """How many of the calls fail around an event a second from now."""
        failed, end = 0, time.monotonic() + seconds
        timer = threading.Timer(1, event)
        timer.start()
        while time.monotonic() < end:
            failed += self.ask() == ""
            time.sleep(0.02)
        timer.join()
        return failed


@pytest.fixture
def balanced(start, images, free_port, tmp_path):
    network, subnet = f"images-test-{secrets.token_hex(4)}", f"10.231.{secrets.randbelow(256)}.0/24"
    run("docker", "network", "create", "--label", LABEL, "--subnet", subnet, network)
    resolved = (images["load_balancer"]["reference"], images["mlflow_server"]["reference"])
    yield Balanced(start, *resolved, network, free_port, tmp_path)
    remove_users("network", network)
    run("docker", "network", "rm", network)


def test_it_leads_to_all_nodes_and_goes_on_when_one_dies(balanced: Balanced) -> None:
    assert balanced.run("one", "two") == 1
    until(lambda: balanced.answering() == {"one", "two"}, "both nodes")
    assert balanced.run("one", "two") == 0
    # Calls under way on the dead node may fail, and no others.
    assert balanced.failures(lambda: run("docker", "kill", balanced.nodes["two"].name), 5) <= 2
    assert balanced.answering() == {"one"}
    run("docker", "start", balanced.nodes["two"].name)
    until(lambda: balanced.answering() == {"one", "two"}, "the node that came back")
    # A node that hangs answers neither calls nor checks.
    assert balanced.failures(lambda: run("docker", "pause", balanced.nodes["one"].name), 8) <= 2
    assert balanced.answering() == {"two"}


def test_a_further_node_is_taken_in(balanced: Balanced) -> None:
    balanced.run("one")
    until(lambda: balanced.answering() == {"one"}, "the first node")
    assert balanced.run("one", "two") == 1
    until(lambda: balanced.answering() == {"one", "two"}, "both nodes")


def test_it_has_no_more_rights_than_it_needs(balanced: Balanced) -> None:
    balanced.run("one", "two")
    found = json.loads(run("docker", "inspect", balanced.container).stdout)[0]
    assert found["HostConfig"]["ReadonlyRootfs"]
    assert found["HostConfig"]["CapDrop"] == ["ALL"]
    assert found["Mounts"] == []
    assert list(found["NetworkSettings"]["Ports"].values()) == [
        [{"HostIp": "127.0.0.1", "HostPort": balanced.url.rpartition(":")[2]}]
    ]
    # Away from the nodes, which minikube counts from the first address on.
    (network,) = found["NetworkSettings"]["Networks"].values()
    assert network["IPAddress"].endswith(".254")
    users = run("docker", "top", balanced.container, "-eo", "pid,uid").stdout.splitlines()[1:]
    assert {line.split()[1] for line in users} == {"99"}
