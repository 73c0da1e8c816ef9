# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""All that is wrong with the input of a role: by its argument spec, and by the rules between its options."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values

TYPE = re.compile(
    r"(?P<what>argument|Elements value for option) '(?P<name>\w+)'.* and we were unable to convert to (?P<kind>\w+): ",
    re.DOTALL,
)
# Where the option is one of another option's.
PLACE = re.compile(r" found in '([^']+)'")
# A variable that has the value of another one, and nothing else.
HANDED_ON = re.compile(r"\s*\{\{\s*(\w+)\s*(\|\s*default\(([^()]*)\)\s*)?\}\}\s*")
# Or that of a second one, where the first has none.
SECOND = re.compile(r"(\w+),\s*true")


class NotKnown(Exception):
    """An expression that cannot be evaluated, since something that it is made of is not there."""


# Evaluates the expressions of a rule, or the value of a variable.
Evaluate = Callable[[Any], Any]
# Says what is wrong with options together, from those that are right by themselves.
Judge = Callable[[Mapping[str, Any]], list[str]]


def named_in(text: str, names: Iterable[str]) -> bool:
    """Whether a text has one of the variables in it, as a whole word."""
    words = set(re.findall(r"\w+", text))
    return any(name in words for name in names)


def origin(name: str, variables: Mapping[str, Any]) -> str:
    """The variable that a user sets where an option has just its value."""
    found = HANDED_ON.fullmatch(text) if isinstance(text := variables.get(name), str) else None
    second = SECOND.fullmatch(found[3] or "") if found else None
    if second and not variables.get(found[1]):
        return origin(second[1], variables)
    # Where there is a default, nobody needs to have set the variable.
    known = found and found[1] != name and (found[1] in variables or found[2])
    return origin(found[1], variables) if known else name


def plain(message: str, spec: dict[str, Any], values: dict[str, Any]) -> str:
    """A sentence of Ansible's about a type, which names classes of Python, with the value in their place."""
    found = TYPE.match(message)
    if not found:
        return message
    name, kind, place = found["name"], found["kind"], PLACE.search(message)
    wanted = f"give a value of the type {kind}" if found["what"] == "argument" else f"give a list of {kind}"
    if place or name not in values or spec.get(name, {}).get("no_log"):
        return f"{name}{' in ' + place[1] if place else ''} has a value of another type: {wanted}."
    return f"{name} is {values[name]!r}: {wanted}."


def by_spec(spec: dict[str, Any], values: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """The sentences of Ansible's own validation, without the values that the spec calls secret; and what it made of the
    values, but for a text that it took for a list.
    """
    result = ArgumentSpecValidator(spec).validate(values, validate_role_argument_spec=True)
    # What has no_log is known to the validator only. A value that is part of a name, such as mlflow, hides nothing.
    secrets = {each for each in result._no_log_values if not any(each in name for name in spec)}
    made = result.validated_parameters
    texts = {name: value for name, value in values.items() if isinstance(value, str) and isinstance(made[name], list)}
    return [remove_values(plain(each, spec, values), secrets) for each in result.error_messages], {**made, **texts}


def by_rules(
    rules: list[dict[str, str]], evaluate: Evaluate, wrong: Iterable[str], anything_wrong: bool = False
) -> list[str]:
    """The sentences of the rules that do not hold.

    An option that is wrong by itself is not judged a second time. And a rule that cannot be evaluated follows from
    something else that is wrong, where anything is; where nothing is, it is a fault of the collection, and raised.
    """
    found: list[str] = []
    for rule in rules:
        if named_in(f"{rule['that']} {rule['msg']}", wrong):
            continue
        try:
            if not evaluate(rule["that"]):
                found.append(str(evaluate(rule["msg"])).strip())
        except NotKnown:
            if not (found or anything_wrong):
                raise
    return found


def found_fault(role: str, message: str, spec: Iterable[str], variables: Mapping[str, Any]) -> dict[str, Any]:
    """A sentence of ours, with the names that users set."""
    origins = {name: origin(name, variables) for name in spec}
    return fault(role, renamed(message, origins), {*origins.values()})


def fault(role: str, message: str, names: Container[str]) -> dict[str, Any]:
    """A sentence of ours, with the role and the option that it is about: the first that it names."""
    return {"role": role, "message": message, "options": named(message, names)[:1]}


def named(message: str, names: Container[str]) -> list[str]:
    return [word for word in re.findall(r"\w+", message) if word in names]


def faults(
    role: str,
    spec: dict[str, Any],
    variables: dict[str, Any],
    rules: list[dict[str, str]],
    evaluate: Evaluate,
    earlier: list[dict[str, Any]],
    decided: Mapping[str, str],
    judge: Judge | None = None,
) -> list[dict[str, Any]]:
    """All that is wrong with the input of a role: by its spec, by its judge in Python, and by rules in YAML.

    What other roles found is known already: it has consequences here, and the same option is not told twice, also by
    the name of one that the playbook decides from it.
    """
    told = {name for each in earlier for name in each["options"]}
    origins = {name: origin(name, variables) for name in spec}
    values = {}
    known = {name: option for name, option in spec.items() if not {origins[name], decided.get(name, "")} & told}
    for name in list(known):
        if name in variables:
            try:
                values[name] = evaluate(variables[name])
            except NotKnown:
                if not earlier:
                    raise
                del known[name]
    names = {*origins.values()}
    messages, made = by_spec(known, values)
    # A sentence of Ansible's has the name anywhere, and can have several.
    found = [
        {"role": role, "message": each, "options": named(each, names)}
        for each in (renamed(each, origins) for each in messages)
    ]
    told.update(name for each in found for name in each["options"])
    wrong = [name for name in spec if origins[name] in told]
    right = {name: made[name] for name in values if name not in wrong}
    sentences = [each for each in (judge(right) if judge else []) if not named_in(each, wrong)]
    judged = [name for each in sentences for name in named(each, spec)[:1]]
    sentences += by_rules(rules, evaluate, [*wrong, *judged], bool(earlier or found or sentences))
    return found + [fault(role, renamed(each, origins), names) for each in sentences]


def renamed(message: str, origins: dict[str, str]) -> str:
    """A sentence with the names that users set."""
    return re.sub(r"\w+", lambda word: origins.get(word[0], word[0]), message)
