# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients that behave badly cost the others: python -m laboratory.resilience.bad_clients --url URL.

A normal load calls the API at a steady pace, first alone and then beside a number of bad clients of each kind, and so
does one that stores small artifacts. Printed are the times of both; the command fails where the p99 of the API's calls
is more than --factor times what it is alone. Bad clients that are cut come again.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import math
import multiprocessing
import random
import re
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

API = "/api/2.0/mlflow"
UPLOADS = "/api/2.0/mlflow-artifacts/artifacts"
RUNS, PARAMS, LENGTH = 60, 100, 500  # what the large answer is made of: 3 MB
PAUSE = 0.05  # of each normal client between two calls
NORMAL_CLIENTS = 4
CALM_SECONDS = 2


@dataclass(frozen=True)
class Target:
    host: str
    port: int
    prefix: str
    experiment: str = ""
    name: str = ""  # that the server is asked by
    file: str = "/static-files/favicon.ico"  # a long answer that is made at once

    def head(self, method: str, path: str, *headers: str) -> bytes:
        name = self.name or f"{self.host}:{self.port}"
        lines = (f"{method} {self.prefix}{path} HTTP/1.1", f"Host: {name}", *headers, "", "")
        return "\r\n".join(lines).encode()

    def ask(self, connection: http.client.HTTPConnection, method: str, path: str, document=None) -> tuple[int, bytes]:
        body = json.dumps(document).encode() if document is not None else None
        connection.request(method, self.prefix + path, body, {"Content-Type": "application/json"} if body else {})
        answer = connection.getresponse()
        return answer.status, answer.read()

    def connect(self, timeout: float = 100) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout)


# --- the bad ones: each sends something, and then does something for ever -------------------------------------------


def idle(_target: Target, _connection: socket.socket) -> None:
    """Connects, and says nothing."""


def half_body(target: Target, connection: socket.socket) -> None:
    """Sends half of a small call."""
    connection.sendall(target.head("POST", f"{API}/runs/search", "Content-Length: 2000") + b"{" * 1000)


def half_large_body(target: Target, connection: socket.socket) -> None:
    """Sends half of a call that is larger than any buffer between."""
    connection.sendall(target.head("POST", f"{API}/runs/log-batch", "Content-Length: 900000") + b"{" * 450000)


def endless_body(target: Target, connection: socket.socket) -> None:
    """Sends a body that has no end, a little at a time."""
    connection.sendall(target.head("POST", f"{API}/runs/log-batch", "Transfer-Encoding: chunked"))
    while True:
        connection.sendall(b"1000\r\n" + b"{" * 4096 + b"\r\n")
        time.sleep(0.5)


def not_reading(target: Target, connection: socket.socket) -> None:
    """Asks for the largest file of the page, a few times, and reads nothing."""
    connection.sendall(target.head("GET", target.file) * 4)


def not_reading_runs(target: Target, connection: socket.socket) -> None:
    """Asks for 3 MB of runs, a few times, and reads nothing."""
    body = json.dumps({"experiment_ids": [target.experiment], "max_results": RUNS}).encode()
    connection.sendall((target.head("POST", f"{API}/runs/search", f"Content-Length: {len(body)}") + body) * 2)


def slow_upload(target: Target, connection: socket.socket) -> None:
    """Stores a large artifact: 9 MiB at once, more than a part, and then hardly anything."""
    length = f"Content-Length: {64 * 2**20}"
    connection.sendall(target.head("PUT", f"{UPLOADS}/bad/{secrets.token_hex(4)}", length) + bytes(9 * 2**20))
    while True:
        connection.sendall(bytes(4096))
        time.sleep(0.5)


KINDS: dict[str, Callable[[Target, socket.socket], None]] = {
    each.__name__.replace("_", "-"): each
    for each in (
        idle,
        half_body,
        half_large_body,
        endless_body,
        not_reading,
        not_reading_runs,
        slow_upload,
    )
}


def misbehave(kind: str, target: Target) -> None:
    """One bad client, for ever."""
    while True:
        with contextlib.suppress(OSError), socket.socket() as connection:
            if kind.startswith("not-reading"):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(10)
            connection.connect((target.host, target.port))
            KINDS[kind](target, connection)
            # Until it is cut. What does come stays unread.
            connection.settimeout(None)
            peek_until_closed(connection, reads=not kind.startswith("not-reading"))
        time.sleep(0.2 + random.random() / 5)


def peek_until_closed(connection: socket.socket, reads: bool) -> None:
    while reads and connection.recv(65536):
        pass
    while True:
        # An error of the connection is seen without reading from it.
        if connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            return
        with contextlib.suppress(BlockingIOError):
            if not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
                return
        if reads:
            return
        time.sleep(0.5)


def _crowd(kind: str, count: int, target: Target) -> None:
    threads = [threading.Thread(target=misbehave, args=(kind, target), daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    threads[0].join()


@contextlib.contextmanager
def crowd(kind: str, count: int, target: Target) -> Iterator[None]:
    """Bad clients in a process of their own, so that they take no time of those that are measured."""
    process = multiprocessing.get_context("spawn").Process(target=_crowd, args=(kind, count, target), daemon=True)
    process.start()
    try:
        time.sleep(CALM_SECONDS)
        yield
    finally:
        process.kill()
        process.join()


# --- the normal ones ------------------------------------------------------------------------------------------------


@dataclass
class Times:
    """Seconds of calls, and what went wrong."""

    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def at(self, share: float) -> float:
        """A percentile; nothing is infinitely slow."""
        ordered = sorted(self.seconds)
        return ordered[math.ceil(share * len(ordered)) - 1] if ordered else math.inf

    def __str__(self) -> str:
        worst = max(self.seconds, default=math.inf)
        return (
            f"{len(self.seconds):5d} calls, {len(self.errors):3d} failed,"
            f" p50 {self.at(0.5) * 1000:6.0f}  p99 {self.at(0.99) * 1000:6.0f}  most {worst * 1000:6.0f} ms"
        )


Call = Callable[[http.client.HTTPConnection, int], tuple[int, bytes]]


def measure(call: Call, target: Target, seconds: float, times: Times) -> None:
    """One client at a steady pace."""
    end, number = time.monotonic() + seconds, 0
    connection = target.connect()
    while time.monotonic() < end:
        begun = time.monotonic()
        try:
            status, body = call(connection, number)
            if status != 200:
                times.errors.append(f"{status} {body[:200]!r}")
        except (OSError, http.client.HTTPException) as error:
            times.errors.append(type(error).__name__)
            connection = target.connect()
        times.seconds.append(time.monotonic() - begun)
        number += 1
        time.sleep(PAUSE)


def normal_load(target: Target, run: str, seconds: float) -> tuple[Times, Times]:
    """The times of the API's calls and of small artifacts."""

    def call(connection: http.client.HTTPConnection, number: int) -> tuple[int, bytes]:
        if number % 4 == 3:
            return target.ask(connection, "GET", f"{API}/runs/get?run_id={run}")
        now = int(time.time() * 1000)
        metrics = [{"key": f"m{key}", "value": 1.0, "timestamp": now, "step": number} for key in range(10)]
        return target.ask(connection, "POST", f"{API}/runs/log-batch", {"run_id": run, "metrics": metrics})

    def store(connection: http.client.HTTPConnection, number: int) -> tuple[int, bytes]:
        connection.request("PUT", f"{target.prefix}{UPLOADS}/bad/small-{number}", b"nine byte")
        answer = connection.getresponse()
        return answer.status, answer.read()

    api, artifacts = Times(), Times()
    arguments = [(call, target, seconds, api)] * NORMAL_CLIENTS + [(store, target, seconds, artifacts)]
    threads = [threading.Thread(target=measure, args=each) for each in arguments]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return api, artifacts


def prepared(target: Target) -> tuple[Target, str]:
    """An experiment whose runs are a large answer, and the run of the normal load."""
    connection = target.connect()

    def do(path: str, document: dict) -> dict:
        status, body = target.ask(connection, "POST", API + path, document)
        if status != 200:
            raise SystemExit(f"{target.host}:{target.port}{path} answers {status}: {body[:300]!r}")
        return json.loads(body or b"{}")

    experiment = do("/experiments/create", {"name": f"bad-clients-{secrets.token_hex(4)}"})["experiment_id"]
    params = [{"key": f"p{number}", "value": "x" * LENGTH} for number in range(PARAMS)]
    for _ in range(RUNS):
        run = do("/runs/create", {"experiment_id": experiment, "start_time": 1})["run"]["info"]["run_id"]
        do("/runs/log-batch", {"run_id": run, "params": params})
    run = do("/runs/create", {"experiment_id": experiment, "start_time": 1})["run"]["info"]["run_id"]
    page = target.ask(connection, "GET", "/")[1].decode()
    file = re.search(r"static-files/static/js/main\.[^\"']+\.js", page)
    return replace(target, experiment=experiment, file=f"/{file[0]}" if file else target.file), run


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m laboratory.resilience.bad_clients", description=__doc__)
    parser.add_argument("--url", default="http://localhost:5000")
    parser.add_argument("--clients", type=int, default=100, help="bad clients of each kind (100)")
    parser.add_argument("--seconds", type=float, default=15, help="of each measurement (15)")
    parser.add_argument("--factor", type=float, default=2, help="by which the p99 may grow (2)")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    given = parser.parse_args(words)
    parts = urlsplit(given.url)
    target, run = prepared(Target(parts.hostname, parts.port or 80, parts.path.rstrip("/")))
    normal_load(target, run, CALM_SECONDS)
    passed = True
    for kind in given.kinds:
        # The one right after the other: a machine has other things to do, now more and now less.
        alone = normal_load(target, run, given.seconds)
        with crowd(kind, given.clients, target):
            beside = normal_load(target, run, given.seconds)
        time.sleep(CALM_SECONDS)
        fine = not any(times.errors for times in beside) and beside[0].at(0.99) <= given.factor * alone[0].at(0.99)
        passed = passed and fine
        print(f"{kind}: {KINDS[kind].__doc__}{'' if fine else '  NOT OK'}")
        for what, before, with_them in zip(("API", "artifacts"), alone, beside, strict=True):
            print(f"  {what:9}  alone  {before}\n  {'':9}  beside {with_them}", flush=True)
        for error in sorted({error for times in beside for error in times.errors})[:3]:
            print(f"  {error}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
