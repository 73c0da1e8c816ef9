# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""Where the value of each secret of a deployment comes from, and what of it is refused.

A secret that is given is not kept in clear. What is kept is a salted fingerprint of it, by which a later run sees that
it is missing or another one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import re
import secrets
import string
from typing import Any, NamedTuple

RECORD = ".given.json"
PREVIOUS = ".previous"
SHORTEST = 8
LETTERS = string.ascii_letters + string.digits


class Request(NamedTuple):
    """What is asked for, and what is there."""

    kinds: dict[str, str]  # password or fernet, by name
    encrypting: dict[str, str]  # what cannot be read any more without it, by name
    given: dict[str, Any]
    renewed: list[str]
    previous: dict[str, Any]
    kept: dict[str, str]  # the files on the control node
    has_data: bool
    name: str = "the deployment"
    place: str = "the control node"


class Decision(NamedTuple):
    """The values, those that stored data may still be encrypted with, the files to be kept, and refusals."""

    values: dict[str, str]
    previous: dict[str, str]
    files: dict[str, str]
    refusals: list[str]


def generate(kind: str) -> str:
    if kind == "fernet":
        return base64.urlsafe_b64encode(os.urandom(32)).decode()
    return "".join(secrets.choice(LETTERS) for _letter in range(32))


def fingerprint(salt: str, name: str, value: str) -> str:
    """Slow on purpose: a password that a person made up could be guessed from a quick one."""
    return hashlib.scrypt(f"{name}:{value}".encode(), salt=bytes.fromhex(salt), n=2**14, r=8, p=1, dklen=32).hex()


def read_record(text: str | None) -> tuple[str, dict[str, str]]:
    """The salt, and the fingerprints of the secrets that were given; a new salt where there is no record."""
    if text is None:
        return os.urandom(16).hex(), {}
    content = json.loads(text)
    bytes.fromhex(content["salt"])
    return content["salt"], dict(content["given"])


def text_of(given: dict[str, Any]) -> dict[str, str]:
    """Given values as text; YAML makes a number of an unquoted password of digits."""
    return {name: "" if value is None else str(value) for name, value in given.items()}


def flaw(kind: str, value: str) -> str:
    """What makes a given value useless; empty if nothing does."""
    if len(value) < SHORTEST or re.search(r"[\n\r\x00]", value):
        return (
            f"is shorter than {SHORTEST} characters or has a line break: give a longer one without line breaks, "
            "or let it be generated"
        )
    if kind == "fernet":
        try:
            if len(base64.b64decode(value.encode(), altchars=b"-_", validate=True)) == 32:
                return ""
        except (binascii.Error, UnicodeEncodeError):
            pass
        return (
            "is no Fernet key (32 bytes in URL-safe Base64): make one with `python3 -c 'import base64, os; "
            "print(base64.urlsafe_b64encode(os.urandom(32)).decode())'`, or let it be generated"
        )
    return ""


def shapes(request: Request) -> list[str]:
    """Variables that are of another type; their values may be secrets, so they are not shown."""
    refusals = [
        f"{variable} is a {type(value).__name__}: give a mapping of names to values, such as "
        "-e '{\"" + variable + '": {"flask_secret_key": "..."}}\' or, better, in a vaulted file.'
        for variable, value in (
            ("deployment_given_secrets", request.given),
            ("deployment_previous_secrets", request.previous),
        )
        if not isinstance(value, dict)
    ]
    if not isinstance(request.renewed, list):
        refusals.append("deployment_renewed_secrets is not a list: give names, such as [crypto_kek_passphrase].")
    return refusals


def unknown(request: Request) -> list[str]:
    """Names that mean nothing: each would be a secret that somebody believes to be in use."""
    names = ", ".join(sorted(request.kinds))
    refusals = []
    for variable, used, known in (
        ("deployment_given_secrets", request.given, request.kinds),
        ("deployment_renewed_secrets", request.renewed, request.kinds),
        ("deployment_previous_secrets", request.previous, request.encrypting),
    ):
        wrong = sorted(str(name) for name in used if name not in known)
        if wrong and known is request.kinds:
            refusals.append(f"{variable} names {', '.join(wrong)}, which no component needs: the names are {names}.")
        elif wrong:
            refusals.append(
                f"{variable} names {', '.join(wrong)}, which no stored data is encrypted with: "
                f"the names are {', '.join(sorted(known))}."
            )
    return refusals


def decide(request: Request) -> Decision:
    """Everything about the secrets of one run. Nothing is written here."""
    if isinstance(request.renewed, str):
        # As `-e deployment_renewed_secrets=one,two` has it.
        request = request._replace(renewed=[name.strip() for name in request.renewed.split(",") if name.strip()])
    refusals = shapes(request) or unknown(request)
    if refusals:
        return Decision({}, {}, {}, refusals)
    given, offered = text_of(request.given), text_of(request.previous)
    try:
        salt, record = read_record(request.kept.get(RECORD))
    except (ValueError, KeyError, TypeError):
        return Decision({}, {}, {}, [f"The file {RECORD} in {request.place} is damaged: restore it from a backup."])
    for name in sorted(set(given) & set(request.kinds)):
        reason = flaw(request.kinds[name], given[name])
        if reason:
            refusals.append(f"deployment_given_secrets has a {name} that {reason}.")
    if refusals:
        return Decision({}, {}, {}, refusals)

    def matches(name: str, value: str) -> bool:
        return hmac.compare_digest(fingerprint(salt, name, value), record[name])

    values, previous, files, fingerprints = {}, {}, {}, {}
    lacking = [name for name in request.kinds if name in record and name not in (*given, *request.renewed)]
    if lacking and request.has_data:
        refusals.append(forgotten(request, lacking))
    for name, kind in request.kinds.items():
        renewed = name in request.renewed
        kept = None if name in record else request.kept.get(name)
        # A renewal that has not come to its end: what was there before it is still needed.
        pending = request.kept.get(name + PREVIOUS)
        if name in given:
            values[name] = given[name]
            same = matches(name, given[name]) if name in record else kept in (None, given[name])
            fingerprints[name] = record[name] if same and name in record else fingerprint(salt, name, given[name])
        elif name in lacking and request.has_data:
            continue
        elif kept is not None and (not renewed or pending is not None):
            values[name], same = kept, True
        else:
            if kept is None and name in request.encrypting and request.has_data and not renewed:
                refusals.append(missing(request, name))
                continue
            values[name], same = generate(kind), kept is None and name not in record
            files[name] = values[name]
        if name not in request.encrypting or not request.has_data:
            continue
        before = offered.get(name) or pending or kept
        if not same and not renewed:
            refusals.append(changed(request, name, name in record))
        elif not same and before is None:
            refusals.append(unreadable(request, name))
        elif not same and name in offered and name in record and not matches(name, offered[name]):
            refusals.append(
                f"deployment_previous_secrets has another {name} than the one that {request.name} was deployed with: "
                "give that one."
            )
        elif before is not None and before != values[name]:
            previous[name] = before
            if pending is None:
                # What was given is not kept; that a renewal has begun is.
                files[name + PREVIOUS] = "" if name in offered else before
    if refusals:
        return Decision({}, {}, {}, refusals)
    if fingerprints != record:
        files[RECORD] = json.dumps({"given": fingerprints, "salt": salt}, indent=1, sort_keys=True) + "\n"
    return Decision(values, previous, files, [])


def forgotten(request: Request, names: list[str]) -> str:
    one, encrypting = len(names) == 1, [name for name in names if name in request.encrypting]
    present = f", with the present {', '.join(encrypting)} in deployment_previous_secrets" if encrypting else ""
    return (
        f"deployment_given_secrets lacks {', '.join(names)}, which {'was' if one else 'were'} given when "
        f"{request.name} was deployed: give {'it' if one else 'them'} again, or name {'it' if one else 'them'} in "
        f"deployment_renewed_secrets to have {'a new one' if one else 'new ones'} generated{present}."
    )


def missing(request: Request, name: str) -> str:
    return (
        f"{request.name[:1].upper()}{request.name[1:]} has data, but {name} is neither given nor in {request.place}, "
        "and with a new one "
        f"{request.encrypting[name]} could not be read: run from the control node that has it, copy it from there, "
        "give it in deployment_given_secrets, or name it in deployment_renewed_secrets if nothing is stored with it."
    )


def changed(request: Request, name: str, was_given: bool) -> str:
    present = ", with the present one in deployment_previous_secrets" if was_given else ""
    return (
        f"deployment_given_secrets has another {name} than the one that {request.name} was deployed with, and "
        f"{request.encrypting[name]} could not be read with it: give that one, or name it in "
        f"deployment_renewed_secrets to have what is stored encrypted with the new one{present}."
    )


def unreadable(request: Request, name: str) -> str:
    return (
        f"deployment_renewed_secrets names {name}, but the one with which {request.encrypting[name]} of "
        f"{request.name} are encrypted is not kept, because it was given: give it in deployment_previous_secrets."
    )


def decided(kinds: dict[str, str], **options: Any) -> dict[str, Any]:
    """The decision as roles read it; the options are the other fields of the request."""
    return decide(Request(kinds, **options))._asdict()
