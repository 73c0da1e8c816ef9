# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the Kubernetes test bed that need no node."""

from __future__ import annotations

import base64
import io
import json
import socket
import tarfile
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from kubernetes import client

from tests.beds.commands import BedFailed
from tests.beds.kubernetes import build, certificates, cgroups, checks, host, images, names, programs
from tests.beds.kubernetes.main import arguments
from tests.beds.kubernetes.settings import MARKER, PAUSE_IMAGE, Bed

VERSION_1 = """\
cgroup /sys/fs/cgroup/cpu cgroup rw,relatime,cpu,cpuacct 0 0
cgroup /sys/fs/cgroup/cpuset cgroup rw,relatime,cpuset 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0
cgroup /sys/fs/cgroup/pids cgroup rw,relatime,pids 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0
tmpfs /tmp tmpfs rw 0 0
"""


@pytest.fixture
def bed(tmp_path) -> Bed:
    bed = Bed(tmp_path, tmp_path / "programs")
    for folder in (bed.keys, bed.settings, bed.logs):
        folder.mkdir()
    return bed


# --- control groups ------------------------------------------------------------------------------------------------


def test_processes_are_known_by_the_hierarchy_of_pids() -> None:
    hierarchies = cgroups.mounts(VERSION_1)
    assert len(hierarchies) == 5
    assert cgroups.tracking(hierarchies).path == Path("/sys/fs/cgroup/pids")


def test_version_2_alone_has_one_hierarchy() -> None:
    hierarchies = cgroups.mounts("cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n")
    assert cgroups.tracking(hierarchies).path == Path("/sys/fs/cgroup")


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("tmpfs /tmp tmpfs rw 0 0\n", "There are no control groups under /sys/fs/cgroup"),
        (VERSION_1.replace("cgroup rw,relatime,memory", "cgroup rw,relatime,freezer"), "the control group memory,"),
    ],
)
def test_machines_without_the_control_groups_are_refused(table, sentence) -> None:
    with pytest.raises(BedFailed, match=sentence):
        cgroups.tracking(cgroups.mounts(table))


def test_numbers_of_a_process_in_the_namespaces_below() -> None:
    assert cgroups.inner_number("Name:\tkubelet\nNSpid:\t4711\t23\n") == (23,)
    assert cgroups.inner_number("Name:\tpause\nNSpid:\t4711\t99\t1\n") == (99, 1)
    assert cgroups.inner_number("Name:\tsocat\nNSpid:\t4711\n") == ()


# --- keys ----------------------------------------------------------------------------------------------------------


def test_every_kubeconfig_is_secret_and_signed_by_the_new_authority(bed) -> None:
    certificates.make(bed)
    authority = x509.load_pem_x509_certificate((bed.keys / "authority.crt").read_bytes())
    for name, (user, _group) in certificates.CLIENTS.items():
        path = bed.kubeconfig(name)
        assert path.stat().st_mode & 0o777 == 0o600
        pem = yaml.safe_load(path.read_text())["users"][0]["user"]["client-certificate-data"]
        certificate = x509.load_pem_x509_certificate(base64.b64decode(pem))
        authority.public_key().verify(
            certificate.signature, certificate.tbs_certificate_bytes, ec.ECDSA(certificate.signature_hash_algorithm)
        )
        assert certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value == user


def test_the_restricted_user_is_in_no_group(bed) -> None:
    certificates.make(bed)
    content = yaml.safe_load(bed.kubeconfig("restricted").read_text())
    certificate = x509.load_pem_x509_certificate(
        base64.b64decode(content["users"][0]["user"]["client-certificate-data"])
    )
    assert not certificate.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)
    assert content["current-context"] == "mlops-mlflow-bed-restricted"


def test_two_beds_have_nothing_in_common(bed) -> None:
    certificates.make(bed)
    first = {path.name: path.read_bytes() for path in bed.keys.iterdir()}
    certificates.make(bed)
    assert all(path.read_bytes() != first[path.name] for path in bed.keys.iterdir())


# --- names ---------------------------------------------------------------------------------------------------------


def _service(name: str, address: str | None) -> client.V1Service:
    metadata = client.V1ObjectMeta(name=name, namespace="space")
    return client.V1Service(metadata=metadata, spec=client.V1ServiceSpec(cluster_ip=address))


def _endpoints(name: str, *addresses: tuple[str, str | None]) -> client.V1Endpoints:
    subset = client.V1EndpointSubset(
        addresses=[client.V1EndpointAddress(ip=ip, hostname=hostname) for ip, hostname in addresses] or None,
        not_ready_addresses=[client.V1EndpointAddress(ip="10.244.0.99")],
    )
    return client.V1Endpoints(metadata=client.V1ObjectMeta(name=name, namespace="space"), subsets=[subset])


def test_names_of_services_and_of_the_pods_behind_headless_ones() -> None:
    services = [
        _service("web", "10.96.0.7"),
        _service("data", "None"),
        _service("empty", "None"),
        _service("out", None),
    ]
    endpoints = [
        _endpoints("web", ("10.244.0.2", None)),
        _endpoints("data", ("10.244.0.3", "data-0")),
        _endpoints("empty"),
    ]
    assert names.lines(services, endpoints) == [
        "10.244.0.3 data-0.data.space.svc.cluster.local",
        "10.244.0.3 data.space.svc.cluster.local",
        "10.96.0.7 web.space.svc.cluster.local",
    ]


# --- images and programs -------------------------------------------------------------------------------------------


def test_the_pause_image_is_one_program() -> None:
    with tarfile.open(fileobj=io.BytesIO(images.archive(b"program", "amd64"))) as image:
        manifest = json.load(image.extractfile("manifest.json"))
        assert manifest[0]["RepoTags"] == [PAUSE_IMAGE]
        with tarfile.open(fileobj=image.extractfile(manifest[0]["Layers"][0])) as layer:
            assert [(entry.name, entry.mode) for entry in layer] == [("pause", 0o755)]


def test_the_cache_knows_what_went_in(monkeypatch) -> None:
    key = build.key()
    assert key == build.key()
    monkeypatch.setattr(build, "ENVIRONMENT", build.ENVIRONMENT | {"GOLDFLAGS": ""})
    assert build.key() != key


def test_half_a_cache_is_not_taken(tmp_path) -> None:
    build.folder(tmp_path).mkdir()
    (build.folder(tmp_path) / "kubelet").touch()
    assert not build.is_built(tmp_path)


def test_another_distribution_is_refused_before_the_build(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(build, "distribution", lambda: ("fedora", "unknown"))
    with pytest.raises(BedFailed, match="This is fedora unknown, and Kubernetes is built from the source package"):
        build.provide(tmp_path)


def test_the_settings_name_only_the_beds_own_paths(bed) -> None:
    assert f'root = "{bed.folder}/containerd"' in programs.containerd_settings(bed)
    assert programs.kubelet_settings(bed)["cgroupRoot"] == "/mlops-mlflow-bed"
    assert f"--data-dir={bed.folder}/etcd" in programs.etcd(bed)


# --- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["up", "--port", "0"], "0 is not between 1 and 65535"),
        (["up", "--port", "http"], "http is not between 1 and 65535"),
        (["up", "--node-port", "5000"], "5000 is not between 30000 and 32767"),
        (["load"], "the following arguments are required: IMAGE"),
        (["restart"], "invalid choice: 'restart'"),
    ],
)
def test_options_that_cannot_be(words, sentence, capsys) -> None:
    with pytest.raises(SystemExit):
        arguments(words)
    assert sentence in capsys.readouterr().err


def test_a_folder_with_something_else_is_refused(tmp_path) -> None:
    (tmp_path / "letter").touch()
    with pytest.raises(BedFailed, match="something in it that is no bed: name an empty or a new folder"):
        checks.folder(tmp_path)
    (tmp_path / MARKER).touch()
    checks.folder(tmp_path)


@pytest.mark.parametrize("name", ["with space", "a,b", "a:b", "x" * 130])
def test_folders_that_the_programs_cannot_read_are_refused(tmp_path, name) -> None:
    with pytest.raises(BedFailed, match="name one of up to 120 characters without spaces"):
        checks.folder(tmp_path / name)


def test_a_taken_port_is_refused() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(BedFailed, match=f"--port is {port}, which cannot be had on 127.0.0.1"):
            checks.port(port)
    checks.port(port)


def test_a_kubeconfig_is_never_overwritten(tmp_path) -> None:
    (tmp_path / "config").write_text("mine")
    with pytest.raises(BedFailed, match="which exists: name a new file, or remove it"):
        checks.kubeconfig(tmp_path / "config")
    with pytest.raises(BedFailed, match="whose folder does not exist"):
        checks.kubeconfig(tmp_path / "absent" / "config")


def test_not_root(monkeypatch) -> None:
    monkeypatch.setattr(checks.os, "geteuid", lambda: 1000)
    with pytest.raises(BedFailed, match="which needs root: run it as root"):
        checks.privileges()


def test_a_kubeconfig_that_was_changed_since_is_kept(bed) -> None:
    """What `up` wrote is taken back; what a user made of it is not."""
    bed.kubeconfig().write_text("ours")
    for content, stays in (("ours", False), ("theirs", True)):
        copy = bed.folder / "copy"
        copy.write_text(content)
        (bed.folder / host.COPY).write_text(str(copy))
        host._restore(bed)
        assert copy.exists() is stays
