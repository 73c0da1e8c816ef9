# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From whom Docker's packages come, beside what a host has."""

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _docker_packages as docker

COMMON = {"iptables", "python3-requests"}
OWN_FILE = "/etc/apt/sources.list.d/mlops-mlflow-docker-compose.sources"


@pytest.mark.parametrize(
    ("installed", "codename", "engine", "client", "answers", "supply", "packages"),
    [
        # A bare host.
        ([], "bookworm", False, False, False, "distribution", {"docker.io", "docker-compose"}),
        ([], "trixie", False, False, False, "distribution", {"docker.io", "docker-cli", "docker-compose"}),
        ([], "noble", False, False, False, "distribution", {"docker.io", "docker-compose-v2"}),
        (
            [],
            "trixie",
            False,
            False,
            True,
            "upstream",
            {"docker-ce", "docker-ce-cli", "containerd.io", "docker-compose-plugin"},
        ),
        # A client on the PATH, of no package, and no engine.
        ([], "bookworm", False, True, False, "distribution", {"docker.io", "docker-compose"}),
        (
            [],
            "bookworm",
            False,
            True,
            True,
            "upstream",
            {"docker-ce", "docker-ce-cli", "containerd.io", "docker-compose-plugin"},
        ),
        # The distribution's engine, without a client or Compose, also where Docker's repository answers.
        (["docker.io"], "trixie", True, False, True, "distribution", {"docker-cli", "docker-compose"}),
        (["docker.io"], "bookworm", True, True, True, "distribution", {"docker-compose"}),
        # Debian 12's own Compose is too old, and the plugin has the same name.
        (["docker-compose"], "bookworm", False, False, True, "distribution", {"docker.io", "docker-compose"}),
        (["docker-cli"], "trixie", False, True, True, "distribution", {"docker.io", "docker-cli", "docker-compose"}),
        # Docker's own engine without Compose.
        (
            ["docker-ce", "docker-ce-cli", "containerd.io"],
            "trixie",
            True,
            True,
            True,
            "upstream",
            {"docker-compose-plugin"},
        ),
        (
            ["docker-ce", "docker-ce-cli", "containerd.io"],
            "trixie",
            True,
            True,
            False,
            "distribution",
            {"docker-compose"},
        ),
        (
            ["docker-ce-cli"],
            "bookworm",
            False,
            True,
            True,
            "upstream",
            {"docker-ce", "docker-ce-cli", "containerd.io", "docker-compose-plugin"},
        ),
        # An engine of no package.
        ([], "bookworm", True, True, False, "distribution", {"docker-compose"}),
        ([], "bookworm", True, False, True, "upstream", {"docker-compose-plugin", "docker-ce-cli"}),
    ],
)
def test_where_what_is_missing_comes_from(installed, codename, engine, client, answers, supply, packages) -> None:
    plan = docker.plan(installed, codename, engine, client, answers, [])
    assert (plan.supply, set(plan.packages), plan.refusal) == (supply, packages | COMMON, "")


@pytest.mark.parametrize(
    ("installed", "answers", "of_repository", "reason"),
    [
        (["docker-ce-cli"], False, [], "docker-ce-cli of Docker's own packages is installed"),
        ([], True, ["test"], "apt has the components test of it, and not stable"),
    ],
)
def test_what_cannot_be_completed(installed, answers, of_repository, reason) -> None:
    plan = docker.plan(installed, "bookworm", False, True, answers, of_repository)
    assert plan.packages == []
    assert plan.refusal.startswith(reason)


def line(
    file: str,
    address: str,
    suite: str,
    component: str = "main",
    origin: str = "$(ORIGIN)",
    codename: str = "$(CODENAME)",
) -> str:
    return f"{file}:1|{address}|{suite}|{component}|{origin}|{codename}"


def test_sources_are_told_apart() -> None:
    mirror, vendor = "http://mirror.example.com/debian", "https://vendor.example.com/debian"
    known = docker.sources(
        "\n".join(
            [
                line("/etc/apt/sources.list.d/a.list", f"{vendor}/", "bookworm"),
                line("/etc/apt/sources.list.d/debian.sources", f"{mirror}/", "bookworm"),
                line("/etc/apt/sources.list.d/debian.sources", f"{mirror}/", "bookworm", "main", "Debian", "bookworm"),
                line("/etc/apt/sources.list.d/a.list", f"{vendor}/", "bookworm", "main", "Vendor", "bookworm"),
                line(OWN_FILE, f"{mirror}/", "trixie", "main", "Debian", "trixie"),
                "",
            ]
        )
    )
    assert docker.mirror(known, "bookworm") == mirror
    assert docker.mirror(known, "noble") == ""
    assert not docker.has_suite(known, "trixie", mirror, OWN_FILE)
    assert docker.has_suite(known, "trixie", mirror, "/another/file")
    assert docker.components(known, vendor, "bookworm") == ["main"]
