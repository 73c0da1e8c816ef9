# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image of minikube's nodes, from Debian's packages, minikube's own files and programs that were built."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.beds import packages
from tests.beds.commands import BedFailed, perform, perform_logged, say
from tests.beds.go_programs import COMPILER
from tests.beds.kubernetes import images
from tests.beds.kubernetes.settings import CACHE, REPOSITORY, SUITE, Parts

HERE = Path(__file__).parent
FINISH, PAUSE = HERE / "finish", HERE / "pause.c"
BUILD_SECONDS = 15 * 60
CONTENT = (
    "bash",
    "busybox-static",
    "ca-certificates",
    "conntrack",
    "containernetworking-plugins",
    "curl",
    "dbus",
    "ebtables",
    "ethtool",
    "iproute2",
    "ipset",
    "iptables",
    "iputils-ping",
    "jq",
    "kmod",
    "lz4",
    "mount",
    "openssh-server",
    "procps",
    "rsync",
    "runc",
    "socat",
    "sudo",
    "systemd",
    "util-linux",
)
APT_OPTIONS = ('APT::Install-Recommends "false"', 'Acquire::Retries "3"', 'Acquire::Languages "none"')
DPKG_OPTIONS = (
    "path-exclude=/usr/share/doc/*",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/locale/*",
    "force-unsafe-io",
)
# Of each program in the node, the one that it is built with.
PROGRAMS = {
    "containerd": "containerd",
    "containerd-shim-runc-v2": "containerd",
    "ctr": "containerd",
    "crictl": "crictl",
}
DOCKERFILE = """\
ARG ROOT
FROM ${ROOT}
COPY programs/ /usr/local/bin/
COPY version.json /
COPY services.service /etc/systemd/system/
RUN mkdir -p /etc/cni/net.d && systemctl enable services.service
ENV container=docker
STOPSIGNAL SIGRTMIN+3
EXPOSE 22
ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]
"""
# The addresses of Services are minikube's default. What goes to one of them before kube-proxy has a rule for it would
# leave the node, to whoever answers there, and the API server keeps such a connection for ever. Once a rule has changed
# the address, this does not match.
SERVICES = """\
[Unit]
Description=Keep connections to Services in the cluster
Before=containerd.service kubelet.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/iptables --wait --append OUTPUT --destination 10.96.0.0/12 --jump REJECT
ExecStart=/usr/sbin/iptables --wait --append FORWARD --destination 10.96.0.0/12 --jump REJECT

[Install]
WantedBy=multi-user.target
"""
# Into the folder that each node gets a copy of.
IMPORT = """\
set -eu
containerd >/tmp/containerd.log 2>&1 &
for try in $(seq 100); do ctr version >/dev/null 2>&1 && break; sleep 0.1; done
ctr --namespace k8s.io images import --no-unpack /images.tar >/tmp/import.log 2>&1 ||
    { cat /tmp/import.log /tmp/containerd.log; exit 1; }
kill %1
wait || true
rm -rf /tmp/*
"""
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
# Of the host, each known by one of its files.
NEEDED = {
    "/usr/bin/mmdebstrap": "mmdebstrap",
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
    **COMPILER,
}


def root_key(kicbase: Path) -> str:
    """What goes into the file system of Debian and minikube."""
    own = [path.read_bytes() for path in sorted(kicbase.rglob("*")) if path.is_file() and path.name != "Dockerfile"]
    words = "\n".join((SUITE, platform.machine(), *CONTENT, *APT_OPTIONS, *DPKG_OPTIONS))
    return hashlib.sha256(b"\n".join([FINISH.read_bytes(), words.encode(), *own])).hexdigest()[:12]


def key(root: str, parts: Parts, folders: Iterable[Path], traefik: str) -> str:
    """What goes into the image of the nodes. The folders of programs have names that say all of them."""
    names = sorted(folder.name for folder in folders)
    code = (PAUSE.read_text(), DOCKERFILE, SERVICES, IMPORT, *sorted(PROGRAMS), Path(images.__file__).read_text())
    words = "\n".join((root, parts.version, parts.etcd, parts.coredns, parts.pause, traefik, *names, *code))
    return hashlib.sha256(words.encode()).hexdigest()[:12]


def is_there(reference: str) -> bool:
    return bool(perform(["docker", "image", "inspect", "--format", "{{.Id}}", reference], check=False).strip())


def provide(parts: Parts, folders: dict[str, Path], kicbase: Path, traefik: Path) -> str:
    """The name of the image; what is not there is made."""
    root = root_key(kicbase)
    reference = f"{REPOSITORY}/node:{parts.version}-{key(root, parts, folders.values(), traefik.parent.name)}"
    if not is_there(reference):
        archive = _root(root, kicbase)
        _image(reference, f"{REPOSITORY}/root:{root}", archive, parts, folders, traefik)
    return reference


def _root(key: str, kicbase: Path) -> Path:
    """The archive of the file system; one that is whole has its name."""
    archive = CACHE / f"minikube-root-{key}.tar"
    if archive.is_file():
        return archive
    absent = packages.missing(NEEDED)
    if absent:
        packages.install(absent)
    say("Making the file system of the nodes, once; this takes about a minute")
    new = archive.with_suffix(f".{os.getpid()}.tar")
    log = CACHE / "minikube-root.log"
    log.unlink(missing_ok=True)
    mirror = packages.mirror(SUITE)
    command = ["nice", "-n", "10", "mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(CONTENT)}"]
    command += [f"--aptopt={option}" for option in APT_OPTIONS] + [f"--dpkgopt={option}" for option in DPKG_OPTIONS]
    command += [f'--customize-hook="{FINISH}" "$1" "{kicbase}"', SUITE, str(new), f"deb {mirror} {SUITE} main"]
    try:
        perform_logged(command, log, BUILD_SECONDS)
        for old in CACHE.glob("minikube-root-*.tar"):
            if old != new:
                old.unlink()
        new.rename(archive)
    finally:
        new.unlink(missing_ok=True)
    log.unlink()
    return archive


def _image(reference: str, root: str, archive: Path, parts: Parts, folders: dict[str, Path], traefik: Path) -> None:
    say("Making the image of the nodes, once")
    if not is_there(root):
        perform(["docker", "import", str(archive), root], timeout=600)
    with tempfile.TemporaryDirectory(prefix="mlops-mlflow-node-", dir=CACHE) as name:
        work = Path(name)
        (work / "programs").mkdir()
        for program, built in PROGRAMS.items():
            shutil.copy(folders[built] / program, work / "programs" / program)
        (work / "Dockerfile").write_text(DOCKERFILE, encoding="ascii")
        (work / ".dockerignore").write_text("*.tar\npause\n", encoding="ascii")
        release = parts.minikube.version
        about = {"iso_version": release, "kicbase_version": release, "minikube_version": release, "commit": "module"}
        (work / "version.json").write_text(json.dumps(about), encoding="ascii")
        (work / "services.service").write_text(SERVICES, encoding="ascii")
        base = f"{REPOSITORY}/base:{reference.rsplit(':', 1)[1]}"
        perform(["docker", "build", "--quiet", "--build-arg", f"ROOT={root}", "--tag", base, str(work)], timeout=600)
        pause = work / "pause"
        perform(["gcc", "-Os", "-static", "-s", "-o", str(pause), str(PAUSE)])
        tools = _tools(base)
        machine = ARCHITECTURES.get(platform.machine(), platform.machine())
        images.write(work / "images.tar", images.wanted(parts, folders, pause, traefik), tools, machine)
        _commit(reference, base, work / "images.tar")
    perform(["docker", "image", "rm", base], check=False)


def _tools(base: str) -> bytes:
    command = ["docker", "run", "--rm", "--entrypoint", "tar", base, "-C", "/opt/tools", "-cf", "-", "."]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    if done.returncode:
        raise BedFailed(f"The tools of the images could not be read: {done.stderr.decode(errors='replace')[-300:]}")
    return done.stdout


def _commit(reference: str, base: str, archive: Path) -> None:
    """The image with the others in its containerd, so that every node has them from the beginning."""
    container = f"{REPOSITORY}-import-{os.getpid()}"
    mount = f"type=bind,source={archive},target=/images.tar,readonly"
    command = ["docker", "run", "--name", container, "--network=none", "--mount", mount, "--entrypoint", "bash"]
    try:
        perform([*command, base, "-mc", IMPORT], timeout=600)
        restore = 'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]'
        perform(["docker", "commit", "--change", restore, "--change", "CMD []", container, reference], timeout=600)
    finally:
        perform(["docker", "rm", "--force", "--volumes", container], check=False)


def forget_old(keep: str) -> None:
    """Images of nodes that are not asked for any more."""
    listed = perform(["docker", "images", "--format", "{{.Repository}}:{{.Tag}}", f"{REPOSITORY}/node"], check=False)
    for each in listed.split():
        if each != keep and each.rsplit("-", 1)[0] == keep.rsplit("-", 1)[0]:
            perform(["docker", "image", "rm", each], check=False)
