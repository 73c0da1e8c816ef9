# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""URIs as MLflow and SQLAlchemy read them, and their display without passwords."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

# Parameters of a query that carry a secret in one driver or another.
SECRET_PARAMETER = re.compile(r"passw|pwd|secret|token|credential|odbc_connect|^key$|api_?key|sig$", re.I)

DEFAULT_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}


class DatabaseUri(NamedTuple):
    """The parts of dialect+driver://user:password@host:port/database?query."""

    scheme: str
    dialect: str
    driver: str
    username: str | None
    password: str | None
    host: str | None
    port: str | None
    database: str | None
    query: list[tuple[str, str]]

    def parameter(self, name: str) -> str | None:
        """The last value of a parameter of the query, None if it is not there."""
        values = [value for key, value in self.query if key == name]
        return values[-1] if values else None


def parse_database_uri(text: str) -> DatabaseUri | None:
    """Take a database URI apart as SQLAlchemy does; None if it has no `scheme://`.

    SQLAlchemy ends the password at the first "@" and the host at the first ":" or "/"; what a raw "@" or "/" in a
    password does to the other parts can therefore be seen in them.
    """
    match = re.match(r"([\w+]+)://", text)
    if not match:
        return None
    scheme, rest = match[1], text[match.end() :]
    dialect, dummy, driver = scheme.partition("+")
    username = password = None
    match = re.match(r"([^:/]*)(?::([^@]*))?@", rest)
    if match:
        username, password = unquote(match[1]), match[2] if match[2] is None else unquote(match[2])
        rest = rest[match.end() :]
    host: str | None = None
    match = re.match(r"\[([^/?]+)\]|([^/:?]+)", rest)
    if match:
        host = match[1] or match[2]
        rest = rest[match.end() :]
    port = None
    match = re.match(r":([^/?]*)", rest)
    if match:
        port = match[1] or None
        rest = rest[match.end() :]
    database = None
    match = re.match(r"/([^?]*)", rest)
    if match:
        database = unquote(match[1]) or None
        rest = rest[match.end() :]
    query = parse_qsl(rest[1:], keep_blank_values=True) if rest.startswith("?") else []
    return DatabaseUri(scheme, dialect, driver, username, password, host, port, database, query)


def mask(text: str) -> str:
    """The text as it may be shown: whatever could be a password in it is replaced.

    It must hold for malformed URIs above all, so it hides too much rather than too little: all between the first ":"
    after the scheme and the last "@".
    """
    head, separator, rest = text.partition("://")
    if not separator:
        head, rest = "", text
    if "@" in rest:
        before, dummy, after = rest.rpartition("@")
        name, colon, dummy = before.partition(":")
        rest = f"{name}:***@{after}" if colon else f"{before}@{after}"
    address, question, query = rest.partition("?")
    if question:
        pairs = []
        for pair in query.split("&"):
            key, equals, value = pair.partition("=")
            pairs.append(f"{key}=***" if equals and SECRET_PARAMETER.search(unquote(key)) else pair)
        rest = address + "?" + "&".join(pairs)
    return head + separator + rest


def has_password(text: str) -> bool:
    """Whether a URI carries a secret: user:password@ or a parameter that is one."""
    return mask(text) != text


def without_password(text: str) -> str:
    """The URI without its password; the name of the user stays."""
    head, separator, rest = text.partition("://")
    if not separator:
        return mask(text)
    if "@" in rest:
        before, dummy, after = rest.rpartition("@")
        name = before.partition(":")[0]
        rest = f"{name}@{after}" if name else after
    address, question, query = rest.partition("?")
    if question:
        pairs = [pair for pair in query.split("&") if not SECRET_PARAMETER.search(unquote(pair.partition("=")[0]))]
        rest = address + ("?" + "&".join(pairs) if pairs else "")
    return head + separator + rest


def database_identity(text: str) -> tuple[str, ...] | None:
    """What decides which data a database URI leads to: not the driver, not the user, not how TLS is used."""
    uri = parse_database_uri(text)
    if uri is None:
        return None
    if uri.dialect == "sqlite":
        return ("sqlite", uri.host or "", uri.database or "")
    port = uri.port or str(DEFAULT_PORTS.get(uri.dialect, ""))
    host = (uri.host or uri.parameter("host") or "").lower()
    search_path = re.search(r"search_path\s*=\s*(\S+)", uri.parameter("options") or "")
    return (uri.dialect, host, port, uri.database or "", search_path[1] if search_path else "")


def uri_scheme(text: str) -> str:
    """The scheme as urllib sees it, but in the case in which it was written; empty if there is none."""
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", text)
    return match[1] if match else ""
