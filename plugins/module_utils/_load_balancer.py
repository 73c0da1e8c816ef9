# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""What HAProxy's table of statistics says of the servers."""

from __future__ import annotations

import io
import json
from http.client import HTTPException, HTTPResponse
from typing import Any

# Each backend checks the servers for itself. A server that cannot be used for the API is named for that.
BACKENDS = ("artifacts", "api")


class Socket:
    """As much of a socket as it takes to read an answer that is already here."""

    def __init__(self, answer: str) -> None:
        self.answer = answer.encode()

    def makefile(self, *_arguments: Any, **_options: Any) -> io.BytesIO:
        return io.BytesIO(self.answer)


def rows(answer: str) -> list[dict[str, Any]]:
    """The rows of the table in an HTTP answer, as dictionaries; none where HAProxy did not give it."""
    response = HTTPResponse(Socket(answer))
    try:
        response.begin()
        table = json.loads(response.read()) if response.status == 200 else []
    except (HTTPException, ValueError):
        return []
    return [{each["field"]["name"]: each["value"]["value"] for each in row} for row in table]


def unused_because(row: dict[str, Any]) -> str:
    """Why a backend does not use a server, or nothing.

    It is used when a check has found it ready: before its first check HAProxy takes it for ready untested. A load
    balancer that is yet to be replaced may have one backend track the other, which has checks of its own.
    """
    checked = row.get("check_status") == "L7OK" or row.get("tracked")
    if row["status"] == "UP" and checked:
        return ""
    return f"{row['status']}: {row.get('last_chk') or row.get('check_desc') or 'not checked yet'}"


def unused(answer: str, servers: list[str], silence: str = "") -> list[str]:
    """The servers that are not used, each with the reason. `silence` is why there may be no answer at all."""
    table = {(row.get("pxname"), row.get("svname")): row for row in rows(answer)}
    found = {}
    for server in servers:
        for backend in BACKENDS:
            row = table.get((backend, server))
            why = unused_because(row) if row else silence or "not in its table"
            if why:
                found[server] = why
    return [f"{server} ({why})" for server, why in found.items()]
