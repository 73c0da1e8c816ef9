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
import re
from collections.abc import Callable, Iterable, Iterator
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

from mlflow_guard.in_mlflow import known_code, metrics, parts
from mlflow_guard.in_mlflow.bounds import Bounded, Refused
from mlflow_guard.in_mlflow.room import Full, Spooled, keep
from mlflow_guard.serve import temporary

_log = logging.getLogger("mlflow_guard.in_mlflow.web")

# API requests that a worker works on at a time: more of them slow each other down in one Python process. A request gets
# its place when all of it is here, and gives it back when its answer is made, whoever reads that and how slowly.
AT_ONCE = "MLFLOW_GUARD_REQUESTS_AT_ONCE"
DEFAULT_AT_ONCE = 3
# MLflow's clients give up after 120 s.
QUEUE_SECONDS = 60.0
# Those that may wait for the artifact store, as many as MLflow's own way has (AnyIO's default). And what waits for
# nothing: /health, /version, the files of the page.
STORE_THREADS, OTHER_THREADS = 40, 8
IS_STORE = re.compile(
    r"/mlflow-artifacts/|/(get-artifact|upload-artifact|get-trace-artifact|artifacts/(list|files|directories)"
    r"|presigned-(download|upload)-url)$"
)
IS_API = re.compile(r"/(api|ajax-api)/|/graphql$")
# An answer that says that it is no longer than this is handed over in one piece. Of a longer one as much is made, and
# the rest when that was taken: it may be a file that is larger than memory.
SHORT_BYTES = 2**20


def at_once() -> int:
    """The number of places; the role has checked it."""
    text = os.environ.get(AT_ONCE, "")
    return int(text) if text.isascii() and text.isdigit() and int(text) else DEFAULT_AT_ONCE


_threads = {
    "store": ThreadPoolExecutor(STORE_THREADS, thread_name_prefix="store"),
    "api": ThreadPoolExecutor(at_once(), thread_name_prefix="api"),
    "other": ThreadPoolExecutor(OTHER_THREADS, thread_name_prefix="other"),
}


def kind(path: str) -> str:
    """Whose threads a request is for. The load balancer tells artifacts from the rest by the same paths."""
    return "store" if IS_STORE.search(path) else "api" if IS_API.search(path) else "other"


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
    """The answer of a WSGI application, on its way from threads to the event loop.

    It is made in rounds, each in a thread: as much as is handed over at a time, and the next when that was taken. So
    clients that do not read keep no thread, and not more memory than this.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, app: Callable, environ: dict) -> None:
        self.ready: asyncio.Queue[Message | None] = asyncio.Queue()
        self._loop, self._app, self._environ = loop, app, environ
        self._chunks: Iterable[bytes] | None = None
        self._rest: Iterator[bytes] | None = None
        self._start: Message | None = None
        self._started = self.closed = False

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

    def _stream(self) -> bool:
        """Hand over each chunk as soon as it is there; whether the round ended before all of them."""
        made = 0
        for chunk in self._rest:
            for message in self._with_start({"type": "http.response.body", "body": chunk, "more_body": True}):
                self._loop.call_soon_threadsafe(self.ready.put_nowait, message)
            made += len(chunk)
            if made >= SHORT_BYTES:
                return True
        return False

    def round(self) -> list[Message] | None:
        """Make the next part; what is left to be sent after what was handed over, or None if that is not all."""
        try:
            body = b""
            if self._rest is None:
                self._chunks = self._app(self._environ, self.start_response)
                self._rest = iter(self._chunks)
                if self._start is not None and self._is_short():
                    body = b"".join(self._rest)
            if self._stream():
                return None
        except BaseException:
            self.close()
            raise
        self.close()
        return self._with_start({"type": "http.response.body", "body": body})

    def close(self) -> None:
        """Let the application clear up, once."""
        if not self.closed and hasattr(self._chunks, "close"):
            self._chunks.close()
        self.closed = True


async def _read(receive: Receive, body: Spooled) -> bool:
    """Take the body of a request in; whether all of it came before the client went away."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return False
        await keep(body, message.get("body", b""))
        if not message.get("more_body", False):
            return True


class InThread:
    """A WSGI application in the place of MLflow's own way into it."""

    def __init__(self, app: Callable) -> None:
        self.app = app
        self.places = asyncio.Semaphore(at_once())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1000})
            return
        body = Spooled()
        try:
            if await _read(receive, body):
                environ = build_environ(scope, b"")
                environ["wsgi.input"] = body.opened()
                await self._answer(kind(scope["path"]), environ, send)
            else:
                # Half a request is none. Nobody reads the answer, but the middlewares want one.
                await send({"type": "http.response.start", "status": 400, "headers": []})
                await send({"type": "http.response.body", "body": b""})
        except Full as full:
            await refuse(str(full), send)
        finally:
            body.close()

    async def _answer(self, kind: str, environ: dict, send: Send) -> None:
        loop = asyncio.get_running_loop()
        answer = Answer(loop, self.app, environ)
        context = contextvars.copy_context()
        left = running = None
        try:
            while left is None:
                if kind == "api" and not await self._has_place():
                    await refuse(f"The server had no time for this request within {QUEUE_SECONDS:.0f} s.", send)
                    return
                running = loop.run_in_executor(_threads[kind], context.run, answer.round)
                if kind == "api":
                    running.add_done_callback(lambda _running: self.places.release())
                running.add_done_callback(lambda _running: answer.ready.put_nowait(None))
                while message := await answer.ready.get():
                    await send(message)
                left = await running
        finally:
            if running and not answer.closed:
                # It cannot be sent.
                await asyncio.wait([running])
                await loop.run_in_executor(_threads["other"], context.run, answer.close)
        for message in left:
            await send(message)

    async def _has_place(self) -> bool:
        try:
            async with asyncio.timeout(QUEUE_SECONDS):
                await self.places.acquire()
        except TimeoutError:
            return False
        return True


async def refuse(why: str, send: Send) -> None:
    """The server cannot do it now, and may later."""
    for message in Refused(503, "TEMPORARILY_UNAVAILABLE", why).messages:
        await send(message)


# By the name of MLflow's middleware: the shorter way, and the function that the middleware is written in.
SHORTER = {
    "gateway_timing_middleware": (Timed, "add_gateway_timing_middleware"),
    "workspace_context_middleware": (InWorkspace, "add_fastapi_workspace_middleware"),
}
WSGI = "_EfficientWSGIMiddleware"
# The name of the part of each, by which it can be switched off.
PART_OF = {"gateway_timing_middleware": "gateway_timing", "workspace_context_middleware": "workspace", WSGI: "flask"}


def expected() -> set[str]:
    """The ways of MLflow that are to be shorter: all but those that were switched off."""
    return {name for name, part in PART_OF.items() if parts.is_on(part)}


def known_middleware(middleware: Middleware) -> str:
    """The name of one that is to the letter as it is known, and nothing else of this name; otherwise nothing."""
    dispatch = middleware.kwargs.get("dispatch")
    name = getattr(dispatch, "__name__", "")
    if (
        name in SHORTER
        and parts.is_on(PART_OF[name])
        and (middleware.cls, middleware.args, len(middleware.kwargs)) == (BaseHTTPMiddleware, (), 1)
        and known_code.is_written_at(dispatch, known_code.APPLICATION, f"{SHORTER[name][1]}.{name}")
        and known_code.is_known(name)
    ):
        return name
    return ""


def known_mount(route: object) -> bool:
    """Whether it is MLflow's own way into its Flask part, to the letter as it is known."""
    application = getattr(route, "app", None)
    return (
        isinstance(route, Mount)
        and parts.is_on(PART_OF[WSGI])
        and application.__class__ is getattr(fastapi_app, WSGI, None)
        and known_code.is_written_at(type(application).__call__, known_code.APPLICATION, f"{WSGI}.__call__")
        and known_code.is_known(WSGI)
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


def longer_ways(app: ASGIApp) -> list[str]:
    """Put the shorter ways in; return for which of them MLflow's own stays."""
    try:
        done = shorten(app) if isinstance(app, fastapi_app.FastAPI) else []
        return sorted(expected().difference(done).union(LONGER_METRICS))
    finally:
        known_code.forget()


def within_bounds(app: ASGIApp) -> ASGIApp:
    """An application of MLflow's with the shorter ways in it, and the bounds around it."""
    if longer := longer_ways(app):
        _log.warning(
            "MLflow's own, longer way is used for %s: its code is not the one that the shorter way was made for",
            ", ".join(longer),
        )
    if off := parts.disabled():
        _log.warning("switched off by %s: %s", parts.DISABLED, ", ".join(off))
    return Bounded(app) if parts.is_on("bounds") else app


# A worker that was killed leaves its downloads behind, and another one takes its place.
if ARTIFACTS_DESTINATION_ENV_VAR in os.environ:
    temporary.claim()
LONGER_METRICS = metrics.shorten()
