# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is given for an external store, and what the guard finds there, as sentences with the variables of the roles."""

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _object_store as store
from ansible_collections.mlops.mlflow.plugins.module_utils._guard_codes import GUARD_CODES
from ansible_collections.mlops.mlflow.plugins.module_utils._guard_reasons import explain

from tests.stores.authority import Authority

GIVEN = {
    "bucket": "models",
    "prefix": "",
    "endpoint_url": "https://s3.example.com",
    "addressing_style": "auto",
    "access_key": "key",
    "secret_key": "Hidden-Value",
    "session_token": "",
    "instance_role_enabled": False,
    "ca_file": "",
}
NO_KEY = {"access_key": "", "secret_key": ""}
GOOD = {
    "a key": {},
    "AWS": {"endpoint_url": ""},
    "a token": {"session_token": "Hidden-Token"},
    "no key": {**NO_KEY, "instance_role_enabled": True},
    "a folder": {"prefix": "team/ml.flow-2"},
    "virtual": {"addressing_style": "virtual"},
    "an address with path": {"addressing_style": "path", "endpoint_url": "http://192.0.2.7:9000"},
    "a CA": {"ca_file": "/etc/ca.pem"},
}
BAD = {
    "no key at all": (NO_KEY, ["object_store_access_key and object_store_secret_key are empty", "instance_role"]),
    "half a key": ({"secret_key": ""}, ["object_store_secret_key is empty", "models"]),
    "a token without a key": ({**NO_KEY, "session_token": "Hidden-Token"}, ["object_store_access_key"]),
    "a key and a role": (
        {"instance_role_enabled": True},
        ["instance_role_enabled", "object_store_access_key", "leave"],
    ),
    "a token and a role": (
        {**NO_KEY, "session_token": "Hidden-Token", "instance_role_enabled": True},
        ["object_store_session_token", "leave"],
    ),
    "a key of two lines": ({"secret_key": "Hidden-Value\nx"}, ["object_store_secret_key", "line break"]),
    "a slash first": ({"prefix": "/team"}, ["object_store_prefix", "'/team'", "team/mlflow"]),
    "a slash last": ({"prefix": "team/"}, ["object_store_prefix", "'team/'"]),
    "two slashes": ({"prefix": "a//b"}, ["object_store_prefix", "'a//b'"]),
    "dots": ({"prefix": "a/../b"}, ["object_store_prefix", "'a/../b'"]),
    "a question mark": ({"prefix": "a?b"}, ["object_store_prefix", "'a?b'"]),
    "the guard's folder": ({"prefix": "a/.mlflow-guard"}, ["object_store_prefix", ".mlflow-guard", "another"]),
    "virtual before an address": (
        {"addressing_style": "virtual", "endpoint_url": "https://192.0.2.7"},
        ["object_store_addressing_style", "192.0.2.7", "path"],
    ),
    "a CA without TLS": (
        {"ca_file": "/etc/ca.pem", "endpoint_url": "http://s3.example.com"},
        ["object_store_ca_file", "http://s3.example.com", "https"],
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_good_input_is_taken(name: str) -> None:
    assert store.problems("external", {**GIVEN, **GOOD[name]}) == []


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_in_one_sentence_without_secrets(name: str) -> None:
    changes, words = BAD[name]
    found = store.problems("external", {**GIVEN, **changes})
    assert len(found) == 1, found
    assert [word for word in words if word not in found[0]] == []
    assert "Hidden" not in found[0]


@pytest.mark.parametrize("kind", ["seaweedfs", "minio"])
@pytest.mark.parametrize(
    ("name", "value"),
    [("endpoint_url", "https://x"), ("secret_key", "Hidden-Value"), ("session_token", "Hidden"), ("prefix", "a"),
     ("ca_file", "/ca.pem"), ("addressing_style", "path"), ("instance_role_enabled", True)],
)  # fmt: skip
def test_a_store_of_the_deployment_takes_none_of_it(kind: str, name: str, value: object) -> None:
    nothing = {**GIVEN, "endpoint_url": "", "access_key": "", "secret_key": ""}
    assert store.problems(kind, nothing) == []
    (found,) = store.problems(kind, {**nothing, name: value})
    assert f"object_store_{name}" in found
    assert kind in found
    assert "Hidden" not in found


def test_certificates_are_told_from_what_is_none(tmp_path) -> None:
    authority = Authority(tmp_path)
    good = authority.ca.read_text()
    assert store.certificate_problem("/ca.pem", good) == ""
    assert store.certificate_problem("/ca.pem", good + good) == ""
    _certificate, key = authority.issue("localhost")
    cut = good.replace(good.splitlines()[3], "AAAA")
    for text, words in (
        ("", ["no certificate"]),
        ("hello", ["no certificate"]),
        (good + key.read_text(), ["private key"]),
        (cut, ["cannot be read"]),
    ):
        found = store.certificate_problem("/ca.pem", text)
        assert [word for word in ["object_store_ca_file", "/ca.pem", *words] if word not in found] == [], found
        assert "PRIVATE KEY-----\n" not in found


FOUND = {
    "another authority": (
        "store-tls",
        "bucket 'models': SSL validation failed: CERTIFICATE_VERIFY_FAILED: unable to get local issuer certificate",
        {},
        ["object_store_ca_file: bucket", "is empty"],
    ),
    "the wrong authority": (
        "store-tls", "CERTIFICATE_VERIFY_FAILED: self-signed certificate in chain", {"ca_file": "/ca.pem"},
        ["object_store_ca_file", "'/ca.pem' does not have"],
    ),
    "another name": (
        "store-tls", "CERTIFICATE_VERIFY_FAILED: Hostname mismatch, certificate is not valid for 's3'", {},
        ["object_store_endpoint_url", "name"],
    ),
    "another name, as urllib3 says it": (
        "store-tls", "SSL validation failed: hostname 'a' doesn't match either of 'b', '192.0.2.7'", {},
        ["object_store_endpoint_url", "name that the store's certificate has"],
    ),
    "an old certificate": (
        "store-tls", "CERTIFICATE_VERIFY_FAILED: certificate has expired", {}, ["object_store_endpoint_url", "renew"],
    ),
    "no TLS": ("store-tls", "[SSL: WRONG_VERSION_NUMBER]", {}, ["object_store_endpoint_url", "http://"]),
    "unknown key": ("store-signature", "listing fails: InvalidAccessKeyId", {}, ["object_store_access_key"]),
    "unknown temporary key": (
        "store-signature", "listing fails: InvalidAccessKeyId", {"session_token": "t"},
        ["object_store_access_key", "temporary"],
    ),
    "wrong secret": ("store-signature", "SignatureDoesNotMatch", {}, ["object_store_secret_key", "Host"]),
    "old token": ("store-signature", "listing fails: ExpiredToken", {}, ["object_store_session_token"]),
    "wrong token": ("store-signature", "listing fails: InvalidTokenId", {}, ["object_store_session_token"]),
    "clock": ("store-clock", "RequestTimeTooSkewed", {}, ["clocks", "NTP"]),
    "region": ("store-region", "expecting 'eu-central-1'", {}, ["object_store_region: expecting"]),
    "no bucket": ("store-bucket-missing", "does not exist", {}, ["object_store_bucket", "create"]),
    "no list": ("store-denied", "listing in bucket", {}, ["object_store_access_key", "s3:ListBucket"]),
    "no list below": ("store-denied", "listing in bucket", {"prefix": "a/b"}, ["s3:ListBucket", "below a/b/"]),
    "no get": ("store-denied", "reading an object", {}, ["s3:GetObject"]),
    "no put": ("store-denied", "writing an object", {}, ["s3:PutObject"]),
    "no delete": ("store-denied", "deleting an object", {}, ["s3:DeleteObject"]),
    "a role without rights": (
        "store-denied", "listing in", {"instance_role_enabled": True}, ["object_store_instance_role_enabled"],
    ),
    "no role": (
        "store-credentials-missing", "Unable to locate credentials", {"instance_role_enabled": True},
        ["object_store_instance_role_enabled", "hop"],
    ),
    "away": ("store-unreachable", "cannot be reached", {}, ["object_store_endpoint_url"]),
    "AWS away": ("store-unreachable", "cannot be reached", {"endpoint_url": ""}, ["object_store_region"]),
    "virtual away": (
        "store-unreachable", "cannot be reached", {"addressing_style": "virtual"}, ["models.s3.example.com"],
    ),
    "checksums": ("store-checksum", "Content-MD5", {}, ["AWS_REQUEST_CHECKSUM_CALCULATION"]),
}  # fmt: skip


@pytest.mark.parametrize("name", FOUND)
def test_findings_name_the_variable(name: str) -> None:
    code, found, changes, words = FOUND[name]
    finding = {"code": code, "severity": "error", "found": found, "message": "not this"}
    (sentence,) = explain([finding, {**finding, "severity": "warning"}], {**GIVEN, **changes}, {})
    # An answer of an earlier release is understood as well.
    assert explain([{**finding, "code": code.replace("-", "_")}], {**GIVEN, **changes}, {}) == [sentence]
    assert sentence.endswith(f" [{code}].")
    assert code in GUARD_CODES
    assert [word for word in words if word not in sentence] == [], sentence
    assert "Hidden" not in sentence
    assert "not this" not in sentence


def test_other_findings_stay_as_they_are() -> None:
    finding = {"code": "not-at-head", "severity": "error", "found": "x", "message": "backend: x; do y."}
    assert explain([finding], {}, {}) == ["backend: x; do y [not-at-head]."]
    assert explain([{**finding, "code": "not_at_head"}], {}, {}) == ["backend: x; do y [not-at-head]."]
    assert explain([{"severity": "error", "message": "backend: x; do y."}], {}, {}) == ["backend: x; do y."]


def test_only_codes_that_exist_are_explained() -> None:
    assert set(store.KNOWN) | set(store.PLAIN) <= set(GUARD_CODES)
