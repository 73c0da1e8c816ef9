# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""The shorter ways through MLflow's web application: the same answers as MLflow's own, and what is better."""

from __future__ import annotations

import asyncio
import functools
import http.client
import importlib
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time

import pytest
import servers
import sqlalchemy as sa
from conftest import GUARD
from fastapi import FastAPI
from mlflow.server import constants, fastapi_app
from mlflow.server.handlers import STATIC_PREFIX_ENV_VAR
from mlflow.store.db.utils import _initialize_tables
from mlflow.utils import workspace_context
from mlflow_guard.answer import Answer
from mlflow_guard.in_mlflow import known_code, metrics, web
from mlflow_guard.serve import launch
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import Response

from laboratory.resilience import bad_clients

MLFLOW = "mlflow.server.fastapi_app:app"
ORIGIN, HOST, RUN = "https://notebook.example", "mlflow.example", "0123456789abcdef" * 2
BIG = bytes(range(256)) * (3 * 2**12)
API, ARTIFACTS = "/api/2.0/mlflow", "/api/2.0/mlflow-artifacts/artifacts"
METRICS = [{"key": "loss", "value": 0.5, "timestamp": 1700000000000, "step": step} for step in range(3)]
CREATE = {"experiment_id": "0", "run_name": "new", "start_time": 1700000000000}
PREFLIGHT = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "X-A"}

# Name, method, path, headers, body, status. The order matters.
ASKED = [
    ("health", "GET", "/health", {}, None, 200),
    ("version", "GET", "/version", {}, None, 200),
    ("server_info", "GET", "/api/3.0/mlflow/server-info", {}, None, 200),
    ("experiment", "GET", f"{API}/experiments/get?experiment_id=0", {}, None, 200),
    ("allowed_origin", "GET", f"{API}/experiments/get?experiment_id=0", {"Origin": ORIGIN}, None, 200),
    ("create", "POST", f"{API}/runs/create", {}, CREATE, 200),
    ("batch", "POST", f"{API}/runs/log-batch", {}, {"run_id": RUN, "metrics": METRICS}, 200),
    ("search", "POST", f"{API}/runs/search", {}, {"experiment_ids": ["0"]}, 200),
    ("unknown_run", "GET", f"{API}/runs/get?run_id=nix", {}, None, 404),
    ("malformed", "POST", f"{API}/runs/log-batch", {}, b'{"run_id": [', 500),
    ("invalid", "POST", f"{API}/runs/search", {}, {"experiment_ids": 3}, 400),
    ("unknown_path", "GET", "/no/such/path", {}, None, 404),
    ("method", "DELETE", f"{API}/runs/search", {}, None, 405),
    ("head", "HEAD", "/static-files/favicon.ico", {}, None, 200),
    ("head_refused", "HEAD", f"{API}/experiments/get?experiment_id=0", {}, None, 400),
    ("preflight", "OPTIONS", f"{API}/runs/search", PREFLIGHT, None, 200),
    ("options", "OPTIONS", f"{API}/runs/search", {}, None, 204),
    ("foreign_origin", "POST", f"{API}/runs/search", {"Origin": "https://evil.example"}, {}, 403),
    ("foreign_host", "GET", f"{API}/experiments/get?experiment_id=0", {"Host": "evil.example"}, None, 403),
    ("workspace", "GET", f"{API}/experiments/get?experiment_id=0", {"X-MLFLOW-WORKSPACE": "team"}, None, 500),
    ("no_workspace", "GET", f"{API}/experiments/get?experiment_id=0", {"X-MLFLOW-WORKSPACE": " "}, None, 200),
    ("page", "GET", "/", {}, None, 200),
    ("file", "GET", "/static-files/favicon.ico", {}, None, 200),
    ("unchanged", "GET", "/static-files/favicon.ico", {"If-None-Match": "*"}, None, 304),
    ("artifact", "GET", f"/get-artifact?run_uuid={RUN}&path=big.bin", {}, None, 200),
    ("range", "GET", "/static-files/favicon.ico", {"Range": "bytes=2-9"}, None, 206),
    ("upload", "PUT", f"{ARTIFACTS}/a/b.bin", {}, BIG, 200),
    ("download", "GET", f"{ARTIFACTS}/a/b.bin", {}, None, 200),
    ("listing", "GET", f"{ARTIFACTS}?path=a", {}, None, 200),
    ("gateway", "POST", "/gateway/no-such/mlflow/invocations", {}, {"messages": []}, 404),
]


@pytest.fixture(scope="module")
def ports(tmp_path_factory):
    """Servers by (prefix, application), each with its own copy of one database and one folder of artifacts."""
    folder = tmp_path_factory.mktemp("web")
    template = folder / "template"
    kept = template / "artifacts/0" / RUN / "artifacts"
    kept.mkdir(parents=True)
    (kept / "big.bin").write_bytes(BIG)
    engine = sa.create_engine(f"sqlite:///{template}/mlflow.db", poolclass=sa.pool.NullPool)
    _initialize_tables(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, workspace)"
            " VALUES (0, 'Default', 'mlflow-artifacts:/0', 'active', 'default')"
        )
        connection.exec_driver_sql(
            "INSERT INTO runs (run_uuid, name, user_id, source_type, status, start_time, lifecycle_stage,"
            f" experiment_id, artifact_uri) VALUES ('{RUN}', 'old', 'me', 'LOCAL', 'RUNNING', 1600000000000, 'active',"
            f" 0, 'mlflow-artifacts:/0/{RUN}/artifacts')"
        )
    variables = {
        **{name: value for name, value in os.environ.items() if "MLFLOW_" not in name},
        "PYTHONPATH": str(GUARD),
        constants.BACKEND_STORE_URI_ENV_VAR: "sqlite:///mlflow.db",
        constants.ARTIFACT_ROOT_ENV_VAR: "mlflow-artifacts:/",
        constants.ARTIFACTS_DESTINATION_ENV_VAR: "artifacts",
        constants.SERVE_ARTIFACTS_ENV_VAR: "true",
        "MLFLOW_SERVER_ALLOWED_HOSTS": HOST,
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": ORIGIN,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PYTHONHASHSEED": "0",  # the order of methods in Allow
    }
    found, running = {}, []
    try:
        for prefix in ("", "/ml"):
            for words in ([MLFLOW], ["--factory", launch.FACTORY]):
                name, port = f"{prefix[1:]}{words[-1].split('.')[0]}", servers.free_port()
                shutil.copytree(template, folder / name)
                command = [sys.executable, "-m", "uvicorn", "--port", str(port), "--no-access-log", *words]
                environment = {
                    **variables,
                    launch.WRAPPED: MLFLOW,
                    **({STATIC_PREFIX_ENV_VAR: prefix} if prefix else {}),
                }
                with (folder / f"{name}.log").open("w") as log:
                    options = {"cwd": folder / name, "env": environment, "stdout": log, "stderr": log}
                    running.append(subprocess.Popen(command, **options))
                found.setdefault(prefix, []).append(port)
        for port, process in zip(sum(found.values(), []), running):
            servers.wait_until(lambda port=port: servers.port_open(port), f"uvicorn, {folder}", process=process)
        yield found
    finally:
        for process in running:
            servers.end(process)


def ask(port: int, method: str, path: str, headers: dict, body) -> tuple[int, list, bytes]:
    """Status, headers without those that differ by nature, and body with ids and times replaced."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    sent = json.dumps(body).encode() if isinstance(body, dict) else body
    connection.request(method, path, sent, {"Host": HOST, "Content-Type": "application/json", **headers})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    if len(text) < 10000:
        text = re.sub(rb"[0-9a-f]{32}", lambda found: b"OLD" if found[0] == RUN.encode() else b"NEW", text)
    # What the second decides, the gateway's time (but it has to be there), and of a temporary file, its time and name.
    differing = {"date", "expires", "x-mlflow-gateway-duration-ms"}
    if path.endswith(".bin"):
        differing |= {"last-modified", "etag"}
    return answer.status, [(name, "" if name in differing else value) for name, value in answer.getheaders()], text


@pytest.mark.parametrize("prefix", ["", "/ml"])
@pytest.mark.parametrize("case", ASKED, ids=[case[0] for case in ASKED])
def test_answers_are_those_of_mlflow(ports, prefix, case):
    _name, method, path, headers, body, status = case
    theirs, ours = (ask(port, method, prefix + path, headers, body) for port in ports[prefix])
    assert ours == theirs
    assert ours[0] == status
    if method == "GET" and path.endswith(".bin"):
        assert ours[2] == BIG


SCOPE = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "http_version": "1.1", "headers": []}
WHOLE = [{"type": "http.request", "body": b"a", "more_body": True}, {"type": "http.request", "body": b"b"}]


def answers(app, received=WHOLE, sending=None, scope=SCOPE) -> list[dict]:
    """What an ASGI application sends; `sending` is awaited with each message before it counts as sent."""
    sent, coming = [], iter(received)

    async def receive():
        return next(coming)

    async def send(message):
        if sending:
            await sending(message)
        sent.append(message)

    asyncio.run(asyncio.wait_for(app(dict(scope), receive, send), 10))
    return sent


class Wsgi:
    """A WSGI application that answers with chunks: bytes, calls that give bytes, and exceptions to raise."""

    def __init__(self, *chunks, status="200 OK", length=None) -> None:
        self.chunks, self.status, self.bodies, self.made, self.closed = chunks, status, [], 0, 0
        self.headers = [("X-A ", " b")] + ([("Content-Length", str(length))] if length is not None else [])

    def __call__(self, environ, start_response):
        self.bodies.append(environ["wsgi.input"].read())
        start_response(self.status, self.headers)
        return self

    def __iter__(self):
        for chunk in self.chunks:
            if isinstance(chunk, Exception):
                raise chunk
            self.made += 1
            yield chunk() if callable(chunk) else chunk

    def close(self):
        self.closed += 1


def part(body: bytes, more: bool = True) -> dict:
    return {"type": "http.response.body", "body": body, **({"more_body": True} if more else {})}


@pytest.mark.parametrize(
    ("wsgi", "code", "bodies"),
    [
        (Wsgi(b"x", b"", b"yz", length=3), 200, [part(b"xyz", False)]),
        (Wsgi(length=0), 200, [part(b"", False)]),
        (Wsgi(status="204 NO CONTENT"), 204, [part(b"", False)]),
        (Wsgi(status="304 NOT MODIFIED"), 304, [part(b"", False)]),
        (Wsgi(b"x", b"yz"), 200, [part(b"x"), part(b"yz"), part(b"", False)]),
        (Wsgi(b"x", b"y", length=web.SHORT_BYTES + 1), 200, [part(b"x"), part(b"y"), part(b"", False)]),
        (Wsgi(b"x", b"y", length=web.SHORT_BYTES), 200, [part(b"xy", False)]),
        (Wsgi(b"x", length="many"), 200, [part(b"x"), part(b"", False)]),
    ],
)
def test_messages_of_an_answer(wsgi, code, bodies):
    start, *rest = answers(web.InThread(wsgi))
    headers = [(name.strip().lower().encode(), value.strip().encode()) for name, value in wsgi.headers]
    assert start == {"type": "http.response.start", "status": code, "headers": headers}
    assert rest == bodies
    assert (wsgi.bodies, wsgi.closed) == ([b"ab"], 1)


def test_a_chunk_is_sent_before_the_next_is_there():
    first = threading.Event()

    async def sending(message):
        if message.get("body") == b"x":
            first.set()

    found = answers(web.InThread(Wsgi(b"x", lambda: b"sent" if first.wait(5) else b"late")), sending=sending)
    assert found[2]["body"] == b"sent"


@pytest.mark.parametrize("path", ["/api/2.0/mlflow/runs/search", f"{ARTIFACTS}/a", "/static-files/main.js"])
@pytest.mark.parametrize(("chunk", "made"), [(b"x", 50), (bytes(web.SHORT_BYTES // 2), 2)])
def test_clients_that_do_not_read_keep_no_threads(path, chunk, made):
    """More than there are threads do not read; one more gets its answer all the same. Little is made for nobody."""
    wsgi = Wsgi(*[chunk] * 50)

    async def load():
        for_ever = asyncio.Event()

        async def receive():
            return WHOLE[1]

        async def not_reading(message):
            await for_ever.wait()

        sent = []

        async def reading(message):
            sent.append(message)

        app = web.InThread(wsgi)
        scope = {**SCOPE, "path": path}
        others = [asyncio.create_task(app(dict(scope), receive, not_reading)) for _ in range(50)]
        while wsgi.made < 50 * made:
            await asyncio.sleep(0.01)
        await asyncio.wait_for(app(dict(scope), receive, reading), 10)
        assert wsgi.made == 50 * made + 50
        for_ever.set()
        await asyncio.gather(*others)
        return sent

    assert len(asyncio.run(asyncio.wait_for(load(), 30))) == 52


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/api/2.0/mlflow/runs/search", "api"),
        ("/ml/ajax-api/3.0/mlflow/traces/search", "api"),
        ("/graphql", "api"),
        (f"/ml{ARTIFACTS}/a/b", "store"),
        (ARTIFACTS, "store"),
        ("/api/2.0/mlflow-artifacts/presigned/a", "store"),
        ("/api/2.0/mlflow/artifacts/list", "store"),
        ("/get-artifact", "store"),
        ("/api/2.0/mlflow/logged-models/m/artifacts/directories", "store"),
        ("/health", "other"),
        ("/version", "other"),
        ("/static-files/main.js", "other"),
        ("/", "other"),
    ],
)
def test_whose_threads_a_request_is_for(path, kind):
    assert web.kind(path) == kind


def test_no_more_calls_at_a_time_than_there_are_places(monkeypatch):
    """And those for which there is no place in time are told to come again; artifacts and /health need none."""
    monkeypatch.setattr(web, "QUEUE_SECONDS", 1)
    release = threading.Event()
    busy = []

    def hanging(environ, start_response):
        busy.append(environ["PATH_INFO"])
        release.wait(20)
        start_response("200 OK", [("Content-Length", "0")])
        return [b""]

    async def load():
        app, sent = web.InThread(hanging), []

        async def receive():
            return WHOLE[1]

        async def send(message):
            sent.append(message)

        paths = ["/api/x"] * (web.at_once() + 2) + ["/health", f"{ARTIFACTS}/a"]
        tasks = [asyncio.create_task(app({**SCOPE, "path": path}, receive, send)) for path in paths]
        done, _busy = await asyncio.wait(tasks, timeout=5, return_when=asyncio.ALL_COMPLETED)
        statuses = [message["status"] for message in sent if "status" in message]
        counts = {path: busy.count(path) for path in set(paths)}
        release.set()
        await asyncio.gather(*tasks)
        return len(done), statuses, counts

    done, statuses, counts = asyncio.run(load())
    assert (done, statuses) == (2, [503, 503])
    assert counts == {"/api/x": web.at_once(), "/health": 1, f"{ARTIFACTS}/a": 1}


@pytest.mark.parametrize("kind", sorted(bad_clients.KINDS))
def test_bad_clients_keep_nobody_waiting(ports, kind):
    """One worker without a load balancer, as on single-az and Kubernetes, and a hundred of them."""
    target = bad_clients.Target("127.0.0.1", ports[""][1], "", "0", HOST)
    with bad_clients.crowd(kind, 100, target):
        for method, path, body in (("POST", f"{API}/runs/search", {"experiment_ids": ["0"]}), ("GET", "/health", None)):
            times = []
            for _ in range(5):
                begun = time.monotonic()
                assert ask(ports[""][1], method, path, {}, body)[0] == 200
                times.append(time.monotonic() - begun)
            # Without a bound, none would have an answer at all.
            assert min(times) < 2, (path, times)
        assert ask(ports[""][1], "PUT", f"{ARTIFACTS}/small", {}, b"nine byte")[0] == 200


@pytest.mark.parametrize("chunks", [[ValueError("bad")], [b"x", ValueError("bad")]])
@pytest.mark.parametrize("length", [None, 2])
def test_an_exception_of_the_application_is_raised(chunks, length):
    wsgi = Wsgi(*chunks, length=length)
    with pytest.raises(ValueError, match="bad"):
        answers(web.InThread(wsgi))
    assert wsgi.closed == 1


@pytest.mark.parametrize("length", [None, 1])
def test_an_answer_that_cannot_be_sent_is_closed(length):
    async def sending(message):
        if message["type"] == "http.response.body":
            raise ConnectionError("gone")

    wsgi = Wsgi(b"x", length=length)
    with pytest.raises(ConnectionError, match="gone"):
        answers(web.InThread(wsgi), sending=sending)
    assert wsgi.closed == 1


def test_half_a_request_is_none():
    wsgi = Wsgi(b"x")
    start, _end = answers(web.InThread(wsgi), [WHOLE[0], {"type": "http.disconnect"}])
    assert start["status"] == 400
    assert not wsgi.bodies


@pytest.mark.parametrize(("kind", "sent"), [("websocket", [{"type": "websocket.close", "code": 1000}]), ("other", [])])
def test_what_is_not_http_does_not_reach_the_application(kind, sent):
    wsgi = Wsgi(b"x")
    assert answers(web.InThread(wsgi), [], scope={"type": kind}) == sent
    assert not wsgi.bodies


def test_another_start_counts_until_the_first_is_sent():
    def wsgi(_environ, start_response, late=False):
        start_response("200 OK", [("A", "b")])
        if late:
            yield b"x"
        try:
            raise ValueError("bad")
        except ValueError:
            start_response("500 BAD", [("C", "d")], sys.exc_info())
        yield b"y"

    found = answers(web.InThread(wsgi))
    assert (found[0]["status"], found[0]["headers"], found[1]["body"]) == (500, [(b"c", b"d")], b"y")
    with pytest.raises(ValueError, match="bad"):
        answers(web.InThread(lambda environ, start: wsgi(environ, start, late=True)))


def test_variables_of_a_request_are_seen_in_its_thread():
    def resolved() -> bytes:
        return str(workspace_context.is_request_workspace_resolved()).encode()

    async def asked(scope, receive, send):
        await inside(scope, receive, send)
        assert resolved() == b"False"

    inside = web.InWorkspace(web.InThread(Wsgi(resolved, length=4)), Middleware(BaseHTTPMiddleware))
    assert answers(asked)[1]["body"] == b"True"
    assert answers(web.InThread(Wsgi(resolved, length=5)))[1]["body"] == b"False"


def middlewares_and_mount(app: FastAPI) -> list:
    return [*app.user_middleware, app.routes[-1].app]


def test_only_what_is_known_is_shortened():
    plain = FastAPI()
    plain.add_middleware(BaseHTTPMiddleware)
    plain.mount("/", answers)
    before = middlewares_and_mount(plain)
    assert web.shorten(plain) == []
    assert middlewares_and_mount(plain) == before
    real = fastapi_app.create_fastapi_app()
    assert sorted(web.shorten(real)) == sorted(web.expected())
    assert len(web.expected()) == 3
    assert web.shorten(real) == []


def named(name: str):
    async def refuse(_request, _call_next):
        return Response(status_code=403)

    refuse.__name__ = refuse.__qualname__ = name
    return refuse


def wrapping(name: str):
    """What `functools.wraps` makes of MLflow's own is by all its names MLflow's own."""
    app = fastapi_app.create_fastapi_app()
    found = [each.kwargs["dispatch"] for each in app.user_middleware if "dispatch" in each.kwargs]
    theirs = {each.__name__: each for each in found}
    return functools.wraps(theirs[name])(named(name))


class Refusing(BaseHTTPMiddleware):
    async def __call__(self, scope, receive, send):
        await Response(status_code=403)(scope, receive, send)


@pytest.mark.parametrize("name", sorted(web.SHORTER))
@pytest.mark.parametrize("kind", [named, wrapping, Refusing])
def test_a_middleware_of_the_same_name_is_not_passed_by(name, kind):
    app = FastAPI()
    dispatch = wrapping(name).__wrapped__ if kind is Refusing else kind(name)
    app.add_middleware(Refusing if kind is Refusing else BaseHTTPMiddleware, dispatch=dispatch)
    app.mount("/", web.InThread(Wsgi(b"x", length=1)))
    assert web.shorten(app) == []
    assert answers(app, scope={**SCOPE, "raw_path": b"/"})[0]["status"] == 403


def test_another_way_to_the_wsgi_application_is_left_as_it_is(monkeypatch):
    class Other(fastapi_app._EfficientWSGIMiddleware):
        pass

    Other.__name__ = web.WSGI
    app = FastAPI()
    app.mount("/", Other(Wsgi(b"x")))
    assert web.shorten(app) == []
    monkeypatch.setattr(fastapi_app, web.WSGI, Other)
    assert web.shorten(app) == [web.WSGI], "to the letter the same"
    app.mount("/", Other(Wsgi(b"x")))
    monkeypatch.setattr(Other, "__call__", Refusing.__call__)
    assert web.shorten(app) == []


@pytest.fixture
def other_sources(monkeypatch, tmp_path):
    """The modules that are compared, as files that can be changed."""
    theirs = {module: known_code.file_of(module) for parts in known_code.PARTS.values() for module, _names in parts}
    copies = {}
    for module, path in theirs.items():
        copies[module] = tmp_path / f"{module}.py"
        shutil.copy(path, copies[module])
    monkeypatch.setattr(known_code, "file_of", copies.__getitem__)
    known_code.forget()
    yield copies
    known_code.forget()


PASSED_BY = [
    (part, module, name) for part in known_code.PARTS for module, names in known_code.PARTS[part] for name in names
]


@pytest.mark.parametrize(("part", "module", "name"), PASSED_BY)
def test_every_letter_counts(other_sources, part, module, name):
    """The last line of each function and class that is passed by is another one."""
    assert known_code.unknown() == []
    lines = known_code.lines_of(module)
    first, text = known_code.find(lines, name)
    last = first - 1 + len(text.splitlines()) - 1
    changed = [*lines[:last], lines[last].rstrip("\n") + "  # nosec\n", *lines[last + 1 :]]
    other_sources[module].write_text("".join(changed))
    known_code.forget()
    assert part in known_code.unknown()
    answer = Answer("check")
    known_code.tell(answer)
    assert [(each["code"], each["severity"]) for each in answer.findings] == [("code-unknown", "warning")]
    assert part in answer.facts["longer_ways"]
    assert part in answer.findings[0]["message"]
    # One without sources, or without the function.
    other_sources[module].write_text("".join(lines[: first - 1]))
    known_code.forget()
    assert part in known_code.unknown()
    other_sources[module].unlink()
    known_code.forget()
    assert part in known_code.unknown()


def test_the_text_is_what_python_finds(monkeypatch):
    for name in ("log_batch", "_log_metrics_once"):
        monkeypatch.setattr(metrics.SqlAlchemyStore, name, getattr(metrics, f"_{name.lstrip('_')}"))
    for _part, module, name in PASSED_BY:
        found = sys.modules.get(module) or importlib.import_module(module)
        for each in name.split("."):
            found = getattr(found, each)
        text, first = inspect.getsourcelines(found)
        assert known_code.find(known_code.lines_of(module), name) == (first, "".join(text))
