# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the minikube test bed that need no cluster."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.beds.commands import BedFailed
from tests.beds.go_programs import OF_KUBERNETES, PROGRAMS
from tests.beds.kubernetes import checks, furnish, home, images, node, runtime, settings
from tests.beds.kubernetes.main import arguments
from tests.beds.kubernetes.settings import OWN_IMAGES, Parts

TABLE = """\
var (
	KubeadmImages = map[string]map[string]string{
		"v1.35.1": {
			"coredns/coredns": "v1.13.1",
			"etcd":            "3.6.6-0",
			"pause":           "3.10.1",
		},
		"v1.31.14": {
			"coredns/coredns": "v1.11.3",
			"etcd":            "3.5.24-0",
			"pause":           "3.10",
		},
	}
)
"""


@pytest.fixture
def minikube(tmp_path) -> Path:
    """The one file of minikube's source that says which images a Kubernetes has."""
    path = tmp_path / settings.IMAGES
    path.parent.mkdir(parents=True)
    path.write_text(TABLE, encoding="ascii")
    return tmp_path


@pytest.fixture
def parts(minikube) -> Parts:
    return settings.parts("", minikube)


# --- which releases ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "version"),
    [("", "1.35.1"), ("1.35", "1.35.1"), ("v1.35.1", "1.35.1"), ("1.31", "1.31.14"), ("1.31.14", "1.31.14")],
)
def test_a_release_by_the_names_it_is_called(word, version) -> None:
    assert settings.version_of(word) == version


@pytest.mark.parametrize("word", ["1.3", "1.20", "1.35.2", "latest"])
def test_a_release_that_the_bed_lacks_is_refused(word) -> None:
    with pytest.raises(BedFailed, match=f"^K8S_VERSION is {word}, and the bed has Kubernetes 1.35.1, .*: name one of"):
        settings.version_of(word)


def test_the_parts_of_a_release_are_what_minikube_says(minikube) -> None:
    parts = settings.parts("1.31", minikube)
    assert (parts.etcd, parts.coredns, parts.pause) == ("3.5.24-0", "v1.11.3", "3.10")
    wanted = {"kubernetes": "v1.31.14", "etcd": "v3.5.24", "coredns": "v1.11.3", "minikube": "v1.38.1"}
    assert {name: parts.programs[name].version for name in wanted} == wanted


def test_the_default_parts_are_those_of_the_table(parts) -> None:
    # `bed check` looks at these before anything of minikube is there.
    assert {name: parts.programs[name] for name in OF_KUBERNETES} == {name: PROGRAMS[name] for name in OF_KUBERNETES}


def test_a_release_that_minikube_does_not_know_is_refused(minikube) -> None:
    with pytest.raises(BedFailed, match="does not know Kubernetes 1.34.4"):
        settings.parts("1.34", minikube)


# --- images --------------------------------------------------------------------------------------------------------


@pytest.fixture
def folders(tmp_path) -> dict[str, Path]:
    made = {name: tmp_path / "programs" / name for name in OF_KUBERNETES}
    for name, folder in made.items():
        folder.mkdir(parents=True)
        for program in PROGRAMS[name].programs:
            (folder / program).write_bytes(f"program {program}".encode())
    return made


def test_every_image_that_a_cluster_asks_for_has_a_program(parts, folders, tmp_path) -> None:
    found = images.wanted(parts, folders, tmp_path / "pause", tmp_path / "traefik")
    assert {image.reference for image in found} == {
        "registry.k8s.io/kube-apiserver:v1.35.1",
        "registry.k8s.io/kube-controller-manager:v1.35.1",
        "registry.k8s.io/kube-scheduler:v1.35.1",
        "registry.k8s.io/kube-proxy:v1.35.1",
        "registry.k8s.io/etcd:3.6.6-0",
        "registry.k8s.io/coredns/coredns:v1.13.1",
        "registry.k8s.io/pause:3.10.1",
        "gcr.io/k8s-minikube/storage-provisioner:v5",
        *OWN_IMAGES.values(),
    }
    assert {image.reference for image in found if image.tools} == {
        "registry.k8s.io/kube-proxy:v1.35.1",
        OWN_IMAGES["kube-router"],
    }
    assert all(path.is_file() for image in found for path in image.files.values() if path.parent != tmp_path)


def test_an_archive_is_what_docker_would_save(tmp_path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"content")
    tools = images.layer({"/bin/sh": program})
    wanted = [
        images.Image("a.test/one:1", {"/one": program}, ("/one",)),
        images.Image("a.test/two:2", {"/two": program}, ("/two",), tools=True),
    ]
    target = tmp_path / "images.tar"
    images.write(target, wanted, tools, "amd64")
    with tarfile.open(target) as archive:
        names = archive.getnames()
        assert len(names) == len(set(names))
        manifest = json.load(archive.extractfile("manifest.json"))
        assert [each["RepoTags"] for each in manifest] == [["a.test/one:1"], ["a.test/two:2"]]
        for each in manifest:
            about = json.load(archive.extractfile(each["Config"]))
            layers = [archive.extractfile(name).read() for name in each["Layers"]]
            told = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]
            assert about["rootfs"]["diff_ids"] == told
            with tarfile.open(fileobj=io.BytesIO(layers[-1])) as layer:
                path = about["config"]["Entrypoint"][0]
                assert layer.getmember(path.lstrip("/")).mode == 0o755
        assert len(manifest[1]["Layers"]) == 2


@pytest.mark.parametrize("change", ["root", "program", "traefik", "pause"])
def test_all_that_goes_into_a_node_is_in_its_key(parts, folders, change) -> None:
    before = node.key("root", parts, folders.values(), "traefik-1")
    root, traefik = ("other" if change == name else name for name in ("root", "traefik"))
    if change == "program":
        folders["etcd"] = Path("etcd-v9")
    if change == "pause":
        parts = replace(parts, pause="9")
    assert node.key(root, parts, folders.values(), "traefik-1" if traefik == "traefik" else "other") != before


# --- manifests and what they are applied to ------------------------------------------------------------------------


@pytest.mark.parametrize("name", [path.stem for path in sorted(home.MANIFESTS.glob("*.yaml"))])
@pytest.mark.parametrize("upstream", [False, True])
def test_every_image_of_a_manifest_can_be_had(name, upstream) -> None:
    text = home.manifest(name, upstream)
    if upstream and name not in settings.UPSTREAM_IMAGES:
        return
    known = (settings.UPSTREAM_IMAGES if upstream else OWN_IMAGES).values()
    for document in yaml.safe_load_all(text):
        spec = document.get("spec", {}).get("template", {}).get("spec", {})
        for container in spec.get("initContainers", []) + spec.get("containers", []):
            assert container["image"] in known


def test_the_user_without_rights_has_no_key_but_a_token() -> None:
    clusters = [{"name": name, "cluster": {"server": f"https://{name}"}} for name in ("bed", "other")]
    contexts = [{"name": each, "context": {"cluster": each, "user": each}} for each in ("bed", "other")]
    users = [{"name": each, "user": {"client-key": "/secret"}} for each in ("bed", "other")]
    given = {"clusters": clusters, "contexts": contexts, "users": users}
    found = furnish.restricted(given, "bed", "token")
    assert found["users"] == [{"name": "bed-restricted", "user": {"token": "token"}}]
    assert found["clusters"] == clusters[:1]
    assert found["current-context"] == "bed-restricted"


@pytest.mark.parametrize(
    ("items", "answer"),
    [
        ([], False),
        ([{"spec": {"replicas": 1}, "status": {"readyReplicas": 1}}], True),
        ([{"spec": {"replicas": 1}, "status": {}}], False),
        ([{"spec": {"replicas": 1}, "status": {"readyReplicas": 1}}, {"spec": {"replicas": 2}}], False),
    ],
)
def test_when_deployments_are_ready(items, answer) -> None:
    assert furnish.ready(json.dumps({"items": items})) is answer
    assert not furnish.ready("")


@pytest.mark.parametrize(
    ("answer", "is_measured"),
    [
        ('{"kind": "NodeMetricsList", "items": [{"metadata": {"name": "one"}}]}', True),
        ('{"kind": "NodeMetricsList", "items": []}', False),
        ("Error from server (NotFound): the server could not find the requested resource", False),
        ("", False),
    ],
)
def test_metrics_are_there_when_a_node_has_some(answer: str, is_measured: bool) -> None:
    assert furnish.measured(answer) == is_measured


# --- the engine's runtime ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bounds", "answer"), [("000001fffeffffff", True), ("000001ffffffffff", False), ("0000000001000000", False)]
)
def test_whether_root_lacks_the_capability(bounds, answer) -> None:
    assert runtime.lacks(f"CapInh:\t0\nCapBnd:\t{bounds}\nCapAmb:\t0\n") is answer


@pytest.mark.parametrize("before", [{}, {"log-level": "warn"}, {"runtimes": {"other": {"path": "/x"}}}])
def test_settings_of_the_engine_are_kept(before) -> None:
    after = runtime.with_runtime(before)
    assert after["runtimes"][settings.RUNTIME] == {"path": str(runtime.PROGRAM)}
    assert runtime.without_runtime(after) == before


@pytest.mark.parametrize(
    ("existed", "now", "restored"),
    [
        (True, "after", "before"),
        (False, "after", None),
        (True, '{"debug": true, "runtimes": {"mlops-mlflow-bed": {"path": "x"}}}', '{\n  "debug": true\n}\n'),
    ],
)
def test_what_others_changed_meanwhile_is_kept(existed, now, restored) -> None:
    record = {"existed": existed, "before": "before", "after": "after"}
    assert runtime.restored(now, record) == restored


@pytest.mark.parametrize(("command", "option", "nested"), [("create", "--bundle", True), ("exec", "--process", False)])
def test_the_runtime_takes_one_capability_out(tmp_path, command, option, nested) -> None:
    runc = tmp_path / "runc"
    runc.write_text('#!/bin/sh\necho "$@"\n', encoding="ascii")
    runc.chmod(0o755)
    process = {"capabilities": {"bounding": ["CAP_CHOWN", "CAP_SYS_RESOURCE"], "ambient": None}}
    path = tmp_path / ("config.json" if nested else "process.json")
    path.write_text(json.dumps({"process": process} if nested else process), encoding="ascii")
    words = ["--root", "/r", command, option, str(tmp_path if nested else path), "name"]
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        [sys.executable, str(runtime.SOURCE), *words], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == words
    found = json.loads(path.read_text(encoding="ascii"))
    held = (found["process"] if nested else found)["capabilities"]
    assert held == {"bounding": ["CAP_CHOWN"], "ambient": []}


@pytest.mark.parametrize(
    ("words", "seen"),
    [
        (["run", "-d", "--privileged", "image"], f"run --runtime={settings.RUNTIME} -d --privileged image"),
        (["create", "--privileged", "image"], f"create --runtime={settings.RUNTIME} --privileged image"),
        (["run", "--rm", "image", "a b"], "run --rm image a b"),
        (["ps", "--privileged"], "ps --privileged"),
    ],
)
def test_nodes_alone_get_the_runtime(tmp_path, words, seen) -> None:
    real, script = tmp_path / "real", tmp_path / "docker"
    for path, text in (
        (real, '#!/bin/sh\necho "$@"\n'),
        (script, home.DOCKER.format(docker=real, runtime=settings.RUNTIME)),
    ):
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)
    done = subprocess.run([str(script), *words], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == seen


# --- refusals ------------------------------------------------------------------------------------------------------


def engine_that_says(tmp_path, monkeypatch, answer: str, code: int = 0) -> None:
    path = tmp_path / "docker"
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{answer}\nEND\nexit {code}\n", encoding="utf-8")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"ServerErrors": ["Cannot connect to the Docker daemon"]}, r"no Docker engine here \(Cannot connect"),
        ({}, r"no Docker engine here \(nothing answers\): run `ansible-playbook tests/beds/docker.yml`"),
        ({"ServerVersion": "29.0", "SecurityOptions": ["name=rootless"]}, "privileged containers, which this Docker"),
        ({"ServerVersion": "29.0", "SecurityOptions": ["name=userns"]}, "privileged containers, which this Docker"),
    ],
)
def test_an_engine_without_nodes_is_refused(tmp_path, monkeypatch, answer, words) -> None:
    engine_that_says(tmp_path, monkeypatch, json.dumps(answer))
    with pytest.raises(BedFailed, match=words):
        checks.engine()


def test_an_engine_that_will_do(tmp_path, monkeypatch) -> None:
    engine_that_says(tmp_path, monkeypatch, json.dumps({"ServerVersion": "29.0", "SecurityOptions": None}))
    assert checks.engine()["ServerVersion"] == "29.0"


def test_without_docker_there_is_no_bed(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BedFailed, match=r"^minikube's nodes are containers, and there is no Docker engine here"):
        checks.engine()


def test_another_system_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(checks.sys, "platform", "darwin")
    with pytest.raises(BedFailed, match=r"^This is darwin on .*, and the bed is for Linux on x86_64\.$"):
        checks.machine()


def test_an_ordinary_user_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(checks.os, "geteuid", lambda: 1000)
    with pytest.raises(BedFailed, match="needs root: run it as root"):
        checks.machine()


def test_too_little_disk_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(checks.os, "geteuid", lambda: 0)
    monkeypatch.setattr(checks, "GIBIBYTES", 10**6)
    with pytest.raises(BedFailed, match="GiB free, and 1000000 are needed"):
        checks.machine()


def test_nobody_answers_at_a_port_where_nobody_listens() -> None:
    assert not checks.answers("http://127.0.0.1:9/v2/")


@pytest.mark.parametrize("words", [[], ["nonsense"], ["furnish"], ["up", "--port", "5000"]])
def test_other_commands_are_refused(words, capsys) -> None:
    with pytest.raises(SystemExit):
        arguments(words)
    assert "usage: bed" in capsys.readouterr().err


def test_the_release_comes_from_the_environment(monkeypatch) -> None:
    monkeypatch.delenv("K8S_VERSION", raising=False)
    assert arguments(["up"]).version == settings.DEFAULT
    monkeypatch.setenv("K8S_VERSION", "1.31")
    assert arguments(["up"]).version == "1.31"
