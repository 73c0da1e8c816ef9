# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""The container's health check: one API request that reads the database. Only the standard library, for a quick start.

MLflow's own /health answers 200 with its database down, so it says nothing about being useful.
"""

from __future__ import annotations

import http.client
import json
import os
import socket

PATH = "/api/2.0/mlflow/experiments/search?max_results=1"
SECONDS = 8.0


def last_value(argv: list[str], names: tuple[str, ...], variable: str, default: str) -> str:
    """The value of an option as click takes it: the last on the command line, else the variable, else the default."""
    found = ""
    for position, word in enumerate(argv):
        name, equals, value = word.partition("=")
        if name in names:
            found = value if equals else (argv[position + 1] if position + 1 < len(argv) else "")
    return found or os.environ.get(variable, "") or default


def target(argv: list[str]) -> tuple[str, int, str, str]:
    """Address, port, path and Host header of the request."""
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
    return address, port, prefix + PATH, header


def check(argv: list[str], seconds: float = SECONDS) -> tuple[bool, str]:
    """Whether the server is useful, and why not."""
    try:
        address, port, path, header = target(argv)
    except ValueError:
        return False, "the port in the arguments is no number"
    connection = http.client.HTTPConnection(address, port, timeout=seconds)
    try:
        connection.request("GET", path, headers={"Host": header, "User-Agent": "mlflow-guard"})
        answer = connection.getresponse()
        body = answer.read(2000)
    except (OSError, http.client.HTTPException) as error:
        reason = "no answer in time" if isinstance(error, socket.timeout) else str(error) or type(error).__name__
        return False, f"{address}:{port}{path}: {reason}"
    finally:
        connection.close()
    # With basic-auth the request is turned away before the database is asked; the server is up.
    if answer.status == 401:
        return True, "up, asks for a login"
    if answer.status != 200:
        return False, f"{address}:{port}{path} answers {answer.status}: {body.decode(errors='replace').strip()[:200]}"
    try:
        json.loads(body) if len(body) < 2000 else None
    except ValueError:
        return False, f"{address}:{port}{path} does not answer with JSON: is it an MLflow server?"
    return True, "up"
