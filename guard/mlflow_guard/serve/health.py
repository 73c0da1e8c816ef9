# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""The container's health check: the readiness endpoint, or one API request that reads the database where that is off.

MLflow's own /health answers 200 with its database down, so it says nothing about being useful. Only the standard
library, for a quick start.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import time

from mlflow_guard.variables import READINESS_PORT, readiness_port

PATH = "/api/2.0/mlflow/experiments/search?max_results=1"
SECONDS = 8.0
# How the reasons end with which a server is on its way: the endpoint's own, and the kernel's where nothing listens yet.
ON_ITS_WAY = ("server: starting", "Connection refused")
POLL_SECONDS = 0.2


def last_value(argv: list[str], names: tuple[str, ...], variable: str, default: str) -> str:
    """The value of an option as click takes it: the last on the command line, else the variable, else the default."""
    found = ""
    for position, word in enumerate(argv):
        name, equals, value = word.partition("=")
        if name in names:
            found = value if equals else (argv[position + 1] if position + 1 < len(argv) else "")
    return found or os.environ.get(variable, "") or default


def place(argv: list[str]) -> tuple[str, int, str, str]:
    """Address, port, static prefix and Host header for requests to the web server."""
    host = last_value(argv, ("--host", "-h"), "MLFLOW_HOST", "127.0.0.1")
    port = int(last_value(argv, ("--port", "-p"), "MLFLOW_PORT", "5000"))
    prefix = last_value(argv, ("--static-prefix",), "MLFLOW_STATIC_PREFIX", "").rstrip("/")
    address = {"0.0.0.0": "127.0.0.1", "::": "::1", "localhost": "127.0.0.1"}.get(host, host)
    allowed = last_value(argv, ("--allowed-hosts",), "MLFLOW_SERVER_ALLOWED_HOSTS", "")
    # The security middleware refuses a Host that is not allowed, so take the first that is.
    names = [name.strip() for name in allowed.split(",") if name.strip()]
    if not names or "*" in names:
        header = f"localhost:{port}"
    else:
        # A star stands for anything; a port pattern gets the port.
        header = names[0].replace(":*", f":{port}").replace("*", "health").replace("?", "x")
    return address, port, prefix, header


def target(argv: list[str]) -> tuple[str, int, str, str]:
    """Address, port, path and Host header of the API request."""
    address, port, prefix, header = place(argv)
    return address, port, prefix + PATH, header


def request(address: str, port: int, path: str, header: str, seconds: float) -> tuple[int, bytes] | str:
    """Status and body, or why there is none."""
    connection = http.client.HTTPConnection(address, port, timeout=seconds)
    try:
        connection.request("GET", path, headers={"Host": header, "User-Agent": "mlflow-guard", "Connection": "close"})
        answer = connection.getresponse()
        return answer.status, answer.read(2000)
    except TimeoutError:
        return "no answer in time"
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()


def ask_endpoint(port: int, seconds: float) -> tuple[bool, str] | None:
    """What the readiness endpoint says; None where nothing listens, as in a server that was started otherwise."""
    where = f"127.0.0.1:{port}/ready"
    try:
        socket.create_connection(("127.0.0.1", port), seconds).close()
    except ConnectionRefusedError:
        return None
    except OSError:
        pass
    answer = request("127.0.0.1", port, "/ready", f"localhost:{port}", seconds)
    if isinstance(answer, str):
        return False, f"{where}: {answer}"
    try:
        document = json.loads(answer[1])
        status = document["status"]
    except (ValueError, KeyError, TypeError):
        return False, f"{where} is not the readiness endpoint; set another {READINESS_PORT}"
    # A draining server still serves what it has taken on: restarting it would cut that.
    return status in ("ready", "draining"), str(document.get("reason", status))


def check(argv: list[str], seconds: float = SECONDS) -> tuple[bool, str]:
    """Whether the server is useful, and why not."""
    try:
        port = readiness_port()
    except ValueError as error:
        return False, f"{READINESS_PORT}: {error}"
    answer = ask_endpoint(port, seconds) if port else None
    return answer or ask_api(argv, seconds)


def check_when_started(argv: list[str], wait: float, seconds: float = SECONDS) -> tuple[bool, str]:
    """As `check`, but a server that is starting is asked again for up to `wait` of the `seconds` that all may take.

    So whoever asks every few seconds learns of a start when it happens, and not at the next time.
    """
    begun = time.monotonic()
    while True:
        fine, reason = check(argv, max(POLL_SECONDS, begun + seconds - time.monotonic()))
        if fine or not reason.endswith(ON_ITS_WAY) or time.monotonic() + POLL_SECONDS > begun + min(wait, seconds):
            return fine, reason
        time.sleep(POLL_SECONDS)


def ask_api(argv: list[str], seconds: float) -> tuple[bool, str]:
    """One API request that reads the database."""
    try:
        address, port, path, header = target(argv)
    except ValueError:
        return False, "the port in the arguments is no number"
    answer = request(address, port, path, header, seconds)
    if isinstance(answer, str):
        return False, f"{address}:{port}{path}: {answer}"
    status, body = answer
    # With basic-auth the request is turned away before the database is asked; the server is up.
    if status == 401:
        return True, "up, asks for a login"
    if status != 200:
        return False, f"{address}:{port}{path} answers {status}: {body.decode(errors='replace').strip()[:200]}"
    try:
        json.loads(body) if len(body) < 2000 else None
    except ValueError:
        return False, f"{address}:{port}{path} does not answer with JSON: is it an MLflow server?"
    return True, "up"
