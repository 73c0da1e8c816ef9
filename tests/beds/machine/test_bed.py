# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real machines: their kernel, engine, network, and that nothing is left of them.

pytest tests/beds/machine; as root, with an image mlops-mlflow/postgres in the local Docker engine.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.beds.commands import BedFailed, wait_for
from tests.beds.machine import checks, host, network
from tests.beds.machine.settings import MachineSet

BED = Path(__file__).with_name("bed")
SET = "bedtest"
# The first run builds the disk.
UP_SECONDS = 1200


def bed(*words: str, check: bool = True, timeout: float = 120) -> subprocess.CompletedProcess:
    done = subprocess.run(
        [sys.executable, str(BED), *words], capture_output=True, text=True, timeout=timeout, check=False
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def run(line: str, machine: str = SET, **options) -> str:
    return bed("run", machine, "--", line, **options).stdout.strip()


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def skip_where_there_can_be_none(name: str) -> None:
    try:
        checks.privileges()
        checks.system()
        checks.tap()
        checks.not_up(MachineSet(name))
    except BedFailed as reason:
        pytest.skip(str(reason))


def left() -> dict:
    """What a set could leave on the host."""
    processes = [line for line in _output("ps", "-eo", "args").splitlines() if f"/machines/{SET}" in line]
    return {
        "folder": MachineSet(SET).folder.exists(),
        "namespace": network.exists(MachineSet(SET)),
        "processes": processes,
        "interfaces": sorted(name for name in os.listdir("/sys/class/net") if name.startswith(("tap", "br0"))),
        "mounts": [line for line in Path("/proc/mounts").read_text().splitlines() if "machine" in line],
    }


@pytest.fixture(scope="module")
def before() -> dict:
    skip_where_there_can_be_none(SET)
    return left()


@pytest.fixture(scope="module")
def machines(before, image):
    try:
        bed("up", SET, "--count", "2", "--memory", "1024", "--images", image, timeout=UP_SECONDS)
        yield MachineSet(SET)
    finally:
        bed("down", SET)


def test_a_debian_with_systemd_on_a_kernel_of_its_own(machines) -> None:
    assert run("systemctl is-system-running") == "running"
    assert run("hostname", f"{SET}-2") == f"{SET}-2"
    assert run("uname -r") != os.uname().release


def test_the_engine_has_the_images_and_compose(machines, image) -> None:
    assert run("docker images --format '{{.Repository}}:{{.Tag}}'") == image
    assert re.match(r"[2-9][.]", run("docker compose version --short"))
    assert run(f"docker run --rm --entrypoint id {image} -u", timeout=300).isdigit()


def test_the_exit_code_is_the_command_s(machines) -> None:
    assert bed("run", SET, "--", "exit 7", check=False).returncode == 7
    assert run("echo one  two") == "one two"
    assert bed("run", SET, "--", "echo", "one  two").stdout == "one  two\n"


def test_ansible_reaches_them_as_remote_hosts(machines, tmp_path) -> None:
    bed("inventory", SET, "--file", str(tmp_path / "hosts.yml"))
    ansible = Path(sys.executable).with_name("ansible")
    said = _output(str(ansible), "mlflow", "-i", str(tmp_path / "hosts.yml"), "-m", "ansible.builtin.ping", "-o")
    assert said.count('"ping": "pong"') == 2


def test_an_export_of_one_machine_is_mounted_by_another(machines) -> None:
    run(
        "mkdir -p /srv/export && echo '/srv/export *(rw,fsid=0,no_root_squash,no_subtree_check)' > /etc/exports"
        " && systemctl start nfs-server"
    )
    run("mount -t nfs4 -o nfsvers=4.2 machine-1:/ /mnt && echo here > /mnt/file", f"{SET}-2")
    assert run("cat /srv/export/file") == "here"
    assert "nfs4" in run("findmnt --noheadings --output FSTYPE /mnt", f"{SET}-2")
    run("umount /mnt", f"{SET}-2")
    run("systemctl stop nfs-server")


def test_a_delay_is_seen(machines) -> None:
    def milliseconds() -> float:
        return float(re.search(r"= [0-9.]+/([0-9.]+)/", run("ping -q -c 4 -i 0.2 machine-2")).group(1))

    usual = milliseconds()
    run("tc qdisc add dev vec0 root netem delay 200ms")
    try:
        assert milliseconds() > usual + 150
    finally:
        run("tc qdisc del dev vec0 root")


def test_a_port_of_the_machine_on_localhost(machines) -> None:
    port = free_port()
    run("mkdir -p /srv/web && echo there > /srv/web/file")
    run("systemd-run --quiet python3 -m http.server --bind 127.0.0.1 --directory /srv/web 8000")
    bed("forward", SET, str(port), "--to", "8000")

    def answer() -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/file", timeout=10) as response:
                return response.read().decode()
        except (OSError, urllib.error.URLError):
            return ""

    wait_for("The forwarded port did not answer", 30, answer)
    assert answer() == "there\n"
    refused = bed("forward", SET, str(port), check=False)
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"Port {port} of 127.0.0.1 could not be forwarded")


def test_the_engine_of_the_machine_for_programs_of_the_host(machines) -> None:
    address = bed("docker-host", f"{SET}-2").stdout.strip()
    assert bed("docker-host", f"{SET}-2").stdout.strip() == address
    assert _output("docker", f"--host={address}", "info", "--format", "{{.Name}}").strip() == f"{SET}-2"


def test_a_file_is_copied(machines, tmp_path) -> None:
    (tmp_path / "file").write_text("copied")
    bed("copy", f"{SET}-2", str(tmp_path / "file"), "/root/file")
    assert run("cat /root/file", f"{SET}-2") == "copied"


def test_the_host_is_not_reached_beyond_the_bridge(machines) -> None:
    # An address of the documentation's; the machine itself refuses it.
    assert "unreachable" in run("ping -c 1 -W 2 192.0.2.1 2>&1; true").lower()


def test_a_second_set_of_the_name_is_refused(machines) -> None:
    refused = bed("up", SET, check=False)
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"Machines {SET} are there already")


def test_status_tells_of_a_machine_that_ended(machines) -> None:
    assert bed("status", SET).returncode == 0
    run("poweroff", f"{SET}-2", check=False)
    wait_for("The machine did not end", 60, lambda: host._kernels(machines) == {1}, 0.5)
    done = bed("status", SET, check=False)
    assert done.returncode == 1
    assert f"{SET}-2  10.213.38.12  has ended" in done.stdout


def test_nothing_is_left_after_a_kill(machines, before) -> None:
    record = json.loads(machines.record.read_text())
    used = Path(record["disk"], "disk.img").stat().st_mtime_ns
    for process in network.processes(machines)[:1]:
        os.kill(process, signal.SIGKILL)
    bed("down", SET)
    assert left() == before
    assert Path(record["disk"], "disk.img").stat().st_mtime_ns == used
    assert bed("down", SET).stderr.endswith(f"No machines {SET} are up\n")


@pytest.mark.parametrize("seconds", [0.4, 3])
def test_down_after_half_an_up(before, image, seconds) -> None:
    process = subprocess.Popen([sys.executable, str(BED), "up", SET, "--memory", "512"], stderr=subprocess.DEVNULL)
    time.sleep(seconds)
    process.kill()
    process.wait()
    bed("down", SET)
    assert left() == before
