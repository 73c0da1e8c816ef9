# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""The catalogue: what each MLflow release takes and which database revisions it brings."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from ansible_collections.mlops.mlflow.plugins.module_utils._catalogue_data import DATA


class Option(NamedTuple):
    """One option of `mlflow server` in one release."""

    name: str
    flag: str
    off_flag: str | None
    kind: str  # text, int, flag, choice, path
    default: Any
    variable: str | None
    choices: list[str]
    minimum: int | None
    maximum: int | None


class Release(NamedTuple):
    """All that the checks need to know of one release."""

    version: str
    known: bool  # False: a newer release, described by the newest known one
    options: dict[str, Option]
    tracking_revisions: list[str]
    auth_revisions: list[str]
    variables: frozenset
    switches: dict[str, bool]
    numbers: dict[str, str]  # variables that are converted to a number: "int" or "float"
    pool_classes: frozenset
    artifact_schemes: frozenset


def make_option(name: str, shape: dict[str, Any]) -> Option:
    """An option from its entry in the catalogue, or in an introspected record."""
    return Option(
        name=name,
        flag=(shape.get("flags") or ["--" + name.replace("_", "-")])[0],
        off_flag=(shape.get("off_flags") or [None])[0],
        kind=shape["type"],
        default=shape.get("default"),
        variable=shape.get("envvar"),
        # Two packages that bring the same plugin (mlflow and mlflow-skinny) list it twice.
        choices=list(dict.fromkeys(shape.get("choices", []))),
        minimum=shape.get("minimum"),
        maximum=shape.get("maximum"),
    )


def make_release(record: dict[str, Any]) -> Release:
    """A release from an introspected record (see _introspection.describe)."""
    return Release(
        version=record["release"],
        known=True,
        options={shape["name"]: make_option(shape["name"], shape) for shape in record["options"]},
        tracking_revisions=record["tracking_revisions"],
        auth_revisions=record["auth_revisions"],
        variables=frozenset(record["environment"]),
        switches=record["switches"],
        numbers=record["numbers"],
        pool_classes=frozenset(record["pool_classes"]),
        artifact_schemes=frozenset(record["artifact_schemes"]),
    )


def parse_version(text: str) -> tuple[int, int, int, str] | None:
    """3.17.2 -> (3, 17, 2, ""), 3.18.0rc1 -> (3, 18, 0, "rc1"); None for anything else."""
    match = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)((?:\.?(?:a|b|rc|dev|post)\d+)*)", text)
    return (int(match[1]), int(match[2]), int(match[3]), match[4]) if match else None


def _contains(spans: list[list[int]], position: int) -> bool:
    return any(first <= position <= last for first, last in spans)


class Catalogue:
    """Access to the stored data; parsed once, each release is put together only when asked for."""

    def __init__(self, text: str = DATA) -> None:
        self._data = json.loads(text)
        self.releases: list[str] = self._data["releases"]
        self.tracking_revisions: list[str] = self._data["tracking_revisions"]
        self.auth_revisions: list[str] = self._data["auth_revisions"]
        self.upload_arguments = frozenset(self._data["upload_arguments"])

    @property
    def newest(self) -> str:
        return self.releases[-1]

    def release(self, version: str, described_by: str | None = None) -> Release:
        """What is known of a release; `described_by` names the release to look at for one that is not listed."""
        position = self.releases.index(described_by or version)
        options = {}
        for name, shapes in self._data["options"].items():
            for shape in shapes:
                if _contains(shape["in"], position):
                    options[name] = make_option(name, shape)
        on = self._names("switches_on", position)
        return Release(
            version=version,
            known=described_by is None,
            options=options,
            tracking_revisions=self.tracking_revisions[: self._data["tracking_counts"][position]],
            auth_revisions=self.auth_revisions[: self._data["auth_counts"][position]],
            variables=self._names("environment", position),
            switches={name: name in on for name in self._names("switches", position)},
            numbers={
                **dict.fromkeys(self._names("integers", position), "int"),
                **dict.fromkeys(self._names("fractions", position), "float"),
            },
            pool_classes=self._names("pool_classes", position, prefix=""),
            artifact_schemes=self._names("artifact_schemes", position, prefix=""),
        )

    def nearest_older(self, version: tuple[int, int, int, str]) -> str:
        """The newest listed release that is not newer than the given one."""
        older = [name for name in self.releases if parse_version(name) <= version[:3] + ("~",)]
        return older[-1] if older else self.releases[0]

    def lives_of_option(self, name: str) -> list[tuple[str, str]]:
        """From which to which release an option exists; empty for one that never did."""
        spans = [span for shape in self._data["options"].get(name, []) for span in shape["in"]]
        return self._merge(spans)

    def lives_of_variable(self, name: str) -> list[tuple[str, str]]:
        """From which to which release an MLFLOW_* variable exists."""
        short = name[len("MLFLOW_") :] if name.startswith("MLFLOW_") else name
        spans = [span for life, names in self._data["environment"] if short in " ".join(names).split() for span in life]
        return self._merge(spans)

    def server_words(self, server: str) -> dict[str, dict[str, Any]]:
        """The words of a web server's command line, each with what it takes."""
        return {
            word: takes for takes, lines in self._data["server_options"][server] for word in " ".join(lines).split()
        }

    def option_names(self) -> list[str]:
        """All options of all releases, in the order in which `argv` is written."""
        return list(self._data["options"])

    def _names(self, kind: str, position: int, prefix: str = "MLFLOW_") -> frozenset:
        found = set()
        for life, names in self._data[kind]:
            if _contains(life, position):
                found.update(prefix + name for name in " ".join(names).split())
        return frozenset(found)

    def _merge(self, spans: list[list[int]]) -> list[tuple[str, str]]:
        merged: list[list[int]] = []
        for first, last in sorted(spans):
            if merged and first <= merged[-1][1] + 1:
                merged[-1][1] = max(last, merged[-1][1])
            else:
                merged.append([first, last])
        return [(self.releases[first], self.releases[last]) for first, last in merged]


def describe_lives(lives: list[tuple[str, str]], newest: str) -> str:
    """[("3.5.0", "3.17.2")] -> "MLflow 3.5.0 and later"; in words, for messages."""
    words = []
    for first, last in lives:
        if last == newest:
            words.append(f"{first} and later")
        elif first == last:
            words.append(first)
        else:
            words.append(f"{first} to {last}")
    return "MLflow " + ", ".join(words)
