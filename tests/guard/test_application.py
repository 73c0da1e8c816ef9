# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""MLflow's Assistant is closed in every application, and nobody is taken for the server's own host by a header."""

from __future__ import annotations

import asyncio
import json
import sys
from types import SimpleNamespace

import pytest
import uvicorn
from mlflow.server import fastapi_app
from mlflow.server.assistant import api
from mlflow.server.handlers import STATIC_PREFIX_ENV_VAR
from mlflow_guard import variables
from mlflow_guard.answer import Problem
from mlflow_guard.in_mlflow import application
from mlflow_guard.in_mlflow.bounds import Bounded
from mlflow_guard.serve import launch, supervisor

SETTINGS = "/ajax-api/3.0/mlflow/assistant/config"
PATHS = sorted(
    {route.path.replace("{provider}", "x").replace("{session_id}", "y") for route in api.assistant_router.routes}
)


def told(app, path: str, method: str = "GET", headers=(), client: str = "10.1.1.1") -> tuple[int, bytes]:
    """Status and body of an ASGI application's answer."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"{}"}

    async def send(message):
        sent.append(message)

    lines = [("host", "localhost"), ("content-type", "application/json"), *headers]
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "root_path": "",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in lines],
        "client": (client, 1234),
        "server": ("localhost", 5000),
    }
    asyncio.run(asyncio.wait_for(app(scope, receive, send), 10))
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


@pytest.mark.parametrize("prefix", ["", "/ml"])
@pytest.mark.parametrize("around", [lambda app: app, Bounded], ids=["bare", "within its bounds"])
def test_all_of_the_assistant_is_closed(monkeypatch, prefix, around):
    monkeypatch.setenv(STATIC_PREFIX_ENV_VAR, prefix)
    assert len(PATHS) >= 10
    app = application.closed(around(fastapi_app.create_fastapi_app()))
    for path in PATHS:
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"):
            for client in ("127.0.0.1", "10.1.1.1"):
                status, body = told(app, prefix + path, method, client=client)
                assert status == 403, (method, path)
                assert method == "HEAD" or json.loads(body) == application.REFUSED
    assert told(app, f"{prefix}/health")[0] == 200


def test_what_has_no_routes_is_not_served():
    with pytest.raises(RuntimeError, match="cannot be closed"):
        application.closed(lambda scope, receive, send: None)


def test_it_is_open_where_it_is_asked_for(monkeypatch):
    plain = fastapi_app.create_fastapi_app()
    assert told(plain, SETTINGS, client="127.0.0.1")[0] == 200
    monkeypatch.setenv(application.ASKED_FOR, "true")
    app = application.closed(fastapi_app.create_fastapi_app())
    assert told(app, SETTINGS)[0] == 200
    # Settings are for the server's own host all the same.
    assert told(app, SETTINGS, "PUT")[0] == 403
    monkeypatch.setenv(application.ASKED_FOR, "false")
    assert told(application.closed(plain), SETTINGS, client="127.0.0.1")[0] == 403


@pytest.mark.parametrize("own", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_nobody_who_comes_by_a_proxy_is_on_the_own_host(monkeypatch, own):
    monkeypatch.setenv(application.ASKED_FOR, "true")
    app = application.closed(fastapi_app.create_fastapi_app())
    monkeypatch.setattr(api.AssistantConfig, "save", lambda _self: None)
    assert told(app, SETTINGS, "PUT", [("X-Real-IP", own)], "127.0.0.1")[0] == 200
    for value in (own, "203.0.113.9", ""):
        assert told(app, SETTINGS, "PUT", [("X-Forwarded-For", value)], own)[0] == 403
    assert application.is_own_host(own)
    assert not any(map(application.is_own_host, ("10.0.0.1", "::ffff:10.0.0.1", "localhost", "", "128.0.0.1")))


def test_a_release_whose_assistant_is_elsewhere_does_not_run(monkeypatch):
    route = SimpleNamespace(path="/elsewhere")
    monkeypatch.setattr(api, "assistant_router", SimpleNamespace(prefix="/assistant", routes=[route]))
    with pytest.raises(RuntimeError, match="cannot be closed"):
        application.closed(fastapi_app.create_fastapi_app())
    monkeypatch.setattr(application, "ASSISTANT", "mlflow.server.no_such_module")
    assert application.assistant_prefix() == ""
    monkeypatch.setattr(application, "ASSISTANT", "mlflow.no_such_package.assistant")
    assert application.assistant_prefix() == ""


COMMAND = [sys.executable, "-m", "uvicorn", "--port", "1"]
OURS = [*COMMAND, "--factory", launch.FACTORY]
THEIRS = "mlflow.server.fastapi_app:app"


@pytest.mark.parametrize(
    ("command", "words", "wanted"),
    [
        ([*COMMAND, THEIRS], OURS, THEIRS),
        ([*COMMAND, "--factory", "a.b:c"], OURS, "a.b:c"),
        ([*COMMAND, "a.b:c"], OURS, "a.b:c"),
        (["python", "-m", "gunicorn", "-w", 2, "a:b"], ["python", "-m", "gunicorn", "-w", "2", "a:b"], None),
        (["python", "-m", "waitress", "uvicorn"], ["python", "-m", "waitress", "uvicorn"], None),
    ],
)
def test_every_application_is_wrapped(command, words, wanted):
    found, extra = launch.wrapped(command)
    assert found == words
    assert extra == ({} if wanted is None else {launch.WRAPPED: wanted})


# --- whose word on the client is taken -------------------------------------------------------------------------------


async def who(scope, receive, send):
    """An application that tells who the client is, and the scheme."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": f"{scope['client'][0]} {scope['scheme']}".encode()})


PROXY, OTHER, CLIENT = "10.1.1.1", "10.9.9.9", "203.0.113.9"
# X-Forwarded-For as a controller with one address sends it: it adds what it has seen.
PROXIES = [PROXY, f"{PROXY}/32", f"192.0.2.1, {PROXY}", "10.1.1.77/24", "fd00::1/64,10.1.1.0/24"]
FORGED = [
    [],
    ["127.0.0.1"],
    ["::1"],
    ["127.0.0.1", "::1"],
    ["127.0.0.1, 127.0.0.1"],
    ["::ffff:127.0.0.1"],
    ["[::1]:80"],
    ["127.0.0.1:80"],
]
ALL_FORMS = [
    ("X-FORWARDED-FOR", "127.0.0.1"),
    ("X_Forwarded_For", "127.0.0.1"),
    ("Forwarded", "for=127.0.0.1"),
    ("X-Real-IP", "127.0.0.1"),
    ("X-Forwarded-Proto", "https"),
]


@pytest.mark.parametrize("proxies", PROXIES)
@pytest.mark.parametrize("forged", FORGED, ids=str)
def test_only_a_trusted_proxy_says_who_the_client_is(monkeypatch, proxies, forged):
    monkeypatch.setenv(variables.TRUSTED_PROXIES, proxies)
    config = uvicorn.Config(who, forwarded_allow_ips=variables.trusted_proxies(), log_config=None)
    config.load()
    lines = [("X-Forwarded-For", value) for value in forged]
    added = [*lines, ("X-Forwarded-For", CLIENT), ("X-Forwarded-Proto", "https")]
    joined = [("X-Forwarded-For", ", ".join([*forged, CLIENT]))]
    assert told(config.loaded_app, "/", headers=added, client=PROXY)[1] == f"{CLIENT} https".encode()
    assert told(config.loaded_app, "/", headers=joined, client=PROXY)[1] == f"{CLIENT} http".encode()
    for headers in (added, [*lines, *ALL_FORMS]):
        assert told(config.loaded_app, "/", headers=headers, client=OTHER)[1] == f"{OTHER} http".encode()


@pytest.mark.parametrize("value", ["ingress", "10.0.0.0/33", "10.0.0.1,", "*,10.0.0.1", "10.0.0.1 10.0.0.2"])
def test_proxies_that_are_no_addresses_are_refused(monkeypatch, value):
    monkeypatch.setenv(variables.TRUSTED_PROXIES, value)
    with pytest.raises(Problem) as found:
        supervisor.settings_for(SimpleNamespace(argv=()))
    assert found.value.finding["argument"] == variables.TRUSTED_PROXIES


@pytest.mark.parametrize(("value", "meant"), [("", ""), ("*", "*"), (" 10.0.0.1 ,::1", "10.0.0.1/32,::1/128")])
def test_proxies_as_uvicorn_reads_them(monkeypatch, value, meant):
    monkeypatch.setenv(variables.TRUSTED_PROXIES, value)
    assert variables.trusted_proxies() == meant
