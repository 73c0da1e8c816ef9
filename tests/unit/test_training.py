# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The training tests refuse an address that they must not use, in one sentence. Molecule runs them for real."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator

import pytest

from playbooks.training import support


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    support.require_server.cache_clear()
    yield
    support.require_server.cache_clear()


@pytest.fixture
def server() -> Iterator[tuple[str, dict]]:
    """A web server that gives whatever answer is put into the dictionary."""
    answer = {"status": 200, "body": b""}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(answer["status"])
            self.end_headers()
            self.wfile.write(answer["body"])

        def log_message(self, *words: object) -> None:
            """Keep the output of the tests clean."""

    listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listener.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{listener.server_port}", answer
    listener.shutdown()
    thread.join()
    listener.server_close()


def refusal() -> str:
    with pytest.raises(SystemExit) as caught:
        support.require_server()
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("value", ["", "  "])
def test_address_is_missing(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", value)
    assert "MLFLOW_TRACKING_URI is not set" in refusal()


@pytest.mark.parametrize("scheme", ["sqlite:///", "postgresql://u:hidden@db/", "file:///", "mlruns/"])
def test_address_is_no_server(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    """A client that is given a database would create or migrate its tables."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{scheme}x.db")
    message = refusal()
    assert "http://" in message
    assert "hidden" not in message


def test_nothing_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    # A port of the discard service, which nothing uses; and a password that is not to be shown.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:hidden@127.0.0.1:9")
    message = refusal()
    assert "nothing answers" in message
    assert "http://127.0.0.1:9" in message
    assert "hidden" not in message


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (401, "MLFLOW_TRACKING_USERNAME"),
        (403, "allowed hosts"),
        (404, "no MLflow server"),
        (500, "log of the server"),
    ],
)
def test_server_refuses(monkeypatch: pytest.MonkeyPatch, server: tuple[str, dict], status: int, remedy: str) -> None:
    address, answer = server
    answer["status"] = status
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    message = refusal()
    assert f"HTTP {status}" in message
    assert remedy in message


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"experiment": null}'])
def test_another_program_answers(monkeypatch: pytest.MonkeyPatch, server: tuple[str, dict], body: bytes) -> None:
    address, answer = server
    answer["body"] = body
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    assert "not an MLflow server" in refusal()


def test_a_server_is_accepted(monkeypatch: pytest.MonkeyPatch, server: tuple[str, dict]) -> None:
    address, answer = server
    answer["body"] = json.dumps({"experiment": {"experiment_id": "0"}}).encode()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{address}/")
    assert support.require_server() == address
