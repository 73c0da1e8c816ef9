# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of bad and good inputs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _check
from ansible_collections.mlops.mlflow.plugins.module_utils._argument_findings import FINDINGS
from ansible_collections.mlops.mlflow.plugins.module_utils._check import check

from tests.unit.plugins.module_utils.argument_cases import CATALOGUE, load_cases, make_request

BAD = load_cases("bad_cases.yml")
GOOD = load_cases("good_cases.yml")

# The password of every case that has one.
PASSWORD = "hunter2"


def names(cases: list) -> list:
    return [case["name"] for case in cases]


def codes(findings: list) -> list:
    return sorted({finding.code for finding in findings})


@pytest.mark.parametrize("case", BAD, ids=names(BAD))
def test_bad_input_is_refused_by_exactly_these_codes(case):
    result = check(make_request(case), CATALOGUE)
    assert codes(result.errors) == sorted(case["errors"])
    assert codes(result.warnings) == sorted(case.get("warnings", []))
    assert case["errors"]


@pytest.mark.parametrize("case", GOOD, ids=names(GOOD))
def test_good_input_passes(case):
    result = check(make_request(case), CATALOGUE)
    assert codes(result.errors) == []
    assert codes(result.accepted) == sorted(case.get("errors", []))
    assert codes(result.warnings) == sorted(case.get("warnings", []))


@pytest.mark.parametrize("case", BAD + GOOD, ids=names(BAD + GOOD))
def test_every_answer_is_complete_and_without_secrets(case):
    result = check(make_request(case), CATALOGUE)
    for finding in result.findings + result.accepted:
        assert finding.severity == FINDINGS[finding.code]["severity"]
        assert finding.argument
        assert finding.found
        assert finding.remedy
        assert finding.message.startswith(finding.argument)
        assert finding.message.endswith(f"[{finding.code}].")
        assert "\n" not in finding.message
    assert PASSWORD not in str([finding.as_dict() for finding in result.findings])
    assert PASSWORD not in str(result.argv) or case["name"] == "password of a key"
    assert PASSWORD not in str(result.environment)


def test_enough_cases_on_enough_releases():
    assert len(BAD) >= 80
    assert len(GOOD) >= 40
    assert len({case.get("version") for case in BAD}) >= 6
    assert len(names(BAD)) == len(BAD)
    assert len(set(names(GOOD))) == len(GOOD)


def test_errors_come_first_and_all_at_once():
    case = next(case for case in BAD if case["name"] == "everything wrong")
    severities = [finding.severity for finding in check(make_request(case), CATALOGUE).findings]
    assert severities == sorted(severities)
    assert severities.count("error") == len(case["errors"])


def test_accept_takes_only_what_it_names():
    case = {"args": {"artifacts_destination": None, "workers": 0}, "request": {"accept": ["workers-invalid"]}}
    result = check(make_request(case), CATALOGUE)
    assert codes(result.accepted) == ["workers-invalid"]
    assert codes(result.errors) == ["artifacts-destination-missing"]


def test_accept_cannot_accept_itself():
    case = {"request": {"accept": ["accept-unknown", "accept-never", "nonsense"]}}
    result = check(make_request(case), CATALOGUE)
    assert codes(result.errors) == ["accept-never", "accept-unknown"]
    assert result.accepted == []


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"backend_store_url": "x"}, "did you mean backend_store_uri"),
        ({"--port": 5000}, "did you mean port"),
        ({"no_serve_artifacts": True}, "serve_artifacts: false"),
        ({"backend_store_uri": "postgres://u@h/d"}, r"postgresql\+psycopg2://"),
        ({"uvicorn_opts": "--timeout-keepalive 60"}, "--timeout-keep-alive"),
        ({"backend_store_uri": "postgresql+psycopg2://u@h/d?ssl_mode=require"}, "did you mean sslmode"),
    ],
)
def test_remedy_names_what_was_meant(args, words):
    messages = " ".join(finding.message for finding in check(make_request({"args": args}), CATALOGUE).errors)
    assert re.search(words, messages)


def test_option_of_another_release_names_the_releases():
    result = check(make_request({"version": "3.4.0", "args": {"allowed_hosts": "a.example.com"}}), CATALOGUE)
    assert "MLflow 3.5.0 and later" in result.errors[0].message


def test_a_newer_release_is_described_by_the_installed_one():
    record = {
        "release": "3.99.0",
        "options": [
            {"name": "host", "flags": ["--host"], "type": "text"},
            {"name": "port", "flags": ["--port"], "type": "int", "default": 5000},
            {"name": "backend_store_uri", "flags": ["--backend-store-uri"], "type": "text"},
            {"name": "brand_new", "flags": ["--brand-new"], "type": "flag"},
        ],
        "tracking_revisions": ["a", "b"],
        "auth_revisions": [],
        "environment": [],
        "switches": {},
        "numbers": {},
        "pool_classes": [],
        "artifact_schemes": ["s3"],
    }
    case = {
        "plain": True,
        "version": "3.99.0",
        "args": {"brand_new": True, "host": "0.0.0.0", "backend_store_uri": "postgresql+psycopg2://u@h/d"},
        "request": {"accept": ["artifacts-destination-missing"]},
    }
    result = check(make_request(case), CATALOGUE, introspect=lambda version: record)
    assert "--brand-new" in result.argv
    assert codes(result.findings) == []
    assert result.state["tracking_revisions"] == [2, "b"]


# Findings that only a comparison can produce are the business of test__transitions.py.
def test_every_code_is_produced_by_a_case():
    produced = {code for case in BAD + GOOD for code in case.get("errors", []) + case.get("warnings", [])}
    for case in load_cases("transition_cases.yml"):
        produced |= set(case.get("codes", []))
    assert produced == set(FINDINGS)


@pytest.mark.parametrize("code", FINDINGS)
def test_every_code_is_documented(code):
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", code)
    entry = FINDINGS[code]
    assert set(entry) == {"severity", "meaning", "why", "remedy"}
    assert entry["severity"] in ("error", "warning")
    assert all(entry[key].strip() for key in entry)
    assert entry["meaning"].endswith(".")
    assert entry["why"].endswith(".")
    assert not entry["remedy"].endswith(".")


@pytest.mark.parametrize(
    "path", sorted(Path(_check.__file__).parent.glob("_argument_rules_*.py")), ids=lambda path: path.stem
)
def test_rules_of_one_subject_import_none_of_another(path):
    """What several of them need is in _argument_rules_shared.py, so that each file can be read by itself."""
    imported = set(re.findall(r"\b_argument_rules_\w+", path.read_text(encoding="utf-8")))
    assert imported <= {"_argument_rules_shared"}
