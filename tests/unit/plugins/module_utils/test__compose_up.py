# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a container is of no use, from what the engine says of it and from its log, in the real programs' words."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _compose_up as up
from ansible_collections.mlops.mlflow.plugins.module_utils import _last_words as words

ENDED = "mlflow-guard: the web server ended without having been told to, with exit code 2\n"
UVICORN = f"""mlflow-guard: starting mlflow server
Usage: uvicorn [OPTIONS] APP
Try 'uvicorn --help' for help.

Error: Invalid value for '--timeout-keep-alive': '75s' is not a valid integer.
{ENDED}"""
TRACE = """Traceback (most recent call last):
  File "/usr/lib/python3.11/logging/config.py", line 60, in fileConfig
    raise FileNotFoundError(f"{fname} doesn't exist")
FileNotFoundError: /nope.ini doesn't exist

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/x.py", line 1, in <module>
sqlalchemy.exc.OperationalError: (psycopg2.OperationalError) connection to "db" failed: FATAL: no
(Background on this error at: https://sqlalche.me/e/20/e3q8)
"""
REFUSED = """mlflow-guard: waiting: backend.host: db:5432 does not answer; start it.
mlflow-guard: refused: not_at_head: backend.database: mlflow is older than this image; run the schema step.
mlflow-guard: ending in 10 s (MLFLOW_GUARD_REFUSAL_PAUSE)
"""
SAID = "backend.database: mlflow is older than this image; run the schema step [not-at-head]."
REFUSED_NOW = REFUSED.replace("not_at_head", "not-at-head")
HAPROXY = """[NOTICE]   (1) : haproxy version is 2.6.12
[ALERT]    (1) : config : parsing [/etc/haproxy.cfg:12] : unknown keyword 'nope' in 'global' section
[ALERT]    (1) : config : Fatal errors found in configuration.
"""
POSTGRES = """PostgreSQL Database directory appears to contain a database; Skipping initialization
2026-11-29 12:00:00 UTC [1] FATAL:  could not access file "nope": No such file or directory
2026-11-29 12:00:00 UTC [1] LOG:  database system is shut down
"""


def container(status: str = "running", health: str = "", restarts: int = 0, memory: int = 0, **state: Any) -> dict:
    document: dict[str, Any] = {
        "Id": "c",
        "RestartCount": restarts,
        "State": {"Status": status, **state},
        "Config": {"Labels": {"com.docker.compose.service": "mlflow-server"}},
        "HostConfig": {"Memory": memory},
    }
    if health:
        output = '{"findings": [{"message": "127.0.0.1:5001/ready: no connection."}]}'
        document["State"]["Health"] = {"Status": health, "Log": [{"Output": output}]}
    return document


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (UVICORN, ["Error: Invalid value for '--timeout-keep-alive': '75s' is not a valid integer."]),
        (
            TRACE,
            [
                "FileNotFoundError: /nope.ini doesn't exist",
                'sqlalchemy.exc.OperationalError: (psycopg2.OperationalError) connection to "db" failed: FATAL: no',
            ],
        ),
        # As earlier releases wrote the code, and as it is written now.
        (REFUSED * 2, [SAID]),
        (REFUSED + REFUSED_NOW, [SAID]),
        (
            HAPROXY,
            [
                "[ALERT] (1) : config : parsing [/etc/haproxy.cfg:12] : unknown keyword 'nope' in 'global' section",
                "[ALERT] (1) : config : Fatal errors found in configuration.",
            ],
        ),
        (
            POSTGRES.replace("12:00", "11:59") + POSTGRES,
            ['2026-11-29 12:00:00 UTC [1] FATAL: could not access file "nope": No such file or directory'],
        ),
        ("all is well\n" * 9, ["all is well"]),
        ("\x1b[31mERROR\x1b[0m: at postgresql://me:Hidden-1@db/x\n", ["ERROR: at postgresql://me:***@db/x"]),
        ("error " + "x" * 999, ["error " + "x" * 293 + "…"]),
        ("", []),
    ],
)
def test_the_last_words_are_those_that_say_why(log: str, expected: list[str]) -> None:
    assert words.last_words(log) == expected


@pytest.mark.parametrize(
    ("seen", "log", "ends_before", "is_new", "reason"),
    [
        # Time helps, or may help.
        (container(health="healthy"), REFUSED, 0, True, ""),
        (container(), "", 0, True, ""),
        (container(health="starting"), "", 0, True, ""),
        (container("created"), "", 0, True, ""),
        (container("restarting", restarts=1, ExitCode=1), "", 0, True, ""),
        (container("restarting", restarts=7, ExitCode=1), "", 7, False, ""),
        # One that waits for what was replaced.
        (container(health="unhealthy"), "", 0, False, ""),
        # The engine calls one that has ended so.
        (container("restarting", "unhealthy", restarts=1), "", 0, True, ""),
        # It does not.
        (container("created", Error="namespace time does not exist"), "", 0, True, "cannot be started: namespace time"),
        (container("exited", ExitCode=3), "", 0, True, "ended with exit code 3"),
        (container("exited", ExitCode=137, memory=64 << 20), "", 0, True, "more than its 64 MiB of memory"),
        (container("restarting", restarts=1, OOMKilled=True, memory=64 << 20), ENDED, 0, True, "its 64 MiB"),
        (container("restarting", restarts=2, ExitCode=1), "", 0, True, "ended with exit code 1"),
        (container(health="starting", restarts=2), "", 0, True, "ended"),
        (container(health="starting", restarts=1), UVICORN, 0, True, "ended with exit code 2"),
        (container(health="starting"), REFUSED, 0, True, "refuses to start"),
        (container(health="unhealthy"), "", 0, True, "health check fails: 127.0.0.1:5001/ready: no connection."),
        (container(health="starting"), "Child process [7] died\n" * 6, 0, True, "workers end as soon as"),
    ],
)
def test_waiting_ends_where_it_is_of_no_use(seen, log: str, ends_before: int, is_new: bool, reason: str) -> None:
    found = up.trouble(seen, log, ends_before, is_new)
    assert reason in found
    assert bool(found) == bool(reason)


@pytest.mark.parametrize(
    ("seen", "log", "text"),
    [
        (
            container(health="starting", restarts=1),
            UVICORN,
            "mlflow-server does not start: it ended with exit code 2: "
            "Error: Invalid value for '--timeout-keep-alive': '75s' is not a valid integer.",
        ),
        (
            container(health="starting"),
            REFUSED,
            f"mlflow-server does not start: it refuses to start: {SAID}",
        ),
        (
            container("created", Error="OCI runtime create failed: namespace time does not exist"),
            "error: of an earlier time",
            "mlflow-server does not start: it cannot be started: "
            "OCI runtime create failed: namespace time does not exist.",
        ),
        # What goes on running writes what says nothing.
        (
            container(health="unhealthy"),
            'INFO: "GET /health HTTP/1.1" 200 OK',
            "mlflow-server does not start: its health check fails: 127.0.0.1:5001/ready: no connection.",
        ),
    ],
)
def test_the_sentence(seen, log: str, text: str) -> None:
    assert up.sentence(seen, up.trouble(seen, log), log) == text


@pytest.mark.parametrize(
    ("before", "begun"), [(None, True), ("exited", True), ("created", True), ("running", False), ("restarting", False)]
)
def test_whom_compose_began(before: str | None, begun: bool) -> None:
    """A container that has been failing for a while is not one that this call started."""
    assert up.begun(container(), [container(before)] if before else []) is begun


def test_what_an_ended_compose_left_is_found() -> None:
    seen = [
        {**container("created"), "Id": "1", "Name": "/f9a4e0a362b3_mlflow-x-postgres-1"},
        {**container("created"), "Id": "2", "Name": "/mlflow-x-postgres-1"},
        # The one before it, while the other is given its name.
        {**container("running"), "Id": "3", "Name": "/f9a4e0a362b3_mlflow-x-postgres-1"},
    ]
    assert up.leftovers(seen) == ["1"]


def test_what_each_service_does() -> None:
    assert up.state_of(["mlflow-server", "postgres"], [container(health="starting")]) == [
        "mlflow-server is starting (127.0.0.1:5001/ready: no connection)",
        "postgres has no container",
    ]
    assert up.state_of(["mlflow-server"], [container("paused"), container(health="healthy")]) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            " Container mlflow-x-postgres-1  Running\n Container mlflow-x-server-1  Starting\n"
            "Error response from daemon: driver failed programming external connectivity on endpoint x (0): "
            "Bind for 127.0.0.1:5000 failed: port is already allocated\n",
            "Error response from daemon: driver failed programming external connectivity on endpoint x (0): "
            "Bind for 127.0.0.1:5000 failed: port is already allocated",
        ),
        ('{"error":true,"message":"no such image: x"}\n', "no such image: x"),
        (
            " Container a  Error\ndependency failed to start: container a is unhealthy\n",
            "dependency failed to start: container a is unhealthy",
        ),
        ("", "it gives no reason"),
    ],
)
def test_what_compose_complains_of(text: str, reason: str) -> None:
    assert up.complaint(text) == reason
