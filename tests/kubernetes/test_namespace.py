# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A namespace that others have given, or put something into: theirs stays theirs, and no other rights are needed."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from kubernetes import client, config

from tests.kubernetes.test_refusals import DEPLOY_SECONDS, DEPLOYMENT, destroy, own, refused
from tests.refusals.test_refusals import Case, messages, play

NAMESPACE = "somebody-gave-it"
SHOP = {"metadata": {"name": "shop"}, "data": {"a": "1"}}
STORES = ("seaweedfs", "minio")
COMPONENTS = {"postgres": "postgres", "mlflow-server": "mlflow_server", **dict.fromkeys(STORES, "object_store")}


@pytest.fixture
def name(variables) -> str:
    """The scenario's destroy.yml knows it, should the tests be interrupted."""
    return f"{variables['deployment_name']}-half"


@pytest.fixture
def running(variables, api) -> dict[str, str]:
    """The images of the scenario's deployment, by container."""
    pods = client.CoreV1Api(api).list_namespaced_pod(variables["kubernetes_namespace"], label_selector=DEPLOYMENT)
    return {each.name: each.image for pod in pods.items for each in pod.spec.containers}


@pytest.fixture
def images(running) -> dict[str, str]:
    """Those that the nodes have: a user who may not see nodes has to name them."""
    return {COMPONENTS[each]: image for each, image in running.items() if each in COMPONENTS}


@pytest.fixture
def store(running) -> str:
    """The one whose image the nodes have."""
    return next(each for each in STORES if each in running)


@pytest.fixture
def member(variables, api, space, tmp_path: Path) -> dict:
    """A user who may do what the role admin allows, in one namespace; with a ConfigMap that somebody has there."""
    space(NAMESPACE)
    core = client.CoreV1Api(api)
    core.create_namespaced_config_map(NAMESPACE, SHOP)
    core.create_namespaced_service_account(NAMESPACE, {"metadata": {"name": "member"}})
    client.RbacAuthorizationV1Api(api).create_namespaced_role_binding(
        NAMESPACE,
        {
            "metadata": {"name": "member"},
            "subjects": [{"kind": "ServiceAccount", "name": "member", "namespace": NAMESPACE}],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"},
        },
    )
    token = core.create_namespaced_service_account_token("member", NAMESPACE, {"spec": {"expirationSeconds": 7200}})
    settings = yaml.safe_load(Path(variables["kubernetes_kubeconfig"]).read_text(encoding="utf-8"))
    place = next(each for each in settings["contexts"] if each["name"] == variables["kubernetes_context"])["context"]
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [each for each in settings["clusters"] if each["name"] == place["cluster"]],
        "users": [{"name": "member", "user": {"token": token.status.token}}],
        "contexts": [{"name": "member", "context": {"cluster": place["cluster"], "user": "member"}}],
        "current-context": "",
    }
    path = tmp_path / "kubeconfig"
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return {
        "kubernetes_kubeconfig": str(path),
        "kubernetes_context": "member",
        "kubernetes_namespace": NAMESPACE,
        "kubernetes_namespace_managed": False,
    }


def deployed(variables: dict, name: str) -> dict:
    result, answer = play(Case(variables, [], "k8s"), name, DEPLOY_SECONDS)
    assert result.returncode == 0, messages(answer)
    return answer["stats"]["localhost"]


def of_others(api) -> tuple[dict, str]:
    core = client.CoreV1Api(api)
    return core.read_namespaced_config_map("shop", NAMESPACE).data, core.read_namespace(NAMESPACE).status.phase


def test_one_that_is_given(variables, api, name, images, store, member) -> None:
    core = client.CoreV1Api(api)
    core.create_namespaced_service(
        NAMESPACE, {"metadata": {"name": "postgres"}, "spec": {"ports": [{"port": 5432}], "selector": {"app": "shop"}}}
    )
    wanted = {
        **member,
        "kubernetes_image_references": images,
        "kubernetes_image_pull_policy": "Never",
        "kubernetes_public_url": "",
        "kubernetes_verify_enabled": False,
        "mlflow_server_replicas": 1,
        "object_store": store,
    }
    said = refused(variables, **wanted)
    assert "Service/postgres" in said
    assert "somebody else" in said
    core.delete_namespaced_service("postgres", NAMESPACE)

    asked = {**own(variables, name), **wanted}
    assert deployed(asked, name)["changed"] > 0
    try:
        assert deployed(asked, name)["changed"] == 0
        assert of_others(api) == (SHOP["data"], "Active")
        for each in client.NetworkingV1Api(api).list_namespaced_network_policy(NAMESPACE).items:
            assert each.spec.pod_selector.match_labels[DEPLOYMENT] == name, "a policy holds for pods of others"
        # Nothing was done that this user may not do, such as labelling the namespace.
        assert DEPLOYMENT not in (core.read_namespace(NAMESPACE).metadata.labels or {})
    finally:
        destroy({**variables, **member}, name)
    assert of_others(api) == (SHOP["data"], "Active")
    for listed in (core.list_namespaced_pod, core.list_namespaced_secret, core.list_namespaced_persistent_volume_claim):
        assert not listed(NAMESPACE, label_selector=DEPLOYMENT).items


def test_one_that_is_not_there(variables, api) -> None:
    said = refused(variables, kubernetes_namespace="nobody-made-it", kubernetes_namespace_managed=False)
    for word in ("kubernetes_namespace is nobody-made-it", "not there", "kubectl create namespace"):
        assert word in said


def test_what_others_put_into_its_own(variables, api, space, name) -> None:
    core = client.CoreV1Api(api)
    space(name, **{DEPLOYMENT: name})
    core.create_namespaced_config_map(name, SHOP)
    core.create_namespaced_secret(name, {"metadata": {"name": "ours", "labels": {DEPLOYMENT: name}}})
    place = {**variables, "kubernetes_namespace": name}
    destroy(place, name)
    assert core.read_namespaced_config_map("shop", name).data == SHOP["data"]
    assert not core.list_namespaced_secret(name, label_selector=DEPLOYMENT).items
    destroy(place, name, kubernetes_remove_namespace=True)
    assert name not in [each.metadata.name for each in core.list_namespace().items]


def test_the_member_may_not_see_nodes(member) -> None:
    """Else the test of the one that is given would prove nothing."""
    api = config.new_client_from_config(member["kubernetes_kubeconfig"], member["kubernetes_context"])
    with pytest.raises(client.ApiException, match="403"):
        client.CoreV1Api(api).list_node()
