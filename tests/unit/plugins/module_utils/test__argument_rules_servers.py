# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words for the web servers, against the servers' own parsers where they are installed."""

from __future__ import annotations

import contextlib
import io
import shlex

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._argument_rules_servers import check_value, read_words

from tests.unit.plugins.module_utils.argument_cases import CATALOGUE

UVICORN = [
    "--log-level info",
    "--log-level=INFO",
    "--log-level notice",
    "--timeout-keep-alive 75",
    "--timeout-keep-alive 75s",
    "--timeout-keep-alive=",
    "--timeout-keep-alive",
    "--ws-ping-interval 2.5",
    "--ws-ping-interval often",
    "--backlog 1e3",
    "--proxy-headers",
    "--proxy-headers true",
    "--proxy-headers=true",
    "--no-proxy-headers",
    "--ws-per-message-deflate no",
    "--ws-per-message-deflate nein",
    "--lifespan on",
    "--lifespan true",
    "--limit-conc 4",
    "--header 'X-A: b' --header X-C:d",
    "word",
]
GUNICORN = [
    "--timeout 60",
    "--timeout=60s",
    "-t60",
    "-t 60",
    "--keep-alive -5",
    "--keep-alive",
    "--preload",
    "--preload=yes",
    "--graceful 30",
    "--access-logfile -",
    "--error-logfile",
    "--forwarded-allow-ips=*",
    "--forwarded-allow-ips=10.0.0.1,::1",
    "--forwarded-allow-ips=proxy",
    "--umask 0o027",
    "--umask rwx",
    "--header-map drop",
    "--header-map keep",
    "--proxy-protocol",
    "--proxy-protocol --timeout 5",
    "--limit-request-line 0",
    "--no-such-word 1",
]


def ours(server: str, text: str) -> bool:
    """Whether the check finds nothing wrong with the words."""
    known = CATALOGUE.server_words(server)
    words, problems = read_words(server, shlex.split(text), known)
    values = [check_value(server, flag, value, known[flag]) for flag, value in words if value is not None]
    return not problems and not any(values)


@pytest.mark.parametrize("text", UVICORN)
def test_uvicorn_agrees(text):
    uvicorn = pytest.importorskip("uvicorn")
    click = pytest.importorskip("click")
    try:
        # MLflow puts its own words and the application behind those of the user.
        words = [*shlex.split(text), "--host", "0.0.0.0", "mlflow.server:app"]
        uvicorn.main.make_context("uvicorn", words)
        accepted = True
    except click.UsageError:
        accepted = False
    assert ours("uvicorn", text) == accepted


@pytest.mark.parametrize("text", GUNICORN)
def test_gunicorn_agrees(text):
    config = pytest.importorskip("gunicorn.config").Config()
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            answer = config.parser().parse_args([*shlex.split(text), "-b", "0.0.0.0:1", "mlflow.server:app"])
        for name, value in vars(answer).items():
            if value is not None and name != "args":
                config.set(name.lower(), value)
        accepted = answer.args == ["mlflow.server:app"]
    except (SystemExit, ValueError, TypeError):
        accepted = False
    assert ours("gunicorn", text) == accepted


@pytest.mark.parametrize(
    ("text", "fine"),
    [
        ("--threads=8 --no-ipv6", True),
        ("--thr 8", True),
        ("--threads", False),
        ("--no-ipv6=1", False),
        ("--unix-socket-perms 600", True),
        ("--unix-socket-perms rw", False),
        ("-t 8", False),
    ],
)
def test_waitress_as_getopt_reads_it(text, fine):
    assert ours("waitress", text) == fine


def test_every_word_says_what_it_takes():
    for server in ("uvicorn", "gunicorn", "waitress"):
        words = CATALOGUE.server_words(server)
        assert len(words) >= 30
        assert {takes["kind"] for takes in words.values()} <= {
            *("flag", "int", "float", "bool", "octal", "text", "path"),
            *("choice", "name", "list", "words", "addresses"),
        }
