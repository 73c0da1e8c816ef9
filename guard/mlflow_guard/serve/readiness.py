# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""The readiness endpoint: /ready and /ready/api for load balancers, /live for whoever restarts a server that hangs.

The API needs the databases and not the artifact store; artifacts need all. It looks only when it is asked, at all parts
at once, at most once a second, and never waits longer than its time: a part that hangs is an answer too. While the web
server starts it looks at that alone, and five times a second. Each part has one thread, so a look that never returns
stays the only one of its kind.
"""

from __future__ import annotations

import contextlib
import io
import json
import socket
import socketserver
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

from mlflow_guard.answer import Problem
from mlflow_guard.serve.readiness_checks import Unready

FRESH_SECONDS = 1.0
# As long as a part has never been fine somebody waits for it.
FIRST_FRESH_SECONDS = 0.2
# What /ready/api does not look at.
STORE = "artifact_store"
HEAD_BYTES = 8192
HEAD_SECONDS = 2.0
CONNECTIONS = 64


class Part:
    """One thing that is looked at: its last reason, and the look that is under way."""

    def __init__(self, name: str, look: Callable[[], None], seconds: float) -> None:
        self.name, self.look, self.seconds = name, look, seconds
        self.reason: str | None = None
        self.was_fine = False
        self.begun = self.ended = float("-inf")
        self.running = False
        self.changed = threading.Condition()
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def _work(self) -> None:
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.running)
            try:
                self.look()
                reason = None
            except Unready as unready:
                reason = str(unready)
            except Problem as problem:
                reason = problem.finding["found"]
            except Exception as error:
                # Its text may hold anything, a password too.
                reason = f"the look at it failed with {type(error).__name__}"
            with self.changed:
                self.reason, self.ended, self.running = reason, time.monotonic(), False
                self.was_fine = self.was_fine or reason is None
                self.changed.notify_all()

    def begin(self) -> None:
        """Begin a look, unless one is under way or fresh."""
        with self.changed:
            fresh = FRESH_SECONDS if self.was_fine else FIRST_FRESH_SECONDS
            if not self.running and time.monotonic() - self.ended >= fresh:
                self.begun, self.running = time.monotonic(), True
                self.changed.notify_all()

    def wait(self) -> str | None:
        """What is wrong with it, or None; within the time of the look that is under way."""
        with self.changed:
            left = self.begun + self.seconds - time.monotonic()
            if self.changed.wait_for(lambda: not self.running, max(0.0, left)):
                return None if self.reason is None else f"{self.name}: {self.reason}"
            return f"{self.name}: no answer for {time.monotonic() - self.begun:.0f} s"


class Readiness:
    """Whether this replica is of use: the state of the server and its parts."""

    def __init__(self) -> None:
        self.draining = False
        self.parts: list[Part] = []

    def serving(self, looks: dict[str, Callable[[], None]], seconds: float) -> None:
        """The start gate has let the server start. The first look is the web server's own."""
        self.parts = [Part(name, look, seconds) for name, look in looks.items()]

    def ready(self, *without: str) -> tuple[int, dict]:
        """Status and document of /ready; the parts `without` which it is of use too are not looked at."""
        # A drain that begins before or during the looks decides, and does not wait for a part that hangs.
        parts = [part for part in self.parts if part.name not in without]
        reasons = [] if self.draining else self._all_reasons(parts)
        if self.draining:
            return 404, {"status": "draining"}
        if not parts or not parts[0].was_fine:
            reasons = ["server: starting"]
        if reasons:
            return 503, {"status": "not ready", "reason": "; ".join(reasons)}
        return 200, {"status": "ready", "checked": [part.name for part in parts]}

    def _all_reasons(self, parts: list[Part]) -> list[str]:
        """A web server that starts is looked at alone: the rest, asked for so often, would be in its way."""
        if parts and not parts[0].was_fine:
            reasons = self._reasons(parts[:1])
            if reasons:
                return reasons
        return self._reasons(parts)

    def live(self) -> tuple[int, dict]:
        """Status and document of /live, which asks the web server alone."""
        reasons = self._reasons(self.parts[:1]) if self.parts else ["server: starting"]
        return (503, {"status": "not live", "reason": reasons[0]}) if reasons else (200, {"status": "live"})

    @staticmethod
    def _reasons(parts: list[Part]) -> list[str]:
        for part in parts:
            part.begin()
        return [reason for part in parts if (reason := part.wait())]


def read_head(connection: socket.socket) -> bytes:
    """The request up to its empty line; less where it is too long or too slow."""
    end = time.monotonic() + HEAD_SECONDS
    head = b""
    while b"\r\n\r\n" not in head and len(head) < HEAD_BYTES:
        connection.settimeout(max(0.001, end - time.monotonic()))
        more = connection.recv(HEAD_BYTES - len(head))
        if not more:
            break
        head += more
    return head


class Handler(BaseHTTPRequestHandler):
    """GET and HEAD of three paths."""

    server_version, sys_version = "mlflow-guard", ""
    server: Endpoint

    def setup(self) -> None:
        """Read the request as a whole, with limits that its sender cannot stretch."""
        super().setup()
        head = b""
        with contextlib.suppress(OSError):
            head = read_head(self.connection)
        self.rfile = io.BytesIO(head if b"\r\n\r\n" in head else b"")
        self.connection.settimeout(HEAD_SECONDS)

    def do_GET(self) -> None:
        """Answer /ready, /ready/api and /live."""
        readiness = self.server.readiness
        answers = {
            "/ready": readiness.ready,
            "/ready/api": lambda: readiness.ready(STORE),
            "/live": readiness.live,
        }
        path = self.path.partition("?")[0]
        if path in answers:
            self._send(*answers[path]())
        else:
            self._send(404, {"status": "not found"})

    do_HEAD = do_GET

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Any other method, and what is no request, as briefly as all else."""
        self._send(405 if code == 501 else code, {"status": "refused"})

    def _send(self, status: int, document: dict) -> None:
        body = json.dumps(document).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *values: object) -> None:
        """A load balancer asks every second: that is no news."""


class Endpoint(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """The listening socket; a thread for each connection, up to a number."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, readiness: Readiness) -> None:
        self.readiness = readiness
        self.places = threading.BoundedSemaphore(CONNECTIONS)
        super().__init__(("0.0.0.0", port), Handler)

    def start(self) -> None:
        """Answer from now on."""
        threading.Thread(target=self.serve_forever, name="readiness", daemon=True).start()

    def process_request(self, request, client_address) -> None:
        """Close what comes when all threads are busy: nobody needs that many answers."""
        if self.places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request, client_address) -> None:
        """One connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.places.release()

    def handle_error(self, request, client_address) -> None:
        """A client that went away is no news."""
