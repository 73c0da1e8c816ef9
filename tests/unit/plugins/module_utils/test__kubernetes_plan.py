# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a deployment has on Kubernetes, and what is to be done for it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _kubernetes_plan as plans

BUDGET = "policy/v1/PodDisruptionBudget"
LABELS = {"instance": "x"}


def thing(kind: str, name: str = "a", api: str = "v1", **more: Any) -> dict[str, Any]:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name}, **more}


def put(*components: tuple[str, dict[str, Any]], kinds: tuple[str, ...] = (), **given: Any) -> dict[str, Any]:
    policies = [thing("NetworkPolicy", "deny")]
    settings = plans.Settings("space", LABELS, policies, [BUDGET], list(kinds), "v1.35.1", given)
    return plans.put_together(list(components), settings)


def test_objects_are_sorted_by_phase_and_secrets_go_first() -> None:
    plan = put(
        ("one", {"data": [thing("Secret"), thing("Service")], "jobs": [thing("Job")], "first": ["StatefulSet/one"]}),
        ("two", {"servers": [thing("Secret", "b"), thing("Deployment")], "last": ["Deployment/two"]}),
    )
    found = {phase: [each["kind"] for each in plan[phase]] for phase in ("secrets", *plans.PHASES)}
    assert found == {
        "secrets": ["Secret", "Secret"],
        "data": ["NetworkPolicy", "Service"],
        "jobs": ["Job"],
        "servers": ["Deployment"],
    }
    assert (plan["first"], plan["last"], plan["provision"]) == (["StatefulSet/one"], ["Deployment/two"], [])


def test_components_say_what_else_they_do() -> None:
    plan = put(("one", {"keep": True, "asked": False}), ("two", {"keep": True, "verify": True}))
    assert {hook: plan[hook] for hook in plans.HOOKS} == {
        "asked": [],
        "conclude": [],
        "keep": ["one", "two"],
        "verify": ["two"],
    }


def test_objects_and_their_pods_have_namespace_and_labels() -> None:
    given = thing("Deployment", spec={"template": {"metadata": {"labels": {"app": "a"}}}})
    plan = put(("one", {"servers": [given, thing("Service", spec={"ports": []})]}))
    deployment, service = plan["servers"]
    metadata = {"name": "a", "namespace": "space", "labels": LABELS}
    assert deployment["metadata"] == service["metadata"] == metadata
    assert deployment["spec"]["template"]["metadata"]["labels"] == {"app": "a", **LABELS}
    assert service["spec"] == {"ports": []}
    assert plan["data"][0]["metadata"] == {**metadata, "name": "deny"}
    # The plan of the component is as it was.
    assert given["metadata"] == {"name": "a"}


def test_a_job_has_a_name_for_each_template() -> None:
    def named(image: str) -> str:
        template = {"metadata": {}, "spec": {"containers": [{"image": image}]}}
        return put(("one", {"jobs": [thing("Job", spec={"template": template})]}))["jobs"][0]["metadata"]["name"]

    assert named("x:1") == named("x:1")
    assert named("x:1") != named("x:2")
    assert named("x:1").startswith("a-")


INGRESS = "networking.k8s.io/v1"


@pytest.mark.parametrize(
    ("there", "left"),
    [
        ([], []),
        ([thing("Service")], []),
        ([thing("Service", "b")], ["Service/b"]),
        # Of the same name, and of another kind or another API.
        ([thing("Ingress", api=INGRESS), thing("Service")], ["Ingress/a"]),
        ([thing("Service", api="serving.example.com/v1")], []),
        # In the order of the kinds, whatever that of the objects is.
        ([thing("Service", "b"), thing("Ingress", "c", INGRESS)], ["Ingress/c", "Service/b"]),
        # Data are not removed.
        ([thing("PersistentVolumeClaim", "b"), thing("Secret", "b")], []),
    ],
)
def test_what_is_no_longer_wanted(there: list[dict[str, Any]], left: list[str]) -> None:
    found = plans.leftovers(there, [thing("Service")], [f"{INGRESS}/Ingress", "v1/Service"], "space")
    assert [f"{each['kind']}/{each['metadata']['name']}" for each in found] == left
    assert all(each["metadata"]["namespace"] == "space" for each in found)


@pytest.mark.parametrize(("kinds", "left_out"), [((), [BUDGET]), ((BUDGET,), [])])
def test_what_a_cluster_does_not_offer_is_left_out(kinds: tuple[str, ...], left_out: list[str]) -> None:
    budget = thing("PodDisruptionBudget", api="policy/v1")
    plan = put(("one", {"servers": [budget, thing("Service")]}), kinds=kinds)
    assert plan["left_out"] == left_out
    assert len(plan["servers"]) == (1 if left_out else 2)


def test_rights_are_one_for_each_resource_and_verb() -> None:
    assert plans.rights(["secrets", "pods"], ["get", "list"]) == [
        {"resource": "secrets", "verb": "get"},
        {"resource": "secrets", "verb": "list"},
        {"resource": "pods", "verb": "get"},
        {"resource": "pods", "verb": "list"},
    ]
    assert plans.rights(["namespaces"], ["get"], True) == [
        {"resource": "namespaces", "verb": "get", "cluster_wide": True}
    ]


@pytest.mark.parametrize(
    ("given", "resolved", "policy", "image"),
    [
        ({}, {"a": {"reference": "own:1"}}, "auto", ("own:1", "Never", True)),
        ({"a": "r.example/a:1"}, {"a": {"reference": "own:1"}}, "auto", ("r.example/a:1", "IfNotPresent", False)),
        ({"a": "r.example/a:1"}, {}, "Always", ("r.example/a:1", "Always", False)),
        ({"a": ""}, {"a": {"reference": "own:1"}}, "Always", ("own:1", "Always", True)),
        ({}, {}, "auto", ("", "Never", False)),
    ],
)
def test_images_are_the_user_s_or_this_machine_s(given, resolved, policy, image) -> None:
    found = plans.images(["a"], given, resolved, policy)["a"]
    assert (found["reference"], found["pull_policy"], found["local"]) == image


THERE = "docker.io/mlops/a:1"


@pytest.mark.parametrize(
    ("reference", "nodes", "running", "lacking"),
    [
        ("mlops/a:1", [["docker.io/mlops/a:1"]], [], False),
        ("mlops/a:1", [["docker.io/mlops/a:1"], []], [], True),
        ("mlops/a:1", [[], []], ["docker.io/mlops/a:1"], False),
        ("r.example/a:1", [["r.example/a:1"]], [], False),
        ("localhost:5001/a:1", [["docker.io/localhost:5001/a:1"]], [], True),
        # A cluster whose nodes may not be seen.
        ("mlops/a:1", [], [], True),
    ],
)
def test_images_that_a_node_lacks(reference, nodes, running, lacking) -> None:
    wanted = {"a": {"reference": reference, "local": True}, "b": {"reference": "r.example/b:1", "local": False}}
    found = plans.missing_images(wanted, [node(images) for images in nodes], running)
    assert found == ([reference] if lacking else [])


def node(images: list[str], *, answers: bool = True, usable: bool = True) -> dict[str, Any]:
    return {"images": images, "answers": answers, "usable": usable}


TAINTED, DEAD = node([], usable=False), node([], answers=False, usable=False)


@pytest.mark.parametrize(
    ("component", "nodes", "running", "lacking"),
    [
        ("load_balancer", [node([THERE]), TAINTED], [THERE], True),
        ("load_balancer", [node([THERE]), node([])], [THERE], True),
        ("load_balancer", [node([THERE]), DEAD], [], False),
        ("load_balancer", [], [THERE], False),
        ("load_balancer", [], [], True),
        ("mlflow_server", [node([THERE]), TAINTED, DEAD], [], False),
    ],
)
def test_what_runs_on_each_node_is_brought_to_each(component, nodes, running, lacking) -> None:
    wanted = {component: {"reference": "mlops/a:1", "local": True}}
    assert plans.missing_images(wanted, nodes, running) == (["mlops/a:1"] if lacking else [])


@pytest.mark.parametrize(
    ("answer", "differs"),
    [
        ({"changed": False, "method": "update"}, False),
        ({"changed": True, "method": "create", "diff": {}}, True),
        ({"changed": True, "method": "update", "diff": {"before": {}, "after": {"a": 1}}}, True),
        ({"changed": True, "method": "update", "diff": {"before": {"a": 1}, "after": {}}}, True),
        ({"changed": True, "method": "update"}, True),
        # The API server's own notes are hidden, and nothing else differs.
        ({"changed": True, "method": "update", "diff": {"before": {}, "after": {}}}, False),
        ({"changed": True, "method": "update", "diff": {}}, False),
    ],
)
def test_what_applying_would_change(answer: dict[str, Any], differs: bool) -> None:
    found = plans.differing([{**answer, "result": thing("Service", "web")}])
    assert [(each["kind"], each["name"]) for each in found] == ([("Service", "web")] if differs else [])


def test_secrets_are_applied_again_without_the_clusters_notes() -> None:
    noted = {"name": "a", "namespace": "old", "labels": LABELS, "uid": "1", "resourceVersion": "2"}
    found = plans.secrets_again([{"type": "Opaque", "metadata": noted, "data": {"k": "v"}}], "space")
    metadata = {"name": "a", "namespace": "space", "labels": LABELS}
    assert found == [{"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata, "data": {"k": "v"}}]


@pytest.mark.parametrize(
    ("owners", "conditions", "stuck"),
    [
        ([{"kind": "StatefulSet"}], [{"type": "Ready", "status": "True"}], False),
        ([{"kind": "StatefulSet"}], [{"type": "Ready", "status": "False"}], True),
        ([{"kind": "StatefulSet"}], [{"type": "Initialized", "status": "True"}], True),
        ([{"kind": "StatefulSet"}], None, True),
        ([{"kind": "ReplicaSet"}], [], False),
        (None, [], False),
    ],
)
def test_pods_that_nobody_replaces(owners, conditions, stuck: bool) -> None:
    pod = {"metadata": {"name": "a", "ownerReferences": owners}, "status": {"conditions": conditions}}
    assert plans.stuck_pods([pod]) == (["a"] if stuck else [])


GIVEN = {"context": "c", "namespace": "n"}


@pytest.mark.parametrize(
    ("name", "given", "found"),
    [
        ("", GIVEN, [("one", "c1"), ("two", "c2")]),
        ("two", GIVEN, [("two", "c2")]),
        ("three", GIVEN, [("three", "c")]),
        ("three", {**GIVEN, "context": ""}, []),
    ],
)
def test_deployments_are_found_by_their_records(name: str, given: dict[str, str], found: list[tuple]) -> None:
    files = [("/srv/one/kubernetes.json", '{"context": "c1"}'), ("/srv/two/kubernetes.json", '{"context": "c2"}')]
    assert [(each["name"], each["context"]) for each in plans.records(files, name, given)] == found
