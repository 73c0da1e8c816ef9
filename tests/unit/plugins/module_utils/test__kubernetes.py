# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is concluded from a cluster's answers. The cluster itself is the test bed's."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _kubernetes_api as api
from ansible_collections.mlops.mlflow.plugins.module_utils import _kubernetes_cluster as cluster
from ansible_collections.mlops.mlflow.plugins.module_utils import _kubernetes_quantity
from ansible_collections.mlops.mlflow.plugins.module_utils import _kubernetes_wait as wait

MINIKUBE = {"name": "mlflow", "context": {"extensions": [{"extension": {"provider": api.MINIKUBE}}]}}
PRODUCTION = {"name": "production", "context": {}}


def test_minikube_is_taken_without_being_named() -> None:
    assert api.choose_context([PRODUCTION, MINIKUBE], "") == MINIKUBE


@pytest.mark.parametrize("contexts", [[PRODUCTION], [MINIKUBE, {**MINIKUBE, "name": "other"}]])
def test_nothing_else_is(contexts: list[dict[str, Any]]) -> None:
    with pytest.raises(api.ClusterError, match="kubernetes_context is not given"):
        api.choose_context(contexts, "")


def test_where_there_is_no_context_a_cluster_can_be_started() -> None:
    with pytest.raises(api.ClusterError, match=r"has no context.*playbooks/minikube.yml"):
        api.choose_context([], "mlflow")


def test_an_unknown_context_lists_the_known_ones() -> None:
    with pytest.raises(api.ClusterError, match="is stage.*has mlflow, production"):
        api.choose_context([PRODUCTION, MINIKUBE], "stage")


def test_a_missing_file_is_named(tmp_path) -> None:
    with pytest.raises(api.ClusterError, match="no kubeconfig file.*absent"):
        api.contexts_of(str(tmp_path / "absent"))


CLUSTERS = "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\n"
CONTEXT = "contexts: [{name: mlflow, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {token: t}}]\n"
EXEC_USER = "users: [{name: u, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: /nonexistent}}}]\n"
DEAD_CLUSTER = "clusters: [{name: dead, cluster: {server: 'https://127.0.0.1:9'}}]\n"
DEAD = "kind: Config\n" + DEAD_CLUSTER + "contexts: [{name: dead, context: {cluster: dead, user: dead}}]\n"
LOST = "kind: Config\ncontexts: [{name: lost, context: {cluster: lost, user: lost}}]\n"


@pytest.mark.parametrize(
    "files",
    {
        "no current context": [CLUSTERS + CONTEXT],
        "an empty current context": [CLUSTERS + CONTEXT + 'current-context: ""\n'],
        "a current context that is gone": [CLUSTERS + CONTEXT + "current-context: gone\n"],
        "several files": [CLUSTERS + 'current-context: ""\n', "kind: Config\n" + CONTEXT],
        "an empty file beside it": ["", CLUSTERS + CONTEXT],
        "one without any beside it": ["kind: Config\ncontexts: null\n", CLUSTERS + CONTEXT],
        "a missing user": [CLUSTERS + CONTEXT.partition("users")[0]],
        "a dead cluster as the current one": [DEAD + "current-context: dead\n", CLUSTERS + CONTEXT],
        "a current context whose cluster is in no file": [LOST + "current-context: lost\n", CLUSTERS + CONTEXT],
        "another context's user by a program that is not there": [
            DEAD + EXEC_USER.replace("name: u", "name: dead") + "current-context: dead\n",
            CLUSTERS + CONTEXT,
        ],
        "a user by a program that is not there": [CLUSTERS + CONTEXT.partition("users")[0] + EXEC_USER],
    }.items(),
    ids=lambda case: case[0],
)
def test_a_context_can_be_used_whatever_else_is_in_the_files(tmp_path, files) -> None:
    paths = [tmp_path / str(number) for number in range(len(files[1]))]
    for path, text in zip(paths, files[1], strict=True):
        path.write_text(text)
    together, contexts = api.contexts_of(":".join(map(str, paths)))
    assert api.choose_context(contexts, "mlflow")["context"]["cluster"] == "c"
    assert api.Cluster(together, "mlflow").host == "https://127.0.0.1:1"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("no: kubeconfig\n", "neither clusters nor contexts"),
        ("just text\n", "cannot be used"),
        ("contexts: [{name: a}]\nclusters: []\n", "'context'"),
        ("{", "cannot be used"),
    ],
)
def test_what_is_no_kubeconfig_is_refused(tmp_path, text: str, reason: str) -> None:
    file = tmp_path / "config"
    file.write_text(text)
    with pytest.raises(api.ClusterError, match=reason):
        api.contexts_of(str(file))


# The second is what minikube leaves when it deletes its last cluster.
@pytest.mark.parametrize("text", ["", "kind: Config\nclusters: null\ncontexts: null\nusers: null\n"])
def test_a_file_without_contexts_has_none(tmp_path, text: str) -> None:
    file = tmp_path / "config"
    file.write_text(text)
    assert api.contexts_of(str(file))[1] == []


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("mlops-mlflow/postgres:15", "docker.io/mlops-mlflow/postgres:15"),
        ("postgres", "docker.io/library/postgres:latest"),
        ("registry.example.com:5000/a/b@sha256:0", "registry.example.com:5000/a/b@sha256:0"),
        ("localhost/x:1", "localhost/x:1"),
    ],
)
def test_images_have_full_names(image: str, name: str) -> None:
    assert cluster.full_name(image) == name


def test_quantities() -> None:
    found = [_kubernetes_quantity.bytes_of(each) for each in ("1Ki", "2M", "3", "1.5Gi", "x")]
    assert found == [1024, 2_000_000, 3, 1610612736, 0]
    assert [_kubernetes_quantity.cpus_of(each) for each in ("2", "250m", "x")] == [2.0, 0.25, 0.0]


GOOD: dict[str, Any] = {
    "context": "c", "denied": [], "namespace_ends": False, "namespace_exists": False, "namespace_owner": "",
    "storage_classes": ["standard"], "default_storage_class": "standard",
    "nodes": [{"usable": True}], "node_port_holder": "", "lacking": [],
}  # fmt: skip
WANTED = cluster.Wanted("k8s", "mlflow", [], [], "", 30500)


def test_nothing_stands_in_the_way() -> None:
    assert cluster.obstacles(GOOD, WANTED) == []
    ours = {**GOOD, "namespace_exists": True, "namespace_owner": "k8s", "node_port_holder": "mlflow/mlflow-server"}
    assert cluster.obstacles(ours, WANTED) == []
    assert cluster.obstacles({**GOOD, "nodes": None, "storage_classes": None}, WANTED) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"denied": ["create secrets", "patch secrets"]}, ["may not create secrets, patch secrets", "administrator"]),
        ({"denied": [f"create r{number}" for number in range(9)]}, ["and 4 more"]),
        (
            {"namespace_exists": True},
            ["is mlflow", "something else", "kubernetes_namespace_managed to false"],
        ),
        ({"namespace_exists": True, "namespace_owner": "other"}, ["the deployment other"]),
        ({"namespace_exists": True, "namespace_owner": "k8s", "namespace_ends": True}, ["being removed", "wait"]),
        ({"default_storage_class": ""}, ["no default StorageClass", "standard", "kubernetes_storage_class"]),
        ({"nodes": [{"usable": False}]}, ["no node that is ready"]),
        ({"node_port_holder": "shop/web"}, ["mlflow_server_node_port is 30500", "shop/web"]),
        (
            {"lacking": ["kubernetes_image_pull_secrets names the Secret pull"]},
            ["names the Secret pull", "namespace mlflow does not have", "create it first"],
        ),
    ],
)
def test_obstacles_are_said(change: dict[str, Any], words: list[str]) -> None:
    found = cluster.obstacles({**GOOD, **change}, WANTED)
    assert len(found) == 1
    for word in words:
        assert word in found[0]


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"namespace_exists": True}, []),
        ({"namespace_exists": True, "namespace_owner": "other"}, []),
        (
            {"namespace_exists": False},
            ["is mlflow", "not there", "kubectl create namespace mlflow"],
        ),
        ({"namespace_exists": True, "namespace_ends": True}, ["being removed"]),
    ],
)
def test_a_namespace_that_is_given(found: dict[str, Any], words: list[str]) -> None:
    wanted = cluster.Wanted("k8s", "mlflow", [], [], "", 0, namespace_managed=False)
    said = cluster.obstacles({**GOOD, **found}, wanted)
    assert len(said) == (1 if words else 0)
    assert all(word in said[0] for word in words)


OWN, ANY = "postgres_storage_class", "kubernetes_storage_class"


@pytest.mark.parametrize(
    ("general", "own", "default", "words"),
    [
        ("", {}, "standard", []),
        ("standard", {}, "", []),
        ("", {}, "", ["no default StorageClass", ANY]),
        ("fast", {}, "standard", [f"{ANY} is fast", "it has standard"]),
        # That of a component wins, and where all have one, neither the general one nor the default counts.
        ("", {OWN: "standard"}, "", []),
        ("fast", {OWN: "standard"}, "", []),
        ("standard", {OWN: "fast"}, "standard", [f"{OWN} is fast", "it has standard"]),
        ("", {OWN: "standard", "minio_storage_class": ""}, "", ["no default StorageClass"]),
        ("fast", {OWN: "standard", "minio_storage_class": ""}, "standard", [f"{ANY} is fast"]),
    ],
)
def test_each_volume_has_a_class(general: str, own: dict[str, str], default: str, words: list[str]) -> None:
    facts = {**GOOD, "default_storage_class": default}
    found = cluster.storage_obstacles(facts, general, own)
    assert len(found) == (1 if words else 0)
    for word in words:
        assert word in found[0]


def test_secrets_and_configurations_that_must_be_there() -> None:
    projected = {"sources": [{"secret": {"name": "tls"}}, {"downwardAPI": {}}]}
    needed = {
        "pull": ["registry"],
        "env": [{"secretRef": {"name": "a"}}, {"configMapRef": {"name": "b", "optional": True}}],
        "volumes": [
            {"name": "ca", "configMap": {"name": "ca"}},
            {"name": "key", "secret": {"secretName": "key"}},
            {"name": "both", "projected": projected},
            {"name": "tmp", "emptyDir": {}},
        ],
        # Is refused for its shape later on.
        "text": "secret",
    }
    assert cluster.named_in(needed) == [
        ("env", "secrets", "a"),
        ("pull", "secrets", "registry"),
        ("volumes", "configmaps", "ca"),
        ("volumes", "secrets", "key"),
        ("volumes", "secrets", "tls"),
    ]


class Answers:
    """What an API server answers, by path; whatever else is asked for is not there."""

    def __init__(self, found: dict[str, Any]) -> None:
        self.found = found

    def ask(self, path: str) -> tuple[int, dict[str, Any]]:
        return (200, self.found[path]) if path in self.found else (404, {})

    items = api.Cluster.items


GATEWAY, INGRESS = "gateway.networking.k8s.io/v1/HTTPRoute", "networking.k8s.io/v1/Ingress"
PAGES = {
    "/api/v1": {"resources": [{"kind": "Service", "name": "services"}, {"kind": "Service", "name": "services/status"}]},
    "/apis/networking.k8s.io/v1": {"resources": [{"kind": "Ingress", "name": "ingresses"}]},
    "/apis/networking.k8s.io/v1/namespaces/n/ingresses?l": {"items": [{"metadata": {"name": "web", "uid": "1"}}]},
    "/api/v1/namespaces/n/secrets/there": {},
}
SERVER = Answers(PAGES)


def test_kinds_that_a_server_offers_with_their_resources() -> None:
    assert cluster.offered(SERVER, [GATEWAY, INGRESS, "v1/Service"]) == {INGRESS: "ingresses", "v1/Service": "services"}


def test_objects_of_a_kind_as_far_as_they_may_be_seen() -> None:
    web = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"}}
    assert cluster.objects(SERVER, INGRESS, "ingresses", "namespaces/n/{}?l") == [web]
    assert cluster.objects(SERVER, "v1/Service", "services", "namespaces/n/{}?l") == []


def test_what_is_named_and_is_not_there_is_told_by_its_variable() -> None:
    place = "/api/v1/namespaces/n"
    assert cluster.absent(SERVER, ("pull", "secrets", "there"), place) == ""
    assert cluster.absent(SERVER, ("pull", "secrets", "gone"), place) == "pull names the Secret gone"
    assert cluster.absent(SERVER, ("env", "configmaps", "gone"), place) == "env names the ConfigMap gone"


def deployment(**status: Any) -> dict[str, Any]:
    return {
        "kind": "Deployment",
        "metadata": {"name": "mlflow-server", "generation": 2},
        "spec": {"replicas": 2},
        "status": {"observedGeneration": 2, "updatedReplicas": 2, "replicas": 2, "availableReplicas": 2, **status},
    }


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ({}, ""),
        ({"observedGeneration": 1}, "not been noticed"),
        ({"updatedReplicas": 1}, "1 of 2 pods are as they should be"),
        ({"replicas": 3}, "1 old pods"),
        ({"availableReplicas": 1}, "1 of 2 pods are ready"),
    ],
)
def test_a_deployment_is_up_or_not(status: dict[str, Any], reason: str) -> None:
    found = wait.unfinished(wait.Seen(deployment(**status)))
    assert found == "" if not reason else reason in found


def pod(state: dict[str, Any], age: str = "2026-01-01T00:00:00Z", revision: str = "new", **more: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": f"p-{revision}", "creationTimestamp": age, "labels": {"pod-template-hash": revision}},
        "spec": {"nodeName": "node-1"},
        "status": {"containerStatuses": [{"name": "c", "image": "x/y:1", "ready": False, "state": state, **more}]},
    }


def unseen(node: str, made: str) -> dict[str, Any]:
    """A pod that was given to a node, which has not said a word of it."""
    return {"metadata": {"name": f"p-{node}", "creationTimestamp": made}, "spec": {"nodeName": node}, "status": {}}


# The table is made when the tests are collected, minutes before; a time that is to come is new whenever they run.
JUST_NOW = (datetime.now(timezone.utc) + timedelta(hours=3)).strftime("%Y-%m-%dT%H:%M:%SZ")


def on_node(node: str, is_ready: bool, is_answering: bool = True) -> dict[str, Any]:
    """A pod of a DaemonSet, as its kubelet said last and as the cluster takes it for."""
    conditions = [{"type": "Ready", "status": str(is_ready and is_answering)}]
    return {
        "metadata": {"name": f"p-{node}", "creationTimestamp": "2026-01-01T00:00:00Z", "labels": {}},
        "spec": {"nodeName": node},
        "status": {
            "startTime": "2026-01-01T00:00:00Z",
            "conditions": conditions,
            "containerStatuses": [{"name": "c", "ready": is_ready, "state": {}}],
        },
    }


@pytest.mark.parametrize(
    ("status", "pods", "reason"),
    [
        ({}, [], ""),
        ({"observedGeneration": 1}, [], "not been noticed"),
        ({"desiredNumberScheduled": 0}, [], "no node is to have a pod"),
        ({"updatedNumberScheduled": 1}, [], "1 of 2 pods are as they should be"),
        ({"numberAvailable": 1}, [on_node("a", True), on_node("b", False)], "1 of 2 pods are ready"),
        ({"numberAvailable": 1}, [on_node("a", True), on_node("b", True, is_answering=False)], ""),
        ({"numberAvailable": 1}, [on_node("a", True), unseen("b", "2026-01-01T00:00:00Z")], ""),
        ({"numberAvailable": 1}, [on_node("a", True), unseen("b", JUST_NOW)], "1 of 2 pods are ready"),
        ({"numberAvailable": 0}, [on_node("a", False), on_node("b", True, is_answering=False)], "0 of 1 pods"),
    ],
)
def test_a_pod_on_each_node_that_answers(status: dict[str, Any], pods: list, reason: str) -> None:
    counts = {"observedGeneration": 2, "desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 2}
    workload = {"kind": "DaemonSet", "metadata": {"name": "x", "generation": 2}, "status": {**counts, **status}}
    found = wait.unfinished(wait.Seen(workload, pods))
    assert found == "" if not reason else reason in found


STUCK = deployment(availableReplicas=0)
NEVER = {"waiting": {"reason": "ErrImageNeverPull"}}


def warning(message: str, name: str = "mlflow-server-5b9d", kind: str = "ReplicaSet") -> dict[str, Any]:
    return {"reason": "FailedCreate", "message": message, "involvedObject": {"kind": kind, "name": name}}


LITTLE = "0/2 nodes are available: 2 Insufficient cpu"
CLAIM = {"name": "data", "persistentVolumeClaim": {"claimName": "data-postgres-0"}}


def unscheduled(reason: str = "Unschedulable", volumes: tuple = (), node: str = "") -> dict[str, Any]:
    """A pod that no node takes, as the scheduler says it."""
    condition = {"type": "PodScheduled", "status": "False", "reason": reason}
    return {
        "metadata": {"name": "p-new", "creationTimestamp": "2026-01-01T00:00:00Z", "labels": {}},
        "spec": {"volumes": list(volumes)},
        "status": {
            "conditions": [{**condition, "message": f"{LITTLE}. preemption: 0/2 nodes are available"}],
            "nominatedNodeName": node,
        },
    }


GOING = {"metadata": {"name": "old", "deletionTimestamp": "2026-01-01T00:00:00Z"}}


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (wait.Seen(STUCK, [unscheduled()]), ["no node takes the pod p-new (" + LITTLE, "_resources", "_wait_timeout"]),
        (wait.Seen(STUCK, [pod(NEVER)]), ["x/y:1", "node-1", "kubernetes_image_loader"]),
        (
            wait.Seen(STUCK, [pod({"waiting": {"reason": "CreateContainerConfigError", "message": "m"}})]),
            ["cannot be", "m"],
        ),
        (
            wait.Seen(STUCK, [pod({"waiting": {"reason": "CrashLoopBackOff"}}, restartCount=2,
                                  lastState={"terminated": {"exitCode": 4, "reason": "Error"}})]),
            ["ended 2 times", "code 4"],
        ),
        (wait.Seen(STUCK, [], [warning("pods is forbidden: exceeded quota: q")]), ["quota", "_resources"]),
        (wait.Seen(STUCK, [], [warning('pods is forbidden: violates PodSecurity "restricted"')]), ["pod security"]),
    ],
)  # fmt: skip
def test_the_hopeless_is_said(seen: wait.Seen, words: list[str]) -> None:
    for word in words:
        assert word in wait.hopeless(seen)
    # Old pods may be about to make room, and nodes about to come.
    waits = 30 if "quota" in words else 90 if "no node takes" in words[0] else 0
    assert wait.patience(wait.hopeless(seen), 300) == waits


@pytest.mark.parametrize(
    "seen",
    [
        # Up, although an old pod is stuck.
        wait.Seen(deployment(), [pod(NEVER)]),
        # The stuck one is of the change before, and about to go.
        wait.Seen(STUCK, [pod(NEVER, "2026-01-01T00:00:00Z", "old"), pod({"running": {}}, "2026-01-01T00:01:00Z")]),
        wait.Seen(STUCK, [pod({"waiting": {"reason": "ContainerCreating"}})]),
        wait.Seen(STUCK, [pod({"waiting": {"reason": "CrashLoopBackOff"}}, restartCount=1)]),
        # Another workload's.
        wait.Seen(STUCK, [], [warning("pods is forbidden: exceeded quota: q", "postgres", "StatefulSet")]),
        # A node comes; others are moved away; its volume is made; something holds it back; one that goes makes room.
        wait.Seen(STUCK, [unscheduled()], [], True),
        wait.Seen(STUCK, [unscheduled(node="node-1")]),
        wait.Seen(STUCK, [unscheduled(volumes=(CLAIM,))]),
        wait.Seen(STUCK, [unscheduled(reason="SchedulingGated")]),
        wait.Seen(STUCK, [unscheduled(), GOING]),
    ],
)
def test_what_may_still_come_is_waited_for(seen: wait.Seen) -> None:
    assert wait.hopeless(seen) == ""


def of(value: str) -> dict[str, Any]:
    """What a pod and a template have in common, with a variable of the container that differs."""
    container = {"name": "c", "image": "x/y:1", "env": [{"name": "A", "value": value}]}
    return {"containers": [container], "volumes": [{"name": "v", "emptyDir": {}}]}


def made(value: str, is_ready: bool = True, **metadata: Any) -> dict[str, Any]:
    """A pod of one template or the other."""
    labels = {"pod-template-hash": value}
    return {
        "metadata": {"name": f"p-{value}", "creationTimestamp": "2026-01-01T00:00:00Z", "labels": labels, **metadata},
        "spec": of(value),
        "status": {"conditions": [{"type": "Ready", "status": str(is_ready)}]},
    }


@pytest.mark.parametrize(
    ("pods", "is_final"),
    [
        # An update that may not make its first pod would wait for ever.
        ([made("old"), made("old")], True),
        ([made("new"), made("old")], True),
        # One that has not started yet, or is about to go, makes room.
        ([made("new", is_ready=False), made("old")], False),
        ([made("old"), made("old", deletionTimestamp="2026-01-01T00:01:00Z")], False),
        # They were refused for a while, and are there now.
        ([made("new", is_ready=False), made("new")], False),
        ([], True),
    ],
)
def test_a_quota_is_too_small_when_nothing_makes_room(pods: list[dict[str, Any]], is_final: bool) -> None:
    workload = {**STUCK, "spec": {"replicas": 2, "template": {"spec": of("new")}}}
    seen = wait.Seen(workload, pods, [warning("pods is forbidden: exceeded quota: q")])
    assert ("quota" in wait.hopeless(seen)) == is_final


@pytest.mark.parametrize(("template", "word"), [("good", ""), ("bad", "ended 2 times")])
def test_a_change_that_is_taken_back_is_not_hopeless(template: str, word: str) -> None:
    workload = deployment(replicas=3, availableReplicas=2)
    workload["spec"]["template"] = {"spec": of(template)}
    good, bad = pod({"running": {}}), pod({"terminated": {}}, "2026-01-01T00:01:00Z", "other", restartCount=2)
    injected = {"name": "token", "projected": {}}
    good["spec"] |= {**of("good"), "volumes": [injected, *of("good")["volumes"]]}
    bad["spec"] |= of("bad")
    found = wait.hopeless(wait.Seen(workload, [good, bad]))
    assert word in found if word else found == ""


def part(**change: Any) -> dict[str, Any]:
    return {"containers": [{**of("a")["containers"][0], **change}], "volumes": of("a")["volumes"]}


@pytest.mark.parametrize(
    ("spec", "annotations", "same"),
    [
        (of("a"), {"secrets": "1", "added": "x"}, True),
        ({**of("a"), "containers": [{"name": "sidecar"}, *of("a")["containers"]]}, {"secrets": "1"}, True),
        (of("a"), {"secrets": "2"}, False),
        (of("b"), {"secrets": "1"}, False),
        (part(image="x/y:2"), {"secrets": "1"}, False),
        (part(args=["more"]), {"secrets": "1"}, False),
        ({**of("a"), "volumes": []}, {"secrets": "1"}, False),
    ],
)
def test_of_which_template_a_pod_was_made(spec: dict[str, Any], annotations: dict[str, str], same: bool) -> None:
    template = {"metadata": {"annotations": {"secrets": "1"}}, "spec": of("a")}
    assert wait.made_of({"metadata": {"annotations": annotations}, "spec": spec}, template) is same


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ('{"metadata":{},"status":"Success"}', 0),
        ('{"status":"Failure","details":{"causes":[{"reason":"ExitCode","message":"3"}]}}', 3),
        ('{"status":"Failure","details":{"causes":[{"reason":"Other"},{"reason":"ExitCode","message":"77"}]}}', 77),
        ('{"status":"Failure","message":"container not found"}', 1),
        ('{"status":"Failure","details":{"causes":[]}}', 1),
        ("", 1),
        ("no document", 1),
        ("[]", 1),
    ],
)
def test_the_exit_code_of_a_command(status: str, code: int) -> None:
    assert api.exit_code(status) == code


@pytest.mark.parametrize(
    ("ended", "end"),
    [
        (api.Ended(2, "made one\n", "first\nno such role\n\n"), "ended with 2: no such role."),
        (api.Ended(1, "only this\n", ""), "ended with 1: only this."),
        (api.Ended(137, "", ""), "ended with 137."),
    ],
)
def test_a_command_that_failed_is_named(ended: api.Ended, end: str) -> None:
    said = api.failure({"pod": "postgres-0", "container": "postgres", "argv": ["sh", "x.sh"]}, ended)
    assert said == f"`sh x.sh` in the container postgres of the pod postgres-0 {end}"


@pytest.mark.parametrize(
    ("answer", "log"),
    [
        ("the server's last words\n", "the server's last words\n"),
        ("", ""),
        ("unable to retrieve container logs for containerd://4c1f", ""),
    ],
)
def test_a_kubelet_without_a_log_has_no_log(answer: str, log: str) -> None:
    assert wait.log(answer) == log
