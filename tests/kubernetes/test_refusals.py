# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in the way on a cluster: one sentence each, and nothing half applied."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from kubernetes import client

from tests.kubernetes.conftest import BED
from tests.refusals.test_refusals import ROOT, Case, messages, play

DEPLOYMENT = "mlops.mlflow.deployment"
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
# A playbook that runs longer hangs. What will never come up is said at once, and not when the waiting is over.
DEPLOY_SECONDS = 1800
NEVER_OVER = {"kubernetes_wait_timeout": 10 * DEPLOY_SECONDS}


def own(variables: dict, name: str) -> dict:
    """The same cluster, and nothing that another deployment has."""
    return {**variables, "deployment_name": name, "kubernetes_namespace": name, "mlflow_server_node_port": 0}


def refused(variables: dict, **more) -> str:
    """What the playbook says of a deployment of its own, of which nothing has come to this machine."""
    name = f"refused-{uuid.uuid4().hex[:8]}"
    asked = {**own(variables, name), **more}
    result, answer = play(Case(asked, [], "k8s"), name, DEPLOY_SECONDS)
    assert result.returncode != 0, f"accepted: {more}"
    said = messages(answer)
    assert len(said) == 1, f"not one message but {len(said)}: {said}"
    for sign in ("Traceback", "rendering template", "is undefined", "{{", "non-zero return code"):
        assert sign not in said[0], f"no refusal but a crash: {said[0]}"
    assert len(said[0]) < 1000, said[0]
    homes = (Path("~/.local/share/mlops.mlflow"), Path("~/.config/mlops.mlflow/localhost"))
    assert not [path for home in homes for path in home.expanduser().glob(f"{name}*")]
    return said[0]


def namespaces(api) -> list[str]:
    return [each.metadata.name for each in client.CoreV1Api(api).list_namespace().items]


@pytest.mark.parametrize(
    ("variables_more", "words"),
    [
        ({"mlflow_server_node_port": 80}, ["mlflow_server_node_port", "80", "30000 to 32767"]),
        (
            {"mlflow_server_ingress": {"host": "https://x"}},
            ["mlflow_server_ingress", "https://x", "mlflow.example.com"],
        ),
        ({"mlflow_server_autoscaling": {"max_replicas": 2}}, ["HorizontalPodAutoscaler|max_replicas"]),
        ({"kubernetes_storage_class": "nowhere"}, ["kubernetes_storage_class", "nowhere", "it has"]),
        ({"mlflow_server_args": {"worker": 3}}, ["worker", "workers"]),
    ],
    ids=str,
)
def test_bad_input(variables, api, variables_more, words) -> None:
    said = refused(variables, **variables_more)
    for word in words:
        assert any(each in said for each in word.split("|")), said
    assert not [name for name in namespaces(api) if name.startswith("refused-")]


def test_a_user_without_rights(variables, api) -> None:
    if variables["kubernetes_context"] != BED:
        pytest.skip("no user without rights is known on this cluster")
    path = Path(variables["kubernetes_kubeconfig"]).with_name("restricted.kubeconfig")
    said = refused(variables, kubernetes_kubeconfig=str(path), kubernetes_context=f"{BED}-restricted")
    for word in ("may not", "create", "administrator", "Nothing was changed"):
        assert word in said, said


def test_somebody_elses_namespace(variables, space) -> None:
    said = refused(variables, kubernetes_namespace=space("somebody-elses"))
    for word in ("kubernetes_namespace is somebody-elses", "something else", "choose another"):
        assert word in said, said


def test_no_default_storage_class(variables, api) -> None:
    if variables["kubernetes_context"] != BED:
        pytest.skip("another cluster's default StorageClass is not taken away")
    storage = client.StorageV1Api(api)
    name = storage.list_storage_class().items[0].metadata.name

    def default(value: str) -> None:
        storage.patch_storage_class(name, {"metadata": {"annotations": {DEFAULT_CLASS: value}}})

    default("false")
    try:
        said = refused(variables, kubernetes_storage_class="")
    finally:
        default("true")
    for word in ("no default StorageClass", name, "kubernetes_storage_class"):
        assert word in said, said


def destroy(variables: dict, name: str, **more) -> None:
    subprocess.run(
        ["ansible-playbook", f"--inventory={ROOT}/inventories/local/hosts.yml", str(ROOT / "playbooks/destroy.yml")]
        + ["-e", json.dumps({**variables, "deployment": name, **more})],
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
        check=True,
        capture_output=True,
        timeout=DEPLOY_SECONDS,
    )


@pytest.fixture
def half(variables, space):
    """Deploys what cannot come up, says how it was told, and takes away what there is."""
    # The scenario's destroy.yml knows this name, should the tests be interrupted.
    name = f"{variables['deployment_name']}-half"

    def deploy(**more) -> str:
        asked = {**own(variables, name), **NEVER_OVER, **more}
        result, answer = play(Case(asked, [], "k8s"), name, DEPLOY_SECONDS)
        said = messages(answer)
        assert result.returncode != 0
        # The task that failed, and the last one, which says also what became of the rest.
        assert len(said) == 2, said
        assert said[1].startswith(said[0]), said
        return said[1]

    yield name, deploy
    destroy({**variables, "kubernetes_namespace": name}, name)


def test_an_image_that_the_node_lacks(half) -> None:
    _name, deploy = half
    images = {each: f"bed.test/{each}:absent" for each in ("postgres", "object_store", "mlflow_server")}
    said = deploy(kubernetes_image_references=images, kubernetes_image_pull_policy="Never", object_store="seaweedfs")
    for word in ("bed.test/", ":absent", "ErrImageNeverPull", "kubernetes_image_loader", "kubernetes_image_references"):
        assert word in said, said


def test_a_quota_that_has_no_room(variables, space, api) -> None:
    name = space("too-small")
    quota = {"metadata": {"name": "small"}, "spec": {"hard": {"pods": "2", "limits.cpu": "100"}}}
    client.CoreV1Api(api).create_namespaced_resource_quota(name, quota)
    said = refused(variables, kubernetes_namespace=name, kubernetes_namespace_managed=False)
    for word in ("The quota small", "2 of pods", "counts limits.cpu", "LimitRange", "Nothing was changed"):
        assert word in said, said
    assert not client.CoreV1Api(api).list_namespaced_secret(name).items


def test_a_quota_that_forbids_the_pods(half, space, api) -> None:
    name, deploy = half
    space(name, **{DEPLOYMENT: name})
    # Of pods that end by themselves it says nothing, so that nobody knows before what it counts.
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}, "scopes": ["NotTerminating"]}}
    client.CoreV1Api(api).create_namespaced_resource_quota(name, quota)
    said = deploy()
    for word in ("quota", "none", "raise the quota"):
        assert word in said, said
