# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the builder of Go programs that build nothing, and its refusals."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.beds import go_programs
from tests.beds.commands import BedFailed
from tests.beds.go_programs import PROGRAMS, Go, Program

TOOL = Program("tool", "example.org/tool", "v1.2.3", packages=("cmd/tool",))
GO_MOD = """\
module k8s.io/kubernetes

require (
	github.com/blang/semver/v4 v4.0.0
	k8s.io/api v0.0.0
	k8s.io/utils v0.0.0-20251002143259-bc988d571ff4
	k8s.io/kubelet v0.0.0 // indirect
)
require k8s.io/klog v0.0.0
"""


def program_that_says(folder: Path, text: str, code: int = 0) -> Path:
    """A program called go, first on the PATH, that answers one thing."""
    path = folder / "go"
    path.write_text(f"#!/bin/sh\necho '{text}'\nexit {code}\n", encoding="ascii")
    path.chmod(0o755)
    return path


@pytest.fixture
def go_of(tmp_path, monkeypatch):
    def make(version: str) -> Go:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        path = program_that_says(folder, f"go version go{version} linux/amd64")
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        return Go(str(path), version, tmp_path / "cache")

    return make


@pytest.fixture
def no_index(monkeypatch) -> None:
    """No package index, which pip is told at once."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)


# --- what is built -------------------------------------------------------------------------------------------------


def test_modules_without_a_version_are_those_beside_it() -> None:
    assert go_programs.neighbours(GO_MOD) == ["k8s.io/api", "k8s.io/klog", "k8s.io/kubelet"]


def test_a_module_of_its_own_pins_the_program() -> None:
    program = replace(TOOL, replaces=("a.org/b => a.org/c v1.0.0",), beside="v0.35.1")
    assert go_programs.module_text(program, "1.26.8", ["k8s.io/api"]).splitlines() == [
        "module mlops.mlflow/tool",
        "go 1.26.8",
        "require example.org/tool v1.2.3",
        "replace a.org/b => a.org/c v1.0.0",
        "replace k8s.io/api => k8s.io/api v0.35.1",
    ]


def test_a_module_is_replaced_once() -> None:
    program = replace(TOOL, replaces=("k8s.io/api => k8s.io/api v0.34.0",), beside="v0.35.1")
    text = go_programs.module_text(program, "1.26.8", ["k8s.io/api", "k8s.io/klog"])
    assert text.count("replace k8s.io/api => k8s.io/api v0.34.0\n") == text.count("replace k8s.io/api ") == 1
    assert "replace k8s.io/klog => k8s.io/klog v0.35.1\n" in text


def test_programs_of_a_cluster_are_compiled_of_the_same_packages() -> None:
    programs = [PROGRAMS[name] for name in go_programs.OF_KUBERNETES if name != "metrics-server"]
    texts = [go_programs.module_text(program, "1.26.8", ["k8s.io/api"]).splitlines()[1:] for program in programs]
    own = [{f"replace {each}" for each in program.replaces} for program in programs]
    common = [line for line in texts[-1] if not line.startswith("replace k8s.io/kubectl")]
    for text, replaces in zip(texts, own):
        assert [line for line in text if line not in replaces] == common
    for program in programs:
        assert f"require {program.module} {program.version}" in common
    assert "replace k8s.io/api => k8s.io/api v0.35.1" in common


def test_another_release_is_compiled_of_its_own_packages() -> None:
    etcd = PROGRAMS["etcd"]
    assert go_programs.at(etcd, etcd.version) == etcd
    assert go_programs.module_text(go_programs.at(etcd, "v3.5.24"), "1.26.8").splitlines() == [
        "module mlops.mlflow/etcd",
        "go 1.26.8",
        "require go.etcd.io/etcd/server/v3 v3.5.24",
    ]


def test_the_options_of_the_compiler() -> None:
    program = replace(TOOL, constants=("example.org/tool/v.Version=1",), tags="netgo")
    assert go_programs.words(program) == [
        "-trimpath",
        "-tags",
        "netgo",
        "-ldflags",
        "-s -w -X example.org/tool/v.Version=1",
    ]


@pytest.mark.parametrize(
    ("program", "outputs"),
    [
        (TOOL, [("", ["example.org/tool/cmd/tool"])]),
        (replace(TOOL, packages=("a", "b")), [("", ["example.org/tool/a", "example.org/tool/b"])]),
        (replace(TOOL, packages=("",), files=("it",)), [("it", ["example.org/tool"])]),
        (replace(TOOL, packages=("",), files=("it",), source=Path("it.go")), [("it", ["."])]),
    ],
)
def test_what_is_compiled_in_one_go(program, outputs) -> None:
    assert go_programs.outputs(program) == outputs


def test_kubernetes_of_another_version_differs_in_all_its_numbers() -> None:
    program = go_programs.kubernetes("1.31.14")
    assert (program.version, program.beside, program.requires) == ("v1.31.14", "v0.31.14", ())
    assert "k8s.io/component-base/version.gitVersion=v1.31.14" in program.constants
    assert "k8s.io/client-go/pkg/version.gitMinor=31" in program.constants


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_has_a_pinned_release_and_a_file(name) -> None:
    program = PROGRAMS[name]
    assert program.name == name
    assert program.version.startswith("v")
    assert all(program.programs)
    assert len(set(program.programs)) == len(program.packages)
    assert program.source is None or program.source.is_file()


# --- the cache -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed",
    [
        replace(TOOL, version="v1.2.4"),
        replace(TOOL, tags="x"),
        replace(TOOL, constants=("a.b=c",)),
        replace(TOOL, cgo=True),
        replace(TOOL, replaces=("a => b v1",)),
        replace(TOOL, beside="v0.1.0"),
        replace(TOOL, requires=("example.org/library v1.0.0",)),
        replace(TOOL, packages=("cmd/tool", "cmd/other")),
    ],
)
def test_all_that_goes_into_a_program_is_in_its_key(changed) -> None:
    assert go_programs.key(changed, "1.26.8", "x86_64") != go_programs.key(TOOL, "1.26.8", "x86_64")


def test_toolchain_machine_and_source_are_in_the_key_too(tmp_path) -> None:
    source = tmp_path / "main.go"
    keys = {go_programs.key(TOOL, "1.26.8", "x86_64"), go_programs.key(TOOL, "1.26.9", "x86_64")}
    keys.add(go_programs.key(TOOL, "1.26.8", "aarch64"))
    for text in ("one", "two"):
        source.write_text(text, encoding="ascii")
        keys.add(go_programs.key(replace(TOOL, source=source), "1.26.8", "x86_64"))
    assert len(keys) == 5


def test_a_path_is_not_in_the_key(tmp_path) -> None:
    for name in ("a.go", "b.go"):
        (tmp_path / name).write_text("package main", encoding="ascii")
    first, second = (replace(TOOL, source=tmp_path / name) for name in ("a.go", "b.go"))
    assert go_programs.key(first, "1", "x") == go_programs.key(second, "1", "x")


@pytest.mark.parametrize("there", [[], ["tool"], ["record.json"]])
def test_half_of_a_program_is_none(tmp_path, there) -> None:
    go = Go("go", "1.26.8", tmp_path)
    folder = go_programs.folder(TOOL, go)
    folder.mkdir(parents=True)
    for name in there:
        (folder / name).touch()
    assert not go_programs.is_built(TOOL, go)
    for name in ("tool", "record.json"):
        (folder / name).touch()
    assert go_programs.is_built(TOOL, go)


def test_what_is_there_needs_neither_mirror_nor_room(go_of, monkeypatch) -> None:
    go = go_of("1.99.0")
    folder = go_programs.folder(TOOL, go)
    folder.mkdir(parents=True)
    for name in ("tool", "record.json"):
        (folder / name).touch()
    monkeypatch.setattr(go_programs, "DISK_GIBIBYTES", 10**9)
    assert go_programs.provide([TOOL], go.cache) == {"tool": folder}


# --- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ("go version go1.27 linux/amd64", (1, 27, 0)),
        ("go1.19.8", (1, 19, 8)),
        ("command not found", ()),
    ],
)
def test_numbers_of_a_toolchain(said, found) -> None:
    assert go_programs.numbers(said) == found


def test_go_of_the_path_is_taken_if_it_is_new_enough(go_of, tmp_path) -> None:
    go = go_of("1.99.0")
    assert go_programs.toolchain(tmp_path) == Go(go.path, "1.99.0", tmp_path)


def test_an_old_go_without_an_index_is_refused(go_of, no_index, tmp_path) -> None:
    go_of("1.19.8")
    with pytest.raises(BedFailed, match=r"^Go on the PATH is 1\.19\.8, 1\.26\.0 or newer is needed, and pip could not"):
        go_programs.toolchain(tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_no_go_without_an_index_is_refused(monkeypatch, no_index, tmp_path) -> None:
    monkeypatch.setattr(go_programs.shutil, "which", lambda _name: None)
    with pytest.raises(BedFailed, match=r"^There is no Go on the PATH, 1\.26\.0 or newer is needed"):
        go_programs.toolchain(tmp_path / "cache")


def test_too_little_disk_is_refused(go_of, monkeypatch) -> None:
    go = go_of("1.99.0")
    monkeypatch.setattr(go_programs, "DISK_GIBIBYTES", 10**6)
    with pytest.raises(BedFailed, match=r"GiB free, and 1000000 are needed: free some, for the programs .*\(tool\)\.$"):
        go_programs.check([TOOL], go.cache)


def test_too_little_memory_is_refused(go_of, monkeypatch) -> None:
    go = go_of("1.99.0")
    monkeypatch.setattr(go_programs, "MEMORY_GIBIBYTES", 10**6)
    with pytest.raises(BedFailed, match=r"^[\d.]+ GiB of memory are left, and 1000000 are needed: free some"):
        go_programs.check([TOOL], go.cache)


def test_memory_that_is_left() -> None:
    assert go_programs.available_gibibytes("MemTotal: 9 kB\nMemAvailable:   2097152 kB\n") == 2.0
    assert go_programs.available_gibibytes("MemTotal: 9 kB\n") == float("inf")


def test_a_mirror_that_does_not_answer_is_refused(go_of, tmp_path) -> None:
    go = go_of("1.99.0")
    program_that_says(Path(go.path).parent, "go version go1.99.0\n404 Not Found", code=1)
    with pytest.raises(BedFailed, match=r"does not give example\.org/tool v1\.2\.3 \(.*404 Not Found\): set GOPROXY"):
        go_programs.check([TOOL], go.cache)
    assert not (go.cache / "programs").exists()


def test_what_is_not_in_the_table_is_refused() -> None:
    with pytest.raises(BedFailed, match="^nonsense is not to be built: name some of kubernetes, minikube, "):
        go_programs.main(["etcd", "nonsense"])
