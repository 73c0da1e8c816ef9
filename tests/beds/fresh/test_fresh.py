# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The README's own first commands on bare machines: no Docker, no caches, no virtual environment.

pytest -n 2 tests/beds/fresh; as root.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.beds.commands import BedFailed, say
from tests.beds.fresh import host, machine, root
from tests.beds.fresh.places import HEALTH, PATIENCE, STOP, Place, Shared, destroy, run
from tests.beds.fresh.readme import first_commands
from tests.runner.commands import ROOT

SUITES = ["bookworm", "trixie"]
# What the README's commands have to bring, or what an earlier deployment would have left.
ABSENT = """\
for each in docker dockerd git make python3; do command -v $each; done
ls -d /root/.cache /root/.config /root/mlops.mlflow 2>/dev/null || true
"""
PACKAGES = "dpkg-query --show --showformat '${db:Status-Status} ' docker.io docker-compose"


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

    destroy(place)
    say("Nothing is left")


# Of the older one are mostly the machines that run these tests.
@pytest.fixture(
    params=[pytest.param(suite, marks=[pytest.mark.extended] if suite == "bookworm" else []) for suite in SUITES]
)
def bare(request: pytest.FixtureRequest, possible: None, shared: Shared, archive: str) -> Iterator[root.Root]:
    with root.entered(request.param, shared.folder) as found:
        yield found


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
