# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with options of role mlflow_server together: one table of what is fine, and one of what is not."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.mlops.mlflow.plugins.module_utils import _mlflow_server_input as judged

ROOT = Path(__file__).resolve().parents[4]
FILE = str(ROOT / "LICENSE")
KEYS = {"access_key": "a", "secret_key": "b"}
S3 = {"artifacts_destination": "s3://mlflow/team", "s3": KEYS}
# The options of one server with a volume.
GIVEN: dict[str, Any] = {
    "zones": [],
    "zone_replicas": {},
    "replicas": 1,
    "platform": "compose",
    "workers": 0,
    "requests_per_worker": 10,
    "drain_seconds": 0,
    "verify_artifact_mib": 0,
    "schema_lock_timeout": 300,
    "schema_blocked_timeout": 30,
    "guard_parts_disabled": [],
    "presigned_downloads_enabled": False,
    "artifacts_destination": "/mlartifacts",
    "s3": {},
    "args": {},
    "files": {},
    "secret_environment": {},
    "hosts": {},
    "source": "",
}
GOOD = {
    "one server": {},
    "zones": {"zones": ["a", "b"], "replicas": 2},
    "more servers than zones": {"zones": ["a", "b"], "replicas": "5"},
    "each zone its own number": {"zones": ["a", "b"], "zone_replicas": {"a": 1, "b": 3}},
    "several on Kubernetes": {"replicas": 3, "platform": "kubernetes"},
    "numbers at their ends": {"workers": 64, "drain_seconds": 3600, "schema_lock_timeout": 0},
    "S3": S3,
    "S3 with a role": {**S3, "s3": {"instance_role_enabled": True}},
    "files": {"files": {"ca.pem": FILE}},
    "variables": {"secret_environment": {"TOKEN": "x", "_a1": 3}},
    "the end of a file": {"secret_environment": {"TOKEN": "x\n"}},
    "hosts": {"hosts": {"s3.example.com": "192.0.2.7", "six": "2001:db8::7"}},
    "artifacts served": {"args": {"serve_artifacts": True, "static_prefix": "/mlflow"}},
    "a checkout": {"source": "~/mlflow"},
}
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "zones in one text": ({"zones": "a,b"}, "mlflow_server_zones is the text 'a,b': give a list"),
    "a zone twice": ({"zones": ["a", "a"], "replicas": 2}, "give each zone a name of its own"),
    "a long zone": ({"zones": ["a" * 21], "replicas": 1}, "at most 20 lower-case letters"),
    "a zone in capitals": ({"zones": ["North"]}, "mlflow_server_zones is ['North']"),
    "an unknown zone": ({"zones": ["a"], "zone_replicas": {"a": 1, "c": 1}}, "the unknown zone c: the zones are a."),
    "a number for no zone": ({"zone_replicas": {"c": 1}}, "the unknown zone c: the zones are none."),
    "a zone without a server": ({"zones": ["a", "b"], "zone_replicas": {"a": 2}}, "give each of a, b at least 1"),
    "too few for the zones": ({"zones": ["a", "b"]}, "mlflow_server_replicas is 1, which leaves a zone without"),
    "none": ({"replicas": 0}, "mlflow_server_replicas is 0: at least 1 server is needed"),
    "too many": ({"zones": ["a"], "replicas": 65}, "at most 64 are possible"),
    "several without zones": ({"replicas": 2}, "several need zones and a load balancer"),
    "workers": ({"workers": 65}, "mlflow_server_workers is 65: give 1 to 64, or 0 to let the role choose."),
    "requests": ({"requests_per_worker": "0"}, "mlflow_server_requests_per_worker is 0: give 1 to 1000."),
    "draining": ({"drain_seconds": -1}, "mlflow_server_drain_seconds is -1: give 0 to 3600 seconds."),
    "the big file": ({"verify_artifact_mib": 1025}, "0 leaves that check out"),
    "the lock": ({"schema_lock_timeout": 86_401}, "mlflow_server_schema_lock_timeout is 86401"),
    "the wait": ({"schema_blocked_timeout": 0}, "give 1 to 86400 seconds"),
    "no part that signs": (
        {"guard_parts_disabled": ["artifacts"], "presigned_downloads_enabled": True},
        "leave one of the two out",
    ),
    "a relative destination": ({"artifacts_destination": "mlartifacts"}, "the absolute path of a volume"),
    "a store without a bucket": ({"artifacts_destination": "s3:///team", "s3": KEYS}, "an S3 URI with a bucket"),
    "no key": ({**S3, "s3": {}}, "mlflow_server_s3 has no access_key or secret_key"),
    "half a key": ({**S3, "s3": {"access_key": "a"}}, "give both, or instance_role_enabled"),
    "an option with a variable": ({"args": {"port": 80, "host": "::"}}, "mlflow_server_args has host, port, which"),
    "a registry": ({"args": {"registry_store_uri": "x"}}, "mlflow_server_args has registry_store_uri, with which"),
    "no proxy": ({"args": {"serve_artifacts": "no"}}, "has serve_artifacts: false, with which the guard"),
    "a file in a folder": ({"files": {"a/ca.pem": FILE}}, "has the name a/ca.pem"),
    "a file that is not there": ({"files": {"ca.pem": "/no/such"}}, "names /no/such, and the control node"),
    "the text of a file for its path": ({"files": {"ca.pem": "x" * 5000}}, "and the control node has no file there"),
    "a variable with a blank": ({"secret_environment": {"A B": "x"}}, "has A B, which is not a name"),
    "two lines": ({"secret_environment": {"A": "Hidden\nx"}}, "is empty or has a line break"),
    "an empty value": ({"secret_environment": {"A": ""}}, "is empty or has a line break"),
    "a host for a host": ({"hosts": {"s3": "s3.example.com"}}, "give names of hosts with their IP addresses"),
    "a relative checkout": ({"source": "mlflow"}, "mlflow_server_source is 'mlflow', a relative path"),
}


def problems(changes: dict[str, Any]) -> list[str]:
    return judged.problems({f"mlflow_server_{name}": value for name, value in {**GIVEN, **changes}.items()})


@pytest.mark.parametrize("changes", GOOD.values(), ids=GOOD)
def test_what_is_fine_is_not_told(changes: dict[str, Any]) -> None:
    assert problems(changes) == []


@pytest.mark.parametrize(("changes", "part"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_told_once(changes: dict[str, Any], part: str) -> None:
    (sentence,) = problems(changes)
    assert part in sentence
    assert sentence.startswith("mlflow_server_")
    assert sentence.endswith(".")
    assert "Hidden" not in sentence


def test_all_that_is_wrong_is_told_at_once() -> None:
    assert len(problems({"workers": -1, "source": "x", "hosts": {"a": "b"}, "args": {"port": 1}})) == 4


def test_an_option_that_is_wrong_by_itself_is_not_judged() -> None:
    values = {f"mlflow_server_{name}": value for name, value in GIVEN.items() if name not in ("zones", "workers")}
    assert judged.problems({**values, "mlflow_server_replicas": 7}) == []


def test_judges_name_options_of_the_role() -> None:
    specs = yaml.safe_load((ROOT / "roles/mlflow_server/meta/argument_specs.yml").read_text(encoding="utf-8"))
    known = specs["argument_specs"]["validate"]["options"]
    named = {name for judge in judged.JUDGES for name in inspect.signature(judge).parameters} | set(judged.NUMBERS)
    assert {name for name in named if f"mlflow_server_{name}" not in known} == set()
    assert named == set(GIVEN)
