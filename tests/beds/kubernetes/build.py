# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubernetes' server programs, built once from Debian's source package: Debian itself packages only the client."""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import shutil
from pathlib import Path

from tests.beds.commands import BedFailed, perform, perform_logged, say
from tests.beds.packages import distribution, install, mirror

# The distribution whose source package is taken, and what that package says of itself in `kubectl version`.
SUITE, VERSION = "bookworm", "v1.20.2"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
# Containers of one pod share the namespaces of this one, which only waits.
PAUSE_SOURCE = "build/pause/linux/pause.c"
PACKAGES = ["dpkg-dev", "gcc", "golang-go", "libc6-dev"]
BUILD_SECONDS = 45 * 60
# As Kubernetes was built at its time: the packages are found below GOPATH.
ENVIRONMENT = {"CGO_ENABLED": "0", "GO111MODULE": "off"}
# Neither the clouds' own volumes and load balancers nor Docker as a runtime: less to compile.
TAGS = "providerless dockerless"
# The programs themselves tell one of them, and the API server tells its clients the other.
VERSION_PACKAGES = [f"k8s.io/kubernetes/vendor/k8s.io/{name}/version" for name in ("component-base", "client-go/pkg")]
# Without git the tree does not know its version, and clients of Kubernetes do not understand the one that it makes up.
VERSIONS = {
    "gitVersion": VERSION,
    "gitMajor": VERSION.split(".")[0].lstrip("v"),
    "gitMinor": VERSION.split(".")[1],
    "gitCommit": "debian",
    "gitTreeState": "clean",
}
LINKER = " ".join(
    ["-s", "-w"] + [f"-X {package}.{name}={value}" for package in VERSION_PACKAGES for name, value in VERSIONS.items()]
)
# The one generated file that the source lacks describes all objects; it is made of the packages with this mark.
OPENAPI, OPENAPI_MARK = "pkg/generated/openapi", re.compile(r"^// \+k8s:openapi-gen=", re.MULTILINE)
OPENAPI_WITHOUT = {"code-generator", "sample-apiserver", "kube-openapi"}
# Volumes that a claim gets belong to root. In other clusters, users of any number can write to them.
EDITS = (
    (
        "pkg/volume/hostpath/host_path.go",
        "return pv, os.MkdirAll(pv.Spec.HostPath.Path, 0750)",
        "return pv, os.MkdirAll(pv.Spec.HostPath.Path, 0777)",
    ),
)


def key() -> str:
    """What goes into the programs, in short."""
    edits = (part for edit in EDITS for part in edit)
    options = (f"{name}={value}" for name, value in ENVIRONMENT.items())
    parts = (SUITE, VERSION, *PROGRAMS, *edits, *options, TAGS, LINKER, platform.machine())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def folder(cache: Path) -> Path:
    return cache / f"kubernetes-{key()}"


def is_built(cache: Path) -> bool:
    return all((folder(cache) / name).is_file() for name in (*PROGRAMS, "pause"))


def check(cache: Path) -> None:
    """Refuse where the programs are not there and cannot be built."""
    if is_built(cache):
        return
    if distribution() != ("debian", SUITE):
        raise BedFailed(
            f"This is {' '.join(distribution())}, and Kubernetes is built from the source package of Debian {SUITE}:"
            f" run it there, or copy {folder(cache)} from a machine of that kind."
        )
    mirror(SUITE)


def provide(cache: Path) -> Path:
    """The folder with the programs; two that ask at once build once."""
    if is_built(cache):
        return folder(cache)
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "kubernetes-build.lock").open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_built(cache):
            _build(cache)
    return folder(cache)


def _build(cache: Path) -> None:
    check(cache)
    install(PACKAGES)
    work = cache / "kubernetes-build"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    tree = work / "go" / "src" / "k8s.io" / "kubernetes"
    tree.parent.mkdir(parents=True)
    _source(work).rename(tree)
    _edit(tree)
    log = cache / "kubernetes-build.log"
    log.unlink(missing_ok=True)
    say("Building Kubernetes, once; this takes 3 to 4 minutes on two cores")
    built = work / "bin"
    built.mkdir()
    _describe(tree, work, log)
    programs = [f"./cmd/{name}" for name in PROGRAMS]
    _go(tree, work, log, "build", "-tags", TAGS, "-ldflags", LINKER, "-o", f"{built}/", *programs)
    perform(["gcc", "-Os", "-static", "-s", "-DVERSION=bed", "-o", str(built / "pause"), str(tree / PAUSE_SOURCE)])
    _keep(built, cache)
    shutil.rmtree(work)
    log.unlink()


def _run(tree: Path, work: Path, log: Path, command: list[str]) -> None:
    own = {"GOCACHE": str(work / "cache"), "GOPATH": str(work / "go"), "PWD": str(tree)}
    perform_logged(
        ["nice", "-n", "10", *command], log, BUILD_SECONDS, cwd=tree, env={**os.environ, **ENVIRONMENT, **own}
    )


def _go(tree: Path, work: Path, log: Path, *words: str) -> None:
    _run(tree, work, log, ["go", *words])


def _describe(tree: Path, work: Path, log: Path) -> None:
    """The file that describes all objects, which Kubernetes' own makefile would generate with five others."""
    generator = work / "openapi-gen"
    _go(tree, work, log, "build", "-o", str(generator), "./vendor/k8s.io/kube-openapi/cmd/openapi-gen")
    words = ["--logtostderr", "--input-dirs", ",".join(f"k8s.io/kubernetes/{each}" for each in _described(tree))]
    words += ["--output-package", f"k8s.io/kubernetes/{OPENAPI}", "--output-file-base", "zz_generated.openapi"]
    words += ["--go-header-file", "vendor/k8s.io/code-generator/hack/boilerplate.go.txt"]
    words += ["--report-filename", str(work / "violations")]
    root = perform(["go", "env", "GOROOT"]).strip()
    _run(tree, work, log, ["env", f"GOROOT={root}", str(generator), *words])


def _described(tree: Path) -> list[str]:
    """The folders of the packages that are described, as Go finds them."""
    roots = [tree / "pkg", *(tree / "vendor" / "k8s.io").iterdir()]
    found = set()
    for root in roots:
        if root.name not in OPENAPI_WITHOUT and root.is_dir():
            marked = (path for path in root.rglob("*.go") if OPENAPI_MARK.search(path.read_text(encoding="utf-8")))
            found |= {str(path.parent.relative_to(tree)) for path in marked}
    return sorted(found)


def _edit(tree: Path) -> None:
    for name, found, wanted in EDITS:
        text = (tree / name).read_text(encoding="utf-8")
        if text.count(found) != 1:
            raise BedFailed(f"{name} of Kubernetes' source is not what it was: correct EDITS in {__file__}.")
        (tree / name).write_text(text.replace(found, wanted), encoding="utf-8")


def _keep(built: Path, cache: Path) -> None:
    """Into the cache in one step, so that what is there is whole."""
    new = cache / f"kubernetes-build-{os.getpid()}"
    new.mkdir()
    for name in (*PROGRAMS, "pause"):
        shutil.move(built / name, new / name)
    shutil.rmtree(folder(cache), ignore_errors=True)
    new.rename(folder(cache))


def _source(work: Path) -> Path:
    """Kubernetes' tree. Apt gets lists of its own, so that the machine's configuration stays as it is."""
    address = mirror(SUITE)
    (work / "sources.list").write_text(f"deb-src [signed-by={KEYRING}] {address} {SUITE} main\n", encoding="utf-8")
    for name in ("lists/partial", "archives/partial"):
        (work / name).mkdir(parents=True)
    options = [
        f"Dir::Etc::SourceList={work}/sources.list",
        "Dir::Etc::SourceParts=/dev/null",
        f"Dir::State::Lists={work}/lists",
        f"Dir::Cache={work}",
        # Root may write here, and the user that apt downloads as may not.
        "APT::Sandbox::User=root",
    ]
    apt = ["apt-get", "-q", *(word for option in options for word in ("-o", option))]
    say(f"Fetching the source package of Kubernetes from Debian {SUITE}")
    log = work / "fetch.log"
    perform_logged([*apt, "update"], log, 600)
    perform_logged([*apt, "source", "kubernetes"], log, 1200, cwd=work)
    return next(path for path in work.glob("kubernetes-*") if path.is_dir())
