# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every role promises: a complete and true argument spec, defaults that agree with it, names, sizes, secrets."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())
LONGEST_TASK_FILE = 150
# Words in a variable's name by which a person would take its value for a secret.
SECRET = re.compile(r"(password|passphrase|secret|secret_key|private_key|token|encryption_key)s?$")
# ... and those that only say where a secret is, or which ones there are.
NO_SECRET = re.compile(r"(generated_secrets|_file|_path|_root|_dir|_enabled)$")
# Tasks in which these stand handle what must not be shown.
KEYS_OF_A_TASK = {"block", "rescue", "always"}


def load(path: Path) -> object:
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None


def specs(role: str) -> dict:
    found = load(ROOT / "roles" / role / "meta" / "argument_specs.yml")
    assert found, f"roles/{role}/meta/argument_specs.yml is missing"
    return found["argument_specs"]


def options(role: str, entry: str = "main") -> dict:
    return specs(role)[entry].get("options", {})


def defaults(role: str) -> dict:
    return load(ROOT / "roles" / role / "defaults" / "main.yml") or {}


def task_files(role: str) -> list[Path]:
    return sorted(path for kind in ("tasks", "handlers") for path in (ROOT / "roles" / role / kind).rglob("*.yml"))


def tasks(path: Path) -> list[dict]:
    """All tasks of a file, those inside of blocks too."""
    found, left = [], list(load(path) or [])
    while left:
        task = left.pop(0)
        found.append(task)
        for key in KEYS_OF_A_TASK:
            left.extend(task.get(key, []))
    return found


def test_there_are_roles() -> None:
    assert ROLES


@pytest.mark.parametrize("role", ROLES)
def test_defaults_are_those_of_the_spec(role: str) -> None:
    spec = options(role)
    optional = {name for name, option in spec.items() if not option.get("required", False)}
    assert set(defaults(role)) == optional, "defaults/main.yml must have exactly the options that are not required"
    in_spec = {name: option["default"] for name, option in spec.items() if "default" in option}
    assert {name: defaults(role)[name] for name in in_spec} == in_spec
    templated = {name for name in optional - set(in_spec) if "{{" in str(defaults(role)[name])}
    assert optional - set(in_spec) == templated, "only a default that is computed may be left out of the spec"


@pytest.mark.parametrize("role", ROLES)
def test_no_required_option_has_a_default(role: str) -> None:
    for entry in specs(role):
        for name, option in options(role, entry).items():
            assert not (option.get("required") and "default" in option), f"{entry}: {name}"


@pytest.mark.parametrize("role", ROLES)
def test_every_entry_point_takes_the_same_variables(role: str) -> None:
    main = options(role)
    for entry in specs(role):
        assert set(options(role, entry)) <= set(main), f"{entry} has options that main lacks"
        for name, option in options(role, entry).items():
            assert option.get("type", "str") == main[name].get("type", "str"), f"{entry}: {name}"
    if "validate" in specs(role):
        # What is not known yet when input is checked, such as the image that is built later, is required by main.
        missing = set(main) - set(options(role, "validate"))
        assert all(main[name].get("required") for name in missing), f"validate does not check {sorted(missing)}"


@pytest.mark.parametrize("role", ROLES)
def test_every_entry_point_is_a_task_file(role: str) -> None:
    for entry in specs(role):
        assert (ROOT / "roles" / role / "tasks" / f"{entry}.yml").exists(), entry


@pytest.mark.parametrize("role", ROLES)
def test_entry_points_are_named_without_extension(role: str) -> None:
    """Ansible looks for a spec of the name in tasks_from as it stands: with .yml it finds none, and checks nothing."""
    for path in [*task_files(role), *(ROOT / "playbooks").glob("*.yml")]:
        found = re.findall(r"tasks_from:\s*[\w/-]+\.ya?ml", path.read_text(encoding="utf-8"))
        assert not found, f"{path.relative_to(ROOT)}: {found}"


@pytest.mark.parametrize("role", ROLES)
def test_every_option_is_described_and_typed(role: str) -> None:
    def check(group: dict, where: str) -> None:
        for name, option in group.items():
            assert option.get("description"), f"{where}{name} has no description"
            assert option.get("type"), f"{where}{name} has no type"
            if option["type"] == "list":
                assert option.get("elements"), f"{where}{name} does not say of what it is a list"
            check(option.get("options", {}), f"{where}{name}.")

    for entry in specs(role).values():
        assert entry.get("short_description")
        check(entry.get("options", {}), "")


@pytest.mark.parametrize("role", ROLES)
def test_variables_have_the_prefix_of_the_role(role: str) -> None:
    for name in options(role):
        assert name == role or name.startswith(f"{role}_"), name
    for name in load(ROOT / "roles" / role / "vars" / "main.yml") or {}:
        assert re.match(rf"_*{role}_", name), f"vars/main.yml: {name}"


@pytest.mark.parametrize("role", ROLES)
def test_secrets_are_marked(role: str) -> None:
    for entry in specs(role):
        for name, option in options(role, entry).items():
            if SECRET.search(name) and not NO_SECRET.search(name) and option.get("type", "str") in {"str", "dict"}:
                assert "no_log" in option, f"{entry}: {name} looks like a secret: set no_log, to false if it is none"


@pytest.mark.parametrize("role", ROLES)
def test_no_secret_has_a_default(role: str) -> None:
    for name, option in options(role).items():
        if option.get("no_log"):
            assert defaults(role).get(name) in (None, "", {}, []) or "{{" in str(defaults(role)[name]), name


@pytest.mark.parametrize("role", ROLES)
def test_tasks_that_write_secrets_hide_them(role: str) -> None:
    secrets = [name for name, option in options(role).items() if option.get("no_log")]
    for path in task_files(role):
        for task in tasks(path):
            if KEYS_OF_A_TASK & set(task):
                continue
            # Handing a variable over to a role or a task file shows nothing, nor does a condition.
            shown = {key: value for key, value in task.items() if key not in {"when", "vars", "name", "until"}}
            if any(str(key).endswith(("include_role", "include_tasks", "import_role", "assert")) for key in shown):
                continue
            used = [name for name in secrets if re.search(rf"\b{name}\b", str(shown))]
            assert not used or task.get("no_log"), f"{path.name}: '{task.get('name')}' uses {used} without no_log"


@pytest.mark.parametrize("role", ROLES)
def test_task_files_are_small_and_tasks_have_names(role: str) -> None:
    for path in task_files(role):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= LONGEST_TASK_FILE, f"{path.relative_to(ROOT)} has {lines} lines"
        for task in tasks(path):
            assert task.get("name"), f"{path.relative_to(ROOT)} has a task without a name: {task}"


@pytest.mark.parametrize("role", ROLES)
def test_module_names_are_full(role: str) -> None:
    keywords = {
        "always", "any_errors_fatal", "args", "async", "become", "become_user", "block", "changed_when", "check_mode",
        "delay", "delegate_facts", "delegate_to", "diff", "environment", "failed_when", "ignore_errors", "listen",
        "loop", "loop_control", "module_defaults", "name", "no_log", "notify", "poll", "register", "rescue", "retries",
        "run_once", "tags", "throttle", "timeout", "until", "vars", "when",
    }  # fmt: skip
    for path in task_files(role):
        for task in tasks(path):
            for key in set(task) - keywords:
                assert re.fullmatch(r"[a-z_]+\.[a-z_]+\.[a-z0-9_]+", key), f"{path.name}: {task.get('name')}: {key}"


@pytest.mark.parametrize("role", ROLES)
def test_readme_has_the_generated_block(role: str) -> None:
    readme = (ROOT / "roles" / role / "README.md").read_text(encoding="utf-8")
    assert readme.startswith(f"# mlops.mlflow.{role}\n")
    assert readme.count("<!-- BEGIN_ANSIBLE_DOCS -->\n") == readme.count("<!-- END_ANSIBLE_DOCS -->\n") == 1
    for name in options(role):
        assert f"`{name}`" in readme, f"{name} is not in the README: run `make docs`"


def example(role: str) -> dict:
    """The variables that the example of a README sets, in an inventory or for the role of a play."""
    text = (ROOT / "roles" / role / "README.md").read_text(encoding="utf-8").partition("\n## Example\n")[2]
    found = yaml.safe_load(re.search(r"```yaml\n(.*?)```", text, re.DOTALL)[1])
    entry = found if isinstance(found, dict) else found[0]["roles"][0]
    return {name: value for name, value in entry.items() if name != "role"}


@pytest.mark.parametrize("role", ROLES)
def test_readme_has_an_example_of_what_a_user_may_set(role: str) -> None:
    documented = {name: option for each in ROLES for name, option in options(each).items()}
    decided = {name for path in (ROOT / "playbooks/vars").glob("decided*.yml") for name in load(path)}
    given = example(role)
    assert set(given) & set(options(role))
    # In a play of one's own a role takes all of its variables.
    assert not set(given) & decided or set(given) <= set(options(role))
    for name, value in given.items():
        checked = ArgumentSpecValidator({name: documented[name]}).validate({name: value})
        assert not checked.error_messages, checked.error_messages


@pytest.mark.parametrize("role", ROLES)
def test_role_reads_no_other_roles_variables(role: str) -> None:
    """A playbook wires roles together; a role that reads another's variables could not be used without it."""
    # The name of a role is also the key under which others keep what belongs to it.
    others = {name: other for other in ROLES if other != role for name in options(other) if name != other}
    folder = ROOT / "roles" / role
    for path in sorted(folder.rglob("*")):
        if path.suffix not in {".yml", ".j2"} or "meta" in path.relative_to(folder).parts:
            continue
        text = re.sub(r"(?m)^\s*#.*$", "", path.read_text(encoding="utf-8"))
        words = set(re.findall(r"\b[a-z][a-z0-9_]+\b", text))
        # A name with a colon is one that `vars:` sets for a role that is included.
        used = {name for name in words & set(others) if f"{name}:" not in text}
        assert not used, f"{path.relative_to(ROOT)} reads {', '.join(f'{n} of {others[n]}' for n in sorted(used))}"


def test_a_component_does_not_pretend_to_be_deployed_by_itself(tmp_path: Path) -> None:
    """Its task file main fails, once it has what it requires, and names the ways that deploy."""
    empty = {"str": "12345678", "int": 1, "list": [], "dict": {}}
    components = [role for role in ROLES if (ROOT / "roles" / role / "tasks" / "render.yml").exists()]
    assert len(components) >= 7
    tasks = [
        {
            "name": role,
            "block": [{"name": "Run it", "ansible.builtin.include_role": {"name": f"mlops.mlflow.{role}"}}],
            "rescue": [{"name": "Show it", "ansible.builtin.debug": {"msg": "SAID {{ ansible_failed_result.msg }}"}}],
            "vars": {name: empty[option["type"]] for name, option in options(role).items() if option.get("required")},
        }
        for role in components
    ]
    path = tmp_path / "play.yml"
    path.write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]), encoding="utf-8")
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "playbooks" / "collections")}
    done = subprocess.run(
        ["ansible-playbook", str(path)], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    said = done.stdout
    for role in components:
        assert f"SAID Role mlops.mlflow.{role} starts nothing by itself" in said, said[-3000:] + done.stderr[-1000:]


@pytest.mark.parametrize("file", ["tasks/schema.yml", "templates/kubernetes.yml.j2"])
def test_the_schema_step_is_the_same_on_both_platforms(file: str) -> None:
    """Its words depend on several options; written twice, one of the platforms would lose one of them."""
    text = (ROOT / "roles/mlflow_server" / file).read_text(encoding="utf-8")
    assert "__mlflow_server_schema_step_argv" in text
