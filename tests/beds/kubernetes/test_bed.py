# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real node: a database with a volume, what clients do with it, and that nothing is left of the node.

pytest tests/beds/kubernetes; as root, with an image mlops-mlflow/postgres in the local Docker engine, and no bed up.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psycopg2
import pytest
from kubernetes import client
from kubernetes.stream import portforward, stream

from tests.beds.commands import BedFailed, wait_for
from tests.beds.kubernetes import build, cgroups, checks, cluster, host
from tests.beds.kubernetes.settings import COVERED, HOST_INTERFACE, LINK, NODE_ADDRESS

BED = Path(__file__).with_name("bed")
SPACE = "bed-test"
PASSWORD = "only-for-this-test"
NODE_PORT = 30500
READY_SECONDS = 60


def bed(*words: str, check: bool = True, timeout: float = 150) -> subprocess.CompletedProcess:
    done = subprocess.run(
        [sys.executable, str(BED), *words], capture_output=True, text=True, timeout=timeout, check=False
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def machine() -> dict:
    """What a bed could leave on the machine."""
    interfaces = sorted(os.listdir("/sys/class/net"))
    return {
        "link": LINK.is_symlink(),
        "control groups": [str(path) for path in cgroups.exist()],
        "interface": HOST_INTERFACE in interfaces,
        "mounts": [line for line in Path("/proc/mounts").read_text().splitlines() if "bed" in line.split()[1]],
        "folders": [path for path in COVERED if Path(path).exists()],
        "kernel": {name: Path("/proc/sys", name).read_text() for name in host.KERNEL_SETTINGS},
        "rules": [line for line in _output("iptables-save").splitlines() if "KUBE" in line],
        "programs": [line for line in _output("ps", "-eo", "args").splitlines() if _is_ours(line)],
        "namespaces": _output("ip", "netns", "list"),
    }


def _is_ours(line: str) -> bool:
    return Path(line.split()[0]).name in (*build.PROGRAMS, "etcd", "dnsmasq") or "tests.beds.kubernetes" in line


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout


@pytest.fixture(scope="module")
def before() -> dict:
    try:
        checks.privileges()
        checks.nothing_is_up()
    except BedFailed as reason:
        pytest.skip(str(reason))
    return machine()


@pytest.fixture(scope="module")
def port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def folder(before, tmp_path_factory):
    """Of a bed, whatever the tests made of it."""
    folder = tmp_path_factory.mktemp("bed")
    yield folder
    bed("down", "--folder", str(folder))


@pytest.fixture(scope="module")
def api(folder, port, image):
    """A node with the image, and a namespace."""
    bed(
        "up",
        "--folder",
        str(folder),
        "--port",
        str(port),
        "--kubeconfig",
        str(folder.parent / "kubeconfig"),
        timeout=3000,
    )
    bed("load", image)
    api = cluster.connect(folder.parent / "kubeconfig")
    api.CoreV1Api().create_namespace({"metadata": {"name": SPACE}})
    return api


def _secured(image: str, **more) -> dict:
    """A container that may do nothing that it need not."""
    security = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    return {"image": image, "securityContext": security, "imagePullPolicy": "Never"} | more


POD_SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": 999,
    "runAsGroup": 999,
    "fsGroup": 999,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def _database(image: str) -> dict:
    """PostgreSQL on a claimed volume."""
    container = _secured(
        image,
        name="postgres",
        env=[
            {"name": "POSTGRES_PASSWORD", "value": PASSWORD},
            # The folder of the volume belongs to root, so the database makes one of its own in it.
            {"name": "PGDATA", "value": "/data/cluster"},
        ],
        ports=[{"containerPort": 5432}],
        readinessProbe={"exec": {"command": ["pg_isready", "-h", "127.0.0.1", "-U", "postgres"]}, "periodSeconds": 1},
        volumeMounts=[
            {"name": "data", "mountPath": "/data"},
            {"name": "run", "mountPath": "/var/run/postgresql"},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    )
    spec = {
        "securityContext": POD_SECURITY,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "containers": [container],
        "volumes": [{"name": "run", "emptyDir": {"medium": "Memory"}}, {"name": "tmp", "emptyDir": {}}],
    }
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {
        "metadata": {"name": "postgres"},
        "spec": {
            "serviceName": "postgres-pods",
            "selector": {"matchLabels": {"app": "postgres"}},
            "template": {"metadata": {"labels": {"app": "postgres"}}, "spec": spec},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}],
        },
    }


def _service(name: str, **spec) -> dict:
    ports = [{"port": 5432, **({"nodePort": NODE_PORT} if spec.get("type") == "NodePort" else {})}]
    return {"metadata": {"name": name}, "spec": {"selector": {"app": "postgres"}, "ports": ports, **spec}}


@pytest.fixture(scope="module")
def database(api, image):
    core = api.CoreV1Api()
    core.create_namespaced_service(SPACE, _service("postgres", type="NodePort"))
    core.create_namespaced_service(SPACE, _service("postgres-pods", clusterIP="None"))
    api.AppsV1Api().create_namespaced_stateful_set(SPACE, _database(image))
    wait_for("The database did not become ready", READY_SECONDS, lambda: _ready(api))
    return "postgres-0"


def _ready(api) -> bool:
    state = api.AppsV1Api().read_namespaced_stateful_set_status("postgres", SPACE).status
    return state.ready_replicas == 1


def _ask(address: str, port: int, statement: str) -> list:
    answers = []

    def answered() -> bool:
        # A Service leads to a pod a moment after the pod is ready.
        with contextlib.suppress(psycopg2.OperationalError):
            options = {"user": "postgres", "password": PASSWORD, "connect_timeout": 5}
            connection = psycopg2.connect(host=address, port=port, **options)
            with connection, connection.cursor() as cursor:
                cursor.execute(statement)
                answers.extend(cursor.fetchall() if cursor.description else [])
            return True
        return False

    wait_for(f"{address}:{port} did not answer", 10, answered)
    return answers


def _job(api, image: str, name: str, *command: str) -> tuple[bool, str]:
    """Run a command in the cluster; whether it succeeded, and what it said."""
    spec = {
        "restartPolicy": "Never",
        "securityContext": POD_SECURITY,
        "containers": [
            _secured(image, name="job", command=list(command), env=[{"name": "PGPASSWORD", "value": PASSWORD}])
        ],
    }
    job = {"metadata": {"name": name}, "spec": {"backoffLimit": 0, "template": {"spec": spec}}}
    batch, core = api.BatchV1Api(), api.CoreV1Api()
    batch.create_namespaced_job(SPACE, job)

    def over() -> bool:
        state = batch.read_namespaced_job_status(name, SPACE).status
        return bool(state.succeeded or state.failed)

    wait_for(f"The job {name} did not end", READY_SECONDS, over)
    pod = core.list_namespaced_pod(SPACE, label_selector=f"job-name={name}").items[0].metadata.name
    said = core.read_namespaced_pod_log(pod, SPACE)
    return bool(batch.read_namespaced_job_status(name, SPACE).status.succeeded), said


def test_the_service_answers_at_the_node_and_on_localhost(database, port) -> None:
    assert _ask(NODE_ADDRESS, NODE_PORT, "select 41 + 1") == [(42,)]
    assert _ask("127.0.0.1", port, "select 41 + 1") == [(42,)]


def test_a_pod_that_comes_back_has_its_data(api, database) -> None:
    _ask(NODE_ADDRESS, NODE_PORT, "create table kept as select 7 as number")
    api.CoreV1Api().delete_namespaced_pod(database, SPACE)
    wait_for("The pod did not go", 60, lambda: not _ready(api))
    wait_for("The pod did not come back", READY_SECONDS, lambda: _ready(api))
    assert _ask(NODE_ADDRESS, NODE_PORT, "select number from kept") == [(7,)]


@pytest.mark.parametrize(
    ("job", "name"),
    [
        ("short", "postgres"),
        ("full", f"postgres.{SPACE}.svc.cluster.local"),
        ("pod", f"postgres-0.postgres-pods.{SPACE}.svc.cluster.local"),
    ],
)
def test_names_of_services_and_pods(api, database, image, job, name) -> None:
    succeeded, said = _job(api, image, job, "psql", "-h", name, "-U", "postgres", "-Atc", "select 'here'")
    assert succeeded, said
    assert said.strip() == "here"


def test_a_name_that_is_not_there_is_refused_at_once(api, database, image) -> None:
    started = time.monotonic()
    succeeded, said = _job(api, image, "absent", "psql", "-h", "absent", "-U", "postgres")
    assert not succeeded
    assert "Name or service not known" in said
    assert time.monotonic() - started < 20


def test_nothing_outside_of_the_machine_is_reached(api, database, image) -> None:
    # An address of the documentation's; the node itself refuses it, and no packet leaves.
    succeeded, said = _job(api, image, "outside", "psql", "-h", "192.0.2.1", "-U", "postgres")
    assert not succeeded
    assert "unreachable" in said.lower() or "No route to host" in said


def test_exec_logs_and_port_forward(api, database) -> None:
    core = api.CoreV1Api()
    options = {"stderr": True, "stdin": False, "stdout": True, "tty": False}
    said = stream(core.connect_get_namespaced_pod_exec, database, SPACE, command=["id", "-u"], **options)
    assert said.strip() == "999"
    assert "database system is ready to accept connections" in core.read_namespaced_pod_log(database, SPACE)
    forwarded = portforward(core.connect_get_namespaced_pod_portforward, database, SPACE, ports="5432")
    with contextlib.closing(forwarded.socket(5432)) as connection:
        # The request for TLS of PostgreSQL's protocol: N is its answer where there is none.
        connection.sendall(bytes([0, 0, 0, 8, 4, 210, 22, 47]))
        assert connection.recv(1) == b"N"


def test_a_rollout(api, image) -> None:
    apps = api.AppsV1Api()
    spec = {
        "securityContext": POD_SECURITY,
        "terminationGracePeriodSeconds": 1,
        "containers": [_secured(image, name="sleep", command=["sleep", "600"])],
    }
    template = {"metadata": {"labels": {"app": "sleep"}}, "spec": spec}
    deployment = {
        "metadata": {"name": "sleep"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "sleep"}}, "template": template},
    }
    apps.create_namespaced_deployment(SPACE, deployment)

    def rolled(generation: int) -> bool:
        state = apps.read_namespaced_deployment_status("sleep", SPACE).status
        counts = {state.replicas, state.updated_replicas, state.available_replicas}
        return counts == {2} and state.observed_generation >= generation

    wait_for("The deployment did not become ready", READY_SECONDS, lambda: rolled(1))
    template["metadata"]["annotations"] = {"checksum": "another"}
    changed = apps.patch_namespaced_deployment("sleep", SPACE, deployment)
    wait_for("The deployment was not rolled", READY_SECONDS, lambda: rolled(changed.metadata.generation))
    pods = api.CoreV1Api().list_namespaced_pod(SPACE, label_selector="app=sleep").items
    staying = [pod for pod in pods if not pod.metadata.deletion_timestamp]
    assert [(pod.metadata.annotations or {}).get("checksum") for pod in staying] == ["another", "another"]


def test_clients_are_told_the_version(api) -> None:
    told = api.VersionApi().get_code()
    assert (told.major, told.minor, told.git_version) == ("1", "20", build.VERSION)


def test_the_restricted_user_may_do_nothing(api, folder) -> None:
    path = bed("kubeconfig", "--restricted").stdout.strip()
    assert Path(path).stat().st_mode & 0o777 == 0o600
    from kubernetes import config

    restricted = config.new_client_from_config(path)
    review = {"spec": {"resourceAttributes": {"namespace": SPACE, "verb": "create", "resource": "secrets"}}}
    answer = client.AuthorizationV1Api(restricted).create_self_subject_access_review(review)
    assert answer.status.allowed is False
    with pytest.raises(client.ApiException) as refusal:
        client.CoreV1Api(restricted).create_namespaced_secret(SPACE, {"metadata": {"name": "mine"}})
    assert refusal.value.status == 403


def test_a_second_bed_is_refused(api, folder) -> None:
    done = bed("up", check=False)
    assert done.returncode == 2
    assert done.stderr.strip() == f"A bed is up already, in {folder}: `bed status` shows it, `bed down` ends it."


def test_an_image_is_copied_once(api, image) -> None:
    assert f"The node has {image} already" in bed("load", image).stderr
    refused = bed("load", "bed-test/absent:1", check=False)
    assert refused.returncode == 2
    assert refused.stderr.strip() == (
        "The image bed-test/absent:1 is not in the local Docker engine: build or pull it first."
    )


def test_status_tells_of_what_ended(api, folder) -> None:
    assert bed("status").stdout.endswith("The node is ready.\n")
    for name in ("kubelet", "containerd"):
        os.kill(_process(folder, name), signal.SIGKILL)
    wait_for(
        "The end was not recorded", 5, lambda: len(json.loads((folder / "programs.json").read_text())["ended"]) == 2
    )
    done = bed("status", check=False)
    assert done.returncode == 1
    assert "kubelet                  ended at" in done.stdout


def _process(folder: Path, name: str) -> int:
    return cgroups.node_processes()[json.loads((folder / "programs.json").read_text())["running"][name]]


def test_down_after_that_leaves_nothing(api, folder, before, port) -> None:
    bed("down")
    assert machine() == before
    assert not folder.exists()
    assert not (folder.parent / "kubeconfig").exists()
    checks.port(port)
    assert bed("down", "--folder", str(folder)).stderr.endswith("No bed is up\n")


@pytest.mark.parametrize("seconds", [0.3, 1.5, 8])
def test_down_after_half_an_up(api, folder, before, seconds) -> None:
    process = subprocess.Popen([sys.executable, str(BED), "up", "--folder", str(folder)], stderr=subprocess.DEVNULL)
    time.sleep(seconds)
    process.kill()
    process.wait()
    bed("down", "--folder", str(folder))
    assert machine() == before
    assert not folder.exists()


def test_up_again_at_once_after_the_first_process_was_killed(api, folder, before) -> None:
    bed("up", "--folder", str(folder))
    os.kill(cgroups.node_processes()[1], signal.SIGKILL)
    assert bed("status", check=False).returncode == 1
    bed("down")
    bed("up", "--folder", str(folder))
    assert bed("status").returncode == 0
    bed("down")
    assert machine() == before
