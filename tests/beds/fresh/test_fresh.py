# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The README's own first commands on bare machines: no Docker, no caches, no virtual environment.

pytest -n 2 tests/beds/fresh; as root.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from tests.beds.commands import BedFailed, say
from tests.beds.fresh import host, machine, root
from tests.beds.fresh.readme import first_commands
from tests.beds.machine.remote import ansible
from tests.runner.commands import ROOT

COMPONENTS = ["postgres", "object_store", "mlflow_server"]
SUITES = ["bookworm", "trixie"]
COMMANDS_SECONDS = 1500
# What the README's commands have to bring, or what an earlier deployment would have left.
ABSENT = """\
for each in docker dockerd git make python3; do command -v $each; done
ls -d /root/.cache /root/.config /root/mlops.mlflow 2>/dev/null || true
"""
# The places share two processors, so MLflow starts slowly.
PATIENCE = "-e deployment_wait_timeout=900"
HEALTH = "python3 -c 'import urllib.request as u; print(u.urlopen(\"http://localhost:5000/health\").status)'"
PACKAGES = "dpkg-query --show --showformat '${db:Status-Status} ' docker.io docker-compose"


class Place(Protocol):
    name: str

    def command(self, line: str, **variables: str) -> list[str]: ...


class Shared:
    """What is made once: the tree under test, and the images of a deployment, which take most of a first one's time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        host.copy_of_the_tree(folder)
        record = folder / "images.json"
        chosen = {"images_components": COMPONENTS, "images_record": str(record)}
        ansible("tests/beds/images.yml", f"--extra-vars={json.dumps(chosen)}")
        made = json.loads(record.read_text(encoding="utf-8"))["components"].values()
        self.images = [each["reference"] for each in made]


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Shared:
    return Shared(tmp_path_factory.mktemp("shared"))


def run(place: Place, line: str, **variables: str) -> str:
    """What a command says, which can be read in this file for as long as it runs."""
    log = root.FOLDER / f"{place.name}.said"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as output:
        # `timeout` ends the command, and its output is there all the same.
        command = ["timeout", str(COMMANDS_SECONDS), *place.command(line, **variables)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, check=False)
    said = log.read_text(encoding="utf-8", errors="replace")
    log.unlink()
    assert done.returncode == 0, f"`{line}` ended with {done.returncode}:\n{said[-8000:]}"
    return said.strip()


def skip_unless(check) -> None:
    try:
        check()
    except BedFailed as reason:
        pytest.skip(str(reason))


def from_the_readme_to_nothing_left(place: Place, **variables: str) -> None:
    assert run(place, ABSENT) == ""
    lines = first_commands((ROOT / "README.md").read_text(encoding="utf-8"), f"file://{host.SOURCE}")
    say(f"Typing {lines}")
    run(place, "\n".join(("set -ex", *lines)), **variables)
    say("Deployed and verified")
    assert run(place, HEALTH) == "200"
    assert run(place, PACKAGES) == "installed installed"

    run(place, "cd mlops.mlflow && make destroy")
    for listed in ("ps --all", "volume ls", "network ls"):
        assert run(place, f"docker {listed} --quiet --filter label=mlops.mlflow.deployment") == ""
    assert run(place, "ls ~/.local/share/mlops.mlflow ~/.config/mlops.mlflow/localhost 2>/dev/null || true") == ""
    say("Nothing is left")


@pytest.fixture(scope="session")
def archive(shared: Shared) -> str:
    host.save_images(shared.images, shared.folder)
    return f"{PATIENCE} -e images_archive={host.SOURCE}/{host.ARCHIVE}"


@pytest.fixture(scope="session")
def possible() -> None:
    skip_unless(root.check)


@pytest.fixture(params=SUITES)
def bare(request: pytest.FixtureRequest, possible: None, shared: Shared, archive: str) -> Iterator[root.Root]:
    with root.entered(request.param, shared.folder) as found:
        yield found


# An engine that ends removes its file.
STOP = "kill $(cat /run/docker.pid) && while test -e /run/docker.pid; do sleep 0.2; done"
# Without the folders of system administrators, as cron and others have it.
SETTINGS = {
    "PATH": "/root/mlops.mlflow/.venv/bin:/usr/local/bin:/usr/bin:/bin",
    "ANSIBLE_COLLECTIONS_PATH": "playbooks/collections",
    "LC_ALL": "C.UTF-8",
}
PROVIDE = "cd mlops.mlflow && ansible-playbook tests/beds/docker.yml"
APT = "env PATH=/usr/sbin:/usr/bin:/sbin:/bin apt-get -q -y"


def provide(place: Place, more: str = "") -> None:
    run(place, f"{PROVIDE} {more}", **SETTINGS)
    assert run(place, "docker compose version --short && docker info --format '{{.ServerVersion}}'", **SETTINGS)


def complete_what_a_host_has(place: Place, suite: str) -> None:
    """The role docker, beside what is there already."""
    run(place, STOP)
    provide(place)
    # A client, and no engine: Debian 12 has both in one package.
    run(place, f"{STOP} && {APT} remove docker.io")
    assert ("docker-cli" in run(place, "dpkg-query --show")) is (suite == "trixie")
    provide(place)
    if suite != "bookworm":
        return
    # Its own Compose is too old, and has the same name.
    run(place, f"{APT} install --no-install-recommends --allow-downgrades docker-compose/bookworm")
    provide(place)
    # A mirror that has nothing: apt is as it was afterwards.
    run(place, f"{APT} remove docker-compose && rm /etc/apt/*/mlops-mlflow-docker-compose*")
    before = run(place, "find /etc/apt -type f | sort")
    said = run(place, f"{PROVIDE} -e docker_debian_mirror=http://localhost:1/debian || true", **SETTINGS)
    assert "could not be installed on localhost" in said
    assert run(place, "find /etc/apt -type f | sort") == before
    run(place, f"{APT} update")


def test_without_systemd(bare: root.Root, archive: str) -> None:
    assert run(bare, "ls -d /run/systemd 2>/dev/null || true") == ""
    from_the_readme_to_nothing_left(bare, ARGS=archive)
    complete_what_a_host_has(bare, bare.suite)


def test_with_systemd(shared: Shared) -> None:
    skip_unless(machine.check)
    with machine.up(shared.folder, shared.images) as found:
        assert run(found, "cat /proc/1/comm") == "systemd"
        from_the_readme_to_nothing_left(found, ARGS=PATIENCE)
        assert run(found, "systemctl is-active docker; systemctl is-enabled docker").split() == ["active", "enabled"]
