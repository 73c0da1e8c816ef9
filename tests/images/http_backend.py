# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server behind the load balancer, run in a container: http_backend.py NAME PORT. It knows the standard library only.

PORT does what the query of a request says: `do` is answer (default), sleep, close, half, stream or large; `seconds`
says how long, and `at` names the only server that does it, the others answer. Port 5001 has the readiness, and for the
test: /requests tells what came in; /set?ready=503&reason=words, /set?store=503 and /set?listen=0 change what the server
does from now on.
"""

from __future__ import annotations

import hashlib
import json
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

READINESS_PORT = 5001
HALF = b'{"half": "'


class Backend:
    """What the two ports share."""

    def __init__(self, name: str, port: int) -> None:
        self.name, self.port = name, port
        self.ready, self.store, self.reason = 200, 200, ""
        self.requests: list[dict] = []
        self.listener: ThreadingHTTPServer | None = None

    def listen(self, wanted: bool) -> None:
        if self.listener and not wanted:
            self.listener.shutdown()
            self.listener.server_close()
            self.listener = None
        elif wanted and not self.listener:
            self.listener = Listener(("", self.port), Work)
            threading.Thread(target=self.listener.serve_forever, args=(0.05,), daemon=True).start()


class Listener(ThreadingHTTPServer):
    request_queue_size = 128
    # Closing the port does not wait for the requests under way.
    daemon_threads, block_on_close = True, False


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments) -> None:
        """The test asks /requests instead."""

    def send(self, status: int, document) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class Work(Handler):
    """The port that clients reach through the load balancer."""

    def handle_any(self) -> None:
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        record = {
            "server": backend.name,
            "method": self.command,
            "path": self.path,
            "headers": [[name.lower(), value] for name, value in self.headers.items()],
            "received": 0,
            "begun": time.time(),
            "ended": 0.0,
        }
        backend.requests.append(record)
        self.read_body(record)
        does = query.get("do", "answer") if query.get("at", backend.name) == backend.name else "answer"
        getattr(self, does)(record, float(query.get("seconds", 1)))
        record["ended"] = record["ended"] or time.time()

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = handle_any

    def read_body(self, record: dict) -> None:
        digest = hashlib.sha256()
        left = int(self.headers.get("Content-Length", 0))
        while left and (part := self.rfile.read1(min(left, 2**20))):
            digest.update(part)
            left -= len(part)
            record["received"] += len(part)
        record["sha256"] = digest.hexdigest()

    def answer(self, record: dict, _seconds: float) -> None:
        self.send(200, record)

    def sleep(self, record: dict, seconds: float) -> None:
        time.sleep(seconds)
        # Before its client has the answer, since that may send the next request before this line would be reached.
        record["ended"] = time.time()
        self.send(200, record)

    def close(self, _record: dict, _seconds: float) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def half(self, record: dict, _seconds: float) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(2 * len(HALF)))
        self.end_headers()
        self.wfile.write(HALF)
        self.close(record, 0)

    def stream(self, _record: dict, seconds: float) -> None:
        """A first line at once, a second one later with the time then, and nobody knows how long it will be."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"6\r\nfirst\n\r\n")
        time.sleep(seconds)
        later = f"{time.time():.6f}\n".encode()
        self.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(later), later))

    def large(self, _record: dict, _seconds: float) -> None:
        """32 MiB, in which each has its number at its beginning."""
        self.send_response(200)
        self.send_header("Content-Length", str(32 * 2**20))
        self.end_headers()
        for number in range(32):
            self.wfile.write(number.to_bytes(8, "big") + bytes(range(256)) * 4095 + bytes(248))


class Control(Handler):
    """Readiness, and the questions and orders of the test."""

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        for name, values in parse_qs(address.query).items():
            if name == "ready":
                backend.ready, backend.reason = int(values[0]), ""
            elif name == "store":
                backend.store = int(values[0])
            elif name == "reason":
                backend.reason = values[0]
            elif name == "listen":
                backend.listen(values[0] == "1")
        if address.path in ("/ready", "/ready/api"):
            # Artifacts need the store too.
            status = backend.store if backend.ready == 200 and address.path == "/ready" else backend.ready
            self.send(status, {"status": "as told", "reason": backend.reason})
        else:
            self.send(200, backend.requests)


if __name__ == "__main__":
    backend = Backend(sys.argv[1], int(sys.argv[2]))
    backend.listen(True)
    ThreadingHTTPServer(("", READINESS_PORT), Control).serve_forever()
