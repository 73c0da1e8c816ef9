# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host's apt has already, told by apt itself: it reads a folder of sources of the test's."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _docker_packages as docker
from ansible_collections.mlops.mlflow.plugins.modules import docker_packages_info

REPOSITORY = "https://download.docker.com/linux/debian"
OWN_FILE = "/etc/apt/sources.list.d/mlops-mlflow-docker-compose.sources"


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of sources that apt reads instead of the machine's."""
    if not shutil.which("apt-get"):
        pytest.skip("there is no apt-get")
    for name in ("sources.list.d", "lists/partial", "preferences.d", "cache/archives/partial"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "sources.list").touch()
    (tmp_path / "status").touch()
    settings = {
        "Dir::Etc::sourcelist": "sources.list",
        "Dir::Etc::sourceparts": "sources.list.d",
        "Dir::Etc::preferencesparts": "preferences.d",
        "Dir::State::lists": "lists",
        "Dir::State::status": "status",
        "Dir::Cache": "cache",
    }
    config = tmp_path / "apt.conf"
    config.write_text("".join(f'{name} "{tmp_path / path}";\n' for name, path in settings.items()), encoding="utf-8")
    monkeypatch.setenv("APT_CONFIG", str(config))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    return tmp_path / "sources.list.d"


OLDER = f"deb [arch=amd64 signed-by=/etc/apt/keyrings/docker.gpg] {REPOSITORY} bookworm stable\n"
CURRENT = "Types: deb\nURIs: {}\nSuites: bookworm\nComponents: {}\nSigned-By: /etc/apt/keyrings/{}.asc\n"


def test_apt_refuses_a_second_entry_with_another_key(apt: Path) -> None:
    """Why the role adds none."""
    (apt / "docker.list").write_text(OLDER, encoding="utf-8")
    (apt / "other.sources").write_text(CURRENT.format(REPOSITORY, "stable", "other"), encoding="utf-8")
    done = subprocess.run(["apt-get", "indextargets"], capture_output=True, text=True, check=False)
    assert done.returncode == 100
    assert docker.complaint(done.stderr).startswith("Conflicting values set for option Signed-By")


def ask(run_module, **more: object) -> dict:
    given = {"codename": "bookworm", "repository": REPOSITORY, "repository_answers": True, "own_file": OWN_FILE}
    return run_module(docker_packages_info.main, **{**given, **more})


@pytest.mark.parametrize(
    ("files", "known"),
    [
        ({}, False),
        ({"docker.list": OLDER}, True),
        ({"docker.list": OLDER.replace(" bookworm", "/ bookworm")}, True),
        ({"docker.list": f"# {OLDER}"}, False),
        ({"docker.list": OLDER.replace("bookworm", "bullseye")}, False),
        ({"docker.sources": CURRENT.format(f"{REPOSITORY}/", "stable", "docker")}, True),
        ({"docker.sources": "Enabled: no\n" + CURRENT.format(REPOSITORY, "stable", "docker")}, False),
    ],
)
def test_what_apt_has_already_is_adopted(apt: Path, run_module, files, known) -> None:
    for name, content in files.items():
        (apt / name).write_text(content, encoding="utf-8")
    assert ask(run_module)["repository_known"] is known


def test_debian_13_by_the_host_s_own_choice(apt: Path, run_module) -> None:
    mirror = "http://mirror.example.com/debian"
    (apt / "debian.list").write_text(f"deb {mirror} bookworm main\ndeb {mirror} trixie main\n", encoding="utf-8")
    found = ask(run_module)
    assert (found["debian_mirror"], found["trixie_known"]) == (mirror, True)
    assert ask(run_module, own_file=str(apt / "debian.list"))["trixie_known"] is False


def test_sources_that_are_broken_already_are_refused(apt: Path, run_module) -> None:
    (apt / "docker.list").write_text(OLDER, encoding="utf-8")
    (apt / "docker.sources").write_text(CURRENT.format(REPOSITORY, "stable", "docker"), encoding="utf-8")
    found = ask(run_module)
    assert found["failed"]
    assert found["msg"].startswith("apt cannot read its sources: Conflicting values set for option Signed-By")
