# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real containers from the images of this collection. All that a test makes is removed again, except the images."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = "p@:/#%[]&$'\" \\w"
LABEL = "mlops.mlflow.test=images"


def run(*command: str, check: bool = True, timeout: float = 120, **options) -> subprocess.CompletedProcess:
    """Run a program; a failure shows what it said."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, **options)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)} gave {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done


def until(condition, what: str, seconds: float = 60, every: float = 0.2):
    """Wait for something true and return it."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds:.0f} s")
        time.sleep(every)


class Container:
    """One container, started with `docker run --detach`."""

    def __init__(self, image: str, *command: str, options: tuple[str, ...] = (), name: str = ""):
        self.name = name or f"images-test-{secrets.token_hex(4)}"
        run("docker", "run", "--detach", "--name", self.name, "--label", LABEL, *options, image, *command)

    @property
    def state(self) -> dict:
        return json.loads(run("docker", "inspect", self.name).stdout)[0]["State"]

    @property
    def address(self) -> str:
        networks = json.loads(run("docker", "inspect", self.name).stdout)[0]["NetworkSettings"]["Networks"]
        return next(network["IPAddress"] for network in networks.values())

    @property
    def logs(self) -> str:
        done = run("docker", "logs", self.name)
        return done.stdout + done.stderr

    def exec(self, *command: str, check: bool = True, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
        return run("docker", "exec", *options, self.name, *command, check=check)

    def wait(self) -> int:
        return int(run("docker", "wait", self.name).stdout)

    def remove(self) -> None:
        run("docker", "rm", "--force", "--volumes", self.name, check=False)


@pytest.fixture
def start(request):
    """Start containers that go away with the test."""
    started: list[Container] = []

    def starter(image: str, *command: str, options: tuple[str, ...] = (), name: str = "") -> Container:
        container = Container(image, *command, options=options, name=name)
        started.append(container)
        return container

    yield starter
    for container in reversed(started):
        container.remove()


@contextlib.contextmanager
def network_of_its_own(prefix: str) -> Iterator[tuple[str, str]]:
    """A network, and the address that it has on this host; what runs in it goes with it."""
    name = f"{prefix}-{secrets.token_hex(4)}"
    run("docker", "network", "create", "--label", LABEL, name)
    try:
        yield name, json.loads(run("docker", "network", "inspect", name).stdout)[0]["IPAM"]["Config"][0]["Gateway"]
    finally:
        remove_users("network", name)
        run("docker", "network", "rm", name)


def remove_users(kind: str, name: str) -> None:
    """Remove the containers that use a volume or a network, so that it can go."""
    users = run("docker", "ps", "--all", "--quiet", "--filter", f"{kind}={name}").stdout.split()
    if users:
        run("docker", "rm", "--force", "--volumes", *users)


@pytest.fixture
def volume():
    name = f"images-test-{secrets.token_hex(4)}"
    run("docker", "volume", "create", "--label", LABEL, name)
    yield name
    remove_users("volume", name)
    run("docker", "volume", "rm", "--force", name)


@pytest.fixture
def network():
    with network_of_its_own("images-test") as (name, _address):
        yield name


@pytest.fixture
def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Role:
    """Runs the role on this machine and gives its answer."""

    def __init__(self, folder: Path, collections: Path = ROOT / "playbooks" / "collections"):
        self.folder = folder
        self.collections = collections
        self.record = folder / "record" / "images.json"
        self.playbook = folder / "play.yml"
        self.playbook.write_text(
            "- hosts: localhost\n  connection: local\n  gather_facts: false\n  roles: [mlops.mlflow.images]\n"
            "  post_tasks:\n    - ansible.builtin.debug:\n        msg: 'RESOLVED {{ images_resolved | to_json }} END'\n"
        )

    def __call__(self, *options: str, check: bool = True, prefix: tuple[str, ...] = (), **variables):
        variables = {"images_record": str(self.record), **variables}
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "ANSIBLE_COLLECTIONS_PATH": str(self.collections),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
            "ANSIBLE_NOCOLOR": "true",
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
        }
        command = (*prefix, "ansible-playbook", str(self.playbook), "--extra-vars", json.dumps(variables), *options)
        done = run(*command, check=check, timeout=900, env=environment, cwd=self.folder)
        answer = Answer(done)
        return answer


class Answer:
    def __init__(self, done: subprocess.CompletedProcess):
        self.text = done.stdout + done.stderr
        self.code = done.returncode
        self.resolved = {}
        for line in done.stdout.splitlines():
            if "RESOLVED " in line:
                printed = line.split("RESOLVED ", 1)[1].rsplit(" END", 1)[0]
                self.resolved = json.loads(json.loads(f'"{printed}"'))
        recap = [line for line in done.stdout.splitlines() if "unreachable=" in line]
        self.changed = int(recap[-1].split("changed=")[1].split()[0]) if recap else -1

    def ran(self, task: str) -> bool:
        """Whether a task did something on the host, rather than being skipped."""
        after = self.text.split(f": {task}] ", 1)
        if len(after) < 2:
            return False
        result = after[1].split("\nTASK [", 1)[0]
        return "ok: [" in result or "changed: [" in result or "fatal: [" in result


@pytest.fixture
def role(tmp_path) -> Role:
    return Role(tmp_path)


@pytest.fixture
def fresh_role(tmp_path) -> Role:
    """The role with one more line in a file that every build reads: no image with its keys is here yet."""
    copy = tmp_path / "collections/ansible_collections/mlops/mlflow/roles/images"
    shutil.copytree(ROOT / "roles/images", copy, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in ("meta", "plugins"):
        (copy.parents[1] / folder).symlink_to(ROOT / folder)
    with (copy / "files/common/rootfs").open("a") as file:
        file.write(f"# {secrets.token_hex(8)}\n")
    return Role(tmp_path, tmp_path / "collections")


@pytest.fixture(scope="session")
def images(tmp_path_factory) -> dict:
    """The images as the role supplies them: builds what is missing, which takes minutes the first time."""
    components = ["postgres", "object_store", "nfs", "mlflow_server", "load_balancer"]
    # The tests run in several processes, and one of them builds for all.
    with (tmp_path_factory.getbasetemp().parent / "images.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return Role(tmp_path_factory.mktemp("images"))(images_components=components).resolved
