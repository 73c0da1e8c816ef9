# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What role mlflow_server writes into allowed hosts and origins, read as MLflow reads it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._check import check

from tests.unit.plugins.module_utils.argument_cases import CATALOGUE, make_request

ROOT = Path(__file__).resolve().parents[2]
ROLE = ROOT / "roles" / "mlflow_server"
COLLECTIONS = ROOT / "playbooks" / "collections"

# Runs in a process of its own: Ansible's templates and its modules do not go together in one.
PROGRAM = """
import json, sys
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar, trust_as_template

role, names, cases = json.load(sys.stdin)
# The role's filters are the collection's.
init_plugin_loader()
loader = DataLoader()
variables = {}
for folder in ("defaults", "vars"):
    variables |= loader.load_from_file(f"{role}/{folder}/main.yml", trusted_as_template=True)
answer = {}
for case, settings in cases.items():
    templar = Templar(loader=loader, variables=variables | settings)
    answer[case] = {name: templar.template(trust_as_template("{{ " + name + " }}")) for name in names}
print(json.dumps(answer))
"""
NAMES = ("__mlflow_server_args", "__mlflow_server_public_urls", "__mlflow_server_origins")


@pytest.fixture(scope="module")
def role() -> dict[str, dict[str, Any]]:
    """The variables of the role, for each case."""
    request = json.dumps([str(ROLE), NAMES, CASES])
    command = [sys.executable, "-c", PROGRAM]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS)}
    result = subprocess.run(command, input=request, capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


CASES = {
    "this machine": {},
    "port 80": {"mlflow_server_public_port": 80, "mlflow_server_public_names": ["localhost", "ML.example.org"]},
    "address of the host": {"mlflow_server_public_address": "192.168.7.5"},
    "proxy with TLS": {"mlflow_server_public_names": ["ml.example.org"]},
    "IPv6": {"mlflow_server_public_url": "http://[fd00::5]:30500", "mlflow_server_public_names": ["fd00::5"]},
    "cluster": {
        "mlflow_server_public_url": "https://ml.example.org:443",
        "mlflow_server_public_names": ["ml.example.org"],
        "mlflow_server_internal_names": ["mlflow-server", "mlflow-server.ml.svc"],
    },
}


@pytest.mark.parametrize(
    ("case", "host", "origin"),
    [
        ("this machine", "localhost:5000", "http://localhost:5000"),
        ("this machine", "[::1]:5000", "http://[::1]:5000"),
        ("port 80", "localhost", "http://localhost"),
        ("port 80", "ml.example.org", "http://ml.example.org"),
        ("address of the host", "192.168.7.5:5000", "http://192.168.7.5:5000"),
        ("proxy with TLS", "ml.example.org", "https://ml.example.org"),
        ("proxy with TLS", "ml.example.org:8443", "https://ml.example.org:8443"),
        ("IPv6", "[fd00::5]:30500", "http://[fd00::5]:30500"),
        ("cluster", "ml.example.org", "https://ml.example.org"),
        ("cluster", "mlflow-server.ml.svc:5000", None),
    ],
)
def test_whoever_comes_by_a_public_address_gets_in(role, case, host, origin):
    security = pytest.importorskip("mlflow.server.security_utils")
    args = role[case]["__mlflow_server_args"]
    assert security.is_allowed_host_header(args["allowed_hosts"].split(","), host)
    if origin:
        assert not security.should_block_cors_request(origin, "POST", args["cors_allowed_origins"].split(","))


@pytest.mark.parametrize("case", CASES)
def test_others_stay_outside(role, case):
    security = pytest.importorskip("mlflow.server.security_utils")
    args = role[case]["__mlflow_server_args"]
    for name in ("evil.example.org", "ml.example.org.evil.net", "10.evil.net"):
        assert not security.is_allowed_host_header(args["allowed_hosts"].split(","), name)
        assert security.should_block_cors_request(f"https://{name}", "POST", args["cors_allowed_origins"].split(","))


@pytest.mark.parametrize("case", CASES)
def test_the_check_finds_nothing_in_what_the_role_writes(role, case):
    args = role[case]["__mlflow_server_args"]
    urls = tuple(role[case]["__mlflow_server_public_urls"])
    result = check(make_request({"args": args, "request": {"public_urls": urls}}), CATALOGUE)
    assert [finding.message for finding in result.findings] == []


def test_browsers_leave_out_the_default_port(role):
    assert role["port 80"]["__mlflow_server_origins"] == ["http://localhost", "http://ml.example.org"]
    assert role["cluster"]["__mlflow_server_origins"] == ["https://ml.example.org"]
    assert role["IPv6"]["__mlflow_server_origins"] == ["http://[fd00::5]:30500"]
