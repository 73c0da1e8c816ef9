# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""The answer of a command: findings, what was seen, and the exit code that follows from them."""

from __future__ import annotations

from mlflow_guard.findings import FINDINGS

FINE, UNEXPECTED, USAGE, REFUSED, UNREACHABLE = 0, 1, 2, 3, 4
STATUS = {FINE: "fine", UNEXPECTED: "failed", USAGE: "usage", REFUSED: "refused", UNREACHABLE: "unreachable"}


def finding(code: str, argument: str, found: str, remedy: str = "") -> dict:
    """One finding: where, what was found, and what to do, also as one sentence."""
    known = FINDINGS[code]
    remedy = remedy or known["remedy"]
    return {
        "code": code,
        "severity": known["severity"],
        "argument": argument,
        "found": found,
        "remedy": remedy,
        "message": f"{argument}: {found}; {remedy}.",
    }


class Problem(Exception):
    """Stops what is being done, with a finding as the reason."""

    def __init__(self, code: str, argument: str, found: str, remedy: str = "") -> None:
        super().__init__(found)
        self.finding = finding(code, argument, found, remedy)

    @property
    def retry(self) -> bool:
        """Whether it may go away by waiting."""
        return bool(FINDINGS[self.finding["code"]].get("retry"))


def acceptable(code: str) -> bool:
    """Whether somebody may go on in spite of it."""
    return bool(FINDINGS[code].get("acceptable"))


def nearest(code: str) -> str:
    """The code that was probably meant."""
    # Nothing else needs it, and commands are to start fast.
    import difflib

    return difflib.get_close_matches(code.lower().replace("_", "-"), FINDINGS, n=1, cutoff=0)[0]


def check_accepted(codes: tuple[str, ...], argument: str) -> list[dict]:
    """What is wrong with codes that are to be accepted. That of a warning, which stops nothing, may be among them."""
    found = []
    for code in codes:
        if code not in FINDINGS:
            remedy = f"write {nearest(code)}, which is the nearest one"
            found.append(finding("accept-unknown", argument, f"{code!r} is not a code of a finding", remedy))
        elif FINDINGS[code]["severity"] == "error" and not acceptable(code):
            remedy = f"take it out, and {FINDINGS[code]['remedy']}"
            found.append(finding("accept-never", argument, f"{code} can never be accepted", remedy))
    return found


class Answer:
    """What a command says in the end."""

    def __init__(self, command: str, accept: tuple[str, ...] = ()) -> None:
        self.command = command
        self.accept = accept
        self.changed = False
        self.findings: list[dict] = []
        self.facts: dict = {}

    def add(self, new: dict) -> None:
        """Keep a finding; an error that was accepted by its code becomes a warning."""
        if new["code"] in self.accept and acceptable(new["code"]) and new["severity"] == "error":
            new = {**new, "severity": "warning", "accepted": True}
        if new not in self.findings:
            self.findings.append(new)

    @property
    def errors(self) -> list[dict]:
        """The findings that make the command refuse."""
        return [each for each in self.findings if each["severity"] == "error"]

    @property
    def exit_code(self) -> int:
        """A refusal for good counts more than one that waiting may cure."""
        codes = {each["code"] for each in self.errors}
        if not codes:
            return FINE
        if "unexpected" in codes:
            return UNEXPECTED
        if any(FINDINGS[code].get("usage") for code in codes):
            return USAGE
        return UNREACHABLE if all(FINDINGS[code].get("retry") for code in codes) else REFUSED

    def document(self) -> dict:
        """The JSON document."""
        return {
            "command": self.command,
            "status": STATUS[self.exit_code],
            "exit_code": self.exit_code,
            "changed": self.changed,
            "findings": self.findings,
            **self.facts,
        }
