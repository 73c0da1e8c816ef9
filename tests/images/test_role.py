# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role: which way each image comes, and that it keeps to it.

Registries are real ones, of Debian's package docker-registry, on the loopback interface.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import threading
import urllib.request
from contextlib import contextmanager

import pytest

from .conftest import run, until

PINNED = {
    "postgres": "docker.io/library/postgres:15.18-bookworm",
    "seaweedfs": "docker.io/chrislusf/seaweedfs:4.48",
    "minio": "quay.io/minio/minio:RELEASE.2025-09-07T16-13-09Z",
    "load_balancer": "docker.io/library/haproxy:3.0.28",
    "mlflow_server": "registry.example/mlflow-server:1",
}
PROBE = "Ask each registry for the image"
BUILD = "Announce the build"


@pytest.fixture
def registry(tmp_path, free_port):
    """A registry of our own, empty."""
    if not shutil.which("docker-registry"):
        pytest.skip("Debian's package docker-registry is not installed")
    config = tmp_path / "registry.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {tmp_path}/registry}}}}\n"
        f"http: {{addr: '127.0.0.1:{free_port}'}}\n"
    )
    process = subprocess.Popen(
        ["docker-registry", "serve", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    address = f"127.0.0.1:{free_port}"
    until(lambda: listening(free_port), "the registry answers")
    tags: list[str] = []

    def push(image: str, reference: str) -> str:
        place = f"{address}/{reference.split('/', 1)[1]}"
        run("docker", "tag", image, place)
        tags.append(place)
        run("docker", "push", "--quiet", place)
        return place

    push.address = address
    push.tags = tags
    push.mirrors = dict.fromkeys(("docker.io", "quay.io", "registry.example"), address)
    push.stop = lambda: (process.terminate(), process.wait(20))
    yield push
    process.terminate()
    process.wait(20)
    for tag in tags:
        run("docker", "rmi", tag, check=False)


def listening(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


@contextmanager
def silent_server():
    """A place that takes connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        held = []
        thread = threading.Thread(target=accept, args=(listener, held), daemon=True)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}", held
        # Closing does not wake a thread that waits in accept().
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)
        for connection in held:
            connection.close()


def accept(listener: socket.socket, held: list) -> None:
    while True:
        try:
            held.append(listener.accept()[0])
        except OSError:
            return


def forget(push, *places: str) -> None:
    for place in places or push.tags:
        run("docker", "rmi", place, check=False)


def small(tmp_path) -> str:
    """An image of a few bytes, which stands in where only the supply matters."""
    (tmp_path / "Dockerfile").write_text('FROM scratch\nCOPY Dockerfile /\nCMD ["/none"]\n')
    run(
        "docker",
        "build",
        "--quiet",
        "--tag",
        "images-test:small",
        str(tmp_path),
        env={**os.environ, "DOCKER_BUILDKIT": "0"},
    )
    return "images-test:small"


@pytest.fixture
def tiny(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    yield small(folder)
    run("docker", "rmi", "images-test:small", check=False)


def test_a_second_run_changes_nothing_and_asks_nobody(role, images):
    first = role()
    assert first.resolved["object_store"]["kind"] == "seaweedfs"
    again = role()
    assert again.changed == 0
    assert not again.ran(PROBE)
    assert not again.ran(BUILD)
    assert again.resolved == first.resolved
    assert role.record.stat().st_mode & 0o777 == 0o600
    assert json.loads(role.record.read_text())["components"] == first.resolved
    for line in again.resolved.values():
        run("docker", "image", "inspect", line["reference"])
        assert f"({line['reference']}), because " in again.text


def test_from_a_registry_minio_included_and_kept_when_it_goes_away(fresh_role, registry, tiny):
    places = {name: registry(tiny, reference) for name, reference in PINNED.items() if name != "seaweedfs"}
    forget(registry)
    options = {
        "images_components": ["postgres", "object_store", "mlflow_server", "load_balancer"],
        "images_registry_mirrors": registry.mirrors,
        "images_mlflow_server_reference": PINNED["mlflow_server"],
        "images_object_store": "minio",
    }

    check = fresh_role("--check", **options)
    assert check.changed > 0
    assert {image["supply"] for image in check.resolved.values()} == {"registry"}
    assert f"would pull {places['postgres']}" in check.text
    assert not fresh_role.record.exists()
    assert run("docker", "image", "inspect", places["postgres"], check=False).returncode

    first = fresh_role(**options)
    assert {name: image["reference"] for name, image in first.resolved.items()} == {
        "postgres": places["postgres"],
        "object_store": places["minio"],
        "load_balancer": places["load_balancer"],
        "mlflow_server": places["mlflow_server"],
    }
    assert {image["supply"] for image in first.resolved.values()} == {"registry"}
    assert first.resolved["object_store"]["kind"] == "minio"
    assert first.resolved["postgres"]["reason"] == f"{registry.address} answers"
    assert all(image["id"].startswith("sha256:") for image in first.resolved.values())
    assert fresh_role(**options).changed == 0

    # One image vanishes: it comes back the same way, without a question.
    forget(registry, places["postgres"])
    back = fresh_role(**options)
    assert back.resolved == first.resolved
    assert back.changed == 1
    assert not back.ran(PROBE)

    # It vanishes together with its registry: said, and nothing else is put in its place.
    forget(registry, places["minio"])
    registry.stop()
    gone = fresh_role(check=False, **options)
    assert gone.code != 0
    assert places["minio"] in gone.text
    assert "could not be pulled" in gone.text
    assert json.loads(fresh_role.record.read_text())["components"] == first.resolved

    # The deployment keeps its store without being told, and another one is taken when somebody says so.
    del options["images_object_store"]
    kept = fresh_role("--check", images_supply="build", **options)
    assert kept.resolved["object_store"]["kind"] == "minio"
    forced = fresh_role("--check", images_object_store="seaweedfs", images_supply="build", **options)
    assert forced.resolved["object_store"]["kind"] == "seaweedfs"
    assert forced.resolved["object_store"]["supply"] == "build"


@pytest.mark.extended
def test_what_a_registry_lacks_is_built(fresh_role, registry, images, tiny):
    place = registry(tiny, PINNED["postgres"])
    # A registry that has MinIO does not decide which store it is.
    registry(tiny, PINNED["minio"])
    forget(registry)
    answer = fresh_role(
        "--check", images_registry_mirrors=registry.mirrors, images_components=["postgres", "object_store"]
    )
    assert answer.resolved["postgres"]["supply"] == "registry"
    assert answer.resolved["postgres"]["reference"] == place
    store = answer.resolved["object_store"]
    assert store["kind"] == "seaweedfs"
    assert store["supply"] == "build"
    assert f"{registry.address} does not have {registry.address}/chrislusf/seaweedfs" in store["reason"]


@pytest.mark.extended
def test_a_registry_that_answers_but_does_not_give_the_image(fresh_role, registry, images, tiny, tmp_path):
    """Its manifest is there and its layers are not: the first deployment builds the image, and says why."""
    registry(tiny, PINNED["load_balancer"])
    # The engine would take what it has already.
    forget(registry)
    run("docker", "rmi", tiny)
    for data in (tmp_path / "registry/docker/registry/v2/blobs").rglob("data"):
        if not data.read_bytes().startswith(b"{"):
            data.unlink()
    options = {"images_components": ["load_balancer"], "images_registry_mirrors": registry.mirrors}
    answer = fresh_role(**options)
    image = answer.resolved["load_balancer"]
    registry.tags.append(image["reference"])
    assert image["supply"] == "build"
    assert f"{registry.address} answered, but did not give" in image["reason"]
    assert fresh_role(**options).resolved == answer.resolved


def test_the_mlflow_image_stands_on_the_base_that_answers(fresh_role, registry, tiny):
    registry(tiny, "docker.io/library/debian:bookworm-20260824-slim")
    forget(registry)
    answer = fresh_role("--check", images_components=["mlflow_server"], images_registry_mirrors=registry.mirrors)
    assert answer.resolved["mlflow_server"]["base"] == "registry"
    assert "so its base comes from there" in answer.resolved["mlflow_server"]["reason"]


@pytest.mark.extended
def test_an_order_is_followed_and_kept(role, registry, images, tiny):
    place = registry(tiny, PINNED["postgres"])
    options = {"images_components": ["postgres"], "images_registry_mirrors": registry.mirrors}
    assert role(images_supply="registry", **options).resolved["postgres"]["reference"] == place
    built = role(images_supply="build", **options)
    assert built.resolved["postgres"]["supply"] == "build"
    assert built.resolved["postgres"]["reason"] == "images_supply is build"
    # Without an order the record decides, although the registry's image is here.
    kept = role(**options)
    assert kept.resolved == built.resolved
    assert kept.changed == 0


@pytest.mark.extended
def test_registries_that_do_not_answer_cost_one_timeout(fresh_role):
    with silent_server() as (address, held):
        answer = fresh_role(
            "--check",
            images_registry_mirrors=dict.fromkeys(("docker.io", "quay.io"), address),
            images_registry_timeout=2,
        )
        # All were asked at once: every connection was made before the first one was given up.
        assert len(held) >= 1
    assert answer.ran(PROBE)
    assert f"{address} did not answer within 2 s" in answer.resolved["object_store"]["reason"]
    assert answer.resolved["object_store"]["kind"] == "seaweedfs"


def test_from_an_archive(fresh_role, registry, tiny, tmp_path):
    options = {
        "images_registry_mirrors": registry.mirrors,
        "images_mlflow_server_reference": PINNED["mlflow_server"],
        "images_archive": str(tmp_path / "images.tar"),
        "images_object_store": "minio",
    }
    places = [f"{registry.address}/{PINNED[name].split('/', 1)[1]}" for name in ("postgres", "minio", "mlflow_server")]
    for place in places:
        run("docker", "tag", tiny, place)
        registry.tags.append(place)
    run("docker", "save", "--output", options["images_archive"], *places[:2])
    forget(registry)

    lacking = fresh_role(check=False, **options)
    assert lacking.code != 0
    assert (
        f"which holds {places[0]}, {places[1]}" in lacking.text.replace("\n", " ")
        or f"{places[1]}, {places[0]}" in lacking.text
    )
    assert f"MLflow ({places[2]} or mlops-mlflow/mlflow_server:3.17.2-" in lacking.text
    assert not fresh_role.record.exists()

    for place in places:
        run("docker", "tag", tiny, place)
    run("docker", "save", "--output", options["images_archive"], *places)
    forget(registry)
    loaded = fresh_role(**options)
    assert {image["supply"] for image in loaded.resolved.values()} == {"archive"}
    assert loaded.resolved["object_store"]["kind"] == "minio"
    assert not loaded.ran(PROBE)
    assert fresh_role(**options).changed == 0

    # Without the archive the images serve on; once they are gone the reason is told.
    del options["images_archive"]
    assert fresh_role(**options).changed == 0
    forget(registry)
    gone = fresh_role(check=False, **options)
    assert gone.code != 0
    assert "came from an archive and is gone: name the archive again with images_archive" in gone.text


def test_an_external_object_store_needs_no_image(role, images):
    answer = role(images_object_store="external", images_components=["postgres", "object_store"])
    assert answer.resolved["object_store"]["kind"] == "external"
    assert answer.resolved["object_store"]["reference"] == ""
    assert role(images_object_store="external", images_components=["postgres", "object_store"]).changed == 0


def test_check_mode_without_an_engine(role):
    answer = role("--check", images_engine_available=False, images_supply="build")
    assert answer.changed > 0
    assert "would build mlops-mlflow/postgres:15-" in answer.text
    assert all(image["id"] == "" for image in answer.resolved.values())


BAD_INPUT = [
    ({"images_supply": "cloud"}, "value of images_supply must be one of: auto, registry, build, got: cloud"),
    ({"images_components": ["redis"]}, "Got no match for: redis"),
    ({"images_registry_timeout": 0}, "images_registry_timeout is 0: give a number of seconds above 0"),
    (
        {"images_mlflow_version": "3.16.0"},
        "images_mlflow_version is 3.16.0, but the lock of the MLflow image holds 3.17.2",
    ),
    (
        {"images_postgres_reference": "postgres:15"},
        "images_postgres_reference is postgres:15: give it with its registry",
    ),
    (
        {"images_minio_reference": "quay.io/minio/minio"},
        "images_minio_reference is quay.io/minio/minio: give it with its",
    ),
    ({"images_supply": "build", "images_archive": "/x.tar"}, "an archive is a supply of its own"),
    ({"images_engine_available": False}, "images_engine_available is false"),
]


def test_bad_input(role):
    """All cases in one playbook, which goes on where a role refuses."""
    tasks = []
    for number, (variables, _reason) in enumerate([*BAD_INPUT, ({}, "")]):
        # A task in a loop says why in its results.
        results = "ansible_failed_result.results | default([]) | map(attribute='msg', default='')"
        why = f"{{{{ [ansible_failed_result.msg] + {results} }}}}"
        refused = {"ansible.builtin.debug": {"msg": f"REFUSED {number} {why}"}}
        validate = {"ansible.builtin.include_role": {"name": "mlops.mlflow.images", "tasks_from": "validate"}}
        accepted = {"ansible.builtin.debug": {"msg": f"ACCEPTED {number}"}}
        tasks.append({"block": [validate, accepted], "vars": variables, "rescue": [refused]})
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
    role.playbook.write_text(json.dumps([play]))
    answer = role()
    assert re.findall(r"ACCEPTED (\d+)", answer.text) == [str(len(BAD_INPUT))]
    for number, (variables, reason) in enumerate(BAD_INPUT):
        said = [line for line in answer.text.splitlines() if f"REFUSED {number} " in line]
        assert said, variables
        assert reason in said[0], variables


def test_bad_input_of_a_build(role, images):
    options = {"images_supply": "build", "images_engine_available": False, "images_components": ["postgres"]}
    assert (
        "images_ca_bundle is /nowhere.pem"
        in role("--check", check=False, images_ca_bundle="/nowhere.pem", **options).text
    )


def test_an_archive_that_is_nowhere(fresh_role):
    answer = fresh_role(
        check=False,
        images_archive="/nowhere.tar",
        images_components=["postgres"],
        images_postgres_reference="registry.example/x:1",
    )
    assert answer.code != 0
    assert "images_archive is /nowhere.tar, which is neither on localhost nor on the control node" in answer.text


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file over /etc/os-release in a name space of its own")
def test_another_system_without_a_registry_is_refused_at_once(role, tmp_path):
    release = tmp_path / "os-release"
    release.write_text('ID=fedora\nPRETTY_NAME="Fedora Linux 42"\n')
    prefix = ("unshare", "--mount", "sh", "-c", f'mount --bind {release} /etc/os-release && exec "$@"', "sh")
    options = {"images_supply": "build", "images_components": ["postgres"], "images_rebuild": True}
    refused = role(check=False, prefix=prefix, **options)
    assert refused.code != 0
    assert (
        "images_debian_mirror is empty, the system is Fedora Linux 42 and its apt configuration names no Debian mirror"
        in refused.text
    )
    assert not refused.ran("Announce the base")
    accepted = role("--check", prefix=prefix, images_debian_mirror=["http://mirror.example/debian"], **options)
    assert "would build mlops-mlflow/postgres:15-" in accepted.text


def test_a_build_that_fails_shows_its_last_lines_and_the_remedy(fresh_role, images, tiny):
    """A base that is no Debian at all: the first command of the build fails."""
    answer = fresh_role(
        check=False,
        images_components=["mlflow_server"],
        images_supply="registry",
        images_debian_reference="docker.io/library/images-test-nowhere:1",
        images_registry_mirrors={"docker.io": "127.0.0.1:1"},
    )
    assert answer.code != 0
    assert "The image of MLflow could not be built. The last lines were:" in answer.text
    assert "Remedy: check that containers reach the package mirrors" in answer.text
    assert not fresh_role.record.exists()


def test_taking_images_away_takes_only_the_role_s_own_files(role, tmp_path):
    cache = tmp_path / "cache"
    cache.mkdir()
    base, other = cache / "debian-bookworm-x86_64-0123456789ab.tar", cache / "mine.txt"
    for file in (base, other):
        file.touch()
    include = {"name": "mlops.mlflow.images", "tasks_from": "absent"}
    task = {"ansible.builtin.include_role": include, "vars": {"images_cache_dir": str(cache)}}
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task]}
    role.playbook.write_text(json.dumps([play]))
    # In check mode: the images of this machine are for others, too.
    answer = role("--check", "--diff")
    assert f'"path": "{base}"' in answer.text
    assert f'"path": "{cache}"' not in answer.text
    assert str(other) not in answer.text
