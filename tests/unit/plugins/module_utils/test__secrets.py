# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The secrets of a deployment, run after run: what is used, what is kept, what is refused."""

from __future__ import annotations

import base64

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._secrets import PREVIOUS, RECORD, Request, decide, decided

KINDS = {"database": "password", "session": "password", "kek": "password", "webhook": "fernet"}
ENCRYPTING = {"kek": "the API keys", "webhook": "the webhooks"}
OLD, NEW, OTHER = "old-passphrase", "new-passphrase", "other-passphrase"
FERNET = base64.urlsafe_b64encode(b"x" * 32).decode()


class Place:
    """A control node with its files, and a deployment that has data from its first good run on."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.has_data = False

    def ask(self, given=None, renewed=(), previous=None, kept=None):
        renewed = renewed if isinstance(renewed, str) else list(renewed)
        kept = self.kept if kept is None else kept
        return decide(
            Request(KINDS, ENCRYPTING, given or {}, renewed, previous or {}, kept, self.has_data, "it", "the folder")
        )

    def run(self, given=None, renewed=(), previous=None, completes=True):
        decision = self.ask(given, renewed, previous)
        assert not decision.refusals
        assert set(decision.values) == set(KINDS)
        self.kept.update(decision.files)
        self.has_data = True
        if completes:
            # What the role does at the end.
            self.kept = {name: text for name, text in self.kept.items() if not name.endswith(PREVIOUS)}
        return decision

    def refused(self, *words: str, **more):
        decision = self.ask(**more)
        said = " ".join(decision.refusals)
        assert said
        assert decision[:3] == ({}, {}, {})
        for word in words:
            assert word in said, said
        for value in (OLD, NEW, OTHER):
            assert value not in said
        return said


@pytest.fixture
def place() -> Place:
    return Place()


def test_generated_once_and_kept(place) -> None:
    first = place.run()
    assert set(first.files) == set(KINDS)
    assert len(base64.urlsafe_b64decode(first.values["webhook"])) == 32
    assert len(set(first.values.values())) == len(KINDS)
    again = place.run()
    assert (again.values, again.previous, again.files) == (first.values, {}, {})


def test_given_ones_are_kept_as_salted_fingerprints_only(place) -> None:
    first = place.run({"kek": OLD, "database": OLD})
    assert first.values["kek"] == OLD
    assert OLD not in "".join(place.kept.values())
    assert place.kept.keys() == {"session", "webhook", RECORD}
    record = place.kept[RECORD]
    assert place.run({"kek": OLD, "database": OLD}).files == {}
    other = Place()
    other.run({"kek": OLD, "database": OLD})
    assert other.kept[RECORD] != record, "no salt"


@pytest.mark.parametrize("name", ["kek", "database", "session"])
def test_a_given_one_that_is_forgotten_is_refused(place, name) -> None:
    place.run({name: OLD})
    place.refused("deployment_given_secrets", f"lacks {name}", "deployment_renewed_secrets")


@pytest.mark.parametrize("name", ["database", "session"])
def test_what_no_data_depend_on_may_change_or_be_generated_again(place, name) -> None:
    place.run({name: OLD})
    changed = place.run({name: NEW})
    assert (changed.values[name], changed.previous) == (NEW, {})
    forgotten = place.run(renewed=[name])
    assert forgotten.values[name] == place.kept[name] not in (OLD, NEW)
    assert place.run().files == {}
    renewed = place.run(renewed=name)
    assert renewed.values[name] == place.kept[name] != forgotten.values[name]


@pytest.mark.parametrize("before", [{}, {"kek": OLD}])
def test_another_one_that_data_are_encrypted_with_is_refused(place, before) -> None:
    place.run(before)
    said = place.refused("another kek", "the API keys", "deployment_renewed_secrets", given={"kek": NEW})
    assert ("deployment_previous_secrets" in said) == bool(before)


def test_without_data_everything_may_change(place) -> None:
    place.run({"kek": OLD, "database": OLD})
    place.has_data = False
    assert place.run({"kek": NEW}).values["kek"] == NEW
    place.has_data = False
    assert place.run().values["kek"] not in (OLD, NEW)


def test_one_that_is_neither_given_nor_kept_is_refused(place) -> None:
    """As on a control node that keeps nothing between two runs, where the record is lost too."""
    place.has_data = True
    given = {"kek": OLD, "database": OLD}
    place.refused("webhook is neither given nor in the folder", "the webhooks", given=given)
    assert place.run({**given, "webhook": FERNET}).values["webhook"] == FERNET
    place.kept = {}
    place.refused("kek", given={"database": OLD, "webhook": FERNET})


@pytest.mark.parametrize("given", [{}, {"kek": NEW}])
def test_renewal_of_a_generated_one_keeps_the_former_until_it_is_done(place, given) -> None:
    former = place.run().values["kek"]
    begun = place.run(given, ["kek"], completes=False)
    assert begun.previous == {"kek": former}
    assert place.kept["kek" + PREVIOUS] == former
    # Again with the same words, and without them.
    for renewed in (["kek"], []):
        again = place.run(given, renewed, completes=False)
        assert again.values["kek"] == begun.values["kek"] != former
        assert again.previous == {"kek": former}
        assert again.files == {}
    place.run(given)
    done = place.run(given)
    assert (done.values["kek"], done.previous, done.files) == (begun.values["kek"], {}, {})


@pytest.mark.parametrize("given", [{}, {"kek": NEW}])
def test_renewal_of_a_given_one_needs_the_former(place, given) -> None:
    place.run({"kek": OLD})
    place.refused("deployment_previous_secrets", given=given, renewed=["kek"])
    place.refused("another kek", given=given, renewed=["kek"], previous={"kek": OTHER})
    options = {"given": given, "renewed": ["kek"], "previous": {"kek": OLD}}
    begun = place.run(**options, completes=False)
    again = place.run(**options, completes=False)
    assert again.values["kek"] == begun.values["kek"] != OLD
    assert again.previous == begun.previous == {"kek": OLD}
    assert OLD not in "".join(place.kept.values())
    place.run(**options)
    assert place.run(given).previous == {}


def test_another_try_with_another_value_still_knows_the_first(place) -> None:
    former = place.run().values["kek"]
    place.run({"kek": OTHER}, ["kek"], completes=False)
    assert place.run({"kek": NEW}, ["kek"], completes=False).previous == {"kek": former}
    # Where the first try came far enough, what it set is given instead.
    assert place.run({"kek": NEW}, ["kek"], {"kek": OTHER}).previous == {"kek": OTHER}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"given": {"kekk": NEW}}, ["deployment_given_secrets", "kekk", "database, kek, session, webhook"]),
        ({"renewed": ["kekk"]}, ["deployment_renewed_secrets", "kekk", "database, kek, session, webhook"]),
        ({"previous": {"database": NEW}}, ["deployment_previous_secrets", "database", "names are kek, webhook"]),
        ({"given": {"kek": ""}}, ["kek", "8 characters"]),
        ({"given": {"kek": None}}, ["kek", "8 characters"]),
        ({"given": {"kek": f"{NEW}\n{OLD}"}}, ["kek", "line break"]),
        ({"given": {"webhook": NEW}}, ["webhook", "Fernet"]),
        ({"given": {"webhook": NEW + "é"}}, ["webhook", "Fernet"]),
        ({"given": {"webhook": FERNET[:-4]}}, ["webhook", "Fernet"]),
        ({"given": f"kek={NEW}"}, ["deployment_given_secrets", "mapping"]),
        ({"renewed": "nothing,kek"}, ["deployment_renewed_secrets", "nothing"]),
        ({"kept": {RECORD: "{"}}, [RECORD, "the folder", "damaged"]),
    ],
    ids=str,
)
def test_bad_input(place, options, words) -> None:
    place.refused(*words, **options)


def test_a_password_of_digits_is_text(place) -> None:
    assert place.run({"database": 1234567890}).values["database"] == "1234567890"


def test_the_filter_gives_the_same() -> None:
    decision = decided(
        KINDS, encrypting={}, given={"kek": OLD}, renewed=[], previous={}, kept={}, has_data=False, name="", place=""
    )
    assert decision["values"]["kek"] == OLD
    assert decision["refusals"] == []
