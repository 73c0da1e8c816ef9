# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stages of the tests, the cheap ones first."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.runner import docker
from tests.runner.artifact import artifact
from tests.runner.commands import ROOT, Counts, StageFailed, output, pytest, run
from tests.runner.sanity import sanity

SCENARIOS = sorted(path.parent.name for path in ROOT.glob("molecule/*/molecule.yml"))
# Deployments of the scenarios have names of their own, so that a test never takes a user's deployment away.
PREFIX = "molecule-"
STORES = ("seaweedfs", "minio")
# Both stores are met in every run, and each scenario meets both in `make test-all`.
USUAL_STORES = {"single-az": "seaweedfs", "multi-az": "minio", "k8s": "seaweedfs"}


def commands(*table: list[str]) -> Counts:
    """Each command is one check, and all of them run."""
    counts = Counts()
    for command in table:
        counts.check(run(command), " ".join(command))
    return counts


def package(program: str, name: str) -> bool:
    """A program of Debian's that a stage can also do without."""
    if not shutil.which(program) and os.geteuid() == 0 and shutil.which("apt-get"):
        settings = f"name={name} install_recommends=false update_cache=true cache_valid_time=3600"
        run(["ansible", "localhost", "-m", "ansible.builtin.apt", "-a", settings])
    return bool(shutil.which(program))


# What a run of everything leaves to the stages whose names end in -extended.
USUAL, EXTENDED = "-m=not extended", "-m=extended"


def lint() -> Counts:
    return commands(
        ["yamllint", "--strict", "."],
        ["ansible-lint", "--offline", "--strict", "--nocolor", "--format=pep8", "-q"],
        ["ruff", "check", "--no-cache", "--output-format", "concise", "."],
    )


def drift() -> Counts:
    return commands(
        ["tools/docs", "--check"],
        ["antsibull-docs", "lint-collection-docs", "--plugin-docs", "."],
        ["antsibull-changelog", "lint"],
    )


def unit() -> Counts:
    return pytest("tests/unit", "--numprocesses=2", "--dist=loadfile")


def sanity_stage() -> Counts:
    has_shellcheck = package("shellcheck", "shellcheck")
    counts = sanity()
    if not has_shellcheck:
        counts.passed -= 1
        counts.skip("ansible-test sanity --test shellcheck: there is no program shellcheck")
    return counts


def guard(*options: str) -> Counts:
    if not run(["ansible-playbook", "tests/beds/databases.yml"]):
        raise StageFailed("The database programs could not be provided; see above.")
    return pytest("tests/guard", "--numprocesses=2", "--dist=loadfile", *options)


def images(*options: str) -> Counts:
    docker.provide()
    # Where it cannot be installed, the tests that need a registry skip themselves, and are counted and named.
    run(["ansible-playbook", "tests/beds/registry.yml"])
    package("nfs-cp", "libnfs-utils")
    return pytest("tests/images", "--numprocesses=2", "--dist=loadfile", *options)


def refusals(*options: str) -> Counts:
    docker.provide()
    return pytest("tests/refusals", "--numprocesses=2", *options)


def database_server() -> Counts:
    if not run(["ansible-playbook", "tests/beds/databases.yml"]):
        raise StageFailed("The database programs could not be provided; see above.")
    return pytest("tests/database_server", "--numprocesses=2", "--dist=loadfile")


def external_s3() -> Counts:
    docker.provide()
    return pytest("tests/stores", "--numprocesses=2", "--dist=loadfile")


ADOPT = "tests/databases/test_adopt.py"


def databases(*options: str) -> Counts:
    if not run(["ansible-playbook", "tests/beds/databases.yml"]):
        raise StageFailed("The database programs could not be provided; see above.")
    docker.provide()
    return pytest("tests/databases", f"--ignore={ADOPT}", "--numprocesses=2", *options)


def adopt() -> Counts:
    docker.provide()
    return pytest(ADOPT)


# The scenarios that need more than this machine: the test bed, and the variable that names something else to run on.
BEDS = {"k8s": ("kubernetes", "KUBERNETES_CONTEXT"), "multi-az-nfs": ("machine", "NFS_INVENTORY")}


def bed_refusal(bed: str) -> str:
    """Why there can be no such bed on this machine; empty where there can be one."""
    checked = output([str(ROOT / "tests/beds" / bed / "bed"), "check"])
    return "" if checked.returncode == 0 else (checked.stderr or checked.stdout).strip()


# What of tests/kubernetes a run of everything has time for: each optional object at work, and what is refused. The
# scenario on the other store, which runs on request, has all of it.
KUBERNETES_TESTS = "tests/kubernetes/test_effects.py tests/kubernetes/test_refusals.py"


def molecule(scenario: str, store: str = STORES[0]) -> Counts:
    counts = Counts()
    docker.provide()
    bed, instead = BEDS.get(scenario, ("", ""))
    refusal = bed_refusal(bed) if bed and instead not in os.environ else ""
    if refusal:
        also = ", and tests/kubernetes with it" if scenario == "k8s" else ""
        counts.skip(f"molecule test -s {scenario}{also}: {refusal}")
        return counts
    done = False
    try:
        done = _molecule("test", scenario, store)
    finally:
        # Interrupted, or stopped after its time, it has taken nothing away.
        if not done:
            _molecule("destroy", scenario, store)
    counts.check(done, f"molecule test -s {scenario}, with OBJECT_STORE={store}")
    left = leftovers(scenario)
    counts.check(not left, f"left behind by {scenario}: {', '.join(left)}")
    return counts


def _molecule(command: str, scenario: str, store: str) -> bool:
    variables = {"MOLECULE_GLOB": "molecule/*/molecule.yml", "OBJECT_STORE": store}
    if store == USUAL_STORES.get(scenario):
        variables["KUBERNETES_TESTS"] = os.environ.get("KUBERNETES_TESTS", KUBERNETES_TESTS)
    return run(["molecule", command, "--scenario-name", scenario], **variables)


def bed(name: str) -> Counts:
    counts = Counts()
    refusal = bed_refusal(name)
    if refusal:
        counts.skip(f"pytest tests/beds/{name}: {refusal}")
        return counts
    docker.provide()
    return pytest(f"tests/beds/{name}")


def fresh(test: str, *options: str) -> Counts:
    docker.provide()
    return pytest(f"tests/beds/fresh/{test}", *options)


def leftovers(scenario: str) -> list[str]:
    """What is there of a scenario's deployment: containers, networks, volumes, files and secrets."""
    name = f"{PREFIX}{scenario}"
    found = docker.labelled(name) if docker.engine_answers() else []
    for root in (Path("~/.local/share/mlops.mlflow"), Path("~/.config/mlops.mlflow/localhost")):
        folder = root.expanduser() / name
        if folder.exists():
            found.append(f"folder {folder}")
    return found


def port_is_free(port: int) -> bool:
    with socket.socket() as connection:
        connection.settimeout(1)
        return connection.connect_ex(("127.0.0.1", port)) != 0


# What was there when the run began.
_from_before: set[str] = set()


def note_leftovers() -> None:
    """Name at the beginning what an earlier run left, which was interrupted, so that this one is not blamed for it."""
    for scenario in SCENARIOS:
        left = leftovers(scenario)
        _from_before.update(left)
        if left:
            print(f"Left behind by an earlier run: {', '.join(left)}. `molecule destroy -s {scenario}` removes it.")


def clean() -> Counts:
    """After all of them: nothing is left of any scenario, and the public port is free again."""
    counts = Counts()
    for scenario in SCENARIOS:
        # Where a scenario ran, its own stage has looked at all of it.
        left = [each for each in leftovers(scenario) if each not in _from_before]
        counts.check(not left, f"left behind by {scenario}: {', '.join(left)}")
    counts.check(port_is_free(5000), "something still listens on port 5000")
    return counts


@dataclass(frozen=True)
class Stage:
    name: str
    meaning: str
    run: Callable[[], Counts]
    # Why it runs only when it is named; empty for what always runs.
    on_request: str = ""
    # How many minutes a run of everything must have left for it.
    minutes: Callable[[], int] = lambda: 0
    # The command that makes what it needs, and that runs beside the stages before it.
    ahead: list[str] = field(default_factory=list)

    def unasked(self) -> Stage:
        """What runs of it when no stage is named."""
        return replace(self, run=self._left_out, ahead=[]) if self.on_request else self

    def out_of_time(self, elapsed_seconds: float) -> str:
        """Why there is no time left for it in a run of everything; empty if there is."""
        minutes, elapsed = self.minutes(), int(elapsed_seconds // 60)
        if not minutes or elapsed + minutes <= RUN_MINUTES:
            return ""
        return f"it takes {minutes} minutes here, and {elapsed} of {RUN_MINUTES} are over: make test STAGES={self.name}"

    def _left_out(self) -> Counts:
        counts = Counts()
        counts.skip(f"{self.on_request}: make test STAGES={self.name}")
        return counts


MACHINE = "it boots machines with kernels of their own, which start MLflow slowly"
ENGINES = "it builds the newest Docker from source, and deploys on three releases of it"
# What a run of everything can take.
RUN_MINUTES, SCENARIO_MINUTES = 87, 18
KUBERNETES_BED = str(ROOT / "tests/beds/kubernetes/bed")


def kubernetes_minutes() -> int:
    """Those of the scenario, and of what is still to be compiled for it."""
    asked = output([KUBERNETES_BED, "remaining"])
    # A bed that cannot be says so by itself.
    return SCENARIO_MINUTES + (int(asked.stdout) if asked.returncode == 0 else 0)


def kubernetes_ahead() -> list[str]:
    return [] if BEDS["k8s"][1] in os.environ else [KUBERNETES_BED, "compile", "--idle"]


NFS = "it boots a machine with a kernel of its own, which starts MLflow slowly: 20 minutes"
ON_REQUEST = {"multi-az-nfs": NFS}
FOREIGN = "it deploys on stores of others, finds out in many ways that one is of no use, and takes a quarter of an hour"
SERVERS = "it prepares real servers in many ways, and takes a quarter of an hour"
CASES = "each case is a run of a playbook, which takes minutes"
KINDS = "each kind of database or way to it is one more start of servers, which takes some minutes"
OLD = "it installs three older releases of MLflow, and lets each fill a database"
OTHER_STORE = "every run meets each store in one scenario, and this is the same scenario on the other one"


def usual(scenario: str, **more) -> Stage:
    return Stage(
        f"molecule-{scenario}",
        f"molecule test -s {scenario}",
        lambda: molecule(scenario, USUAL_STORES.get(scenario, STORES[0])),
        on_request=ON_REQUEST.get(scenario, ""),
        **more,
    )


STAGES = [
    Stage("lint", "yamllint, ansible-lint with its production profile, ruff", lint),
    Stage("drift", "generated documents are fresh, those of the modules and the changelog are sound", drift),
    Stage("unit", "pytest tests/unit", unit),
    Stage("sanity", "ansible-test sanity", sanity_stage),
    Stage("artifact", "build, install, and use by full names", artifact),
    Stage("guard", "pytest tests/guard, with PostgreSQL and SQLite", lambda: guard(USUAL)),
    Stage("images", "pytest tests/images, with Docker", lambda: images(USUAL)),
    Stage("refusals", "bad input to the playbooks, a quarter of all cases", lambda: refusals(USUAL)),
    Stage("databases", "another's PostgreSQL, a case of each kind", lambda: databases(USUAL)),
    *(usual(scenario) for scenario in SCENARIOS if scenario != "k8s"),
    # They take the images of a deployment, so they come after them.
    Stage(
        "fresh",
        "the README's first commands on a bare machine",
        lambda: fresh("test_fresh.py::test_without_systemd", USUAL),
    ),
    Stage(
        "fresh-systemd",
        "the same on a test machine with systemd",
        lambda: fresh("test_fresh.py::test_with_systemd"),
        on_request=MACHINE,
    ),
    # The last of what always runs: meanwhile the programs of its cluster are compiled, where they are not there.
    usual("k8s", minutes=kubernetes_minutes, ahead=kubernetes_ahead()),
    Stage(
        "engines",
        "single-az and multi-az on Docker Engine 20.10, 26.1 and 29",
        lambda: fresh("test_engines.py"),
        on_request=ENGINES,
    ),
    Stage("machine", "the test machines, and single-az on one by SSH", lambda: bed("machine"), on_request=MACHINE),
    *(
        Stage(
            f"molecule-{scenario}-{store}",
            f"molecule test -s {scenario}, with OBJECT_STORE={store}",
            lambda scenario=scenario, store=store: molecule(scenario, store),
            on_request=OTHER_STORE,
        )
        for scenario, usual in USUAL_STORES.items()
        for store in STORES
        if store != usual
    ),
    Stage("external-s3", "single-az on stores that the collection did not deploy", external_s3, on_request=FOREIGN),
    Stage(
        "guard-extended",
        "the same with MariaDB, another PostgreSQL, several hosts and poolers",
        lambda: guard(EXTENDED),
        on_request=KINDS,
    ),
    Stage("images-extended", "more answers of registries", lambda: images(EXTENDED), on_request=CASES),
    Stage(
        "fresh-extended",
        "the README's first commands on a bare Debian 12, and what was there before",
        lambda: fresh("test_fresh.py::test_without_systemd", EXTENDED),
        on_request=CASES,
    ),
    Stage("refusals-extended", "the other three quarters", lambda: refusals(EXTENDED), on_request=CASES),
    Stage("databases-extended", "the other cases, and more deployments", lambda: databases(EXTENDED), on_request=CASES),
    Stage("adopt", "databases of plain servers of older releases, taken over", adopt, on_request=OLD),
    Stage(
        "database-server",
        "databases on PostgreSQL servers that the collection did not deploy",
        database_server,
        on_request=SERVERS,
    ),
    Stage("clean", "nothing is left behind", clean),
]
