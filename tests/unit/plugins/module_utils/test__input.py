# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that is wrong with input, at once, and nothing twice."""

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _input

SPEC = {
    "example_port": {"type": "int"},
    "example_names": {"type": "list", "elements": "str"},
    "example_sizes": {"type": "list", "elements": "int"},
    "example_kind": {"type": "str", "choices": ["one", "two"]},
    "example_login": {"type": "dict", "options": {"password": {"type": "int", "no_log": True}}},
}
PORT = {"that": "1 <= example_port <= 65535", "msg": "example_port is wrong: give 1 to 65535."}
NAMES = {"that": "len(example_names) > 0", "msg": "example_names is empty: give one."}
RULES = [PORT, NAMES]
ANOTHERS = {"role": "other", "message": "other_size is 0: give 1.", "options": ["other_size"]}


def evaluator(variables: dict):
    """Expressions of Python in place of Jinja; a sentence is what it is."""

    def evaluate(expression):
        if not isinstance(expression, str) or " " not in expression or expression.endswith("."):
            return expression
        try:
            return eval(expression, {}, variables)  # pylint: disable=eval-used
        except NameError as error:
            raise _input.NotKnown(str(error)) from error

    return evaluate


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"example_port": 5000, "example_names": ["a"]}, []),
        # All at once.
        ({"example_port": 0, "example_names": []}, ["example_port is wrong", "example_names is empty"]),
        ({"example_port": 0, "example_names": ["a"], "example_kind": "three"}, ["one, two, got: three", "is wrong"]),
        # What is no number is not judged as one too.
        ({"example_port": "http", "example_names": ["a"]}, ["example_port is 'http': give a value of the type int."]),
        (
            {"example_port": 1, "example_names": ["a"], "example_sizes": ["x"]},
            ["example_sizes is ['x']: give a list of int."],
        ),
        # The port cannot be judged, and something else is wrong.
        ({"example_names": [], "example_kind": "three"}, ["got: three", "example_names is empty"]),
        # Of a secret the name is told.
        (
            {"example_port": 1, "example_names": ["a"], "example_login": {"password": "Hidden"}},
            ["password in example_login has a value of another type: give a value of the type int."],
        ),
    ],
)
def test_all_faults_are_found(variables: dict, words: list[str]) -> None:
    faults = _input.faults("example", SPEC, variables, RULES, evaluator(variables), [], {})
    assert all(each["role"] == "example" and each["options"] for each in faults)
    found = [each["message"] for each in faults]
    assert len(found) == len(words), found
    for sentence, word in zip(found, words):
        assert word in sentence
        assert "Hidden" not in sentence


def test_a_secret_value_hides_no_name() -> None:
    spec = {
        "example_key": {"type": "str", "no_log": True},
        "example_kind": {"type": "str", "choices": ["one"]},
        "example_size": {"type": "str", "choices": ["big"]},
    }
    given = {"example_kind": "Hidden-Value", "example_size": "x"}
    found, _made = _input.by_spec(spec, {"example_key": "example", **given})
    assert "value of example_kind must be one of: one" in found[0]
    found, _made = _input.by_spec(
        spec, {"example_key": "Hidden-Value", "example_kind": "Hidden-Value", "example_size": "x"}
    )
    assert "value of example_kind" in found[0]
    assert "Hidden-Value" not in found[0]


def test_what_follows_from_faults_of_others_is_not_told() -> None:
    variables = {"example_names": ["a"]}
    assert not _input.faults("example", SPEC, variables, RULES, evaluator(variables), [ANOTHERS], {})
    spec = {**SPEC, "example_port": {"type": "int", "required": True}}
    handed_on = {**variables, "example_port": "not_there + 1"}
    assert not _input.faults("example", spec, handed_on, RULES, evaluator(variables), [ANOTHERS], {})
    with pytest.raises(_input.NotKnown):
        _input.faults("example", SPEC, variables, RULES, evaluator(variables), [], {})


HANDED_ON = {
    "example_kind": "{{ store | default('one') }}",
    "store": "three",
    "example_names": ["a"],
    "example_port": 1,
}


def test_an_option_goes_by_the_name_of_the_variable_that_it_has_its_value_from() -> None:
    def evaluate(expression):
        return "three" if expression == HANDED_ON["example_kind"] else evaluator(HANDED_ON)(expression)

    (found,) = _input.faults("example", SPEC, HANDED_ON, RULES, evaluate, [], {})
    assert found["message"].startswith("value of store must be one of: one, two, got: three")
    assert found["options"] == ["store"]
    # And nobody tells it again.
    assert not _input.faults("example", SPEC, HANDED_ON, RULES, evaluate, [found], {})
    assert not _input.faults(
        "other", {"store": {"type": "str", "choices": ["one"]}}, HANDED_ON, [], evaluate, [found], {}
    )
    (again,) = _input.faults("example", SPEC, HANDED_ON, RULES, evaluate, [ANOTHERS], {})
    assert again == found


def test_what_the_playbook_decides_from_a_wrong_option_is_not_told() -> None:
    spec = {"other_kind": {"type": "str", "choices": ["one"]}}
    variables = {"other_kind": "three"}
    told = [{"role": "example", "message": "store is three", "options": ["store"]}]
    assert len(_input.faults("other", spec, variables, [], evaluator(variables), told, {})) == 1
    assert _input.faults("other", spec, variables, [], evaluator(variables), told, {"other_kind": "store"}) == []


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("{{ store | default('one') }}", "store"),
        ("{{store}}", "store"),
        ("{{ second }}", "store"),
        ("{{ store ~ 'x' }}", "option"),
        ("{{ not_there }}", "option"),
        # Nobody needs to set it, but that is the name by which somebody would.
        ("{{ not_there | default('') }}", "not_there"),
        ("{{ store | default(not_there, true) }}", "store"),
        ("{{ not_there | default(second, true) }}", "store"),
        ("{{ nothing | default(second, true) }}", "store"),
        ("store", "option"),
        (3, "option"),
    ],
)
def test_origin(value, name: str) -> None:
    given = {"option": value, "store": "x", "second": "{{ store }}", "nothing": ""}
    assert _input.origin("option", given) == name


def test_what_was_found_in_other_ways_goes_by_the_name_that_users_set() -> None:
    found = _input.found_fault("example", "example_kind is three: give one.", SPEC, HANDED_ON)
    assert found == {"role": "example", "message": "store is three: give one.", "options": ["store"]}


def test_a_sentence_of_a_rule_is_about_the_first_option_that_it_names() -> None:
    variables = {"example_port": 1, "example_names": ["a"]}
    rule = {"that": "1 > 2", "msg": "example_port is 1, and example_names has a: give another port."}
    (found,) = _input.faults("example", SPEC, variables, [rule], evaluator(variables), [], {})
    assert found == {"role": "example", "message": rule["msg"], "options": ["example_port"]}


@pytest.mark.parametrize(
    ("text", "names", "named"),
    [
        ("example_port is 3", ["example_port"], True),
        ("example_ports is 3", ["example_port"], False),
        ("{{ example_port | int }}", ["other", "example_port"], True),
        ("", ["example_port"], False),
        ("example_port", [], False),
    ],
)
def test_a_name_is_a_whole_word(text: str, names: list[str], named: bool) -> None:
    assert _input.named_in(text, names) == named


def test_a_judge_gets_values_of_the_types_of_the_spec_and_nothing_that_is_wrong() -> None:
    spec = {
        "example_port": {"type": "int"},
        "example_size": {"type": "int"},
        "example_args": {"type": "dict"},
        "example_names": {"type": "list", "elements": "str"},
    }
    variables = {"example_port": "5", "example_size": "x", "example_args": '{"a": 1}', "example_names": "a,b"}
    seen = {}

    def judge(values):
        seen.update(values)
        return ["example_port is 5: give 6.", "example_size is x: give 1."]

    rules = [{"that": "False", "msg": "example_port is 5: give 7."}]
    found = _input.faults("example", spec, variables, rules, evaluator(variables), [], {}, judge)
    # A text in the place of a list stays one, so that it can be told.
    assert seen == {"example_port": 5, "example_args": {"a": 1}, "example_names": "a,b"}
    assert [each["options"] for each in found] == [["example_size"], ["example_port"]]
