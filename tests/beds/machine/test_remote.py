# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deployments on remote hosts with systemd, by SSH and an inventory: nothing of them depends on the control node.

pytest tests/beds/machine; as root.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.beds.machine.remote import Remote, remote


@pytest.fixture
def single_az() -> Iterator[Remote]:
    with remote("remote", "remote-single-az", ["postgres", "object_store", "mlflow_server"]) as found:
        yield found


def test_from_a_stopped_engine_to_nothing_left(single_az: Remote) -> None:
    """The host reaches no mirror, and its engine is stopped at first."""
    single_az.run("systemctl disable --now docker.service docker.socket")
    assert single_az.run("systemctl is-active docker || true") == "inactive"

    assert single_az.play("playbooks/single-az.yml")["changed"] > 0
    assert single_az.run("systemctl is-active docker; systemctl is-enabled docker").split() == ["active", "enabled"]
    # The port is the host's own loopback's, and nothing is deployed here.
    listening = single_az.run(f"ss --listening --tcp --numeric --no-header 'sport = {single_az.port}'").split()
    assert f"127.0.0.1:{single_az.port}" in listening
    assert single_az.here() == ""

    assert single_az.play("playbooks/single-az.yml")["changed"] == 0
    assert single_az.play("playbooks/single-az.yml", "--check")["changed"] == 0
    single_az.train()

    single_az.play("playbooks/destroy.yml")
    single_az.assert_nothing_is_left()


EXPORT, TEXT = "/srv/mlflow", "kept on another host"
# As an administrator would write it: root's files are nobody's.
EXPORTS = f"{EXPORT} 10.213.38.11(rw,sync,no_subtree_check,root_squash)"


@pytest.fixture
def on_external_nfs() -> Iterator[Remote]:
    """The second machine is an NFS server as Debian's kernel and its package make it."""
    components = ["postgres", "mlflow_server", "load_balancer"]
    server = {"nfs_server_address": "10.213.38.12", "nfs_export_path": EXPORT}
    with remote("extnfs", "remote-multi-az-nfs", components, count=2, **server) as found:
        found.run(f"mkdir {EXPORT} && chown 10001:10001 {EXPORT} && echo '{EXPORTS}' > /etc/exports", number=2)
        found.run("systemctl start nfs-server", number=2)
        yield found


def test_a_deployment_on_the_nfs_server_of_another_host(on_external_nfs: Remote, tmp_path: Path) -> None:
    there = on_external_nfs
    assert there.play("playbooks/multi-az-nfs.yml")["changed"] > 0
    mounts = there.run("findmnt --types nfs4 --noheadings --raw --output SOURCE,OPTIONS").splitlines()
    assert mounts
    assert all(f":{EXPORT} " in each and "hard," in each and "addr=10.213.38.12" in each for each in mounts), mounts
    # None of its own, which would need a capability.
    assert "nfs" not in there.run("docker ps --format '{{.Label \"com.docker.compose.service\"}}'").split()
    assert there.play("playbooks/multi-az-nfs.yml")["changed"] == 0
    there.train()
    client = MlflowClient(there.url)
    run = client.create_run("0").info.run_id
    client.log_text(run, TEXT, "note.txt")
    found = f"find {EXPORT} -type f -name note.txt -uid 10001 -exec cat {{}} +"
    assert there.run(found, number=2) == TEXT

    # Calls wait for it, or are told so for as long as it is away.
    there.run("systemctl restart nfs-server", number=2)
    there.train()
    client.log_text(run, TEXT, "again.txt")
    for name in ("note.txt", "again.txt"):
        assert Path(client.download_artifacts(run, name, str(tmp_path))).read_text(encoding="utf-8") == TEXT

    there.play("playbooks/destroy.yml")
    there.assert_nothing_is_left()
    assert there.run("findmnt --types nfs4 --noheadings || true") == ""
    # What is on somebody else's server is theirs.
    assert there.run(found, number=2) == TEXT
