# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for the project as a whole: links, names, locks, headers, and what it says of itself."""

from __future__ import annotations

import ast
import io
import json
import os
import re
import subprocess
import tokenize
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from ansible.utils.version import SemanticVersion

ROOT = Path(__file__).resolve().parents[2]
GALAXY = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))
PLAYBOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))
# What is done with a deployment, and not one itself.
ACTIONS = {"adopt", "campaign", "database", "destroy", "verify", "resilience", "minikube"}
DEPLOYMENTS = [name for name in PLAYBOOKS if name not in ACTIONS and "_" not in name]


def project_files() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    found = {ROOT / name for name in listing.stdout.split("\0") if name}
    return sorted(path for path in found if path.is_file() and not path.is_symlink())


FILES = project_files()
TEXTS = {}
for file in FILES:
    try:
        TEXTS[file.relative_to(ROOT)] = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        # Pictures and archives.
        continue
MARKDOWN = [path for path in TEXTS if path.suffix == ".md"]


# --- what must not be in the files ---------------------------------------------------------------------------------


def test_no_package_registry_is_named() -> None:
    """pip, apt and npm know theirs; a name in the project would win over the configuration of the machine."""
    # Put together here, so that this file does not name them either.
    names = [
        ".".join(parts)
        for parts in (
            ("pypi", "org"),
            ("pythonhosted", "org"),
            ("deb", "debian", "org"),
            ("security", "debian", "org"),
            ("archive", "ubuntu", "com"),
            ("npmjs", "org"),
        )
    ]
    found = [f"{path}: {name}" for path, text in TEXTS.items() for name in names if name in text]
    assert not found, found


def test_no_path_of_a_developers_machine() -> None:
    pattern = re.compile(r"(?<![\w.$}~/-])/(?:work|Users|home/[a-z]+)/[\w.-]+")
    found = [f"{path}: {match}" for path, text in TEXTS.items() for match in pattern.findall(text)]
    assert not found, found


def test_python_files_have_a_licence_header() -> None:
    for path, text in TEXTS.items():
        if path.suffix == ".py" and text.strip():
            assert "SPDX-License-Identifier: GPL-3.0-or-later" in text[:600], path
            assert "Copyright: (c)" in text[:600], path


def test_scripts_can_be_executed() -> None:
    for path, text in TEXTS.items():
        # What roles and plugins bring along gets its mode where it is copied to.
        if text.startswith("#!") and path.parts[0] not in {"plugins", "roles"}:
            assert os.access(ROOT / path, os.X_OK), f"{path} begins with #! but cannot be executed"


# --- documents -----------------------------------------------------------------------------------------------------


def anchors(text: str) -> set[str]:
    """The anchors that a page's headings get."""
    found: set[str] = set()
    fenced = False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced and (match := re.match(r"#{1,6}\s+(.*?)\s*#*$", line)):
            title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", match[1]).replace("`", "")
            slug = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
            repeated, number = slug, 0
            while repeated in found:
                number += 1
                repeated = f"{slug}-{number}"
            found.add(repeated)
    return found | set(re.findall(r'<a (?:id|name)="([^"]+)"', text))


@pytest.mark.parametrize("page", MARKDOWN, ids=str)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"(?s)```.*?```|`[^`\n]*`", "", TEXTS[page])
    targets = re.findall(r"\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)
    for target in targets:
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        name, _, anchor = target.partition("#")
        where = (ROOT / page).parent / name if name else ROOT / page
        assert where.exists(), f"{page} links to {target}, which is not there"
        if anchor and where.suffix == ".md":
            assert anchor in anchors(where.read_text(encoding="utf-8")), f"{page} links to {target}: no such heading"


def test_readme_names_every_deployment_and_command() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in DEPLOYMENTS:
        assert f"playbooks/{name}.yml" in readme, name
        assert f"make {name}" in readme, name
    for command in ("make test", "make destroy", "make verify", "make resilience", "make scalability", "make campaign"):
        assert command in readme, command


@pytest.mark.parametrize("folder", ["roles", "plugins/modules"])
def test_readme_has_a_line_for_each(folder: str) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in (ROOT / folder).iterdir():
        name = f"| [{path.name}](roles/{path.name}/README.md) |" if folder == "roles" else f"| `{path.stem}` |"
        assert name in readme or path.name.startswith("__"), name


@pytest.mark.parametrize("name", ["campaign", "destroy", "resilience", "verify"])
def test_readme_has_the_options_of_a_playbook(name: str) -> None:
    play = yaml.safe_load((ROOT / f"playbooks/{name}.yml").read_text(encoding="utf-8"))[0]
    check = next(task for task in play["tasks"] if "ansible.builtin.validate_argument_spec" in task)
    row = next(
        line for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines() if f"| `{name}.yml`" in line
    )
    for option in check["ansible.builtin.validate_argument_spec"]["argument_spec"]:
        assert f"`{option}`" in row, option


# --- the collection ------------------------------------------------------------------------------------------------


def installed(collection: str) -> SemanticVersion:
    """The version in the `ansible` package of the lock, with which the tests run."""
    # The package of the bundle; the links of this checkout are a second place of the same name.
    places = find_spec("ansible_collections").submodule_search_locations
    manifests = [Path(place, *collection.split("."), "MANIFEST.json") for place in places]
    found = [json.loads(path.read_text(encoding="utf-8")) for path in manifests if path.exists()]
    assert found, f"{collection} is not in the `ansible` package"
    return SemanticVersion(found[0]["collection_info"]["version"])


@pytest.mark.parametrize("collection", sorted(GALAXY.get("dependencies", {})))
def test_dependencies_are_met_by_the_locked_bundle(collection: str) -> None:
    """Otherwise the checkout would need a download from Galaxy, which cannot be reached everywhere."""
    compare = {
        ">=": SemanticVersion.__ge__,
        ">": SemanticVersion.__gt__,
        "<": SemanticVersion.__lt__,
        "<=": SemanticVersion.__le__,
        "==": SemanticVersion.__eq__,
        "!=": SemanticVersion.__ne__,
    }
    for condition in GALAXY["dependencies"][collection].split(","):
        operator, version = re.fullmatch(r"\s*(>=|<=|==|!=|>|<)\s*(\S+)\s*", condition).groups()
        assert compare[operator](installed(collection), SemanticVersion(version)), (collection, condition)


def test_every_collection_that_is_used_is_a_dependency() -> None:
    name = re.compile(r"(?<![\w./-])((?:community|ansible|kubernetes|amazon|containers)\.[a-z_]+)\.[a-z][a-z0-9_]*\b")
    declared = {"ansible.builtin", *GALAXY.get("dependencies", {})}
    for path, text in TEXTS.items():
        if path.suffix == ".yml" and path.parts[0] in {"roles", "playbooks"}:
            used = set(name.findall(text)) - {"ansible.utils", "ansible.module_utils", "kubernetes.yml"}
            assert used <= declared, f"{path} uses {sorted(used - declared)}, which galaxy.yml does not list"


def test_a_checkout_offers_the_collection() -> None:
    folder = ROOT / "playbooks" / "collections" / "ansible_collections" / GALAXY["namespace"] / GALAXY["name"]
    for name in ("meta", "plugins", "roles"):
        assert (folder / name).is_symlink()
        assert (folder / name).resolve() == ROOT / name


@pytest.mark.parametrize("name", [name for name in PLAYBOOKS if "-" in name])
def test_playbook_has_a_name_without_hyphen(name: str) -> None:
    """By its full name Ansible finds a playbook only without a hyphen: names are letters, digits and underscores."""
    other = ROOT / "playbooks" / f"{name.replace('-', '_')}.yml"
    assert other.exists(), f"{other.relative_to(ROOT)} is missing; it imports {name}.yml"
    plays = yaml.safe_load(other.read_text(encoding="utf-8"))
    assert [play["ansible.builtin.import_playbook"] for play in plays] == [f"{name}.yml"]


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_every_deployment_has_a_scenario(name: str) -> None:
    assert (ROOT / "molecule" / name / "molecule.yml").exists()


# --- strings that lack their f -------------------------------------------------------------------------------------

LAYOUT = {tokenize.NL, tokenize.NEWLINE, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT}
# From Python 3.12 on an f-string is several tokens.
F_START, F_END = (getattr(tokenize, name, None) for name in ("FSTRING_START", "FSTRING_END"))


def string_groups(text: str) -> list[list[tokenize.TokenInfo]]:
    """Strings that stand together make one, and are a group; of an f-string in parts, the first part."""
    groups: list[list[tokenize.TokenInfo]] = [[]]
    depth = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == F_START:
            depth += 1
            if depth == 1:
                groups[-1].append(token)
        elif token.type == F_END:
            depth -= 1
        elif depth or (token.type in LAYOUT and token.type != tokenize.NEWLINE):
            continue
        elif token.type == tokenize.STRING:
            groups[-1].append(token)
        else:
            groups.append([])
    return [group for group in groups if group]


def is_f(token: tokenize.TokenInfo) -> bool:
    return "f" in re.match(r"[A-Za-z]*", token.string)[0].lower()


def expressions(literal: str) -> list[ast.expr]:
    """What stands in single braces and would be an expression in an f-string."""
    found = []
    value = ast.literal_eval(literal)
    for inside in re.findall(r"(?<!\{)\{([^{}\n]+)\}(?!\})", value) if isinstance(value, str) else []:
        try:
            found.append(ast.parse(inside.strip(), mode="eval").body)
        except SyntaxError:
            continue
    return [each for each in found if any(isinstance(part, ast.Name) for part in ast.walk(each))]


MORE_THAN_A_NAME = (ast.Attribute, ast.BoolOp, ast.Call, ast.IfExp, ast.Subscript)


def lacking_f(text: str) -> list[int]:
    """Lines with a string that was meant to be an f-string: with a name in braces beside one, or with more than a name.

    A name alone may be a template's. Where it is a variable's too, ruff finds it (RUF027).
    """
    found = []
    for group in string_groups(text):
        beside = any(map(is_f, group))
        for token in group:
            meant = [] if is_f(token) else expressions(token.string)
            if any(beside or isinstance(each, MORE_THAN_A_NAME) for each in meant):
                found.append(token.start[0])
    return found


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('x = f"{a} with "\n', []),
        ('x = (f"{a} with "\n  "{b.c or 1}")\n', [2]),
        ('x = ("{b} with "\n  # why\n  f"{a}")\n', [1]),
        ('x = "{login.user} may not"\n', [1]),
        ('x = "{name} may not".format(name=1)\n', []),
        ('x = [f"{a}", "{b}"]\n', []),
        ('x = (f"{a}"\n  "{{b}} {} {1} { }")\n', []),
        ('x = f"{a["b"]}"\ny = "{b}"\n' if F_START else 'y = "{b}"\n', []),
    ],
)
def test_strings_that_lack_their_f_are_found(text: str, lines: list[int]) -> None:
    assert lacking_f(text) == lines


def test_no_string_lacks_its_f() -> None:
    found = {
        str(path): lines
        for path, text in TEXTS.items()
        if path.suffix == ".py" and path != Path(__file__).relative_to(ROOT) and (lines := lacking_f(text))
    }
    assert not found


# --- the lock ------------------------------------------------------------------------------------------------------


def test_lock_is_complete() -> None:
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    locked: dict[str, set[str]] = {}
    for block in re.split(r"(?m)^(?=[A-Za-z0-9])", re.sub(r"(?m)^\s*#.*\n", "", text)):
        if not block.strip():
            continue
        match = re.match(r"([A-Za-z0-9._-]+)==(\S+)", block)
        assert match, f"requirements.txt has something that is not a pinned package: {block.splitlines()[0]}"
        assert "--hash=sha256:" in block, f"requirements.txt has no hash for {match[1]}"
        locked.setdefault(match[1].lower(), set()).add(match[2])
    for line in (ROOT / "requirements.in").read_text(encoding="utf-8").splitlines():
        name, _, version = line.partition("#")[0].strip().partition("==")
        if name:
            assert name.lower() in locked, f"requirements.txt lacks {name}: run `make lock`"
            found = locked[name.lower()]
            assert not version or version in found, f"requirements.txt has {name} {found}: run `make lock`"
