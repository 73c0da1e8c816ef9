# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What role mlflow_server writes into allowed hosts, origins and the sum of connections, read as MLflow reads it."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.mlops.mlflow.plugins.module_utils._check import check

from tests.unit.plugins.module_utils.argument_cases import CATALOGUE, make_request

ROLE = Path(__file__).resolve().parents[2] / "roles" / "mlflow_server"


@functools.cache
def role_variables() -> dict[str, Any]:
    loader = DataLoader()
    files = [str(ROLE / folder / "main.yml") for folder in ("defaults", "vars")]
    defaults, internal = (loader.load_from_file(file, trusted_as_template=True) for file in files)
    return defaults | internal


def value(name: str, **variables: Any) -> Any:
    """A variable of the role for these settings."""
    templar = Templar(loader=DataLoader(), variables=role_variables() | variables)
    return templar.template(trust_as_template("{{ " + name + " }}"))


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
def test_whoever_comes_by_a_public_address_gets_in(case, host, origin):
    security = pytest.importorskip("mlflow.server.security_utils")
    args = value("__mlflow_server_args", **CASES[case])
    assert security.is_allowed_host_header(args["allowed_hosts"].split(","), host)
    if origin:
        assert not security.should_block_cors_request(origin, "POST", args["cors_allowed_origins"].split(","))


@pytest.mark.parametrize("case", CASES)
def test_others_stay_outside(case):
    security = pytest.importorskip("mlflow.server.security_utils")
    args = value("__mlflow_server_args", **CASES[case])
    for name in ("evil.example.org", "ml.example.org.evil.net", "10.evil.net"):
        assert not security.is_allowed_host_header(args["allowed_hosts"].split(","), name)
        assert security.should_block_cors_request(f"https://{name}", "POST", args["cors_allowed_origins"].split(","))


@pytest.mark.parametrize("case", CASES)
def test_the_check_finds_nothing_in_what_the_role_writes(case):
    args = value("__mlflow_server_args", **CASES[case])
    urls = tuple(value("__mlflow_server_public_urls", **CASES[case]))
    result = check(make_request({"args": args, "request": {"public_urls": urls}}), CATALOGUE)
    assert [finding.message for finding in result.findings] == []


def test_browsers_leave_out_the_default_port():
    assert value("__mlflow_server_origins", **CASES["port 80"]) == ["http://localhost", "http://ml.example.org"]
    assert value("__mlflow_server_origins", **CASES["cluster"]) == ["https://ml.example.org"]
    assert value("__mlflow_server_host_header", **CASES["IPv6"]) == "[fd00::5]:30500"
