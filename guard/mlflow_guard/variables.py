# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""Numbers and addresses from the environment. Only the standard library, for the supervisor and the health check."""

from __future__ import annotations

import ipaddress
import os

# Whose word on the client uvicorn takes.
TRUSTED_PROXIES = "FORWARDED_ALLOW_IPS"
READINESS_PORT = "MLFLOW_GUARD_READINESS_PORT"
DEFAULT_READINESS_PORT = 5001
# The code of a value that none of them takes.
INVALID = "environment-value-invalid"
# The path of a file whose presence says that the server drains: set by the supervisor, for the web server's processes.
DRAINING_FILE = "MLFLOW_GUARD_DRAINING_FILE"


def seconds_from(name: str, default: float, least: float = 0, most: float = 86400) -> float:
    """A time in seconds; what is no number in the range is refused."""
    text = os.environ.get(name, "")
    try:
        value = float(text) if text else default
    except ValueError:
        value = -1.0
    if not least <= value <= most:
        from mlflow_guard.config import wrong

        found = f"a number of seconds from {least:g} to {most:g} is needed and {text!r} was found"
        raise wrong(name, found, code=INVALID)
    return value


def readiness_port() -> int:
    """The port of the readiness endpoint; 0 where it is off. ValueError, with a sentence, for anything else."""
    text = os.environ.get(READINESS_PORT, "")
    if not text:
        return DEFAULT_READINESS_PORT
    if not (text.isascii() and text.isdigit() and int(text) < 65536):
        raise ValueError(f"a number from 1 to 65535, or 0 to switch the endpoint off, is needed and {text!r} was found")
    return int(text)


def trusted_proxies() -> str:
    """The proxies whose word on the client is believed, as uvicorn understands them. ValueError, with a sentence."""
    text = os.environ.get(TRUSTED_PROXIES, "").strip()
    words = [word.strip() for word in text.split(",")] if text not in ("", "*") else []
    try:
        # uvicorn takes a network with bits of a host for a name, and trusts nobody.
        return ",".join(str(ipaddress.ip_network(word, strict=False)) for word in words) or text
    except ValueError as error:
        raise ValueError(f"addresses or networks, with commas between them, are needed, but {error}") from None
