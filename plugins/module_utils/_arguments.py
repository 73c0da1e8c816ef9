# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""The arguments as click will see them: flag before environment before default, each of its type."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Any, NamedTuple

from ansible_collections.mlops.mlflow.plugins.module_utils._argument_findings import Finding, make_finding
from ansible_collections.mlops.mlflow.plugins.module_utils._catalogue import (
    Catalogue,
    Option,
    Release,
    describe_lives,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._secret_values import carries_secret
from ansible_collections.mlops.mlflow.plugins.module_utils._uris import has_password, mask, without_password

# What click takes for a flag that is set by its environment variable.
TRUE_WORDS = frozenset(("1", "true", "t", "yes", "y", "on"))
FALSE_WORDS = frozenset(("0", "false", "f", "no", "n", "off"))

# Options that take a list or free text in which quotes, blanks or dollar signs mean something.
FREE_TEXT = frozenset(("gunicorn_opts", "waitress_opts", "uvicorn_opts"))

# Characters that no value of ours contains: controls, and the blanks that only look like one.
CONTROL = re.compile(r"[\x00-\x1f\x7f\u0085\u00a0\u200b\u2028\u2029\ufeff]")
TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\$\{[^}]*\}|\$\([^)]*\)")
PLACEHOLDER = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\$\{[^}]*\}|\$\([^)]*\)|\$[A-Za-z_]\w*|<[A-Za-z][\w -]*>|%\([\w.]+\)s")


class Value(NamedTuple):
    """The effective value of one option."""

    value: Any
    source: str  # argument, environment, default or unset
    label: str  # how messages name it: the argument, or the variable that it came from


class Request(NamedTuple):
    """What the caller of the check hands over, untouched."""

    mlflow_version: str
    args: dict[str, Any]
    environment: dict[str, Any]
    replicas: int = 1
    platform: str = "compose"
    accept: tuple[str, ...] = ()
    max_connections: int | None = None
    shared_paths: tuple[str, ...] = ()
    public_urls: tuple[str, ...] = ()
    secret_environment: tuple[str, ...] = ()
    drivers: tuple[str, ...] = ()
    auth_database_uri: str | None = None
    readable_paths: tuple[str, ...] = ()


class Resolved(NamedTuple):
    """The request after resolution: what the rules look at."""

    request: Request
    release: Release
    values: dict[str, Value]
    environment: dict[str, str]
    broken: frozenset  # options whose value was refused already; rules leave them alone

    def value(self, name: str) -> Any:
        """The effective value; None if unset, refused, or no option of the release."""
        entry = self.values.get(name)
        return entry.value if entry and name not in self.broken else None

    def label(self, name: str) -> str:
        entry = self.values.get(name)
        return entry.label if entry else name

    def given(self, name: str) -> bool:
        """Whether argument or environment set the option (a refused value counts as given)."""
        entry = self.values.get(name)
        return name in self.broken or bool(entry and entry.source in ("argument", "environment"))

    def knows_variable(self, name: str) -> bool:
        return name in self.release.variables

    def has_variable(self, name: str) -> bool:
        """Whether the server will see the variable: in clear text or as a secret delivered in a file."""
        return bool(self.environment.get(name)) or name in self.request.secret_environment

    def switch(self, name: str) -> bool:
        """A variable that MLflow reads as true or false, with the default of the release."""
        text = self.environment.get(name, "").strip().lower()
        if text in ("true", "1"):
            return True
        if text in ("false", "0"):
            return False
        return self.release.switches.get(name, False)


def closest(name: str, known: Any, cutoff: float = 0.6) -> str | None:
    """The known name that a misspelt one most probably means."""
    matches = get_close_matches(name, sorted(known), n=1, cutoff=cutoff)
    return matches[0] if matches else None


def show(value: Any) -> str:
    """A value in a message: quoted, masked, of bearable length."""
    text = mask(value) if isinstance(value, str) else str(value)
    text = "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
    return "'" + (text if len(text) <= 120 else text[:117] + "...") + "'"


def normalize_environment(environment: dict[str, Any]) -> tuple[dict[str, str], list[Finding]]:
    """Environment variables as text; a null is a variable that is not set."""
    findings = []
    texts: dict[str, str] = {}
    for name, value in environment.items():
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            label = str(name).split("=", 1)[0]
            findings.append(make_finding("environment-name-invalid", "environment", f"the name {show(label)} is none"))
            continue
        if value is None:
            continue
        if isinstance(value, bool):
            texts[name] = "true" if value else "false"
        elif isinstance(value, (int, float, str)):
            texts[name] = str(value)
        else:
            findings.append(
                make_finding("value-type", name, f"the value is a {type(value).__name__}", "give text or a number")
            )
    return texts, findings


def check_text(label: str, text: str, free_text: bool = False) -> Finding | None:
    """What is wrong with the form of a text, whatever it means."""
    if not text.strip():
        return make_finding("value-empty", label, "the value is empty")
    if text != text.strip() or CONTROL.search(text):
        return make_finding(
            "value-whitespace", label, f"the value {show(text)} has blanks at its ends or control characters"
        )
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"`":
        return make_finding("value-quoted", label, "the value stands in quotes")
    if not free_text and text[0] in "'\"`":
        return make_finding("value-quoted", label, "the value begins with a quote")
    # The web server's own words may hold formats such as %(h)s.
    placeholder = (TEMPLATE if free_text else PLACEHOLDER).search(text)
    # In a password these characters are data: what stands before the last "@" is only looked at for braces.
    if placeholder and ("@" not in text[placeholder.end() :] or placeholder.group().startswith(("{", "${"))):
        return make_finding("value-placeholder", label, "the value holds an expression that nothing expands any more")
    return None


def convert(option: Option, raw: Any, label: str, from_environment: bool) -> tuple[Any, Finding | None]:
    """The value in the type of its option, or the finding that says why it cannot be."""
    if option.kind == "flag":
        if isinstance(raw, bool):
            return raw, None
        word = str(raw).strip().lower() if isinstance(raw, (str, int)) else ""
        if word in TRUE_WORDS | FALSE_WORDS:
            return word in TRUE_WORDS, None
        return None, make_finding("value-type", label, f"{show(raw)} is neither true nor false", "give true or false")
    if isinstance(raw, (list, tuple, dict)):
        words = " joined by commas" if isinstance(raw, (list, tuple)) else ""
        finding = make_finding(
            "value-type", label, f"the value is a {type(raw).__name__}", f"give one text{words} instead"
        )
        return None, finding
    if isinstance(raw, bool):
        finding = make_finding(
            "value-type",
            label,
            f"{show(raw)} is a boolean, but the option takes a value",
            f"give {'a number' if option.kind == 'int' else 'text'}, in quotes if YAML reads it as true or false",
        )
        return None, finding
    if isinstance(raw, float):
        return None, make_finding("value-type", label, f"{show(raw)} is a fraction", "give a whole number or text")
    text = str(raw)
    finding = check_text(label, text, option.name in FREE_TEXT)
    if finding:
        return None, finding
    if option.kind == "int":
        if from_environment and re.match(r"[a-z]+://", text):
            return None, make_finding("kubernetes-service-link", label, f"{show(text)} is the address of a Service")
        if not re.fullmatch(r"[+-]?\d+", text):
            return None, make_finding("value-type", label, f"{show(text)} is not a whole number", "give a whole number")
        number = int(text)
        low, high = (1, 65535) if option.name == "port" else (option.minimum, option.maximum)
        if (low is not None and number < low) or (high is not None and number > high):
            finding = make_finding(
                "value-range", label, f"{number} is not between {low} and {high}", f"give a number from {low} to {high}"
            )
            return None, finding
        return number, None
    if option.kind == "choice" and text not in option.choices and not is_plugin_app(option, text):
        return None, make_finding(
            "value-choice", label, f"{show(text)} is not among the choices", f"use one of: {', '.join(option.choices)}"
        )
    return text, None


def is_plugin_app(option: Option, text: str) -> bool:
    """Whether the choice may come from a plugin in the image: what resembles a choice of MLflow's own is misspelt."""
    words = [choice.replace("-", "") for choice in option.choices]
    alike = get_close_matches(re.sub(r"[^a-z]", "", text.lower()), words, n=1, cutoff=0.8)
    return option.name == "app_name" and not alike and bool(re.fullmatch(r"[a-z0-9]+([._-][a-z0-9]+)*", text))


def check_option_name(name: str, release: Release, catalogue: Catalogue) -> Finding | None:
    """Whether the release has an option of this name; the nearest one, or the releases that have it, if not."""
    if name in release.options:
        return None
    lives = catalogue.lives_of_option(name)
    if lives:
        return make_finding(
            "option-not-in-release",
            name,
            f"MLflow {release.version} has no such option",
            f"remove it, or deploy a release that has it ({describe_lives(lives, catalogue.newest)})",
        )
    bare = re.sub(r"^-+", "", str(name)).replace("-", "_").lower()
    for option in release.options.values():
        if option.off_flag and bare == option.off_flag.lstrip("-").replace("-", "_"):
            return make_finding(
                "option-unknown", name, "options are named by their positive form", f"write {option.name}: false"
            )
    nearest = bare if bare in release.options else closest(bare, release.options)
    if nearest is None and bare.startswith("mlflow_"):
        nearest = closest(bare[len("mlflow_") :], release.options)
    words = f"did you mean {nearest}?" if nearest else "see `mlflow server --help` of this release for its options"
    found = "no MLflow release has such an option"
    if bare != name and bare in release.options:
        found = "the name is not written as the module takes it"
    return make_finding("option-unknown", str(name), found, words)


def resolve(request: Request, release: Release, catalogue: Catalogue) -> tuple[Resolved, list[Finding]]:
    """The effective value of each option, and all that is wrong with names, types, ranges and choices."""
    environment, findings = normalize_environment(request.environment)
    for name in request.args:
        finding = check_option_name(name, release, catalogue)
        if finding:
            findings.append(finding)
    values: dict[str, Value] = {}
    broken = set()
    for name, option in release.options.items():
        raw = request.args.get(name)
        from_variable = None
        if option.variable and option.variable in environment:
            text = environment[option.variable]
            if raw is None or (option.kind == "flag" and raw is False and not option.off_flag):
                from_variable, finding = convert(option, text, option.variable, True)
                if finding:
                    findings.append(finding)
                    broken.add(name)
            else:
                from_variable = convert(option, text, option.variable, True)[0]
        if raw is None:
            if option.variable and option.variable in environment:
                values[name] = Value(from_variable, "environment", option.variable)
            else:
                source = "unset" if option.default is None else "default"
                values[name] = Value(
                    False if option.kind == "flag" and option.default is None else option.default, source, name
                )
            continue
        value, finding = convert(option, raw, name, False)
        if finding:
            findings.append(finding)
            broken.add(name)
        elif option.kind == "flag" and value is False and not option.off_flag and from_variable:
            findings.append(
                make_finding(
                    "flag-cannot-be-switched-off",
                    name,
                    f"{option.variable} switches the flag on",
                    f"remove {option.variable} from the environment",
                )
            )
            broken.add(name)
        elif from_variable is not None and from_variable != value and name not in broken:
            findings.append(
                make_finding("environment-overridden", name, f"{option.variable} has another value, which is ignored")
            )
        values[name] = Value(value, "argument", name)
    return Resolved(request, release, values, environment, frozenset(broken)), findings


def make_argv(resolved: Resolved, catalogue: Catalogue) -> list[str]:
    """The command line, in the order of the catalogue, without secrets.

    The form --option=value is used throughout: it is the only one in which a value may begin with a dash.
    """
    argv = []
    order = catalogue.option_names()
    names = sorted(resolved.values, key=lambda name: order.index(name) if name in order else len(order))
    for name in names:
        entry = resolved.values[name]
        if entry.source != "argument" or entry.value is None:
            continue
        option = resolved.release.options[name]
        if option.kind == "flag":
            if entry.value:
                argv.append(option.flag)
            elif option.off_flag:
                argv.append(option.off_flag)
            continue
        text = str(entry.value)
        if name not in FREE_TEXT and has_password(text):
            text = without_password(text)
        argv.append(f"{option.flag}={text}")
    return argv


def split_secrets(environment: dict[str, str]) -> tuple[dict[str, str], list[str]]:
    """The environment as it may be written down, and the names of the variables that were left out."""
    public, withheld = {}, []
    for name, text in sorted(environment.items()):
        if carries_secret(name, text):
            withheld.append(name)
        else:
            public[name] = without_password(text) if "@" in text and has_password(text) else text
    return public, withheld
