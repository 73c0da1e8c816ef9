# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a real minikube needs on this machine, for tests: role minikube makes the cluster with it."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from tests.beds import go_programs
from tests.beds.command_line import NOT_UP, REFUSED, carry_out, number
from tests.beds.commands import say
from tests.beds.kubernetes import checks, furnish, home, node, runtime, wheels
from tests.beds.kubernetes.settings import (
    CACHE,
    DEFAULT,
    KICBASE,
    KUBECONFIG,
    MINIKUBE,
    Parts,
    minikube_files,
    parts,
    version_of,
)

VERSION_VARIABLE = "K8S_VERSION"
# What compiles long on two cores; the others take a minute or less.
MINUTES = {"kubernetes": 9, "metrics-server": 6}


def arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bed", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("check", help=f"whether a bed can be here; ends with {REFUSED} and the reason if not")
    commands.add_parser("remaining", help="print how many minutes `up` compiles; 0 if all is there")
    early = commands.add_parser("compile", help="compile what `up` needs, and nothing else", allow_abbrev=False)
    early.add_argument("--idle", action="store_true", help="with only what others leave of the processors")
    commands.add_parser("up", help="provide what a cluster is started with, and print it as variables of role minikube")
    commands.add_parser("variables", help="print these variables again, as JSON")
    commands.add_parser("env", help="print the variables of a shell by which minikube and kubectl find the clusters")
    start = commands.add_parser("start", help="a cluster: `up`, role minikube, and `furnish`", allow_abbrev=False)
    start.add_argument("profile", metavar="PROFILE", help="the cluster's name")
    start.add_argument("--nodes", type=number(1, 9), default=2, help="1 to 9 (default: 2)")
    start.add_argument("--port", type=number(1, 65535), default=5000, help="of this machine (default: 5000)")
    more = commands.add_parser("furnish", help="give a cluster zones, metrics, an Ingress controller and Gateway API")
    more.add_argument("profile", metavar="PROFILE", help="the cluster's name")
    commands.add_parser("status", help=f"which clusters there are; ends with {NOT_UP} if no bed is up")
    commands.add_parser("down", help="delete all clusters of the bed, and put the engine's settings back")
    given = parser.parse_args(words)
    given.version = os.environ.get(VERSION_VARIABLE, "") or DEFAULT
    return given


def _check(given: argparse.Namespace) -> int:
    checks.machine()
    checks.engine()
    version_of(given.version)
    if checks.upstream_answers():
        print("A bed can be here, with minikube's release and upstream's images.")
        return 0
    checks.distribution()
    # Whoever is compiling them already needs room and memory for that, which is there again when they are done.
    with _alone():
        _toolchain()
    print("A bed can be here, from programs that are built.")
    return 0


def _toolchain() -> go_programs.Go:
    """Refused where what a cluster is made of is not there and cannot be built."""
    return go_programs.check(go_programs.PROGRAMS[name] for name in go_programs.OF_KUBERNETES)


def _remaining(given: argparse.Namespace) -> int:
    if checks.upstream_answers():
        print(0)
        return 0
    go = go_programs.toolchain(go_programs.CACHE)
    programs = parts(version_of(given.version), minikube_files(go)).programs
    lacking = [name for name in go_programs.OF_KUBERNETES if not go_programs.is_built(programs[name], go)]
    print(sum(MINUTES.get(name, 1) for name in lacking))
    return 0


def _compile(given: argparse.Namespace) -> int:
    checks.machine()
    version = version_of(given.version)
    with _alone():
        if not checks.upstream_answers():
            _programs(version, given.idle)
    return 0


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Two that need the same wait for each other."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "minikube.lock").open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _up(given: argparse.Namespace) -> int:
    checks.machine()
    checks.engine()
    version = version_of(given.version)
    with _alone():
        found = home.prepare_upstream(version) if checks.upstream_answers() else _build(version)
    print(json.dumps(found, indent=2))
    return 0


def _programs(version: str, is_idle: bool = False) -> tuple[Parts, dict[str, Path], Path]:
    """The parts of a release, the folder of each program, and that of minikube's files."""
    checks.distribution()
    go = _toolchain()
    files = minikube_files(go)
    wanted = parts(version, files)
    programs = [wanted.programs[name] for name in go_programs.OF_KUBERNETES]
    complete = all(go_programs.is_built(program, go) for program in programs)
    if not complete:
        go_programs.install_compiler(programs)
    folders = go_programs.provide(programs, is_idle=is_idle)
    furnish.keep_definitions(go)
    if not complete:
        go_programs.forget_intermediate()
    for program in programs:
        about = go_programs.record(program, go)
        say(f"{program.name} {about['version']}, built in {about['seconds']} s with Go {about['go']}")
    return wanted, folders, files


def _build(version: str) -> dict:
    wanted, folders, files = _programs(version)
    image = node.provide(wanted, folders, files / KICBASE, wheels.traefik())
    runtime.enable()
    return home.prepare(wanted, folders, image)


def _variables(_given: argparse.Namespace) -> int:
    print(json.dumps(home.recorded(), indent=2))
    return 0


def _env(_given: argparse.Namespace) -> int:
    found = home.recorded()
    folders = [str(MINIKUBE.parent)] if not home.is_upstream(found) else []
    print(f"export KUBECONFIG={shlex.quote(str(KUBECONFIG))}")
    print(f"export MINIKUBE_HOME={shlex.quote(str(home.HOME))}")
    if folders:
        print(f'export PATH={shlex.quote(folders[0])}:{shlex.quote(str(home.PATH))}:"$PATH"')
    return 0


def _furnish(given: argparse.Namespace) -> int:
    furnish.all_of(given.profile, home.is_upstream(home.recorded()))
    return 0


def _start(given: argparse.Namespace) -> int:
    _up(given)
    home.start(given.profile, given.nodes, given.port)
    return _furnish(given)


def _status(_given: argparse.Namespace) -> int:
    if not home.VARIABLES.exists():
        print("No bed is up.")
        return NOT_UP
    found = home.recorded()
    how = "upstream's images" if home.is_upstream(found) else "programs that were built"
    print(f"Kubernetes {found['minikube_kubernetes_version']}, {how}")
    print("\n".join(home.profiles()) or "There is no cluster.")
    return 0


def _down(_given: argparse.Namespace) -> int:
    say("Nothing is left of it but what is cached" if home.remove() else "No bed is up")
    return 0


COMMANDS = {
    "check": _check,
    "remaining": _remaining,
    "compile": _compile,
    "up": _up,
    "variables": _variables,
    "env": _env,
    "furnish": _furnish,
    "start": _start,
    "status": _status,
    "down": _down,
}


def main(words: list[str]) -> int:
    given = arguments(words)
    return carry_out(lambda: COMMANDS[given.command](given), "bed down")
