# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""Rules on the words for uvicorn, gunicorn and waitress: on the command line and in the servers' own variables.

The catalogue says for each word what it takes (see tools/generate_catalogue.py); here is what each server does with it.
"""

from __future__ import annotations

import ipaddress
import re
import shlex
from typing import Any, NamedTuple

from ansible_collections.mlops.mlflow.plugins.module_utils._argument_findings import Finding, make_finding
from ansible_collections.mlops.mlflow.plugins.module_utils._argument_rules_shared import worker_count
from ansible_collections.mlops.mlflow.plugins.module_utils._arguments import (
    FALSE_WORDS,
    TRUE_WORDS,
    Resolved,
    closest,
    show,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._catalogue import Catalogue

# What MLflow sets on the web server's command line itself, and what would move the listener elsewhere.
OWN_WORDS = {
    "uvicorn": frozenset(("--host", "--port", "--workers", "--uds", "--fd", "--factory")),
    "gunicorn": frozenset(("-b", "--bind", "-w", "--workers")),
    "waitress": frozenset(("--host", "--port", "--listen", "--unix-socket", "--sockets", "--call", "--ident")),
}
SECRET_WORDS = frozenset(("--ssl-keyfile-password", "--keyfile-password"))
# The process that MLflow waits for ends at once, and `mlflow server` with it.
ENDING_WORDS = frozenset(("--version", "--help", "--check-config", "--print-config", "--daemon", "-D"))

# 0 is a number to the command line, but no server works with it: no request, no thread, no connection.
AT_LEAST_ONE = {
    "uvicorn": frozenset(("--limit-concurrency", "--limit-max-requests")),
    "gunicorn": frozenset(("--worker-connections",)),
    "waitress": frozenset(("--threads", "--connection-limit")),
}

# Names that need a package which neither MLflow nor the web server brings.
PACKAGES = {
    "uvloop": "uvloop",
    "zuvloop": "zuvloop",
    "httptools": "httptools",
    "zttp": "zttp",
    "websockets": "websockets",
    "websockets-sansio": "websockets",
    "wsproto": "wsproto",
    "gevent": "gevent",
    "gevent_wsgi": "gevent",
    "gevent_pywsgi": "gevent",
    "eventlet": "eventlet",
    "tornado": "tornado",
}


class Word(NamedTuple):
    """One word of a web server as it was understood; `value` is None for a flag."""

    flag: str
    value: str | None


def server_in_use(resolved: Resolved) -> str:
    """The web server that this release starts for these options."""
    for server in ("gunicorn", "waitress"):
        # Before uvicorn came, waitress was for Windows only.
        if resolved.given(f"{server}_opts") and (server == "gunicorn" or "uvicorn_opts" in resolved.release.options):
            return server
    return "uvicorn" if "uvicorn_opts" in resolved.release.options else "gunicorn"


def read_words(server: str, words: list[str], known: dict[str, dict[str, Any]]) -> tuple[list[Word], list[tuple]]:
    """The words as the server's own parser takes them, and what is wrong: (code, found, remedy).

    click takes whole names only, argparse and getopt the beginning of one; click and getopt take the next word as the
    value whatever it is, argparse none that begins with a dash.
    """
    understood: list[Word] = []
    problems: list[tuple] = []
    queue = list(words)
    while queue:
        word = queue.pop(0)
        if not word.startswith("-") or word == "-":
            problems.append(("server-option-unknown", f"{show(word)} belongs to no option", None))
            continue
        if word == "--":
            found = "'--' ends the options, and those that MLflow appends are taken as something else"
            problems.append(("server-option-unknown", found, "remove it"))
            continue
        flag, equals, value = word.partition("=")
        if not flag.startswith("--") and len(flag) > 2 and flag[:2] in known:
            flag, equals, value = word[:2], "=", word[2:]  # -t60
        if flag not in known and server != "uvicorn" and flag.startswith("--"):
            longer = [name for name in known if name.startswith(flag)]
            flag = longer[0] if len(longer) == 1 else flag
        if flag in SECRET_WORDS:
            problems.append(("server-option-secret", f"{flag} carries a password", None))
            if not equals and queue:
                queue.pop(0)
            continue
        if flag not in known:
            nearest = closest(flag, known, 0.7)
            remedy = f"did you mean {nearest}?" if nearest else None
            problems.append(("server-option-unknown", f"{server} has no option {show(flag)}", remedy))
            if not equals and queue and not queue[0].startswith("-"):
                queue.pop(0)  # its value, most probably
            continue
        takes = known[flag]
        if takes["kind"] == "flag":
            if equals:
                found = f"{flag} is a flag and takes no value"
                problems.append(("server-option-value", found, f"write {flag} alone, or leave it out"))
            elif queue and not queue[0].startswith("-"):
                found = f"{flag} is a flag, and {show(queue.pop(0))} behind it belongs to no option"
                problems.append(("server-option-value", found, f"write {flag} alone, or leave it out"))
            else:
                understood.append(Word(flag, None))
            continue
        if not equals:
            if takes.get("optional") and (not queue or queue[0].startswith("-")):
                understood.append(Word(flag, None))
                continue
            following = queue[0] if queue else None
            if (
                following is None
                or following.startswith("--")
                or following.split("=")[0] in known
                or (server == "gunicorn" and re.match(r"-[^\d]", following))
            ):
                behind = f"is followed by {show(following)}, which it swallows" if following else "ends the options"
                problems.append(("server-option-value", f"{flag} takes a value, and {behind}", f"give {flag} a value"))
                continue
            value = queue.pop(0)
        understood.append(Word(flag, value))
    return understood, problems


def is_number(text: str, kind: type) -> bool:
    """Whether Python's own conversion takes the text."""
    try:
        kind(text)
    except ValueError:
        return False
    return True


def check_value(server: str, flag: str, value: str, takes: dict[str, Any]) -> tuple[str, str] | None:
    """What is wrong with the value of a word, and the remedy."""
    kind, choices = takes["kind"], takes.get("choices", [])
    if kind in ("int", "float"):
        number = re.match(r"\d+", value.strip())
        remedy = f"write {number[0]}" if number else "give a number"
        if not is_number(value, int if kind == "int" else float):
            return f"{flag} takes a {'whole ' if kind == 'int' else ''}number, not {show(value)}", remedy
        if float(value) < 0 or (float(value) < 1 and flag in AT_LEAST_ONE[server]):
            least = 1 if flag in AT_LEAST_ONE[server] else 0
            return f"{flag} is {value}", f"give a number from {least} on"
    elif kind == "octal" and not re.fullmatch(r"0[oO]?[0-7]+|\d+|0[xX][0-9A-Fa-f]+", value):
        return f"{flag} takes a number, not {show(value)}", "give a number, such as 0o600"
    elif kind == "bool" and value.lower() not in TRUE_WORDS | FALSE_WORDS:
        return f"{flag} takes true or false, not {show(value)}", "write true or false"
    elif kind == "choice":
        words = [value.lower()] if takes.get("any_case") else [value]
        if not set(words) <= set(choices):
            lowered = value.lower()
            return (
                f"{flag} takes {', '.join(choices)}, not {show(value)}",
                f"write {lowered}" if lowered in choices else "use one of these words",
            )
    elif kind == "name" and value not in choices and not re.search(r"[.:]", value):
        nearest = closest(value, choices)
        return (
            f"{flag} takes {', '.join(choices)}, or the path of a Python object, not {show(value)}",
            f"did you mean {nearest}?" if nearest else "use one of these words",
        )
    elif kind in ("list", "words"):
        parts = [part.strip() for part in value.split(",")] if kind == "list" else value.lower().split()
        if not parts or not set(parts) <= set(choices):
            between = "commas" if kind == "list" else "blanks"
            return f"{flag} takes {', '.join(choices)}, not {show(value)}", f"use these words, with {between} between"
    elif kind == "addresses":
        for part in value.split(","):
            try:
                part.strip() == "*" or ipaddress.ip_network(part.strip(), strict=False)
            except ValueError:
                return f"{flag} takes addresses, not {show(part.strip())}", "give addresses separated by commas, or *"
    elif kind == "path" and not value.strip():
        return f"{flag} names no file", "give a path"
    return None


def check_words(
    resolved: Resolved, server: str, label: str, text: str, catalogue: Catalogue
) -> tuple[list[Word], list[Finding]]:
    """The words of one text, as the shell would split them."""
    try:
        words = shlex.split(text)
    except ValueError:
        return [], [make_finding("server-options-unreadable", label, "the words cannot be split")]
    known = catalogue.server_words(server)
    understood, problems = read_words(server, words, known)
    findings = [make_finding(code, label, found, remedy) for code, found, remedy in problems]
    for flag, value in understood:
        if flag in OWN_WORDS[server]:
            findings.append(make_finding("server-option-duplicated", label, f"{flag} is set by `mlflow server` itself"))
        elif flag in ENDING_WORDS:
            findings.append(make_finding("server-option-ends", label, f"with {flag} the web server ends at once"))
        elif value is not None:
            problem = check_value(server, flag, value, known[flag])
            if problem:
                findings.append(make_finding("server-option-value", label, *problem))
    return understood, findings


def check_variables(
    resolved: Resolved, server: str, catalogue: Catalogue, given: frozenset
) -> tuple[list[Word], list[Finding]]:
    """Variables that the web servers read themselves: UVICORN_* for each of uvicorn's options, GUNICORN_CMD_ARGS."""
    words: list[Word] = []
    findings: list[Finding] = []
    names = [name for name in sorted(resolved.environment) if name.startswith("UVICORN_")]
    known = catalogue.server_words("uvicorn") if names and server == "uvicorn" else {}
    for name in names:
        flag = "--" + name[len("UVICORN_") :].lower().replace("_", "-")
        value = resolved.environment[name]
        if flag not in known or not value or flag in given:
            continue
        if flag in ("--host", "--port", "--workers"):
            found = f"`mlflow server` gives {flag} itself, and that wins"
            findings.append(make_finding("server-variable-ignored", name, found))
        elif flag in OWN_WORDS["uvicorn"]:
            findings.append(make_finding("server-option-duplicated", name, f"it sets {flag} of uvicorn"))
        elif flag in ENDING_WORDS:
            findings.append(make_finding("server-option-ends", name, f"with {flag} the web server ends at once"))
        else:
            takes = {"kind": "bool"} if known[flag]["kind"] == "flag" else known[flag]
            problem = check_value("uvicorn", flag, value, takes)
            if problem:
                findings.append(make_finding("server-option-value", name, *problem))
            elif known[flag]["kind"] != "flag":
                words.append(Word(flag, value))
            elif value.lower() in TRUE_WORDS:
                words.append(Word(flag, None))
    text = resolved.environment.get("GUNICORN_CMD_ARGS", "")
    if text and server == "gunicorn":
        more, found = check_words(resolved, "gunicorn", "GUNICORN_CMD_ARGS", text, catalogue)
        return words + more, findings + found
    if text:
        found = f"this release starts {server}, which does not read it"
        findings.append(make_finding("server-variable-ignored", "GUNICORN_CMD_ARGS", found))
    if resolved.environment.get("WEB_CONCURRENCY"):
        found = "`mlflow server` gives the number of workers itself, and that wins"
        findings.append(make_finding("server-variable-ignored", "WEB_CONCURRENCY", found))
    return words, findings


def check_servers(resolved: Resolved, catalogue: Catalogue) -> tuple[list[tuple[str, Word]], list[Finding]]:
    """All words for the web server with the names of where they stand, and all that is wrong with them."""
    findings: list[Finding] = []
    words: list[tuple[str, Word]] = []
    server = server_in_use(resolved)
    for name in ("gunicorn_opts", "waitress_opts", "uvicorn_opts"):
        text = resolved.value(name)
        if text is not None:
            label = resolved.label(name)
            understood, found = check_words(resolved, name.partition("_")[0], label, text, catalogue)
            words += [(label, word) for word in understood]
            findings += found
    given = frozenset(word.flag for dummy, word in words)
    understood, found = check_variables(resolved, server, catalogue, given)
    words += [("the environment", word) for word in understood]
    findings += found
    if resolved.given("waitress_opts") and not any(resolved.given(name) for name in ("gunicorn_opts", "uvicorn_opts")):
        findings += check_waitress(resolved, server)
    findings += check_combinations(resolved, server, words)
    return words, findings


def check_waitress(resolved: Resolved, server: str) -> list[Finding]:
    """waitress is the web server of Windows: older releases start it nowhere else, and it comes with MLflow there."""
    label = resolved.label("waitress_opts")
    if server != "waitress":
        found = f"MLflow {resolved.release.version} starts waitress on Windows only"
        return [make_finding("server-variable-ignored", label, found)]
    found = "waitress is not a dependency of MLflow on Linux"
    findings = [make_finding("server-option-package", label, found, "add waitress to the image")]
    if resolved.given("workers"):
        label = resolved.label("workers")
        findings.append(make_finding("server-variable-ignored", label, "waitress has no workers"))
    return findings


def check_combinations(resolved: Resolved, server: str, words: list[tuple[str, Word]]) -> list[Finding]:
    """Words that are fine alone and do nothing, or end in a failure, beside others."""
    findings: list[Finding] = []
    labels = {word.flag: label for label, word in words}
    values = {word.flag: word.value for dummy, word in words}
    label = next(iter(labels.values()), "")
    certificate = values.get("--ssl-certfile") or values.get("--certfile")
    key = values.get("--ssl-keyfile") or values.get("--keyfile")
    if key and not certificate:
        findings.append(make_finding("server-options-conflict", label, "a key is given, and no certificate"))
    elif certificate and not key:
        findings.append(make_finding("server-tls-key-missing", label, "a certificate is given, and no key"))
    plain = [url for url in resolved.request.public_urls if url.lower().startswith("http:")]
    if (certificate or key) and plain:
        found = f"the server speaks TLS, and {show(plain[0])} does not"
        findings.append(make_finding("server-tls-plain-url", label, found))
    if values.get("--root-path", "").strip("/") and server == "uvicorn":
        found = (
            "uvicorn puts the root path before each path, and MLflow then compares /health and /api/ with other paths"
        )
        findings.append(make_finding("server-root-path", labels["--root-path"], found))
    if "--reload" in labels:
        found = "the server restarts with every changed file"
        if worker_count(resolved) > 1:
            found += f", and uvicorn starts one process instead of {worker_count(resolved)}"
        findings.append(make_finding("server-reload", labels["--reload"], found))
    if "--limit-max-requests" in values and worker_count(resolved) == 1:
        found = f"after {values['--limit-max-requests']} requests the only worker ends, and `mlflow server` with it"
        findings.append(make_finding("server-ends-itself", labels["--limit-max-requests"], found))
    for dependent in ("--trusted-proxy-count", "--trusted-proxy-headers"):
        if server == "waitress" and dependent in values and "--trusted-proxy" not in values:
            found = f"{dependent} has no meaning to waitress without --trusted-proxy"
            findings.append(make_finding("server-options-conflict", label, found, "give --trusted-proxy as well"))
    worker = values.get("--worker-class") or values.get("-k") or ""
    if worker == "asgi" or worker.startswith(("uvicorn", "uvicorn_worker")):
        found = f"{worker} serves ASGI, and MLflow hands gunicorn a WSGI application"
        remedy = "use gthread, or leave gunicorn_opts out: MLflow starts uvicorn by itself"
        findings.append(make_finding("server-options-conflict", label, found, remedy))
    for flag in ("--loop", "--http", "--ws", "--worker-class", "-k"):
        package = PACKAGES.get(values.get(flag) or "")
        if package:
            found = f"{flag} {values[flag]} needs the package {package}, which MLflow does not bring"
            findings.append(make_finding("server-option-package", labels[flag], found, f"add {package} to the image"))
    return findings
