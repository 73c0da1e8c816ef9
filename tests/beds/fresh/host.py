# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fresh machine gets of this one: its mirrors, its certificates, the tree and the images."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from tests.beds import packages
from tests.beds.commands import perform
from tests.runner.commands import ROOT
from tests.runner.sanity import pip_settings

# Where the tree and the images are in a fresh machine, and by which name the project is cloned.
SOURCE, PROJECT, ARCHIVE = "/srv", "mlops.mlflow", "images.tar"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
# How apt reaches its mirrors: proxies, certificates, what a mirror's Release file is held to.
APT_SETTINGS = re.compile(r"^Acquire::(https?|Check-|Retries|ForceIPv|AllowInsecure)")
PROXIES = re.compile(r"^(https?|ftp|all|no)_proxy$", re.IGNORECASE)


def apt_settings() -> str:
    lines = perform(["apt-config", "dump", "Acquire"]).splitlines()
    return "\n".join((*(line for line in lines if APT_SETTINGS.match(line)), ""))


def files() -> dict[str, str]:
    """Settings by which programs reach the network, by their places."""
    found = {"/etc/apt/apt.conf.d/90network": apt_settings(), "/etc/pip.conf": pip_settings()}
    if CERTIFICATES.exists():
        found[str(CERTIFICATES)] = CERTIFICATES.read_text(encoding="utf-8")
    return found


def variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if PROXIES.match(name)}


def mirror(suite: str) -> str:
    """The machine's own Debian mirror, which has all suites."""
    wanted = ["$(REPO_URI)", "Created-By: Packages", "Origin: Debian", "Component: main"]
    for codename in (suite, packages.distribution()[1]):
        found = perform(["apt-get", "indextargets", "--format", *wanted, f"Codename: {codename}"]).split()
        if found:
            return found[0]
    return packages.mirror(suite)


def copy_of_the_tree(folder: Path) -> None:
    """A repository with one commit: the tree as it is here, changes that are not committed included."""
    git = ["git", f"--git-dir={folder / PROJECT}", f"--work-tree={ROOT}"]
    perform(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(folder / PROJECT)])
    # What this checkout alone ignores is none of the tree's.
    ignored = perform(["git", "-C", str(ROOT), "rev-parse", "--git-path", "info/exclude"], check=False).strip()
    perform([*git, "-c", f"core.excludesFile={ROOT / ignored}", "add", "--all"])
    author = ["-c", "user.name=tests", "-c", "user.email=tests@localhost", "-c", "commit.gpgsign=false"]
    perform([*git, *author, "commit", "--quiet", "--no-verify", "--message=The tree under test"])


def save_images(references: list[str], folder: Path) -> None:
    with (folder / ARCHIVE).open("wb") as archive:
        subprocess.run(["docker", "save", *references], stdout=archive, timeout=300, check=True)
