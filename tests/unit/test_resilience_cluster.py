# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which deployment on Kubernetes is broken, and what is applied again when it is measured."""

from __future__ import annotations

import json

import pytest

from laboratory.benchmark.cluster import restored
from laboratory.benchmark.processes import StepFailed
from laboratory.resilience import pods
from laboratory.resilience.cluster_faults import SCENARIOS
from laboratory.resilience.main import arguments


@pytest.fixture
def record(tmp_path, monkeypatch):
    """Notes deployments as the playbook does."""
    monkeypatch.setattr(pods, "RECORDS", tmp_path)

    def note(name: str) -> None:
        folder = tmp_path / name
        folder.mkdir()
        url = f"http://{name}.example.com"
        (folder / "kubernetes.json").write_text(json.dumps({"url": url, "namespace": f"{name}-space"}))

    return note


def test_the_only_deployment_is_chosen(record) -> None:
    record("k8s")
    chosen = pods.chosen(None)
    assert (chosen.name, chosen.namespace, chosen.public_url()) == ("k8s", "k8s-space", "http://k8s.example.com")


@pytest.mark.parametrize(
    ("names", "asked", "found"),
    [
        ([], None, "--deployment is not given, and none was deployed from here"),
        (["one", "two"], None, "--deployment is not given, and deployed from here are one, two"),
        (["one"], "other", "--deployment is other, and deployed from here are one"),
    ],
)
def test_what_cannot_be_chosen_is_refused(record, names, asked, found) -> None:
    for name in names:
        record(name)
    with pytest.raises(StepFailed, match=found):
        pods.chosen(asked)


def test_scenarios_are_those_of_a_cluster(capsys) -> None:
    assert arguments([], SCENARIOS, "laboratory.resilience.cluster").scenarios == list(SCENARIOS)
    with pytest.raises(SystemExit):
        arguments(["--scenarios", "cut-zone"], SCENARIOS, "laboratory.resilience.cluster")
    assert "python -m laboratory.resilience.cluster" in capsys.readouterr().err


def test_an_object_is_applied_as_it_was() -> None:
    labels = {"app": "schema", "controller-uid": "1", "job-name": "schema"}
    there = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "schema", "uid": "1", "resourceVersion": "2", "labels": dict(labels)},
        "spec": {"selector": {"matchLabels": {"controller-uid": "1"}}, "template": {"metadata": {"labels": labels}}},
        "status": {"succeeded": 1},
    }
    assert restored(there) == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "schema", "labels": {"app": "schema"}},
        "spec": {"template": {"metadata": {"labels": {"app": "schema"}}}},
    }


def test_an_address_that_was_given_is_not_asked_for() -> None:
    there = {"kind": "Service", "metadata": {"name": "x"}, "spec": {"clusterIP": "10.0.0.1", "ports": []}}
    assert restored(there)["spec"] == {"ports": []}


def test_a_claim_is_applied_without_its_volume() -> None:
    notes = {"pv.kubernetes.io/bind-completed": "yes", "volume.beta.kubernetes.io/storage-provisioner": "x", "own": "1"}
    there = {
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "x", "annotations": notes},
        "spec": {"volumeName": "pvc-1", "accessModes": []},
    }
    applied = restored(there)
    assert applied["metadata"] == {"name": "x", "annotations": {"own": "1"}}
    assert applied["spec"] == {"accessModes": []}
