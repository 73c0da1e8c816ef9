# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two scripts of the role that decide: build contexts and their keys, and what the managed host tells a build."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from .conftest import ROOT

FILES = ROOT / "roles/images/files"


def load(name: str):
    spec = importlib.util.spec_from_file_location(name, FILES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


host = load("host_settings")


@pytest.fixture
def copy(tmp_path):
    """A copy of the role's files, and of the guard's beside them, that a test may change."""
    without = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "guard", tmp_path / "guard", ignore=without)
    return shutil.copytree(FILES, tmp_path / FILES.relative_to(ROOT), ignore=without)


def keys(folder) -> dict:
    done = subprocess.run(
        [sys.executable, folder / "build_context.py", "keys"], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_keys_are_the_same_for_the_same_files(copy):
    package = copy.parents[2] / "guard/mlflow_guard"
    (package / "__pycache__").mkdir()
    (package / "__pycache__/cli.cpython-311.pyc").write_bytes(b"x")
    (copy / "mlflow_server/requirements.in").write_text("changed\n")
    assert keys(copy) == keys(FILES)


@pytest.mark.parametrize(
    ("file", "changed"),
    [
        ("../../../guard/mlflow_guard/__init__.py", {"mlflow_server"}),
        ("mlflow_server/requirements.txt", {"mlflow_server"}),
        ("postgres/docker-entrypoint.sh", {"postgres"}),
        ("seaweedfs/requirements.txt", {"seaweedfs"}),
        ("load_balancer/Dockerfile", {"load_balancer"}),
        ("nfs/nfs-health", {"nfs"}),
        ("common/rootfs", {"postgres", "minio", "seaweedfs", "load_balancer", "nfs", "mlflow_server"}),
        ("base/build-base", {"base"}),
    ],
)
def test_a_change_changes_the_keys_that_it_must(copy, file, changed):
    path = copy / file
    path.write_text(path.read_text() + "\n# another line\n")
    before, after = keys(FILES)["keys"], keys(copy)["keys"]
    assert {name for name in before if before[name] != after[name]} == changed


def test_the_executable_bit_counts_and_other_bits_do_not(copy):
    (copy / "postgres/docker-entrypoint.sh").chmod(0o700)
    assert keys(copy) == keys(FILES)
    (copy / "postgres/docker-entrypoint.sh").chmod(0o644)
    assert keys(copy)["keys"]["postgres"] != keys(FILES)["keys"]["postgres"]


def test_a_packed_context_holds_what_the_build_copies(copy, tmp_path):
    archive = tmp_path / "context.tar"
    subprocess.run([sys.executable, copy / "build_context.py", "pack", "mlflow_server", archive], check=True)
    with tarfile.open(archive) as tar:
        members = {member.name: member for member in tar.getmembers()}
    assert {
        "Dockerfile",
        "rootfs",
        "requirements.txt",
        "guard/pyproject.toml",
        "guard/mlflow_guard/__main__.py",
    } <= set(members)
    assert "requirements.in" not in members
    assert members["rootfs"].mode == 0o755
    assert {member.uid for member in members.values()} == {0}


def test_the_locks_hold_hashes_of_everything():
    locks = [f"mlflow_server/{name}.txt" for name in ("requirements", "pg_client", "pg_client_16", "guard_build")]
    for lock in (*locks, "seaweedfs/requirements.txt"):
        text = (FILES / lock).read_text()
        pins = [block for block in text.replace("\\\n", " ").splitlines() if block and not block.startswith("#")]
        assert pins
        assert all("==" in pin and "--hash=sha256:" in pin for pin in pins), lock
        assert "://" not in text, lock


BOOKWORM = """\
http://mirror.example/debian/ bookworm main
http://mirror.example/debian/ bookworm contrib
http://mirror.example/debian/ bookworm-updates main
https://security.example/debian-security/ bookworm-security main
https://packages.example/docker bookworm stable
file:/srv/mirror bookworm main
"""


def test_the_machine_s_own_mirrors_are_taken():
    assert host.debian_lines(BOOKWORM, "bookworm") == [
        "deb http://mirror.example/debian bookworm main",
        "deb http://mirror.example/debian bookworm-updates main",
        "deb https://security.example/debian-security bookworm-security main",
    ]


@pytest.mark.parametrize("suite", ["trixie", "stable"])
def test_another_release_of_debian_has_the_same_mirrors(suite):
    targets = BOOKWORM.replace("bookworm", suite)
    assert host.debian_lines(targets, "trixie") == host.debian_lines(BOOKWORM, "bookworm")


def test_a_vendor_s_suite_of_the_same_name_is_no_debian_mirror():
    targets = BOOKWORM + "https://apt.vendor.example bookworm main\n"
    lines = host.debian_lines(targets, "bookworm", lambda uri, suite: "vendor" not in uri)
    assert lines == host.debian_lines(BOOKWORM, "bookworm")


def test_updates_alone_are_no_mirror():
    assert host.debian_lines("http://mirror.example/debian bookworm-updates main\n", "bookworm") == []


def test_this_machine_s_mirrors_are_found():
    if not shutil.which("apt-get"):
        pytest.skip("no apt on this machine")
    release = host.os_release(Path("/etc/os-release").read_text())
    if release["ID"] != "debian":
        pytest.skip("not Debian")
    lines = host.debian_lines(host.apt_targets(), release["VERSION_CODENAME"], host.is_debian)
    assert any(line.endswith(" bookworm main") for line in lines)


def test_pip_settings_that_mean_something_in_a_container(tmp_path):
    first, second = tmp_path / "a.conf", tmp_path / "b.conf"
    first.write_text(
        "[global]\nindex-url = https://first.example/simple\nextra-index-url =\n"
        "  file:///srv/wheels\n  https://more.example/simple\n"
    )
    second.write_text(
        "[global]\nindex-url = https://user:p%40ss@second.example/simple\ntrusted-host = second.example\n"
    )
    found = host.pip_settings([str(first), str(second), str(tmp_path / "missing")], {})
    assert found == {
        "index_url": "https://user:p%40ss@second.example/simple",
        "extra_index_url": "https://more.example/simple",
        "trusted_host": "second.example",
    }
    found = host.pip_settings([str(first)], {"PIP_INDEX_URL": "https://environment.example/simple"})
    assert found["index_url"] == "https://environment.example/simple"
    first.write_text("no section\n")
    assert host.pip_settings([str(first)], {})["index_url"] == ""


def test_a_path_is_no_index_for_a_container():
    assert host.pip_settings([], {"PIP_INDEX_URL": "file:///srv/simple", "PIP_EXTRA_INDEX_URL": "/srv/more"}) == {
        "index_url": "",
        "extra_index_url": "",
        "trusted_host": "",
    }
