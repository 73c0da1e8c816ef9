# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""MLflow's own web application, with shorter ways through it.

Most of MLflow's API is a Flask application inside of a FastAPI one. Measured with metrics logged one by one, two thirds
of a server's CPU time went into the way between the two: every request passed two middlewares that make a task and a
pair of streams each, and do nothing for it; and every answer was handed from Flask's thread to the event loop in three
steps. The routes, the checks of hosts and origins, and the answers are MLflow's own and stay as they are.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from mlflow.environment_variables import MLFLOW_ENABLE_WORKSPACES
from mlflow.server import ARTIFACTS_DESTINATION_ENV_VAR, fastapi_app
from mlflow.server.handlers import _add_static_prefix
from mlflow.server.workspace_helpers import WORKSPACE_HEADER_NAME
from mlflow.utils.workspace_context import clear_server_request_workspace, set_server_request_workspace
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.wsgi import build_environ
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mlflow_guard import known, metrics, temporary

_log = logging.getLogger("mlflow_guard.web")

# As many as MLflow's own way has (AnyIO's default).
THREADS = 40
_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="api")
# An answer that says that it is no longer than this is handed over in one piece.
SHORT_BYTES = 2**20


class Timed:
    """MLflow's middleware that times calls of its gateway, for those only."""

    def __init__(self, app: ASGIApp, middleware: Middleware) -> None:
        self.app = app
        self.timing = middleware.cls(app, *middleware.args, **middleware.kwargs)
        self.prefix = _add_static_prefix("/gateway/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        wanted = scope["type"] == "http" and scope["path"].startswith(self.prefix)
        await (self.timing if wanted else self.app)(scope, receive, send)


class InWorkspace:
    """MLflow's middleware that looks up the workspace of a request, where there is one to look up."""

    header = WORKSPACE_HEADER_NAME.lower().encode("ascii")

    def __init__(self, app: ASGIApp, middleware: Middleware) -> None:
        self.app = app
        self.lookup = middleware.cls(app, *middleware.args, **middleware.kwargs)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif MLFLOW_ENABLE_WORKSPACES.get() or any(name == self.header for name, _value in scope["headers"]):
            await self.lookup(scope, receive, send)
        else:
            set_server_request_workspace(None)
            try:
                await self.app(scope, receive, send)
            finally:
                clear_server_request_workspace()


class Answer:
    """The answer of a WSGI application, on its way from a thread to the event loop.

    What is streamed is not waited for, as in MLflow's own way: clients that do not read must not keep the threads.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.ready: asyncio.Queue[Message | None] = asyncio.Queue()
        self._loop = loop
        self._start: Message | None = None
        self._started = False

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: tuple | None = None) -> None:
        if exc_info and self._started:
            raise exc_info[1].with_traceback(exc_info[2])
        self._start = {
            "type": "http.response.start",
            "status": int(status.split(" ", 1)[0]),
            "headers": [
                (name.strip().lower().encode("latin-1"), value.strip().encode("latin-1")) for name, value in headers
            ],
        }

    def _is_short(self) -> bool:
        lengths = [value for name, value in self._start["headers"] if name == b"content-length"]
        return bool(lengths) and lengths[0].isdigit() and int(lengths[0]) <= SHORT_BYTES

    def _with_start(self, message: Message) -> list[Message]:
        before = [] if self._started else [self._start]
        self._started = True
        return [*before, message]

    def _stream(self, chunks: Iterable[bytes]) -> None:
        for chunk in chunks:
            for message in self._with_start({"type": "http.response.body", "body": chunk, "more_body": True}):
                self._loop.call_soon_threadsafe(self.ready.put_nowait, message)

    def run(self, app: Callable, environ: dict) -> list[Message]:
        """Let the application answer; return what is left to be sent after what was streamed."""
        chunks = app(environ, self.start_response)
        try:
            body = b""
            if self._start is not None and self._is_short():
                body = b"".join(chunks)
            else:
                self._stream(chunks)
        finally:
            if hasattr(chunks, "close"):
                chunks.close()
        return self._with_start({"type": "http.response.body", "body": body})


async def _read(receive: Receive) -> bytes | None:
    """The body of a request; None, if the client went away before all of it was there."""
    chunks = []
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunks.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(chunks)


class InThread:
    """A WSGI application in the place of MLflow's own way into it."""

    def __init__(self, app: Callable) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1000})
            return
        body = await _read(receive)
        if body is None:
            # Half a request is none. Nobody reads the answer, but the middlewares want one.
            await send({"type": "http.response.start", "status": 400, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        environ = build_environ(scope, body)
        del body
        loop = asyncio.get_running_loop()
        answer = Answer(loop)
        context = contextvars.copy_context()
        running = loop.run_in_executor(_threads, context.run, answer.run, self.app, environ)
        running.add_done_callback(lambda _running: answer.ready.put_nowait(None))
        while message := await answer.ready.get():
            await send(message)
        for message in await running:
            await send(message)


# By the name of MLflow's middleware: the shorter way, and the function that the middleware is written in.
SHORTER = {
    "gateway_timing_middleware": (Timed, "add_gateway_timing_middleware"),
    "workspace_context_middleware": (InWorkspace, "add_fastapi_workspace_middleware"),
}
WSGI = "_EfficientWSGIMiddleware"


def known_middleware(middleware: Middleware) -> str:
    """The name of one that is to the letter as it is known, and nothing else of this name; otherwise nothing."""
    dispatch = middleware.kwargs.get("dispatch")
    name = getattr(dispatch, "__name__", "")
    if (
        name in SHORTER
        and (middleware.cls, middleware.args, len(middleware.kwargs)) == (BaseHTTPMiddleware, (), 1)
        and known.is_written_at(dispatch, known.APPLICATION, f"{SHORTER[name][1]}.{name}")
        and known.is_known(name)
    ):
        return name
    return ""


def known_mount(route: object) -> bool:
    """Whether it is MLflow's own way into its Flask part, to the letter as it is known."""
    application = getattr(route, "app", None)
    return (
        isinstance(route, Mount)
        and type(application) is getattr(fastapi_app, WSGI, None)
        and known.is_written_at(type(application).__call__, known.APPLICATION, f"{WSGI}.__call__")
        and known.is_known(WSGI)
    )


def shorten(app: fastapi_app.FastAPI) -> list[str]:
    """Put the shorter ways in; return which, by the names that MLflow gives to the longer ones.

    What is not as it is in the release that this was written for is left as it is.
    """
    done = []
    for index, middleware in enumerate(app.user_middleware):
        if name := known_middleware(middleware):
            app.user_middleware[index] = Middleware(SHORTER[name][0], middleware=middleware)
            done.append(name)
    for route in app.routes:
        if known_mount(route):
            route.app = InThread(route.app.app)
            done.append(WSGI)
    return done


# A worker that was killed leaves its downloads behind, and another one takes its place.
if ARTIFACTS_DESTINATION_ENV_VAR in os.environ:
    temporary.claim()
app = fastapi_app.app
EXPECTED = {*SHORTER, WSGI}
missing = EXPECTED.difference(shorten(app)).union(metrics.shorten())
known.forget()
if missing:
    _log.warning(
        "MLflow's own, longer way is used for %s: its code is not the one that the shorter way was made for",
        ", ".join(sorted(missing)),
    )
