# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""forge_client.py URL: ask for MLflow's Assistant in all ways to say that one is the server's own host.

Prints the requests that were not refused, and ends with 1 if there are any.
"""

from __future__ import annotations

import http.client
import sys
from urllib.parse import urlsplit

NAMES = (
    *("X-Forwarded-For", "x-forwarded-for", "X_Forwarded_For", "X-Forwarded_For", "X-Real-IP", "X-Client-IP"),
    *("True-Client-IP", "X-Cluster-Client-IP", "X-Forwarded-Host", "X-Forwarded-Server"),
)
OWN = ("127.0.0.1", "::1", "[::1]", "[::1]:80", "127.0.0.1:80", "::ffff:127.0.0.1", "localhost")
OWN_LISTS = (
    "127.0.0.1, 203.0.113.9",
    "203.0.113.9, 127.0.0.1",
    "127.0.0.1,127.0.0.1",
    "unknown, 127.0.0.1",
    ",127.0.0.1",
)
FORGED: list[list[tuple[str, str]]] = [
    [],
    *([(name, value)] for name in NAMES for value in OWN),
    *([("X-Forwarded-For", value)] for value in OWN_LISTS),
    [("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-For", "::1")],
    [("X-Forwarded-For", "203.0.113.9"), ("x-forwarded-for", "127.0.0.1"), ("X_Forwarded_For", "127.0.0.1")],
    [("Forwarded", "for=127.0.0.1;proto=https;host=localhost")],
    [("FORWARDED", 'for="[::1]:80"'), ("Forwarded", "for=127.0.0.1, for=203.0.113.9")],
]
API = "/ajax-api/3.0/mlflow/assistant"
ASKED = [("GET", "/config"), ("PUT", "/config"), ("POST", "/message"), ("POST", "/sessions/x/permission")]


def main(url: str) -> int:
    """Send them, and count what was not refused."""
    place = urlsplit(url)
    connect = http.client.HTTPSConnection if place.scheme == "https" else http.client.HTTPConnection
    connection = connect(place.hostname, place.port, timeout=60)
    answered = []
    for headers in FORGED:
        for method, path in ASKED:
            connection.putrequest(method, place.path.rstrip("/") + API + path)
            for name, value in [("Content-Type", "application/json"), ("Content-Length", "2"), *headers]:
                connection.putheader(name, value)
            connection.endheaders(b"{}")
            answer = connection.getresponse()
            answer.read()
            if answer.status not in (401, 403):
                answered.append(f"{answer.status} {method} {path} {headers}")
    print("\n".join(answered) or f"{len(FORGED) * len(ASKED)} requests, all refused")
    return 1 if answered else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
