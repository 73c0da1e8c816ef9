# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An inventory decides: each documented option arrives from it, and what the playbooks decide is refused by name."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOKS = sorted(
    path.stem
    for path in (ROOT / "playbooks").glob("*.yml")
    if "vars/wiring.yml" in yaml.safe_load(path.read_text(encoding="utf-8"))[0].get("vars_files", [])
)
# What roles have found out by the time at which the options are read.
FOUND = {
    "images_resolved": {"object_store": {"kind": "seaweedfs", "reference": "store:1"}},
    "images_recalled": {"object_store_kind": "seaweedfs"},
    "object_store_connection": {"bucket": "found", "endpoint_url": "http://seaweedfs:8333"},
    "docker_host": {"memory_mb": 4096, "cpus": 2},
    "deployment_user_home": {"stat": {"path": "/home/somebody"}},
}
# What nobody else sets, by the file that sets it.
DECIDED = {"vars/wiring.yml": "vars/decided.yml", "vars/wiring_kubernetes.yml": "vars/decided_kubernetes.yml"}
# On Kubernetes the cluster's own names for the servers are added to what the user has.
ADDED_TO = "mlflow_server_internal_names"
SHOW = """\
- name: Show them
  ansible.builtin.copy:
    dest: "{{ target }}-{{ inventory_hostname }}"
    mode: "0600"
    content: "{{ dict(options | zip(query('ansible.builtin.vars', *options))) | to_json }}"
"""


def specs() -> dict[str, dict]:
    found: dict[str, dict] = {}
    for path in ROOT.glob("roles/*/meta/argument_specs.yml"):
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]
        # Of an option with another default elsewhere, that of the entry point main.
        for entry in [*entries.values(), entries.get("main", {})]:
            found |= entry.get("options") or {}
    return found


def documented() -> set[str]:
    return set(specs())


def play_of(name: str) -> dict:
    return yaml.safe_load((ROOT / f"playbooks/{name}.yml").read_text(encoding="utf-8"))[0]


def decided(name: str) -> dict[str, str]:
    """What nobody else sets, with the option that decides it."""
    found: dict[str, str] = {}
    for path in play_of(name)["vars_files"]:
        beside = ROOT / "playbooks" / DECIDED[path]
        found |= yaml.safe_load(beside.read_text(encoding="utf-8"))
    return found


def run(folder: Path, play: dict, hosts: dict[str, dict], *words: str) -> subprocess.CompletedProcess:
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    inventory = {"mlflow": {"hosts": {host: {**here, **variables} for host, variables in hosts.items()}}}
    if not (folder / "vars").exists():
        (folder / "vars").symlink_to(ROOT / "playbooks/vars")
    (folder / "hosts.yml").write_text(json.dumps(inventory), encoding="utf-8")
    (folder / "play.yml").write_text(json.dumps([play]), encoding="utf-8")
    command = ["ansible-playbook", "--inventory", str(folder / "hosts.yml"), *words, str(folder / "play.yml")]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


def with_files(name: str, **more) -> dict:
    """The play of a playbook with its variables, and other tasks."""
    play = play_of(name)
    files = [str(ROOT / "playbooks" / path) for path in play["vars_files"]]
    return {"hosts": "mlflow", "gather_facts": False, "vars_files": files, "vars": play["vars"], **more}


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_each_documented_option_arrives_from_the_inventory_host_by_host(name: str, tmp_path: Path) -> None:
    options = sorted(documented() - set(decided(name)))
    assert len(options) > 100
    (tmp_path / "group_vars").mkdir()
    ours = {option: f"{option} of the group" for option in options} | {ADDED_TO: ["group.example.com"]}
    (tmp_path / "group_vars/mlflow.yml").write_text(yaml.safe_dump(ours), encoding="utf-8")
    theirs = {option: f"{option} of the second host" for option in options} | {ADDED_TO: ["host.example.com"]}
    settings = {**FOUND, "options": options, "target": str(tmp_path / "shown")}
    (tmp_path / "found.json").write_text(json.dumps(settings), encoding="utf-8")
    play = with_files(name, tasks=yaml.safe_load(SHOW))
    done = run(tmp_path, play, {"first": {}, "second": theirs}, f"--extra-vars=@{tmp_path / 'found.json'}")
    assert done.returncode == 0, done.stdout + done.stderr
    for host, given in (("first", ours), ("second", theirs)):
        shown = json.loads((tmp_path / f"shown-{host}").read_text(encoding="utf-8"))
        shown[ADDED_TO] = shown[ADDED_TO][:1]
        assert shown == given


def test_destroy_takes_what_its_inventory_names_unless_told_otherwise(tmp_path: Path) -> None:
    hosts = {
        "all": {},
        "one": {"deployment_name": "one", "deployment_keep_data": True},
        "told": {"deployment_name": "one", "deployment_keep_data": True, "deployment": "other", "keep_data": False},
    }
    play = {"hosts": "mlflow", "gather_facts": False, "vars": play_of("destroy")["vars"], "tasks": yaml.safe_load(SHOW)}
    play["vars"] |= {"options": ["name_of_deployment", "data_are_kept"], "target": str(tmp_path / "shown")}
    done = run(tmp_path, play, hosts)
    assert done.returncode == 0, done.stdout + done.stderr
    shown = {host: list(json.loads((tmp_path / f"shown-{host}").read_text()).values()) for host in hosts}
    assert shown == {"all": ["", False], "one": ["one", True], "told": ["other", False]}


def test_destroy_does_not_guess_whether_data_are_kept() -> None:
    command = ["ansible-playbook", "--check", "--extra-vars=keep_data=maybe", str(ROOT / "playbooks/destroy.yml")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 2
    assert "keep_data" in done.stdout
    assert "maybe" in done.stdout


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_what_the_playbook_decides_is_refused_by_name(name: str, tmp_path: Path) -> None:
    names = decided(name)
    tasks = str(ROOT / "playbooks/tasks/inventory.yml")
    play = with_files(name, tasks=[{"name": "Let the inventory decide", "ansible.builtin.import_tasks": tasks}])
    done = run(tmp_path, play, {"first": dict.fromkeys(names, "secret")})
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 2
    for each, instead in names.items():
        assert f"sets {each}, which the playbook decides" in said
        if instead:
            assert f"remove {each}, and set {instead}." in said
    assert run(tmp_path, play, {"first": {"deployment_name": "mine"}}).returncode == 0


REPEATED = re.compile(r"(?<![.\w])([a-z_]+) \| default\(([^()]*)\)(?! or)")


@pytest.mark.parametrize("name", ["database.yml", "wiring.yml", "wiring_kubernetes.yml"])
def test_where_the_wiring_repeats_a_default_it_is_the_documented_one(name: str) -> None:
    """A role's defaults do not reach the other roles; a default that only the wiring knows would be written nowhere."""
    known = specs()
    repeated = [
        (name, value)
        for name, value in REPEATED.findall((ROOT / "playbooks/vars" / name).read_text(encoding="utf-8"))
        if name in known and not value.endswith(", true")
    ]
    assert len(repeated) >= 3
    for name, value in repeated:
        assert yaml.safe_load(value) == known[name]["default"], name


def test_only_what_is_documented_is_refused_and_the_way_out_is_documented_too() -> None:
    known = documented()
    for name in PLAYBOOKS:
        for each, instead in decided(name).items():
            assert each in known
            assert not instead or set(instead.split(" or ")) <= known


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_a_playbook_looks_at_the_inventory_first(name: str) -> None:
    first = play_of(name)["pre_tasks"][0]
    assert first["ansible.builtin.import_tasks"] == "tasks/inventory.yml"
