# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The deployments on the releases of Docker that people have: Debian 12's, Debian 13's and the newest.

pytest tests/beds/fresh/test_engines.py; as root.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.beds import go_programs
from tests.beds.commands import BedFailed, say
from tests.beds.fresh import host, root
from tests.beds.fresh.places import HEALTH, STOP, Shared, destroy, run
from tests.beds.fresh.readme import first_commands
from tests.runner.commands import ROOT

BUILT = ("docker-engine", "docker-compose", "containerd", "runc")
# What goes with the programs that are built: the client, and an init for containers. Debian's engine would bring a
# proxy that the newest cannot use.
BESIDE = "apt-get -q update && apt-get -q -y install --no-install-recommends docker-cli iptables tini"
VERSIONS = "docker version --format '{{.Server.Version}}' && docker compose version --short"


@dataclass(frozen=True)
class Engine:
    suite: str
    # How the versions begin.
    engine: str
    compose: str
    built: bool = False


ENGINES = {
    "20.10": Engine("bookworm", "20.10.", "2.26."),
    "26.1": Engine("trixie", "26.1.", "2.26."),
    "29": Engine("trixie", "29.", "5.1.", built=True),
}


@pytest.fixture(params=ENGINES)
def wanted(request: pytest.FixtureRequest) -> Engine:
    return ENGINES[request.param]


@pytest.fixture
def bare(wanted: Engine, possible: None, shared: Shared, archive: str) -> Iterator[root.Root]:
    try:
        programs = go_programs.provide(go_programs.PROGRAMS[name] for name in BUILT) if wanted.built else {}
    except BedFailed as reason:
        pytest.skip(str(reason))
    with root.entered(wanted.suite, shared.folder) as found:
        if programs:
            _put_in(found, programs)
        yield found


def _put_in(place: root.Root, programs: dict) -> None:
    into = root.FOLDER / place.suite / "usr/local/bin"
    for name, folder in programs.items():
        for program in go_programs.PROGRAMS[name].programs:
            shutil.copy(folder / program, into / program)
    plugins = into.parent / "lib/docker/cli-plugins"
    plugins.mkdir(parents=True)
    (into / "docker-compose").rename(plugins / "docker-compose")
    run(place, f"{BESIDE} && ln -s /usr/bin/tini-static /usr/local/bin/docker-init")


def test_deployments(bare: root.Root, wanted: Engine, archive: str) -> None:
    lines = first_commands((ROOT / "README.md").read_text(encoding="utf-8"), f"file://{host.SOURCE}")
    run(bare, "\n".join(("set -ex", *lines)), ARGS=archive)
    engine, compose = run(bare, VERSIONS).split()
    say(f"Deployed with Docker Engine {engine} and Compose {compose}")
    assert engine.startswith(wanted.engine)
    assert compose.lstrip("v").startswith(wanted.compose)
    again = run(
        bare, f"cd mlops.mlflow && .venv/bin/ansible-playbook playbooks/single-az.yml {archive}", LC_ALL="C.UTF-8"
    )
    assert " changed=0 " in again
    destroy(bare)

    run(bare, "cd mlops.mlflow && make multi-az", ARGS=archive)
    assert run(bare, HEALTH) == "200"
    destroy(bare)
    run(bare, STOP)
