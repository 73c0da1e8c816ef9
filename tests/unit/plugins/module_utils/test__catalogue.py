# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stored catalogue: its consistency, and a sample of it made anew from the releases themselves."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._catalogue import (
    Catalogue,
    describe_lives,
    make_release,
    parse_version,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._introspection import describe_installed

ROOT = Path(__file__).resolve().parents[4]
CATALOGUE = Catalogue()


def test_releases_are_complete_and_in_order():
    keys = [parse_version(version) for version in CATALOGUE.releases]
    assert keys == sorted(keys)
    assert len(keys) == len(set(keys)) == 97
    assert (CATALOGUE.releases[0], CATALOGUE.newest) == ("2.0.0", "3.17.2")


@pytest.mark.parametrize(
    ("version", "count", "head", "auth_head"),
    [
        ("2.0.1", 19, "97727af70f4d", None),
        ("2.5.0", 21, "7f2a7d5fae7d", "8606fa83a998"),
        ("2.9.2", 23, "acf3f17fdcc7", "8606fa83a998"),
        ("2.22.5", 28, "0584bdc529eb", "8606fa83a998"),
        ("3.0.1", 31, "bda7b8c39065", "8606fa83a998"),
        ("3.1.0", 30, "6953534de441", "8606fa83a998"),
        ("3.9.0", 46, "d3e4f5a6b7c8", "a1b2c3d4e5f6"),
        ("3.17.2", 67, "dc11669786a5", "f1a2b3c4d5e6"),
    ],
)
def test_revisions(version, count, head, auth_head):
    release = CATALOGUE.release(version)
    assert (len(release.tracking_revisions), release.tracking_revisions[-1]) == (count, head)
    assert release.tracking_revisions[0] == "451aebb31d03"
    assert (release.auth_revisions or [None])[-1] == auth_head


@pytest.mark.parametrize(
    ("option", "first"),
    [
        ("app_name", "2.3.0"),
        ("dev", "2.4.0"),
        ("uvicorn_opts", "3.3.0"),
        ("allowed_hosts", "3.5.0"),
        ("secrets_cache_ttl", "3.8.0"),
        ("enable_workspaces", "3.10.0"),
        ("trace_archival_config", "3.13.0"),
    ],
)
def test_first_release_of_an_option(option, first):
    assert CATALOGUE.lives_of_option(option) == [(first, "3.17.2")]


def test_every_release_has_what_all_have():
    for version in CATALOGUE.releases:
        release = CATALOGUE.release(version)
        assert {"backend_store_uri", "host", "port", "workers", "serve_artifacts"} <= set(release.options)
        assert release.options["port"].default == 5000
        assert {"s3", "gs", "wasbs", "mlflow-artifacts"} <= release.artifact_schemes
        assert set(release.switches) <= release.variables
        assert {option.variable for option in release.options.values() if option.variable} <= release.variables


def test_job_execution_is_on_by_default_from_3_9():
    name = "MLFLOW_SERVER_ENABLE_JOB_EXECUTION"
    assert CATALOGUE.release("3.8.1").switches[name] is False
    assert CATALOGUE.release("3.9.0").switches[name] is True


def test_words_for_lives():
    assert describe_lives([("2.3.0", "3.17.2")], "3.17.2") == "MLflow 2.3.0 and later"
    assert describe_lives([("2.3.0", "2.9.0"), ("3.0.0", "3.0.0")], "3.17.2") == "MLflow 2.3.0 to 2.9.0, 3.0.0"


@pytest.fixture(scope="module")
def generator():
    """The generator, if a package index is within reach: it asks pip, which knows the machine's configuration."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "index", "versions", "mlflow-skinny"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except subprocess.TimeoutExpired:
        answer = None
    if answer is None or answer.returncode != 0 or "3.17.2" not in answer.stdout:
        pytest.skip(
            "no package index with MLflow's releases is within reach, so the catalogue was NOT compared with them"
        )
    spec = importlib.util.spec_from_file_location("generate_catalogue", ROOT / "tools" / "generate_catalogue.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# One release of each environment in which the generator works, and one in the middle.
@pytest.mark.parametrize("version", ["2.9.2", "3.4.0", "3.17.2"])
def test_a_sample_made_anew_is_what_is_stored(generator, version):
    assert make_release(generator.describe_release(version, use_cache=False)) == CATALOGUE.release(version)


def test_the_list_of_releases_is_the_index_s(generator):
    assert generator.list_releases() == CATALOGUE.releases


def test_an_installed_release_describes_itself_like_the_catalogue():
    """What the module does with a release that is newer than the catalogue, tried on one that is in it."""
    version = pytest.importorskip("mlflow.version").VERSION
    if version not in CATALOGUE.releases:
        pytest.skip(f"mlflow {version} is not in the catalogue")
    assert make_release(describe_installed(version)) == CATALOGUE.release(version)


def test_a_release_that_is_not_installed_describes_nothing():
    assert describe_installed("9.9.9") is None
