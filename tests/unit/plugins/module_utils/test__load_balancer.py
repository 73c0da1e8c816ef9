# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which servers HAProxy uses, by its own table."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _load_balancer as balancer

GOOD = {"status": "UP", "check_status": "L7OK", "last_chk": "OK"}


def table(**servers: dict[str, dict[str, Any]]) -> str:
    """The table as HAProxy writes it; a server is {backend: columns}."""
    rows = [
        {"pxname": backend, "svname": name, **columns}
        for name, backends in servers.items()
        for backend, columns in backends.items()
    ]
    return json.dumps([[{"field": {"name": k}, "value": {"value": v}} for k, v in row.items()] for row in rows])


def answer(body: str, status: str = "200 OK", pieces: int = 1) -> str:
    """HAProxy answers in chunks, also to HTTP 1.0."""
    size = -(-len(body) // pieces)
    chunks = [body[start : start + size] for start in range(0, len(body), size)]
    sent = "".join(f"{len(chunk):x}\r\n{chunk}\r\n" for chunk in chunks) + "0\r\n\r\n"
    return f"HTTP/1.1 {status}\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n{sent}"


def both(**columns: Any) -> dict[str, dict[str, Any]]:
    return {backend: {**GOOD, **columns} for backend in balancer.BACKENDS}


@pytest.mark.parametrize("pieces", [1, 2, 7, 50])
def test_a_table_in_chunks_is_read(pieces: int) -> None:
    assert balancer.unused(answer(table(a=both(), b=both()), pieces=pieces), ["a", "b"], "") == []


def test_a_table_in_one_piece_is_read() -> None:
    body = table(a=both())
    assert balancer.unused(f"HTTP/1.0 200 OK\r\ncontent-length: {len(body)}\r\n\r\n{body}", ["a"], "") == []


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (both(), ""),
        (both(status="DOWN", last_chk="connection refused"), "DOWN: connection refused"),
        (both(status="MAINT", check_status="", last_chk="", check_desc=""), "MAINT: not checked yet"),
        # Before its first check a server is up, as HAProxy sees it.
        (both(check_status="INI", last_chk=None, check_desc="Initializing"), "UP: Initializing"),
        (both(check_status="", last_chk=""), "UP: not checked yet"),
        ({"artifacts": {**GOOD, "check_status": "", "tracked": "api/a"}, "api": GOOD}, ""),
        ({"artifacts": GOOD, "api": {**GOOD, "status": "DOWN", "last_chk": "503"}}, "DOWN: 503"),
        ({"artifacts": {**GOOD, "status": "DOWN", "last_chk": "no space"}, "api": GOOD}, "DOWN: no space"),
        ({"api": GOOD}, "not in its table"),
        ({}, "not in its table"),
    ],
)
def test_a_server_is_used_when_each_backend_has_checked_it(found: dict[str, Any], why: str) -> None:
    assert balancer.unused(answer(table(a=found)), ["a"], "") == ([f"a ({why})"] if why else [])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bash: connect: Connection refused",
        answer("Service Unavailable", "503 Service Unavailable"),
        answer("[[{"),
        answer(table(a=both()))[:-40],
    ],
)
def test_an_answer_that_is_no_table_says_nothing_of_servers(text: str) -> None:
    assert balancer.unused(text, ["a", "b"], "it was silent") == ["a (it was silent)", "b (it was silent)"]
