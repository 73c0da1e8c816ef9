# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""The command line: mlflow-guard [--config FILE] [--format json|text] COMMAND.

Every command answers with one JSON document on stdout; progress and logs go to stderr. Modules are imported by the
command that needs them, so that the health check starts in no time.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import NoReturn

from mlflow_guard.progress import say

DEFAULT_CONFIG = "/etc/mlflow-guard/config.json"


def parser() -> argparse.ArgumentParser:
    """The options of all commands. They may stand before or after the command."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--config", default=argparse.SUPPRESS, help=f"configuration file (MLFLOW_GUARD_CONFIG, else {DEFAULT_CONFIG})"
    )
    common.add_argument(
        "--format", choices=("json", "text"), default=argparse.SUPPRESS, help="answer for programs or for people"
    )
    common.add_argument(
        "--accept",
        action="append",
        metavar="CODE",
        default=argparse.SUPPRESS,
        help="go on in spite of this finding, where that is possible",
    )
    top = argparse.ArgumentParser(
        prog="mlflow-guard", parents=[common], description="Guards the databases and artifacts of an MLflow server."
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    check = commands.add_parser(
        "check", parents=[common], help="check the databases and the artifact store; nothing is written to a database"
    )
    check.add_argument("--skip-store", action="store_true", help="look at the databases only")
    schema = commands.add_parser(
        "schema", parents=[common], help="the schema step, with the owner role and under a lock"
    )
    schema.add_argument(
        "--mode",
        choices=("refuse", "initialize", "upgrade"),
        default="refuse",
        help="refuse: only look (default); initialize: fill an empty database; upgrade: also migrate an older one",
    )
    schema.add_argument("--dry-run", action="store_true", help="say what would be done")
    schema.add_argument(
        "--skip-store", action="store_true", help="look at the databases only; for a dry run and nothing else"
    )
    schema.add_argument(
        "--servers",
        type=int,
        default=0,
        metavar="COUNT",
        help="how many servers there will be, for the count of connections (that of the configuration)",
    )
    schema.add_argument(
        "--max-connections",
        type=int,
        default=0,
        metavar="COUNT",
        help="how many connections all servers together may open (that of the configuration)",
    )
    schema.add_argument(
        "--only-recorded",
        action="store_true",
        help="refuse a database with an MLflow in it that no deployment has recorded",
    )
    schema.add_argument(
        "--adopt-destination",
        action="store_true",
        help="make the configured destination this database's, whatever marker it carries",
    )
    schema.add_argument("--skip-dump", action="store_true", help="upgrade without a dump")
    schema.add_argument(
        "--lock-timeout",
        type=float,
        default=300,
        metavar="SECONDS",
        help="how long to wait for another schema step (300)",
    )
    schema.add_argument(
        "--blocked-timeout",
        type=float,
        default=30,
        metavar="SECONDS",
        help="how long the migration waits for a table in use (30)",
    )
    schema.add_argument(
        "--wait",
        type=float,
        default=0,
        metavar="SECONDS",
        help="how long to wait for a database or store that cannot be reached (0)",
    )
    commands.add_parser(
        "survey", parents=[common], help="what is in a database that is to be adopted; nothing is written anywhere"
    )
    commands.add_parser("serve", parents=[common], help="check, then run `mlflow server` and watch it")
    commands.add_parser("store", parents=[common], help="prove the artifact store: put, get, multipart, list, delete")
    health = commands.add_parser("health", parents=[common], help="container health check")
    health.add_argument("--timeout", type=float, default=8, metavar="SECONDS", help="time for all of it (8)")
    health.add_argument(
        "--wait", type=float, default=0, metavar="SECONDS", help="how long to wait for a server that is starting (0)"
    )
    commands.add_parser("selftest", parents=[common], help="whether the image has what the server's features need")
    return top


def as_text(document: dict) -> str:
    """The answer for people."""
    from mlflow_guard.inspect import survey_text

    lines = [f"{document['command']}: {document['status']}" + (", changed" if document["changed"] else "")]
    for name, each in (document.get("databases") or {}).items():
        lines.append(
            f"  {name}: {each['place']}, {each['state'].replace('_', ' ')}"
            + (f", revision {each['revision']}" if each["revision"] else "")
        )
        if document["command"] == "survey":
            lines += survey_text.of_database(each)
    lines += survey_text.of_steps(document.get("schema_step") or {})
    for word in document.get("planned") or []:
        lines.append(f"  planned: {word}")
    for name, file in (document.get("dumps") or {}).items():
        lines.append(f"  dump of {name}: {file}")
    lines += [f"  {each['severity']} {each['code']}: {each['message']}" for each in document["findings"]]
    return "\n".join(lines)


def _health(path: str, wait: float, seconds: float):
    """The health check needs only the arguments from the configuration file."""
    from mlflow_guard.serve import health

    with open(path, "rb") as file:
        argv = json.load(file).get("argv") or []
    return health.check_when_started(argv, wait, seconds)


def counted(config, servers: int, max_connections: int):
    """The configuration with these counts. Servers do not get them: a change of their number would replace them all."""
    from dataclasses import replace

    if max_connections > 0:
        config = replace(config, backend=replace(config.backend, max_connections=max_connections))
    return replace(config, servers=servers) if servers > 0 else config


def _schema(config, arguments, answer):
    import time

    from mlflow_guard.answer import UNREACHABLE, Answer, Problem
    from mlflow_guard.schema import plan, step

    options = plan.Options(
        arguments.mode,
        arguments.dry_run,
        arguments.adopt_destination,
        arguments.skip_dump,
        arguments.lock_timeout,
        arguments.blocked_timeout,
        arguments.skip_store,
        arguments.only_recorded,
    )
    plan.require_sound(options)
    config = counted(config, arguments.servers, arguments.max_connections)
    end = time.monotonic() + arguments.wait
    while True:
        try:
            step.run(config, options, answer)
        except Problem as problem:
            answer.add(problem.finding)
        waits = (
            answer.exit_code == UNREACHABLE
            and not answer.changed
            and not any(each["code"] == "lock-busy" for each in answer.errors)
        )
        if not waits or time.monotonic() >= end:
            return answer
        say(f"waiting: {answer.errors[0]['message']}")
        time.sleep(1)
        answer = Answer("schema", answer.accept)


def run(arguments: argparse.Namespace, child=None):
    """Run one command and return its answer. `child` is this side of the supervisor's fork, for `serve`."""
    from mlflow_guard.answer import Answer, Problem, check_accepted

    accept = tuple(getattr(arguments, "accept", ()))
    answer = Answer(arguments.command, accept)
    try:
        if child is not None and child.problem is not None:
            raise child.problem
        for each in check_accepted(accept, "--accept"):
            answer.add(each)
        if answer.errors:
            return answer
        if arguments.command == "selftest":
            from mlflow_guard import selftest

            selftest.run(answer)
            return answer
        from mlflow_guard import config as configuration

        config = configuration.load(arguments.config)
        configuration.export_secrets(config)
        if arguments.command == "check":
            from mlflow_guard.inspect import check

            check.run(config, answer, skip_store=arguments.skip_store)
        elif arguments.command == "schema":
            answer = _schema(config, arguments, answer)
        elif arguments.command == "survey":
            from mlflow_guard.inspect import survey
            from mlflow_guard.schema import step

            survey.run(config, answer, lambda mode: step.trial(config, mode, accept))
        elif arguments.command == "store":
            from mlflow_guard.inspect import store

            answer.facts["store"], findings = store.probe(config.artifacts)
            for each in findings:
                answer.add(each)
        elif arguments.command == "serve":
            from mlflow_guard.serve import gate

            answer = gate.serve(config, accept, say, child)
    except Problem as problem:
        answer.add(problem.finding)
    return answer


def unexpected(answer, error: Exception):
    """A defect: the trace goes to stderr, the answer stays a document."""
    import traceback

    from mlflow_guard.answer import finding

    traceback.print_exception(error, limit=-8, chain=False, file=sys.stderr)
    answer.add(finding("unexpected", answer.command, f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"))
    return answer


def write(document: dict, form: str, stream) -> None:
    """The one document."""
    stream.write((as_text(document) if form == "text" else json.dumps(document)) + "\n")
    stream.flush()


def finish(code: int) -> NoReturn:
    """End without waiting for threads: one may hang in a file system or a resolver for ever."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main(argv: list[str] | None = None) -> NoReturn:
    """Entry point."""
    arguments = parser().parse_args(argv)
    arguments.config = getattr(arguments, "config", os.environ.get("MLFLOW_GUARD_CONFIG") or DEFAULT_CONFIG)
    form = getattr(arguments, "format", "json")
    if arguments.command == "health":
        try:
            fine, reason = _health(arguments.config, arguments.wait, arguments.timeout)
        except (OSError, ValueError, AttributeError) as error:
            fine, reason = False, f"{arguments.config}: {error}"
        document = {
            "command": "health",
            "status": "fine" if fine else "refused",
            "exit_code": 0 if fine else 1,
            "changed": False,
            "findings": [],
        }
        if not fine:
            from mlflow_guard.answer import finding

            document["findings"] = [finding("unhealthy", "server", reason)]
        write(document, form, sys.stdout)
        finish(document["exit_code"])
    child = None
    if arguments.command == "serve":
        from mlflow_guard.serve import supervisor

        # The parent stays small: everything else is loaded on the child's side.
        child = supervisor.begin(arguments.config, say)
        from mlflow_guard.serve import gate

        gate.end_on_signal()
    # Libraries, MLflow's migrations among them, print what they like: all of that goes to stderr, the answer to stdout.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    if arguments.command != "serve":
        os.dup2(2, 1)
    try:
        answer = run(arguments, child)
    except KeyboardInterrupt:
        finish(130)
    except Exception as error:
        from mlflow_guard.answer import Answer

        answer = unexpected(Answer(arguments.command), error)
    document = answer.document()
    if arguments.command == "survey":
        # For programs that show people what was seen.
        document["lines"] = as_text(document).splitlines()
    write(document, form, answers)
    if arguments.command == "serve":
        for each in answer.errors:
            say(f"refused: {each['code']}: {each['message']}")
        try:
            gate.refuse_slowly(say)
        except Exception as error:
            say(str(error))
    finish(document["exit_code"])
