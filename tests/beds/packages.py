# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the beds need of the distribution's packages."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from pathlib import Path

from tests.beds.commands import BedFailed, perform, say


def distribution() -> tuple[str, str]:
    """Identifier and codename, for instance debian and bookworm."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return "unknown", "unknown"
    return release.get("ID", "unknown"), release.get("VERSION_CODENAME", "unknown")


def missing(programs: dict[str, str]) -> list[str]:
    """Packages that are not there, each known by the path of one of its files."""
    return sorted(package for path, package in programs.items() if not os.path.exists(path))


def mirror(suite: str) -> str:
    """The machine's own mirror of a Debian suite."""
    mirrors = perform(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", f"Codename: {suite}"]
    ).split()
    if not mirrors:
        raise BedFailed(f"The apt configuration of this machine names no mirror for Debian {suite}: add one.")
    return mirrors[0]


def install(names: list[str]) -> None:
    """Programs only: a bed starts its own, so no service is started by a package."""
    if not shutil.which("apt-get"):
        raise BedFailed(f"There is no apt-get, by which the bed gets {', '.join(names)}: use Debian 12.")
    say(f"Looking for the packages {', '.join(names)}")
    settings = f"name={','.join(names)} install_recommends=false policy_rc_d=101"
    if missing_of(names):
        settings += " update_cache=true"
    ansible = Path(sys.executable).with_name("ansible")
    perform([str(ansible), "localhost", "-m", "ansible.builtin.apt", "-a", settings], timeout=900)


def missing_of(names: list[str]) -> list[str]:
    """Those that are not installed."""
    listing = perform(["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", *names], check=False)
    installed = {line.split()[0] for line in listing.splitlines() if line.endswith(" installed")}
    return [name for name in names if name not in installed]
