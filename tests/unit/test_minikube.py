# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role minikube against stand-ins for minikube, Docker and Podman (tests/minikube/stand_in.py).

The role and its playbook are real, run by ansible-playbook. The programs are not: no cluster is started here. What is
tested is what the role asks of them, in which order, and what it makes of their answers; docs/minikube.md says what
that leaves open.
"""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.minikube import api, compare, stand_in

ROOT = Path(__file__).resolve().parents[2]
STAND_IN = ROOT / "tests/minikube/stand_in.py"
NEEDED = ["sh", "uname", "tar", "rmdir", "env", "mkdir", "chmod", "rm", "sleep", "cat", "echo", "df"]
CHANGES = tuple(f"minikube {word}" for word in ("start", "stop", "delete", "unpause", "image load", "node", "addons"))
CONFIG = {
    "Name": "mlflow",
    "Driver": "docker",
    "CPUs": 2,
    "Memory": 4096,
    "DiskSize": 20000,
    "KubernetesConfig": {"KubernetesVersion": "v1.37.0"},
    "Nodes": stand_in.nodes(1),
    "Addons": {},
}
START = "minikube start --profile=mlflow --interactive=false --keep-context --wait=all --wait-timeout=360s"
SIZES = "--cpus=2 --memory=4096mb --disk-size=20000mb"
RANCHER = "minikube addons enable storage-provisioner-rancher --profile=mlflow"
STOP, DELETE = "minikube stop --profile=mlflow", "minikube delete --profile=mlflow"
IMAGE = "mlops-mlflow/postgres:15-abc"


@dataclass
class Host:
    """A made-up machine: its programs and what they answer, its cluster, and the role's variables."""

    variables: dict = field(default_factory=dict)
    scenario: dict = field(default_factory=dict)
    programs: tuple[str, ...] = ("minikube", "docker")
    cluster: dict | None = None  # the status of a cluster that is there
    config: dict = field(default_factory=dict)
    images: list[str] = field(default_factory=list)
    entry: str = "main"
    refused: tuple[str, ...] = ()  # words of the refusal
    calls: tuple[str, ...] = ()  # what is done, in order
    url: str = ""


# All of them are given at once: each has a message of its own.
BAD = {
    "minikube_profile": ("My_Cluster", "lower-case"),
    "minikube_version": ("1.20.0", "1.34.0"),
    "minikube_checksum": ("abc", "64"),
    "minikube_release_url": ("http://example.com/x", "https://"),
    "minikube_cpus": (1, "at least 2"),
    "minikube_nodes": (0, "1 to 20"),
    "minikube_zones": (["a b"], "zone-a"),
    "minikube_addons": (["No Name"], "metrics-server"),
    "minikube_memory_mb": (1024, "1800"),
    "minikube_disk_size_mb": (100, "2000"),
    "minikube_kubernetes_version": ("new", "1.34"),
    "minikube_wait_timeout": (5, "60"),
    "minikube_public_address": ("localhost", "127.0.0.1"),
    "minikube_public_port": (70000, "65535"),
    "minikube_node_port": (5000, "30000 to 32767"),
    "minikube_start_args": (["force", "--memory=9g"], "begins with --"),
    "minikube_images": (["postgres"], "tag"),
}
REFUSED = {
    "bad": Host({name: value for name, (value, _) in BAD.items()}, refused=("minikube_profile",)),
    "choices": Host(
        {"minikube_state": "paused", "minikube_driver": "lxc"},
        refused=("minikube_state", "paused", "started", "minikube_driver", "lxc", "docker"),
    ),
    "no-list": Host({"minikube_images": IMAGE}, refused=("minikube_images", IMAGE, "list")),
    "no-path": Host({"minikube_path": "/nonexistent/minikube"}, refused=("minikube_path", "/nonexistent", "leave")),
    "old": Host(scenario={"version": "v1.30.1"}, refused=("1.30.1", "1.34.0", "update")),
    "no-release": Host(
        {"minikube_release_url": "http://127.0.0.1:9/releases"},
        programs=("docker",),
        refused=("1.39.0", "out of reach", "minikube_path"),
    ),
    "root": Host(scenario={"uid": 0}, refused=("root", "minikube_force_enabled")),
    "no-driver": Host(programs=("minikube",), refused=("minikube_driver", "auto", "no Docker", "no Podman", "install")),
    "docker-down": Host(
        {"minikube_driver": "docker"},
        {"docker": "Cannot connect to the Docker daemon"},
        refused=("minikube_driver", "does not answer", "Cannot connect"),
    ),
    "no-kvm": Host(
        {"minikube_driver": "kvm2", "stand_in_kvm": "/nonexistent/kvm"},
        programs=("minikube", "virsh"),
        refused=("minikube_driver", "/nonexistent/kvm", "nested", "docker"),
    ),
    "mac-only": Host({"minikube_driver": "hyperkit"}, refused=("minikube_driver", "HyperKit", "Linux")),
    "many-cpus": Host({"minikube_cpus": 64}, refused=("minikube_cpus", "64", "Docker has 4", "less")),
    "big": Host({"minikube_memory_mb": 65536}, refused=("minikube_memory_mb", "65536", "16384", "less")),
    "port-of-a-process": Host({"minikube_public_port": "TAKEN"}, refused=("minikube_public_port", "stop it")),
    "port-of-another-cluster": Host(
        scenario={"containers": ["other,,other,"]},
        refused=("minikube_public_port", "the cluster other of minikube", "minikube stop --profile=other"),
    ),
    "port-of-another-load-balancer": Host(
        scenario={"containers": ["other-load-balancer,,,other"]},
        refused=("minikube_public_port", "minikube stop --profile=other"),
    ),
    "not-privileged": Host(
        scenario={"privileged": "runc did not terminate successfully: unable to apply caps: operation not permitted"},
        refused=("privileged", "Docker", "unable to apply caps", "minikube_driver"),
    ),
    "too-many-nodes": Host({"minikube_nodes": 5}, refused=("4096 for each of 5 nodes", "Docker has 16384")),
    "more-zones-than-nodes": Host({"minikube_zones": ["a", "b"]}, refused=("minikube_zones has 2", "minikube_nodes=1")),
    "podman-with-nodes": Host(
        {"minikube_nodes": 2}, programs=("minikube", "podman"), refused=("minikube_nodes is 2", "Podman", "docker")
    ),
    "further-node": Host(
        {"minikube_nodes": 2}, cluster=stand_in.RUNNING, refused=("minikube_nodes is 2, it has 1", "published port")
    ),
    "fewer-nodes": Host(
        cluster=stand_in.RUNNING,
        config={"Nodes": stand_in.nodes(3), "ExposedPorts": None},
        refused=("minikube_nodes is 1, it has 3", "minikube_recreate_enabled"),
    ),
    "port-of-a-deployment": Host(
        scenario={"containers": ["mlflow-local-server-1,local,,"]},
        refused=("minikube_public_port", "deployment local", "destroy.yml -e deployment=local"),
    ),
    "other": Host(
        {
            "minikube_driver": "podman",
            "minikube_cpus": 3,
            "minikube_memory_mb": 8192,
            "minikube_node_port": 30600,
            "minikube_kubernetes_version": "1.36",
        },
        cluster=stand_in.STOPPED,
        refused=(
            "minikube_driver is podman, it has docker",
            "minikube_cpus is 3, it has 2",
            "minikube_memory_mb is 8192, it has 4096",
            "minikube_kubernetes_version is 1.36, it has 1.37.0",
            ":30600, it has 127.0.0.1:",
            "minikube_recreate_enabled",
        ),
    ),
    "broken": Host(cluster={}, refused=("mlflow", "invalid", "minikube_recreate_enabled")),
    "no-image": Host({"minikube_images": [IMAGE]}, refused=("minikube_images", IMAGE, "minikube_images_archive")),
    "no-archive": Host(
        {"minikube_images_archive": "/nonexistent.tar"}, refused=("minikube_images_archive", "/nonexistent.tar", "save")
    ),
    "orphan": Host(
        {"minikube_state": "absent"},
        programs=("docker",),
        cluster=stand_in.STOPPED,
        refused=("mlflow", "no minikube", "minikube_path"),
    ),
    "open-absent": Host(entry="open", refused=("mlflow", "absent", "--tags start")),
    "open-unanswered": Host(
        {"minikube_public_port": 9}, entry="open", cluster=stand_in.RUNNING, refused=("nothing answers", "k8s.yml")
    ),
}
# Here something was tried: the refusal names minikube's own reason, and what helps.
FAILED = {
    "start-fails": Host(
        scenario={"start_fails": [23, "X Exiting due to RSRC_INSUFFICIENT_CONTAINER_MEMORY: docker has too little"]},
        refused=("exit code 23", "RSRC_INSUFFICIENT_CONTAINER_MEMORY: docker has too little", "minikube_memory_mb"),
        calls=(f"{START} --driver=docker {SIZES} --ports=PORTS",),
    ),
    "takes-no-pods": Host(
        {"minikube_wait_timeout": 61, "stand_in_ready_seconds": 1},
        {"missing": ["mlflow", "dns", "volumes"]},
        cluster=stand_in.RUNNING,
        refused=("node mlflow is not ready", "network not ready", "DNS", "minikube-hostpath", "61 seconds"),
    ),
    "load-does-nothing": Host(
        {"minikube_images": [IMAGE]},
        {"docker_images": [IMAGE], "load_does_nothing": True},
        cluster=stand_in.STOPPED,
        refused=(IMAGE, "does not list it"),
        calls=(START, f"minikube image load --profile=mlflow --daemon=true --remote=false {IMAGE}"),
    ),
}
DONE = {
    "present": Host({"minikube_state": "present"}),
    "root-and-more-args": Host(
        {"minikube_force_enabled": True, "minikube_start_args": ["--image-mirror-country=cn"]},
        {"uid": 0},
        calls=(f"{START} --force --driver=docker {SIZES} --ports=PORTS --image-mirror-country=cn",),
        url="http://localhost:PORT",
    ),
    "podman": Host(
        programs=("minikube", "podman"),
        calls=(f"{START} --driver=podman {SIZES} --ports=PORTS",),
        url="http://localhost:PORT",
    ),
    "addons": Host(
        {"minikube_addons": ["metrics-server", "ingress"]},
        cluster=stand_in.RUNNING,
        config={"Addons": {"ingress": True}},
        calls=("minikube addons enable metrics-server --profile=mlflow",),
        url="http://localhost:PORT",
    ),
    "kvm2-with-nodes": Host(
        {"minikube_driver": "kvm2", "stand_in_kvm": "/dev/null", "minikube_nodes": 2},
        programs=("minikube", "virsh"),
        calls=(f"{START} --driver=kvm2 {SIZES} --nodes=2", RANCHER),
        url="http://192.168.39.7:30500",
    ),
    "kvm2-with-a-further-node": Host(
        {"minikube_driver": "kvm2", "stand_in_kvm": "/dev/null", "minikube_nodes": 3},
        programs=("minikube", "virsh"),
        cluster=stand_in.STOPPED,
        config={
            "Driver": "kvm2",
            "ExposedPorts": None,
            "Nodes": stand_in.nodes(2),
            "Addons": {"storage-provisioner-rancher": True},
        },
        calls=(START, "minikube node add --profile=mlflow"),
        url="http://192.168.39.7:30500",
    ),
    "kvm2": Host(
        {"minikube_driver": "kvm2", "stand_in_kvm": "/dev/null", "minikube_kubernetes_version": "1.34.0"},
        programs=("minikube", "virsh"),
        calls=(f"{START} --driver=kvm2 {SIZES} --kubernetes-version=v1.34.0",),
        url="http://192.168.39.7:30500",
    ),
    "recreate": Host(
        {"minikube_memory_mb": 8192, "minikube_recreate_enabled": True},
        cluster=stand_in.RUNNING,
        calls=(DELETE, f"{START} --driver=docker {SIZES.replace('4096', '8192')} --ports=PORTS"),
        url="http://localhost:PORT",
    ),
    "recreate-broken": Host(
        {"minikube_recreate_enabled": True},
        cluster={},
        calls=(DELETE, f"{START} --driver=docker {SIZES} --ports=PORTS"),
        url="http://localhost:PORT",
    ),
    "as-text": Host(  # as `-e name=value` gives them
        {"minikube_memory_mb": "4096", "minikube_recreate_enabled": "true", "minikube_kubernetes_version": "v1.37"},
        cluster=stand_in.RUNNING,
        url="http://localhost:PORT",
    ),
    "paused": Host(cluster=stand_in.PAUSED, calls=("minikube unpause --profile=mlflow",), url="http://localhost:PORT"),
    "unhealthy": Host(cluster=stand_in.UNHEALTHY, calls=(START,), url="http://localhost:PORT"),
    "stop-paused": Host({"minikube_state": "stopped"}, cluster=stand_in.PAUSED, calls=(STOP,)),
    "delete-nothing": Host({"minikube_state": "absent"}, programs=("docker",)),
    "images": Host(
        {"minikube_images": [IMAGE, "mlops-mlflow/debian:1"], "minikube_images_archive": "ARCHIVE"},
        {"docker_images": [IMAGE]},
        cluster=stand_in.RUNNING,
        images=["mlops-mlflow/debian:1"],
        calls=(
            "minikube image load --profile=mlflow --daemon=false --remote=false ARCHIVE",
            f"minikube image load --profile=mlflow --daemon=true --remote=false {IMAGE}",
        ),
        url="http://localhost:PORT",
    ),
}
HOSTS = {**REFUSED, **FAILED, **DONE}


def put_stand_in(program: Path) -> None:
    """The stand-in answers by the name of its file."""
    program.write_text(f"#!{sys.executable}\n{STAND_IN.read_text(encoding='utf-8')}", encoding="utf-8")
    program.chmod(0o755)


def make(host: Host, home: Path, port: int, taken: int, archive: Path, server: str) -> dict:
    """Lay the machine out below its home folder, and say what Ansible has to know of it."""
    bin_dir = home / "programs"
    bin_dir.mkdir(parents=True)
    for name in NEEDED:
        (bin_dir / name).symlink_to(shutil.which(name) or sys.exit(f"there is no {name}"))
    for name in ("id", *host.programs):
        put_stand_in(bin_dir / name)
    (home / "scenario.json").write_text(json.dumps({**host.scenario, "api": f"{server}/{home.name}"}))
    if host.cluster is not None:
        stand_in.write_kubeconfig(home, "mlflow", f"{server}/{home.name}")
        config = {**CONFIG, "ExposedPorts": [f"127.0.0.1:{port}:30500"], **host.config} if host.cluster else None
        path = home / "profiles/mlflow/config.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(config))
        (home / "machines").mkdir()
        (home / "machines/mlflow.json").write_text(json.dumps({"status": host.cluster or None, "images": host.images}))
    words = {"TAKEN": taken, "ARCHIVE": str(archive)}
    return {
        "minikube_public_port": port,
        **{key: words.get(value, value) if isinstance(value, str) else value for key, value in host.variables.items()},
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "ansible_pipelining": True,
        "stand_in_path": str(bin_dir),
        "stand_in_home": str(home),
        "stand_in_entry": host.entry,
    }


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def ansible(*words: str, home: Path, **more: str) -> dict:
    """Run ansible-playbook and read what it did."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "MINIKUBE_"))}
    variables = {
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "playbooks/collections"),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
        "ANSIBLE_HOME": str(home / ".ansible"),
    }
    result = subprocess.run(
        [str(Path(sys.executable).parent / "ansible-playbook"), *words],
        cwd=ROOT,
        env={**kept, **variables, **more},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    start = result.stdout.find("{\n")
    assert start >= 0, result.stdout + result.stderr
    return json.loads(result.stdout[start:])


def results(run: dict, host: str) -> list[dict]:
    return [task["hosts"][host] for play in run["plays"] for task in play["tasks"] if host in task["hosts"]]


def failure(run: dict, host: str) -> str:
    failed = [one for one in results(run, host) if one.get("failed")]
    if not failed:
        return ""
    items = [item["msg"] for item in failed[-1].get("results", []) if item.get("failed")]
    return str(items[0] if items else failed[-1]["msg"])


def called(home: Path) -> list[str]:
    path = home / "calls.txt"
    return path.read_text().splitlines() if path.exists() else []


def changes(home: Path) -> list[str]:
    return [line for line in called(home) if line.startswith(CHANGES)]


@dataclass
class World:
    homes: dict[str, Path]
    port: int
    archive: Path
    run: dict

    def expected(self, calls: tuple[str, ...]) -> list[str]:
        words = {"PORTS": f"127.0.0.1:{self.port}:30500", "ARCHIVE": str(self.archive)}
        return [functools.reduce(lambda text, word: text.replace(*word), words.items(), call) for call in calls]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """All made-up machines, and one run of the role on all of them."""
    folder = tmp_path_factory.mktemp("minikube")
    archive = folder / "images.tar"
    with tarfile.open(archive, "w") as tar:
        text = json.dumps([{"Config": "c.json", "RepoTags": ["mlops-mlflow/seaweedfs:4"], "Layers": []}]).encode()
        entry = tarfile.TarInfo("manifest.json")
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text))
    with socket.create_server(("127.0.0.1", 0)) as other, api.servers(folder) as server:
        port, taken = free_port(), other.getsockname()[1]
        homes = {name: folder / name for name in HOSTS}
        hosts = {name: make(host, homes[name], port, taken, archive, server) for name, host in HOSTS.items()}
        inventory = folder / "hosts.json"
        inventory.write_text(json.dumps({"all": {"hosts": hosts}}))
        run = ansible("tests/minikube/role.yml", "--inventory", str(inventory), "--forks=4", home=folder)
        yield World(homes, port, archive, run)


@pytest.mark.parametrize("name", REFUSED)
def test_refused_before_anything_is_changed(world: World, name: str) -> None:
    message = failure(world.run, name)
    for word in REFUSED[name].refused:
        assert word in message
    assert changes(world.homes[name]) == []
    assert not [one for one in results(world.run, name) if one.get("changed")]
    assert not (world.homes[name] / ".local").exists()


@pytest.mark.parametrize("name", BAD)
def test_bad_input_names_variable_value_and_remedy(world: World, name: str) -> None:
    value, remedy = BAD[name]
    shown = value[0] if isinstance(value, list) else str(value)
    # All at once, a line for each.
    failed = [line for one in results(world.run, "bad") if one.get("failed") for line in one["msg"].splitlines()]
    assert [msg for msg in failed if msg.startswith(name) and shown in msg and remedy in msg]


@pytest.mark.parametrize("name", FAILED)
def test_failures_name_the_reason(world: World, name: str) -> None:
    message = failure(world.run, name)
    for word in FAILED[name].refused:
        assert word in message
    assert changes(world.homes[name]) == world.expected(FAILED[name].calls)


@pytest.mark.parametrize("name", DONE)
def test_done_by_exactly_these_commands(world: World, name: str) -> None:
    assert failure(world.run, name) == ""
    assert changes(world.homes[name]) == world.expected(DONE[name].calls)
    found = results(world.run, name)[-1]["msg"]
    url = DONE[name].url.replace("PORT", str(world.port))
    assert found == {"context": "mlflow" if url else "", "url": url}
    # One task deletes, another one does all the rest.
    assert world.run["stats"][name]["changed"] == len({call.startswith(DELETE) for call in DONE[name].calls})


class Releases(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def releases(tmp_path: Path) -> Iterator[str]:
    """A place with one release, as upstream's: a program, and its checksum beside it."""
    system = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine()]
    program = tmp_path / "releases/v1.39.0" / f"minikube-{platform.system().lower()}-{system}"
    program.parent.mkdir(parents=True)
    # The stand-in goes by its file's name, which is `minikube` where the role puts it.
    put_stand_in(program)
    program.with_name(f"{program.name}.sha256").write_text(hashlib.sha256(program.read_bytes()).hexdigest())
    handler = functools.partial(Releases, directory=str(tmp_path / "releases"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    with api.servers(tmp_path) as address:
        yield address


def test_life_of_a_cluster_by_the_playbook(tmp_path: Path, releases: str, server: str) -> None:
    """From a machine without minikube: what would be done, start, again, stop, start, open, delete."""
    home = tmp_path / "machine"
    port = free_port()
    variables = make(Host(programs=("docker",)), home, port, 0, tmp_path, server)
    program = home / ".local/share/mlops.mlflow/bin/minikube"
    environment = {"PATH": variables["stand_in_path"], "HOME": str(home), "MINIKUBE_HOME": str(home)}
    words = [
        *("-e", f"minikube_public_port={port}", "-e", f"minikube_release_url={releases}"),
        *("-e", f"ansible_python_interpreter={sys.executable}"),
    ]

    def play(*more: str) -> tuple[int, list[str]]:
        before = len(changes(home))
        run = ansible("playbooks/minikube.yml", *words, *more, home=home, **environment)
        assert failure(run, "localhost") == ""
        return run["stats"]["localhost"]["changed"], changes(home)[before:]

    create = f"{START} --driver=docker {SIZES} --ports=127.0.0.1:{port}:30500"
    # What check mode counts: the download and the start.
    assert play("--check", "--diff") == (2, [])
    assert not program.exists()
    # Folder, program and cluster.
    assert play() == (3, [create])
    assert program.exists()
    assert program.stat().st_mode & 0o777 == 0o755
    assert play("--tags=start") == (0, [])
    assert play("--tags=stop") == (1, [STOP])
    assert play() == (1, [START])
    with socket.create_server(("127.0.0.1", port)) as server:
        threading.Thread(target=answer_once, args=[server], daemon=True).start()
        assert play("--tags=open") == (0, [])
    # The cluster, the program and its folder.
    assert play("--tags=delete") == (3, [DELETE])
    assert not program.exists()


def answer_once(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def test_a_program_that_is_not_the_published_one_is_not_kept(tmp_path: Path, releases: str) -> None:
    home = tmp_path / "machine"
    variables = make(Host(programs=("docker",)), home, free_port(), 0, tmp_path, "")
    environment = {"PATH": variables["stand_in_path"], "HOME": str(home), "MINIKUBE_HOME": str(home)}
    chosen = {"release_url": releases, "state": "present", "checksum": "0" * 64}
    words = [word for key, value in chosen.items() for word in ("-e", f"minikube_{key}={value}")]
    words += ["-e", f"ansible_python_interpreter={sys.executable}"]
    message = failure(ansible("playbooks/minikube.yml", *words, home=home, **environment), "localhost")
    assert "could not be downloaded" in message
    assert "minikube_checksum" in message
    assert not (home / ".local/share/mlops.mlflow/bin/minikube").exists()


@pytest.mark.parametrize(
    ("real", "mine", "different"),
    [
        ({"Name": "a", "Config": {"CPUs": 2, "New": 1}}, {"Name": "b", "Config": {"CPUs": 4}}, 0),
        ({"Config": {"ExposedPorts": ["x"]}}, {"Config": {"ExposedPorts": None}}, 0),
        ([{"Host": "Running"}], [{"Host": "Stopped"}], 0),
        ([], [{"Host": "Stopped"}], 0),
        ({"CPUs": 2}, {"CPUs": "2"}, 1),
        ({"Name": "a"}, {"Name": "a", "Invented": 1, "Also": 2}, 2),
        ([{"Host": "Running"}], {"Host": "Running"}, 1),
        ({"Addons": {"ingress": True}}, {"Addons": {"dashboard": True}}, 0),
    ],
)
def test_the_comparison_with_a_real_one_finds_differences(real: object, mine: object, different: int) -> None:
    words = ["x", "--output=json"]
    found = compare.compared(words, (0, json.dumps(real)), (0, json.dumps(mine)))
    assert len(found) == different
    assert len(compare.compared(words, (85, ""), (0, json.dumps(mine)))) == 1
