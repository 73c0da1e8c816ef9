# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a kernel can mount NFS, which networks a host has, and what is said of an export."""

from __future__ import annotations

import errno
import socket
import threading

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _nfs_client as client
from ansible_collections.mlops.mlflow.plugins.module_utils import _nfs_export as export

PLAIN = "nodev\tsysfs\nnodev\tproc\n\text4\n"
LOADED = PLAIN + "nodev\tnfs\nnodev\tnfs4\n"
# As in modules.dep, and as in modules.builtin.
DEPENDENCIES = "kernel/fs/nfs/nfs.ko: kernel/net/sunrpc/sunrpc.ko\nkernel/fs/nfs/nfsv4.ko.xz: kernel/fs/nfs/nfs.ko\n"
BUILT_IN = "kernel/fs/nfs/nfs.ko\nkernel/fs/nfs/nfsv4.ko\n"

KERNELS = [
    (LOADED, "", False, ""),
    # It was loaded before loading was switched off.
    (LOADED, DEPENDENCIES, True, ""),
    (PLAIN, DEPENDENCIES, False, ""),
    (PLAIN, BUILT_IN, False, ""),
    (PLAIN, "", False, "it has no modules"),
    (PLAIN, "kernel/fs/ext4/ext4.ko:\n", False, "no module nfs or nfsv4 is in /lib/modules/6.1"),
    (PLAIN, "kernel/fs/nfs/nfs.ko:\nkernel/fs/nfsd/nfsd.ko:\n", False, "no module nfsv4 is in"),
    # The server's module is not the client's.
    (PLAIN, "kernel/fs/nfsd/nfsd.ko: kernel/fs/nfs/nfs.ko kernel/fs/nfs/nfsv4.ko\n", False, "no module nfs or nfsv4"),
    (PLAIN, DEPENDENCIES, True, "kernel.modules_disabled"),
    ("", "", False, "not Linux"),
]


@pytest.mark.parametrize(("file_systems", "listing", "disabled", "words"), KERNELS)
def test_whether_a_kernel_can_mount(file_systems, listing, disabled, words):
    reason = client.kernel_support("6.1", file_systems, listing, disabled)
    assert words in reason
    assert bool(reason) == bool(words)


ROUTES = (
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
    "eth0\t00000000\t0126D50A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
    "eth0\t0026D50A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
    "br-1\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
)


@pytest.mark.parametrize(
    ("network", "found"),
    [
        ("10.213.39.0/29", []),
        ("10.213.38.0/29", ["10.213.38.0/24 (eth0)"]),
        ("10.213.0.0/16", ["10.213.38.0/24 (eth0)"]),
        ("172.17.5.0/24", ["172.17.0.0/16 (br-1)"]),
        # The default route leads everywhere, and is not a network of the host.
        ("192.168.0.0/24", []),
    ],
)
def test_networks_that_overlap(network, found):
    assert client.overlapping(network, ROUTES) == found


@pytest.mark.parametrize(
    ("number", "word"),
    [
        (errno.ENOENT, "path"),
        (errno.EACCES, "denied"),
        (errno.EPROTONOSUPPORT, "version"),
        (errno.EINVAL, "options"),
        (errno.ECONNREFUSED, "unreachable"),
        (errno.ENODEV, "failed"),
    ],
)
def test_what_is_said_of_a_mount_that_fails(number, word):
    assert export.mount_finding(OSError(number, "")).word == word


@pytest.mark.parametrize(
    ("number", "word"),
    [
        (errno.EROFS, "read_only"),
        (errno.EACCES, "squashed"),
        (errno.ENOSPC, "full"),
        (errno.EDQUOT, "full"),
        (errno.ESTALE, "stale"),
        (errno.EIO, "failed"),
    ],
)
def test_what_is_said_of_use_that_fails(number, word):
    finding = export.use_finding(OSError(number, ""), 10001, "writing a file")
    assert finding.word == word
    assert "writing a file" in finding.reason
    assert ("user 10001" in finding.reason) == (word == "squashed")


def test_a_try_ends_whatever_the_mounts_of_servers_do():
    data = export.mount_data("10.0.0.5", ["nfsvers=4.1", "hard", "timeo=600", "retrans=5", "noatime"]).split(",")
    assert {"addr=10.0.0.5", "nfsvers=4.1", "soft", "nosharecache"} <= set(data)
    assert "hard" not in data
    assert "timeo=600" not in data


def test_a_folder_that_is_fine(tmp_path):
    """Two places that are one folder: what one writes the other has."""
    facts = export.use([tmp_path, tmp_path], 10001, 0)
    assert facts["free_mib"] >= 0
    assert not list(tmp_path.iterdir())


def test_a_zone_that_does_not_see_the_other(tmp_path):
    places = [tmp_path / "a", tmp_path / "b"]
    for place in places:
        place.mkdir()
    with pytest.raises(export.Finding) as found:
        export.use(places, 10001, 0)
    assert found.value.word == "stale"
    assert not list(places[0].iterdir())


def test_a_folder_that_is_full(tmp_path):
    with pytest.raises(export.Finding) as found:
        export.use([tmp_path], 10001, 2**60)
    assert found.value.word == "full"
    assert "MiB left" in found.value.reason
    assert not list(tmp_path.iterdir())


def test_what_the_guard_keeps_is_left(tmp_path):
    (tmp_path / export.FOLDER).mkdir()
    (tmp_path / export.FOLDER / "marker.json").write_text("{}")
    export.use([tmp_path], 10001, 0)
    assert [path.name for path in (tmp_path / export.FOLDER).iterdir()] == ["marker.json"]


def test_a_server_that_takes_no_connections(monkeypatch):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        monkeypatch.setattr(export, "PORT", listener.getsockname()[1])
        with pytest.raises(export.Finding) as found:
            export.resolve("127.0.0.1", 2)
        assert found.value.word == "unreachable"
        listener.listen()
        accepting = threading.Thread(target=listener.accept, daemon=True)
        accepting.start()
        assert export.resolve("localhost", 2) == "127.0.0.1"
        accepting.join(2)
