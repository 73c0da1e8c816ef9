# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""What one client may take of a server: a body of some length at some speed, and an answer that it reads.

uvicorn waits for bodies and readers for ever, and MLflow collects a body of any length in memory. This stands around
the whole application, so it holds for each of its parts. While the server drains it also asks proxies to give their
connections up, so that none of them sends a request into one that is just closed.
"""

from __future__ import annotations

import asyncio
import json
import os
import re

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mlflow_guard.variables import DRAINING_FILE

MIB = 2**20
# MLflow's own largest call, a batch, has 1 MB; traces can be longer. What is longer still is an artifact.
API_BODY_BYTES = 64 * MIB
IS_UPLOAD = re.compile(r"/mlflow-artifacts/artifacts/")
# A client has this time to begin with, and more for what it has sent at this speed. The time in which the server itself
# does not want more, since its store is slow, is not counted.
GRACE_SECONDS = 30.0
LEAST_BYTES_PER_SECOND = 16 * 2**10
# Of an answer, what is handed over at a time, and how long until the client has made room for it.
PIECE_BYTES = 256 * 2**10
UNREAD_SECONDS = 60.0
RETRY_AFTER_SECONDS = 1
BODY = "http.response.body"


class Refused(Exception):
    """Why a request is not taken in any further."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = json.dumps({"error_code": code, "message": message}).encode()

    @property
    def messages(self) -> list[Message]:
        """The answer. What the client may still send is not read, so the connection ends with it."""
        headers = {"content-type": "application/json", "content-length": str(len(self.body)), "connection": "close"}
        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        start = {"type": "http.response.start", "status": self.status, "headers": pairs}
        return [start, {"type": BODY, "body": self.body}]


def too_long(limit: int) -> Refused:
    words = f"The body of this request is longer than {limit // MIB} MiB. Log files and large data as artifacts."
    return Refused(413, "INVALID_PARAMETER_VALUE", words)


def too_slow(received: int) -> Refused:
    words = (
        f"The rest of this request's body did not come in time: {received} bytes are here, and a client has"
        f" {GRACE_SECONDS:.0f} s and a second more for every {LEAST_BYTES_PER_SECOND // 1024} KiB."
    )
    return Refused(408, "TEMPORARILY_UNAVAILABLE", words)


class Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self.limit = None if IS_UPLOAD.search(scope["path"]) and scope["method"] == "PUT" else API_BODY_BYTES
        self.received, self.waited = 0, 0.0
        self.whole = self.started = self.cut = False
        self.refused: Refused | None = None

    async def receive(self) -> Message:
        """The next part of the body, within the client's time."""
        if self.refused:
            raise self.refused
        if self.whole:
            # Whoever asks now wants to know when the client goes away.
            return await self._receive()
        loop = asyncio.get_running_loop()
        begun = loop.time()
        left = GRACE_SECONDS + self.received / LEAST_BYTES_PER_SECOND - self.waited
        try:
            async with asyncio.timeout(left):
                message = await self._receive()
        except TimeoutError:
            self.refused = too_slow(self.received)
            raise self.refused from None
        self.waited += loop.time() - begun
        self.received += len(message.get("body", b""))
        self.whole = not message.get("more_body", False)
        if self.limit is not None and self.received > self.limit:
            self.refused = too_long(self.limit)
            raise self.refused
        return message

    async def send(self, message: Message) -> None:
        """Part of the answer, unless the request was refused before there was any."""
        if self.cut or (self.refused and not self.started):
            return
        if message["type"] == "http.response.start":
            self.started = True
            headers = MutableHeaders(raw=message["headers"] if isinstance(message["headers"], list) else [])
            if message["status"] == 503:
                headers.setdefault("retry-after", str(RETRY_AFTER_SECONDS))
            if is_draining():
                headers["connection"] = "close"
            message = {**message, "headers": headers.raw}
        if message["type"] != BODY or len(message.get("body", b"")) <= PIECE_BYTES:
            await self._hand_over(message)
            return
        body, more = memoryview(message["body"]), message.get("more_body", False)
        for begin in range(0, len(body), PIECE_BYTES):
            rest = more or begin + PIECE_BYTES < len(body)
            await self._hand_over({"type": BODY, "body": bytes(body[begin : begin + PIECE_BYTES]), "more_body": rest})

    async def _hand_over(self, message: Message) -> None:
        if self.cut:
            return
        try:
            async with asyncio.timeout(UNREAD_SECONDS):
                await self._send(message)
        except TimeoutError:
            # The web server closes a connection whose answer has no end.
            self.cut = True


class Bounded:
    """An ASGI application with bounds around it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = Exchange(scope, receive, send)
        try:
            await self.app(scope, exchange.receive, exchange.send)
        except Exception:
            # Whatever the application makes of a refusal, it is not a failure of its own.
            if not (exchange.refused or exchange.cut):
                raise
        if exchange.refused and not exchange.started:
            for message in exchange.refused.messages:
                await send(message)


def is_draining() -> bool:
    path = os.environ.get(DRAINING_FILE)
    return bool(path) and os.path.exists(path)
