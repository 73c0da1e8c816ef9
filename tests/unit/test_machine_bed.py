# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the bed of test machines that need no machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.beds import engine
from tests.beds.commands import BedFailed
from tests.beds.machine import checks, disk, host, images, network, settings, ssh
from tests.beds.machine.main import arguments, main
from tests.beds.machine.settings import Disk, MachineSet


@pytest.fixture
def machines(tmp_path, monkeypatch) -> MachineSet:
    """A set of two, recorded, whose machines do not run."""
    monkeypatch.setattr(settings, "SETS", tmp_path / "machines")
    monkeypatch.setattr(settings, "NAMESPACES", tmp_path / "netns")
    machines = MachineSet("zone")
    checks.claim(machines)
    machines.record.write_text(json.dumps({"count": 2}), encoding="utf-8")
    return machines


# --- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "Zone", "1zone", "zone-1", "../zone", "a" * 11])
def test_names_of_sets(name) -> None:
    with pytest.raises(BedFailed, match="^NAME is .*: give up to 10 small letters and digits"):
        checks.name(name)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["up", "zone", "--count", "0"], "0 is not between 1 and 9"),
        (["up", "zone", "--count", "10"], "10 is not between 1 and 9"),
        (["up", "zone", "--memory", "4G"], "4G is not between 512 and 65536"),
        (["forward", "zone", "65536"], "65536 is not between 1 and 65535"),
    ],
)
def test_numbers(words, sentence, capsys) -> None:
    with pytest.raises(SystemExit) as refusal:
        arguments(words)
    assert refusal.value.code == 2
    assert sentence in capsys.readouterr().err


def test_more_memory_than_there_is() -> None:
    with pytest.raises(BedFailed, match=r"^9 machines of 65536000 MiB need more than the [0-9]+ MiB that are free"):
        checks.memory(9, 65536000)


def test_a_set_is_there_once(machines) -> None:
    for refused in (checks.not_up, checks.claim):
        with pytest.raises(BedFailed, match="^Machines zone are there already: .*`bed down zone` ends them"):
            refused(machines)


def test_an_image_that_the_engine_does_not_have(tmp_path, monkeypatch) -> None:
    program = tmp_path / "docker"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(BedFailed, match="^The image absent:1 is not in the local Docker engine: build"):
        engine.identities(["absent:1"])


# --- names ---------------------------------------------------------------------------------------------------------


def test_a_set_s_name_is_that_of_its_first_machine(machines) -> None:
    assert host.known("zone") == (machines, "zone-1")
    assert host.known("zone-2") == (machines, "zone-2")


@pytest.mark.parametrize("name", ["zone-0", "zone-3", "zone-x", "zone-1-1"])
def test_machines_that_are_not_in_the_set(machines, name) -> None:
    with pytest.raises(BedFailed, match=f"^{name} is no machine of zone, which has zone-1 to zone-2"):
        host.known(name)


def test_a_set_that_is_not_up(machines) -> None:
    with pytest.raises(BedFailed, match="^No machines other are up: `bed up other` starts them"):
        host.known("other-1")


def test_a_record_that_was_not_written_to_its_end(machines) -> None:
    machines.record.write_text("{", encoding="utf-8")
    with pytest.raises(BedFailed, match="^No machines zone are up"):
        host.recorded(machines)
    assert host.down(machines)
    assert not machines.folder.exists()
    assert not host.down(machines)


# --- disks ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def kernel(monkeypatch):
    monkeypatch.setattr(disk, "perform", lambda _command: "user-mode-linux 6.1")


@pytest.mark.parametrize("name", ["SUITE", "CONTENT", "FILE_SYSTEM", "DISK_GIB"])
def test_the_disk_s_key_has_all_that_goes_in(kernel, monkeypatch, name) -> None:
    before = disk.key()
    value = getattr(disk, name)
    monkeypatch.setattr(disk, name, (*value, "another") if isinstance(value, tuple) else f"{value}0")
    assert disk.key() != before


def test_the_bare_disk_s_key_has_its_own_content(kernel, monkeypatch) -> None:
    before = disk.key(), disk.key(bare=True)
    monkeypatch.setattr(disk, "BARE", (*disk.BARE, "another"))
    assert disk.key() == before[0] != before[1] != disk.key(bare=True)


@pytest.mark.parametrize("name", ["FINISH", "IMAGES_UNIT", "REGISTERS"])
def test_the_disk_s_key_has_its_files(kernel, tmp_path, monkeypatch, name) -> None:
    before = disk.key()
    changed = tmp_path / "changed"
    changed.write_text(getattr(disk, name).read_text() + "\n")
    monkeypatch.setattr(disk, name, changed)
    assert disk.key() != before


def test_the_images_disk_is_that_of_these_images() -> None:
    some = {"a:1": "sha256:1", "b:1": "sha256:2"}
    assert images.path_of(some) == images.path_of(dict(reversed(some.items())))
    assert images.path_of(some) != images.path_of(some | {"b:1": "sha256:3"})
    assert images.path_of(some) != images.path_of({"a:1": "sha256:1"})


def test_the_disks_that_were_used_last_are_kept(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(images, "CACHE", tmp_path)
    for number in range(5):
        path = tmp_path / f"machine-images-{number}.img"
        path.touch()
        os.utime(path, (number, number))
    images._forget_old()
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"machine-images-{number}.img" for number in (2, 3, 4)]


@pytest.mark.skipif(not shutil.which("debugfs"), reason="debugfs is not installed")
def test_a_file_system_has_the_folder_s_content(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(disk, "DISK_GIB", 1)
    (tmp_path / "content").mkdir()
    (tmp_path / "content" / "file").write_text("here")
    image = tmp_path / "disk.img"
    disk.fill(image, tmp_path / "content")
    assert image.stat().st_size == 1024**3
    assert image.stat().st_blocks * 512 < 100 * 1024**2
    shown = subprocess.run(["debugfs", "-R", "cat /file", image], capture_output=True, text=True, check=True)
    assert shown.stdout == "here"


# --- command lines -------------------------------------------------------------------------------------------------


def test_the_kernel_s_words(machines) -> None:
    base = Disk(Path("/cache/machine"))
    words = host.kernel_words(machines, 2, base, None, 1024)
    assert f"ubd0={machines.folder}/2.cow,/cache/machine/disk.img" in words
    assert "ip=10.213.38.12::10.213.38.1:255.255.255.0:zone-2:vec0:none" in words
    assert "vec0:transport=tap,ifname=tap2,depth=128,gro=1" in words
    assert not [word for word in words if word.startswith("ubd1")]
    words = host.kernel_words(machines, 2, base, Path("/cache/images.img"), 1024)
    assert words[-1] == f"ubd1={machines.folder}/2.images.cow,/cache/images.img"


def test_ssh_goes_through_the_set_s_network(machines) -> None:
    base = Disk(Path("/cache/machine"))
    ssh.write_config(machines, base, 2)
    shown = subprocess.run(
        ["ssh", "-G", "-F", machines.ssh_config, "zone-2"], capture_output=True, text=True, check=True
    )
    found = dict(line.split(" ", 1) for line in shown.stdout.splitlines())
    assert found["hostname"] == "10.213.38.12"
    assert found["proxycommand"] == f"nsenter --net={machines.namespace_path} -- socat STDIO TCP:%h:%p"
    assert found["identityfile"] == "/cache/machine/id_ed25519"
    assert found["stricthostkeychecking"] == "true"


def test_the_inventory_has_remote_hosts(machines) -> None:
    content = yaml.safe_load(ssh.inventory(machines, 2))["all"]
    assert list(content["children"]["mlflow"]["hosts"]) == ["zone-1", "zone-2"]
    assert content["vars"]["ansible_ssh_common_args"] == f"-F {machines.ssh_config}"
    assert "ansible_connection" not in content["vars"]


# --- the command ---------------------------------------------------------------------------------------------------


def test_a_set_without_processes_has_ended(machines, monkeypatch, capsys) -> None:
    monkeypatch.setattr(checks, "privileges", lambda: None)
    assert main(["status", "zone"]) == 1
    assert "zone-2     10.213.38.12  has ended" in capsys.readouterr().out
    assert main(["status", "other"]) == 3
    assert capsys.readouterr().out == "No machines other are up\n"
    assert main(["run", "other", "--", "true"]) == 2
    assert capsys.readouterr().err == "No machines other are up: `bed up other` starts them.\n"


def test_processes_of_no_namespace_are_nobody_s(machines) -> None:
    assert network.processes(machines) == []


def test_words_after_the_dashes_are_the_machine_s(machines) -> None:
    assert arguments(["run", "zone-2", "--", "ls", "--all"]).words == ["ls", "--all"]
