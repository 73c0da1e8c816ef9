# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifests, as the roles render them: valid for every version of Kubernetes from 1.29 on, and closed."""

from __future__ import annotations

import base64
import json
import re
import warnings
from pathlib import Path
from typing import Any

import certifi
import kubernetes_validate
import pytest
import yaml
from kubernetes_validate.utils import all_versions

from tests.unit.kubernetes_render import PHASES, ROOT, render

# Any certificate will do: nobody is asked anything.
CERTIFICATES = Path(certifi.where())
ELSEWHERE = {
    "object_store": "external",
    "object_store_bucket": "models",
    "object_store_prefix": "team/mlflow",
    "object_store_endpoint_url": "https://s3.example.com",
    "object_store_region": "eu-central-1",
    "object_store_addressing_style": "virtual",
    "object_store_ca_file": str(CERTIFICATES),
    # Two names of one address, which Kubernetes wants in one entry.
    "mlflow_server_hosts": {"models.s3.example.com": "192.0.2.7", "s3.example.com": "192.0.2.7"},
}
TOLERATION = {"key": "dedicated", "operator": "Equal", "value": "mlflow", "effect": "NoSchedule"}
HIGH_CPU = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "3Gi"}}
COMPONENTS = ("postgres", "seaweedfs", "mlflow_server", "load_balancer")
# Everything that is chosen for each component, with its own name in it, and everything that is chosen for all.
CHOSEN: dict[str, Any] = {
    "kubernetes_image_pull_secrets": ["registry"],
    "kubernetes_labels": {"example.com/team": "platform"},
    "kubernetes_annotations": {"example.com/owner": "The platform team"},
    "kubernetes_pod_labels": {"example.com/cost": "shared"},
    "kubernetes_pod_annotations": {"sidecar.istio.io/inject": "false"},
    "kubernetes_storage_class": "slow",
    "kubernetes_load_balancer_enabled": True,
    "mlflow_server_schema_resources": HIGH_CPU,
    "mlflow_server_env_from": [{"secretRef": {"name": "proxy"}}, {"configMapRef": {"name": "more", "optional": True}}],
    "mlflow_server_extra_volumes": [{"name": "authority", "configMap": {"name": "authority"}}],
    "mlflow_server_extra_volume_mounts": [{"name": "authority", "mountPath": "/etc/authority", "readOnly": True}],
    "mlflow_server_environment": {"REQUESTS_CA_BUNDLE": "/etc/authority/ca.pem"},
}
for each in COMPONENTS:
    CHOSEN |= {
        f"{each}_node_selector": {"example.com/for": each},
        f"{each}_tolerations": [TOLERATION],
        f"{each}_affinity": {"podAntiAffinity": {}},
        f"{each}_priority_class": each.replace("_", "-"),
        f"{each}_pod_labels": {"example.com/own": each},
        f"{each}_pod_annotations": {"example.com/own": each},
        f"{each}_service_account_annotations": {"eks.amazonaws.com/role-arn": each},
        f"{each}_resources": HIGH_CPU,
    }
CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    # The second one is a warning of the check's.
    "accepting": {"mlflow_server_accept": ["schema-emptied", "custom-scorers-enabled"]},
    "three": {
        "mlflow_server_replicas": 3,
        "mlflow_server_service_type": "LoadBalancer",
        "kubernetes_storage_class": "fast",
    },
    "external": {
        "mlflow_server_files": {"ca.pem": str(ROOT / "LICENSE")},
        "mlflow_server_environment": {
            "AWS_CA_BUNDLE": "/run/secrets/ca.pem",
            "REQUESTS_CA_BUNDLE": "/run/secrets/ca.pem",
        },
        "object_store": "external",
        "object_store_access_key": "key",
        "object_store_secret_key": "secret-of-the-store",
        "object_store_endpoint_url": "https://s3.example.com",
        "postgres_volume_claim": "mine",
    },
    "elsewhere": {
        **ELSEWHERE,
        "object_store_access_key": "key",
        "object_store_secret_key": "secret-of-the-store",
        "object_store_session_token": "token-of-the-store-for-an-hour",
    },
    "role": {
        "object_store": "external",
        "object_store_instance_role_enabled": True,
        "mlflow_server_service_account_annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/x"},
    },
    "ingress": {
        "mlflow_server_ingress": {"host": "mlflow.example.com", "class_name": "nginx", "tls_secret": "tls"},
        "kubernetes_url": "https://mlflow.example.com",
        "mlflow_server_service_type": "ClusterIP",
        "mlflow_server_trusted_proxies": ["10.244.3.7", "fd00:1::/64"],
        "mlflow_server_assistant_enabled": True,
    },
    "chosen": CHOSEN,
    "gateway": {
        "mlflow_server_http_route": {
            "hostnames": ["mlflow.example.com", "ml.example.com"],
            "parent_refs": [{"name": "gate", "namespace": "infra", "sectionName": "https"}],
            "tls_enabled": True,
            "annotations": {"example.com/timeout": "1h"},
        },
        "mlflow_server_service_type": "ClusterIP",
        "mlflow_server_args": {"static_prefix": "/mlflow"},
    },
    "balanced": {"kubernetes_load_balancer_enabled": True, "mlflow_server_replicas": 2},
    "open ingress": {"mlflow_server_ingress": {"host": "mlflow.example.com"}},
    "autoscaling": {"mlflow_server_autoscaling": {"max_replicas": 4, "cpu_percent": 70}, "mlflow_server_workers": 1},
    "many workers": {"mlflow_server_workers": 8},
    "adopting": {
        "mlflow_server_adopt_destination": True,
        "mlflow_server_schema_dump_enabled": False,
        "mlflow_server_schema_blocked_timeout": 600,
    },
    "minio": {"object_store": "minio", "mlflow_server_resources": {"requests": {"cpu": "1"}}},
}
OLDEST = (1, 29)
VERSIONS = sorted(
    {match[1] for match in (re.match(r"v?(\d+[.]\d+)", str(each)) for each in all_versions())
     if tuple(map(int, match[1].split("."))) >= OLDEST},
    key=lambda version: int(version.split(".")[1]),
)  # fmt: skip


@pytest.fixture(scope="module")
def plans(tmp_path_factory) -> dict[str, dict[str, Any]]:
    return render(CASES, tmp_path_factory.mktemp("rendered"))


# Kinds that are no part of Kubernetes have no schema there.
ELSEWHERE_DEFINED = ("gateway.networking.k8s.io/v1",)


def objects(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for phase in PHASES for each in plan[phase]]


def pods(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [each["spec"]["template"] for each in objects(plan) if "template" in each.get("spec", {})]


def test_there_are_versions_to_check_against() -> None:
    assert len(VERSIONS) >= 9
    assert VERSIONS[0] == "1.29"


@pytest.mark.parametrize("version", VERSIONS)
def test_manifests_are_valid(plans, version: str) -> None:
    for name, plan in plans.items():
        for each in (item for item in objects(plan) if item["apiVersion"] not in ELSEWHERE_DEFINED):
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                try:
                    kubernetes_validate.validate(each, version, strict=True)
                except kubernetes_validate.ValidationError as error:
                    pytest.fail(f"{name}: {each['kind']} {each['metadata']['name']}: {error.message}")


def test_the_validation_can_fail(plans) -> None:
    broken = json.loads(json.dumps(objects(plans["plain"])[-1]))
    broken["spec"]["replica"] = 2
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("case", CASES)
def test_every_object_is_labelled_and_in_the_namespace(plans, case: str) -> None:
    for each in objects(plans[case]):
        assert each["metadata"]["namespace"] == "mlflow"
        assert each["metadata"]["labels"]["mlops.mlflow.deployment"] == "rendered"
    for pod in pods(plans[case]):
        assert pod["metadata"]["labels"]["mlops.mlflow.deployment"] == "rendered"


@pytest.mark.parametrize("case", CASES)
def test_pods_keep_to_the_restricted_profile(plans, case: str) -> None:
    assert len(pods(plans[case])) >= 3
    for pod in pods(plans[case]):
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["requests"]


@pytest.mark.parametrize("case", CASES)
def test_secrets_are_in_secrets_only(plans, case: str) -> None:
    plan = plans[case]
    values = {base64.b64decode(value).decode() for each in plan["secrets"] for value in each["data"].values()} | {
        value for each in plan["secrets"] for value in each["data"].values()
    }
    values = {value for value in values if len(value) >= 20}
    assert len(values) >= 6
    text = json.dumps([each for phase in PHASES[1:] for each in plan[phase]])
    assert not [value for value in values if value in text]


def test_servers_have_no_password_of_the_owner(plans) -> None:
    for plan in plans.values():
        server = next(each for each in plan["servers"] if each["kind"] == "Deployment")
        assert "mlflow-schema" not in json.dumps(server)


def test_only_who_is_told_to_adopts_a_destination(plans) -> None:
    words = {name: plan["jobs"][0]["spec"]["template"]["spec"]["containers"][0]["args"] for name, plan in plans.items()}
    usual = ["schema", "--mode", "initialize", "--lock-timeout=300", "--blocked-timeout=30", "--wait", "60"]
    assert "--accept=schema-emptied" in words.pop("accepting")
    chosen = ["--adopt-destination", "--skip-dump", "--lock-timeout=300", "--blocked-timeout=600"]
    assert words.pop("adopting") == [*usual[:3], *chosen, *usual[5:]]
    assert all(each == usual for each in words.values())
    # A second time in a row nothing differs, and the step is there already: it is to be done because it is asked for.
    assert {name: plan["asked"] for name, plan in plans.items() if plan["asked"]} == {"adopting": ["mlflow_server"]}


def test_a_changed_argument_rolls_the_servers_only(tmp_path: Path) -> None:
    same = {"deployment_given_secrets": given()}
    changed = {**same, "mlflow_server_args": {"static_prefix": "/mlflow"}}
    before, after = render({"before": same, "after": changed}, tmp_path).values()

    def keys(plan: dict[str, Any]) -> list[dict[str, str]]:
        return [pod["metadata"].get("annotations", {}) for pod in pods(plan)]

    differ = [first != second for first, second in zip(keys(before), keys(after))]
    kinds = [each["kind"] for each in objects(before) if "template" in each.get("spec", {})]
    assert dict(zip(kinds, differ)) == {"StatefulSet": False, "Job": True, "Deployment": True}
    names = [[each["metadata"]["name"] for each in plan["jobs"]] for plan in (before, after)]
    assert names[0] != names[1], "the schema step is a Job of its own for each configuration"


def test_another_template_is_another_job(tmp_path: Path) -> None:
    """The template of a Job cannot change: the cluster would refuse every later run."""
    same = {"deployment_given_secrets": given()}
    settings = {
        "before": {},
        "again": {},
        "environment": {"mlflow_server_environment": {"MLFLOW_TRACE_TIMEOUT_SECONDS": "100"}},
        "hosts": {"mlflow_server_hosts": {"s3.example.com": "192.0.2.7"}},
    }
    plans = render({name: {**same, **each} for name, each in settings.items()}, tmp_path)
    jobs = {name: plan["jobs"][0] for name, plan in plans.items()}
    names = {name: job["metadata"]["name"] for name, job in jobs.items()}
    assert names["again"] == names["before"]
    assert jobs["again"]["spec"] == jobs["before"]["spec"]
    for name in ("environment", "hosts"):
        assert jobs[name]["spec"] != jobs["before"]["spec"]
        assert names[name] != names["before"], name


def given() -> dict[str, str]:
    wiring = yaml.safe_load((ROOT / "playbooks" / "vars" / "wiring.yml").read_text(encoding="utf-8"))
    names = wiring["deployment_generated_secrets"]
    return {name: ("A" * 43 + "=" if kind == "fernet" else f"given-{name}") for name, kind in names.items()}


def test_a_server_answers_to_the_name_of_its_ingress_whatever_its_address_is(tmp_path: Path) -> None:
    host = "mlflow.example.com"
    asked = {"mlflow_server_ingress": {"host": host}, "kubernetes_url": "http://localhost:5000"}
    plan = render({"named": asked}, tmp_path)["named"]
    # The Ingress itself has the name too.
    told = [each for each in objects(plan) if each["kind"] != "Ingress" and host in json.dumps(each)]
    assert told, [each["kind"] for each in objects(plan)]


def test_only_named_proxies_say_who_the_client_is(plans) -> None:
    """The node port stays open beside an Ingress, and everybody may send its headers there."""
    for name, plan in plans.items():
        for pod in pods(plan):
            for container in pod["spec"]["containers"]:
                variables = {each["name"]: each.get("value") for each in container.get("env", [])}
                if "MLFLOW_DISABLE_TELEMETRY" not in variables:
                    continue
                # Nothing but the load balancer reaches the servers' port, where there is one.
                believed = {"ingress": "10.244.3.7,fd00:1::/64", "balanced": "*", "chosen": "*"}
                assert variables.get("FORWARDED_ALLOW_IPS") == believed.get(name), name
                known = name == "ingress"
                assert variables.get("MLFLOW_ENABLE_REMOTE_ASSISTANT") == ("true" if known else None), name


def test_what_comes_through_a_node_goes_to_its_own_load_balancer(plans) -> None:
    plain, balanced = ({(each["kind"], each["metadata"]["name"]): each["spec"] for each in objects(plans[name])
                        if "spec" in each} for name in ("three", "balanced"))  # fmt: skip
    assert ("DaemonSet", "load-balancer") not in plain
    assert ("Service", "mlflow-server-pods") not in plain
    assert "internalTrafficPolicy" not in plain["Service", "mlflow-server"]
    assert "minReadySeconds" not in plain["Deployment", "mlflow-server"]

    service, behind = balanced["Service", "mlflow-server"], balanced["Service", "mlflow-server-pods"]
    assert service["selector"].items() <= balanced["DaemonSet", "load-balancer"]["selector"]["matchLabels"].items()
    assert (service["internalTrafficPolicy"], service["externalTrafficPolicy"]) == ("Local", "Local")
    labels = balanced["Deployment", "mlflow-server"]["template"]["metadata"]["labels"]
    assert (behind["clusterIP"], behind["selector"].items() <= labels.items()) == ("None", True)
    # The servers' policy is the same, so that nothing is closed while it is switched on or off.
    assert balanced["NetworkPolicy", "mlflow-server"] == plain["NetworkPolicy", "mlflow-server"]
    direct = ("NetworkPolicy", "mlflow-server-direct")
    assert plain[direct]["ingress"] == [{"ports": [{"port": 5000, "protocol": "TCP"}]}]
    assert direct not in balanced
    (rule,) = balanced["NetworkPolicy", "mlflow-server"]["ingress"]
    assert rule["from"] == [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "load-balancer"}}}]
    assert [each["port"] for each in rule["ports"]] == [5000, 5001]


def test_what_is_chosen_for_all_is_on_all_and_in_no_selector(plans) -> None:
    for each in objects(plans["chosen"]):
        assert each["metadata"]["labels"].items() >= CHOSEN["kubernetes_labels"].items()
        assert each["metadata"]["annotations"].items() >= CHOSEN["kubernetes_annotations"].items()
    for pod in pods(plans["chosen"]):
        assert pod["metadata"]["labels"].items() >= CHOSEN["kubernetes_pod_labels"].items()
        assert pod["metadata"]["annotations"].items() >= CHOSEN["kubernetes_pod_annotations"].items()
        assert "example.com/team" not in pod["metadata"]["labels"]
        assert pod["spec"]["imagePullSecrets"] == [{"name": "registry"}]
    plain = {(each["kind"], each["metadata"]["name"]): each for each in objects(plans["balanced"])}
    compared = 0
    for each in objects(plans["chosen"]):
        for field in ("selector", "podSelector"):
            if field in each.get("spec", {}):
                compared += 1
                assert each["spec"][field] == plain[each["kind"], each["metadata"]["name"]]["spec"][field]
    assert compared >= 8


def test_what_is_chosen_for_a_component_is_in_its_pods_only(plans) -> None:
    found = []
    for each in objects(plans["chosen"]):
        if each["kind"] not in ("StatefulSet", "Deployment", "DaemonSet", "Job"):
            continue
        template = each["spec"]["template"]
        component = template["metadata"]["labels"]["app.kubernetes.io/name"].replace("-", "_")
        found.append((each["kind"], component))
        spec = template["spec"]
        assert spec["nodeSelector"] == {"example.com/for": component}
        assert TOLERATION in spec["tolerations"]
        assert spec["affinity"] == {"podAntiAffinity": {}}
        assert spec["priorityClassName"] == component.replace("_", "-")
        assert template["metadata"]["labels"]["example.com/own"] == component
        assert template["metadata"]["annotations"]["example.com/own"] == component
        assert spec["containers"][0]["resources"] == HIGH_CPU
    assert found == [
        ("StatefulSet", "postgres"),
        ("StatefulSet", "seaweedfs"),
        ("Job", "mlflow_server"),
        ("Deployment", "mlflow_server"),
        ("DaemonSet", "load_balancer"),
    ]
    accounts = {
        each["metadata"]["name"]: each["metadata"]["annotations"]["eks.amazonaws.com/role-arn"]
        for each in objects(plans["chosen"])
        if each["kind"] == "ServiceAccount"
    }
    assert accounts == {each.replace("_", "-"): each for each in COMPONENTS}
    classes = {
        each["metadata"]["name"]: each["spec"]["storageClassName"]
        for each in objects(plans["chosen"])
        if each["kind"] == "PersistentVolumeClaim"
    }
    assert classes == dict.fromkeys(("postgres", "seaweedfs", "mlflow-schema-dumps"), "slow")


def test_servers_and_the_schema_step_have_further_environment_and_files(plans) -> None:
    for phase in ("jobs", "servers"):
        for each in plans["chosen"][phase]:
            if "template" not in each["spec"] or each["kind"] == "DaemonSet":
                continue
            spec = each["spec"]["template"]["spec"]
            container = spec["containers"][0]
            assert container["envFrom"] == CHOSEN["mlflow_server_env_from"]
            assert CHOSEN["mlflow_server_extra_volumes"][0] in spec["volumes"]
            assert CHOSEN["mlflow_server_extra_volume_mounts"][0] in container["volumeMounts"]
            # The check of arguments knows that the file can be there.
            assert {"name": "REQUESTS_CA_BUNDLE", "value": "/etc/authority/ca.pem"} in container["env"]


def test_data_services_are_as_they_were_where_nothing_is_chosen(plans) -> None:
    """Another template would restart them in every deployment that is there already."""
    for each in plans["plain"]["data"]:
        if each["kind"] == "StatefulSet":
            spec = each["spec"]["template"]["spec"]
            fields = ("nodeSelector", "tolerations", "affinity", "priorityClassName", "topologySpreadConstraints")
            assert not {*fields, "imagePullSecrets"} & set(spec)


def test_an_http_route_leads_to_the_servers_by_all_its_names(plans) -> None:
    route = next(each for each in plans["gateway"]["servers"] if each["kind"] == "HTTPRoute")
    assert route["apiVersion"] == "gateway.networking.k8s.io/v1"
    assert route["metadata"]["annotations"] == {"example.com/timeout": "1h"}
    asked = CASES["gateway"]["mlflow_server_http_route"]
    service = next(each for each in plans["gateway"]["servers"] if each["kind"] == "Service")
    rule = {
        "matches": [{"path": {"type": "PathPrefix", "value": "/mlflow"}}],
        "backendRefs": [{"name": service["metadata"]["name"], "port": service["spec"]["ports"][0]["port"]}],
    }
    assert route["spec"] == {
        "parentRefs": asked["parent_refs"],
        "hostnames": asked["hostnames"],
        "rules": [rule],
    }
    config = next(each for each in plans["gateway"]["data"] if "config.json" in each.get("data", {}))["data"]
    argv = json.loads(config["config.json"])["argv"]
    allowed = next(word for word in argv if "mlflow.example.com" in word and "http" not in word).split(",")
    for host in asked["hostnames"]:
        assert {host, f"{host}:*"} <= set(allowed)
    assert not [each for each in objects(plans["plain"]) if each["kind"] in ("HTTPRoute", "Ingress")]


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("postgres_node_selector", {"gpu": True}, "postgres_node_selector has gpu .*quotes"),
        ("seaweedfs_tolerations", [{"effect": "NoSchedule"}], "seaweedfs_tolerations has .*without a key"),
        ("mlflow_server_affinity", {"node": {}}, "mlflow_server_affinity has node: give nodeAffinity"),
        ("mlflow_server_resources", {"cpu": "1"}, "mlflow_server_resources has cpu: give requests and limits"),
        ("mlflow_server_pod_labels", {"app.kubernetes.io/name": "x"}, "which the deployment sets itself"),
        ("mlflow_server_http_route", {"hostnames": ["x"]}, "mlflow_server_http_route has the parent_refs"),
        (
            "mlflow_server_extra_volumes",
            [{"name": "host", "hostPath": {"path": "/"}}],
            "mlflow_server_extra_volumes has the volume host with hostPath",
        ),
    ],
)
def test_what_no_pod_can_have_is_refused(tmp_path, variable: str, value: Any, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        render({"refused": {variable: value}}, tmp_path)


@pytest.mark.parametrize("value", ["*", ["10.244.3.7", "ingress-nginx"]], ids=str)
def test_proxies_that_are_no_addresses_are_refused(tmp_path, value) -> None:
    with pytest.raises(AssertionError, match="mlflow_server_trusted_proxies is .*give a list of addresses or networks"):
        render({"refused": {"mlflow_server_trusted_proxies": value}}, tmp_path)


def test_what_is_kept_for_putting_back_is_what_was_applied_without_secrets(tmp_path: Path) -> None:
    """With the tasks that keep it when all is well; no cluster is asked for that."""
    home = tmp_path / "home" / "rendered"
    home.mkdir(parents=True)
    plan = render({"plain": {}}, tmp_path, ("names", "validate", "plan", "keep"))["plain"]
    kept = json.loads((home / "applied.json").read_text(encoding="utf-8"))
    assert kept["servers"] == plan["servers"]
    assert kept["data"] == [each for each in plan["data"] if each["kind"] != "PersistentVolumeClaim"]
    assert (kept["first"], kept["last"]) == (plan["first"], plan["last"])
    assert "Secret" not in {each["kind"] for each in kept["data"] + kept["servers"]}
    # The arguments are kept then too, and not before.
    assert (home / "mlflow_server_args.json").exists()


def test_rights_are_asked_for_every_kind(plans) -> None:
    variables = yaml.safe_load((ROOT / "roles/kubernetes/vars/main.yml").read_text(encoding="utf-8"))
    kinds = {each["kind"] for plan in plans.values() for each in objects(plan)}
    assert kinds == set(variables["__kubernetes_resources"])
    removable = {each.rpartition("/")[2] for each in variables["__kubernetes_removable"]}
    assert removable == kinds - {"Secret", "PersistentVolumeClaim"}, "what keep_data=true takes away"


def test_default_is_deny_and_names_can_be_looked_up(plans) -> None:
    policies = {
        each["metadata"]["name"]: each["spec"] for each in objects(plans["plain"]) if each["kind"] == "NetworkPolicy"
    }
    assert policies["default-deny"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert policies["allow-dns"]["egress"] == [
        {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}
    ]
    assert {"postgres", "seaweedfs", "mlflow-server"} <= set(policies)


def test_rolling_updates_take_no_server_away(plans) -> None:
    server = next(each for each in plans["three"]["servers"] if each["kind"] == "Deployment")
    assert server["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert server["spec"]["replicas"] == 3
    scaled = next(each for each in plans["autoscaling"]["servers"] if each["kind"] == "Deployment")
    assert "replicas" not in scaled["spec"]


def test_servers_are_spread_over_nodes_and_soon_leave_a_dead_one(plans) -> None:
    pod = next(each for each in plans["three"]["servers"] if each["kind"] == "Deployment")["spec"]["template"]["spec"]
    rules = {each["topologyKey"]: each for each in pod["topologySpreadConstraints"]}
    assert rules["kubernetes.io/hostname"]["whenUnsatisfiable"] == "DoNotSchedule"
    assert rules["topology.kubernetes.io/zone"]["whenUnsatisfiable"] == "ScheduleAnyway"
    for rule in rules.values():
        assert rule["matchLabelKeys"] == ["pod-template-hash"], "servers that are about to go count too"
        assert rule["nodeTaintsPolicy"] == "Honor", "nodes that take no pods count too"
    assert {each["tolerationSeconds"] for each in pod["tolerations"]} == {30}
    # What has a volume waits for its node.
    for each in plans["three"]["data"]:
        if each["kind"] == "StatefulSet":
            assert "tolerations" not in each["spec"]["template"]["spec"]


def test_the_number_of_servers_and_workers_touches_no_data_service(plans) -> None:
    """What a data service is told must not follow from how many servers there are, or scaling would restart it."""

    def told(name: str) -> dict[str, Any]:
        containers = {}
        for each in plans[name]["data"]:
            if each["kind"] == "StatefulSet":
                for container in each["spec"]["template"]["spec"]["containers"]:
                    containers[each["metadata"]["name"]] = {**container, "volumeMounts": None}
        return containers

    plain = told("plain")
    assert "max_connections=500" in plain["postgres"]["args"]
    assert told("three") == told("many workers") == told("autoscaling") == plain


def test_the_wiring_knows_the_default_of_the_connections() -> None:
    wiring = (ROOT / "playbooks" / "vars" / "wiring.yml").read_text(encoding="utf-8")
    defaults = yaml.safe_load((ROOT / "roles" / "postgres" / "defaults" / "main.yml").read_text(encoding="utf-8"))
    assert f"postgres_max_connections | default({defaults['postgres_max_connections']})" in wiring


def test_no_data_service_is_wired_to_the_number_of_servers() -> None:
    """On Compose too: what a data service is told comes from these variables."""
    wiring = yaml.safe_load((ROOT / "playbooks" / "vars" / "wiring.yml").read_text(encoding="utf-8"))
    told = {
        name: str(value) for name, value in wiring.items() if re.match("(postgres|object_store|seaweedfs|minio)_", name)
    }
    assert len(told) > 20
    for name, value in told.items():
        assert not re.search("replicas|workers|connections|servers", value), name


def test_files_of_the_user_are_beside_the_secrets(plans) -> None:
    secrets = {
        each["metadata"]["name"]: each["data"] for each in objects(plans["external"]) if each["kind"] == "Secret"
    }
    content = (ROOT / "LICENSE").read_bytes()
    assert base64.b64decode(secrets["mlflow-server"]["ca.pem"]) == content
    assert "ca.pem" not in secrets["mlflow-schema"]


def of_the_servers(plan: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str], dict[str, str]]:
    """The pod of the servers, its environment, and what is in its Secret."""
    pod = next(each for each in plan["servers"] if each["kind"] == "Deployment")["spec"]["template"]["spec"]
    secret = next(each for each in plan["secrets"] if each["metadata"]["name"] == "mlflow-server")["data"]
    variables = {each["name"]: each["value"] for each in pod["containers"][0]["env"]}
    return pod, variables, {name: base64.b64decode(value).decode() for name, value in secret.items()}


def test_what_the_guard_is_to_accept_reaches_the_schema_step_alone(plans) -> None:
    plain, accepting = plans["plain"], plans["accepting"]
    before, args = (plan["jobs"][0]["spec"]["template"]["spec"]["containers"][0]["args"] for plan in (plain, accepting))
    assert args == [*before[:-2], "--accept=schema-emptied", *before[-2:]]
    # The configuration is a part of it, by its name.
    assert of_the_servers(accepting)[0] == of_the_servers(plain)[0]


def test_an_external_store_is_told_to_the_servers_and_to_the_schema_step(plans) -> None:
    pod, variables, secrets = of_the_servers(plans["elsewhere"])
    job = plans["elsewhere"]["jobs"][0]["spec"]["template"]["spec"]
    assert {each["name"]: each["value"] for each in job["containers"][0]["env"]} == variables
    aliases = [{"ip": "192.0.2.7", "hostnames": ["models.s3.example.com", "s3.example.com"]}]
    assert job["hostAliases"] == pod["hostAliases"] == aliases
    wanted = {
        "AWS_CA_BUNDLE": "/run/secrets/s3_ca.pem",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_SHARED_CREDENTIALS_FILE": "/run/secrets/aws_credentials",
        "MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE": "virtual",
        "MLFLOW_S3_ENDPOINT_URL": "https://s3.example.com",
    }
    assert {name: variables.get(name) for name in wanted} == wanted
    assert secrets["s3_ca.pem"] == CERTIFICATES.read_text(encoding="utf-8")
    assert secrets["aws_credentials"].splitlines()[1:] == [
        "aws_access_key_id = key",
        "aws_secret_access_key = secret-of-the-store",
        "aws_session_token = token-of-the-store-for-an-hour",
    ]
    config = next(
        each for each in plans["elsewhere"]["data"] if each["kind"] == "ConfigMap" and "config.json" in each["data"]
    )
    assert json.loads(config["data"]["config.json"])["artifacts"]["destination"] == "s3://models/team/mlflow"
    policy = next(
        each for each in plans["elsewhere"]["data"]
        if each["kind"] == "NetworkPolicy" and each["metadata"]["name"] == "mlflow-server"
    )  # fmt: skip
    assert {"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}, {"ipBlock": {"cidr": "::/0"}}]} in policy["spec"]["egress"]


def mounts(plan: dict[str, Any]) -> set[str]:
    container = of_the_servers(plan)[0]["containers"][0]
    return {each["mountPath"] for each in container["volumeMounts"] if each["name"] == "secrets"}


def test_a_role_takes_the_place_of_a_key(plans) -> None:
    pod, variables, secrets = of_the_servers(plans["role"])
    assert "hostAliases" not in pod
    assert not {"AWS_SHARED_CREDENTIALS_FILE", "AWS_EC2_METADATA_DISABLED", "MLFLOW_S3_ENDPOINT_URL"} & set(variables)
    # AWS knows the checksums that boto3 sends by itself.
    assert "AWS_REQUEST_CHECKSUM_CALCULATION" not in variables
    assert not {"aws_credentials", "s3_ca.pem"} & set(secrets)
    account = next(
        each
        for each in plans["role"]["data"]
        if each["kind"] == "ServiceAccount" and each["metadata"].get("annotations")
    )
    # The cloud mounts its token below /var/run/secrets, which is /run/secrets in the image.
    assert mounts(plans["role"]) == {f"/run/secrets/{name}" for name in secrets}
    assert mounts(plans["plain"]) == {"/run/secrets"}
    assert account["metadata"]["annotations"] == {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/x"}
    assert all(
        "annotations" not in each["metadata"] for each in plans["plain"]["data"] if each["kind"] == "ServiceAccount"
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"object_store_ca_file": str(ROOT / "LICENSE")}, "object_store_ca_file is .*holds no certificate"),
        ({"object_store_secret_key": ""}, "object_store_secret_key is empty"),
    ],
    ids=["no certificate", "half a key"],
)
def test_what_is_wrong_with_it_is_told_before_the_plan(tmp_path, change: dict[str, str], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        render({"refused": {**CASES["elsewhere"], **change}}, tmp_path)
