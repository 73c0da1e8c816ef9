# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The NFS server as the role plans it, on this machine's engine: who it is, what it may, and that it answers.

Mounting takes a kernel with NFS; `molecule test -s multi-az-nfs` does that on a test machine.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil

import pytest
import yaml
from jinja2 import Environment, StrictUndefined

from .conftest import LABEL, ROOT, run, until

ROLE = ROOT / "roles/nfs"
# CAP_DAC_READ_SEARCH alone.
CAPABILITIES = "0000000000000004"
CONFIGURATION = """\
NFS_CORE_PARAM { Protocols = 4; Enable_NLM = false; Enable_RQUOTA = false; Enable_UDP = false; Fsid_Device = true; }
NFS_KRB5 { Active_krb5 = false; }
NFSv4 { Minor_Versions = 2; Lease_Lifetime = 5; Grace_Period = 5; RecoveryBackend = fs;
        RecoveryRoot = /srv/nfs/recovery; }
VFS { Only_One_User = true; }
EXPORT { Export_Id = 1; Path = /srv/nfs/export; Pseudo = /export; Protocols = 4; Transports = TCP; SecType = sys;
         Squash = All_Squash; Anonymous_Uid = 10049; Anonymous_Gid = 10049; Access_Type = RW; FSAL { Name = VFS; } }
"""
HARDENED = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--user", "10049:10049", "--volume", "/srv/nfs")
SECCOMP = ("--security-opt", f"seccomp={ROLE}/files/seccomp.json")


@pytest.fixture
def image(images) -> str:
    return images["nfs"]["reference"]


@pytest.fixture
def configuration(tmp_path) -> tuple[str, ...]:
    file = tmp_path / "ganesha.conf"
    file.write_text(CONFIGURATION)
    file.chmod(0o644)
    return ("--volume", f"{file}:/etc/ganesha/ganesha.conf:ro")


def healthy(container) -> bool:
    return container.exec("timeout", "4", "nfs-health", check=False).returncode == 0


def test_it_serves_as_a_user_with_one_capability(start, image, configuration):
    server = start(image, options=(*HARDENED, *SECCOMP, "--cap-add", "DAC_READ_SEARCH", *configuration))
    until(lambda: healthy(server), "the NFS server answers")
    status = dict(
        line.split(":\t", 1) for line in server.exec("cat", "/proc/1/status").stdout.splitlines() if ":\t" in line
    )
    assert status["Uid"].split() == ["10049"] * 4
    assert status["CapEff"] == status["CapBnd"] == CAPABILITIES
    assert status["CapAmb"] == "0000000000000000"
    assert "No export entries found" not in server.logs
    run("docker", "stop", "--time", "20", server.name)
    assert server.state["ExitCode"] == 0


def test_nothing_in_it_lends_more_rights(image):
    """It runs without no-new-privileges."""
    found = run(
        "docker", "run", "--rm", "--user", "0", image, "find", "/", "-xdev", "-type", "f", "-perm", "/6000"
    ).stdout
    assert found == ""


def test_it_does_not_start_without_its_capability(image, configuration):
    refused = run("docker", "run", "--rm", *HARDENED, *SECCOMP, *configuration, image, check=False)
    assert refused.returncode != 0
    assert "operation not permitted" in refused.stdout + refused.stderr


def test_no_new_privileges_would_take_its_capability(start, image, configuration):
    """Why this container does without that option; no file could be opened by its handle."""
    options = (*HARDENED, *SECCOMP, "--cap-add", "DAC_READ_SEARCH", "--security-opt", "no-new-privileges")
    server = start(image, options=(*options, *configuration))
    until(lambda: healthy(server), "the NFS server answers")
    assert "CapEff:\t0000000000000000" in server.exec("cat", "/proc/1/status").stdout


def test_the_list_of_calls_is_sound():
    profile = json.loads((ROLE / "files/seccomp.json").read_text())
    (rule,) = profile["syscalls"]
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    assert rule["names"] == sorted(set(rule["names"]))
    assert {"name_to_handle_at", "open_by_handle_at", "accept"} <= set(rule["names"])
    assert not {"mount", "ptrace", "bpf", "unshare", "setns", "keyctl", "init_module"} & set(rule["names"])


def test_the_role_gives_the_image_its_user():
    assert yaml.safe_load((ROLE / "defaults/main.yml").read_text())["nfs_container_uid"] == 10049


@pytest.fixture
def network():
    """As the role plans it, with only the host and the server in it: its name and their addresses."""
    name = f"images-test-{secrets.token_hex(4)}"
    subnet = "10.213.40.0/29"
    run("docker", "network", "create", "--label", LABEL, "--subnet", subnet, name)
    yield name, "10.213.40.1", "10.213.40.2"
    run("docker", "network", "rm", name)


@pytest.mark.skipif(not shutil.which("nfs-cp"), reason="there is no nfs-cp (Debian's package libnfs-utils)")
@pytest.mark.skipif(os.geteuid() != 0, reason="a port below 1024 takes root")
def test_the_host_s_other_users_are_kept_out(network, start, image, tmp_path):
    """By the role's own configuration: root calls from a port of root's, another user from one of everybody's."""
    name, host, address = network
    text = (ROLE / "templates/ganesha.conf.j2").read_text()
    words = {"ansible_managed": "", "nfs_lease_seconds": 5, "nfs_container_uid": 10049, "__nfs_host_address": host}
    file = tmp_path / "ganesha.conf"
    # The client speaks 4.0 only.
    spoken = Environment(undefined=StrictUndefined).from_string(text).render(words)
    file.write_text(spoken.replace("Minor_Versions = 2;", "Minor_Versions = 0, 2;"))
    file.chmod(0o644)
    options = (*HARDENED, *SECCOMP, "--cap-add", "DAC_READ_SEARCH", "--network", name, "--ip", address)
    server = start(image, options=(*options, "--volume", f"{file}:/etc/ganesha/ganesha.conf:ro"))
    until(lambda: healthy(server), "the NFS server answers")
    source = tmp_path / "source"
    source.write_text("artifact")

    def copied(target: str, *prefix: str) -> bool:
        url = f"nfs://{address}/export/{target}?version=4"
        return run(*prefix, "timeout", "10", "nfs-cp", str(source), url, check=False).returncode == 0

    # For as long as a grace period nothing is opened.
    until(lambda: copied("of-root"), "root is let in", seconds=20)
    assert not copied("of-another", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    assert server.exec("ls", "/srv/nfs/export").stdout.split() == ["of-root"]
