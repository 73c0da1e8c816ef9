# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""The start gate: a server begins only on databases at this image's revision and on its own artifacts destination.

Then this process, a child of the supervisor, becomes `mlflow server`.
"""

from __future__ import annotations

import configparser
import os
import signal
import sys
import tempfile
import threading
import time
import urllib.parse
from pathlib import Path

from mlflow_guard.answer import UNREACHABLE, Answer, Problem, finding
from mlflow_guard.config import Config, Database, read_secret, wrong
from mlflow_guard.in_mlflow import parts
from mlflow_guard.inspect import database as db
from mlflow_guard.inspect import fingerprint, rights, store
from mlflow_guard.inspect.inspection import look, opened, rights_findings, seen_in, state_finding, write_findings
from mlflow_guard.inspect.passfile import mysql_options, write_private
from mlflow_guard.inspect.revisions import mlflow_directory
from mlflow_guard.inspect.schema_state import AT_HEAD
from mlflow_guard.serve import passwords
from mlflow_guard.serve.launch import FOREIGN_VARIABLES
from mlflow_guard.serve.supervisor import Child
from mlflow_guard.variables import TRUSTED_PROXIES, seconds_from, trusted_proxies

WAIT_SECONDS = 30
PAUSE_SECONDS = 10
STOPPED = 143


def end_on_signal() -> None:
    """End at once on SIGTERM or SIGINT, also in the middle of a driver's call.

    A Python signal handler would run only after the driver returns. So the signals are blocked and a thread waits for
    them.
    """
    wanted = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, wanted)

    def wait() -> None:
        signal.sigwait(wanted)
        os._exit(STOPPED)

    threading.Thread(target=wait, daemon=True).start()


def look_at_all(config: Config, answer: Answer) -> dict:
    """One try: databases, the server's rights, the destination and its marker. Returns what the server starts on."""
    kept, at_head = dict.fromkeys(("backend_store", "registry_store"), fingerprint.NOTHING), True
    found: dict = {"revisions": {}, "marker": None}
    for database in config.databases:
        try:
            if database.dialect == "sqlite" and not os.path.exists(database.database):
                seen = look(config, database, database.server)
            else:
                with opened(database, database.server) as connection:
                    seen = seen_in(connection, config, database)
                    for each in write_findings(database, seen.facts.settings, database.server.argument):
                        answer.add(each)
                    if seen.state.name == AT_HEAD and database.dialect == "postgresql":
                        role = seen.facts.settings["role"]
                        for each in rights_findings(
                            seen, rights.look(connection, role, seen.facts.observed.tables), role
                        ):
                            answer.add(each)
                    if config.keeps_record(database) and seen.state.name == AT_HEAD:
                        schema = seen.facts.settings.get("schema")
                        kept[database.name] = fingerprint.read_kept(connection, config, database, schema)
            found["revisions"][database.name] = seen.state.revision
            reason = state_finding(seen)
            if reason:
                answer.add(reason)
                # A second MLflow may be meant, but it has to be made first.
                if reason["code"] == "schema-elsewhere" and not answer.errors:
                    said = f"{database.description}: {seen.state.detail}"
                    answer.add(finding("schema-empty", f"{database.name}.database", said))
                at_head = False
        except Problem as problem:
            answer.add(problem.finding)
            at_head = False
    try:
        destination = store.open_destination(config.artifacts)
        marker = None
        if destination is not None:
            destination.reachable()
            marker = destination.read_marker()
            found["marker"] = marker["identity"] if marker else None
        if at_head:
            backend, has_marker = kept["backend_store"], destination is not None
            for each in fingerprint.compare_databases(config, backend, kept["registry_store"]):
                answer.add(each)
            for each in fingerprint.compare(config, backend.own, marker, has_marker=has_marker):
                answer.add(each)
    except Problem as problem:
        answer.add(problem.finding)
    return found


def wait_for(config: Config, accept: tuple[str, ...], seconds: float, say) -> tuple[Answer, dict]:
    """Try until it is fine, or refused for good, or the time is over; the answer, and what was seen."""
    end = time.monotonic() + seconds
    pause = 0.5
    while True:
        answer = Answer("serve", accept)
        found = look_at_all(config, answer)
        if answer.exit_code != UNREACHABLE or time.monotonic() + pause >= end:
            return answer, found
        say(f"waiting: {answer.errors[0]['message']}")
        time.sleep(pause)
        pause = min(pause * 2, 4)


def _clean_url(database: Database) -> str:
    """The URL without its password. The server notices a dead database as soon as the guard, unless told otherwise."""
    is_libpq = database.drivername.split("+")[-1] in ("psycopg2", "psycopg")
    own = db.KEEPALIVES if is_libpq else {}
    notices = {name: str(value) for name, value in own.items() if name not in database.query}
    url = db.url(database, database.server, None, notices, drivername=database.drivername)
    return url.render_as_string(hide_password=False)


def store_url(database: Database, folder: Path) -> str:
    """What MLflow is given: a URL without a password; the password goes to a file of the driver's own kind."""
    password = database.server.password()
    if database.dialect in ("sqlite", "postgresql") or password is None:
        return _clean_url(database)
    if database.drivername.split("+")[-1] != "pymysql":
        raise wrong(
            f"{database.name}.drivername", f"{database.drivername!r} takes no password from a file", "use mysql+pymysql"
        )
    options = write_private(
        folder / f"{database.name}.cnf", mysql_options(database.server.username, password, escaped=False)
    )
    address = db.url(database, database.server, None, {"read_default_file": options})
    return address.set(username=None).render_as_string(hide_password=False)


def _auth_file(config: Config, folder: Path, uri: str) -> str:
    """MLflow takes the users' database only from its ini file: copy that with our URI."""
    given = os.environ.get("MLFLOW_AUTH_CONFIG_PATH") or str(mlflow_directory() / "server" / "auth" / "basic_auth.ini")
    parser = configparser.ConfigParser()
    try:
        with open(given, encoding="utf-8") as file:
            parser.read_file(file)
        # MLflow reads the file with interpolation, so a percent sign is doubled.
        parser.set("mlflow", "database_uri", uri.replace("%", "%%"))
    except (OSError, configparser.Error) as error:
        raise wrong("MLFLOW_AUTH_CONFIG_PATH", f"{given} cannot be used: {error}") from None
    target = folder / "basic_auth.ini"
    with tempfile.TemporaryFile("w+", encoding="utf-8") as file:
        parser.write(file)
        file.seek(0)
        return write_private(target, file.read())


def as_uri(destination: str) -> str:
    """A path as a URI: repositories are chosen by the scheme, and a path has none."""
    return Path(destination).as_uri() if destination.startswith("/") else destination


def environment_for(config: Config, folder: Path) -> dict[str, str]:
    """The variables that the server is started with. None of them holds a database password."""
    environment = {"MLFLOW_BACKEND_STORE_URI": store_url(config.backend, folder)}
    if config.registry is not None:
        environment["MLFLOW_REGISTRY_STORE_URI"] = store_url(config.registry, folder)
    if config.auth is not None:
        environment["MLFLOW_AUTH_CONFIG_PATH"] = _auth_file(config, folder, store_url(config.auth, folder))
    if passfile := passwords.write(config, folder):
        environment["PGPASSFILE"] = passfile
    if config.artifacts.mode == "proxied":
        environment["MLFLOW_ARTIFACTS_DESTINATION"] = as_uri(config.artifacts.destination)
        # The variable's false would make MLflow write paths of this container into the database.
        environment["MLFLOW_SERVE_ARTIFACTS"] = "true"
    else:
        environment["MLFLOW_DEFAULT_ARTIFACT_ROOT"] = config.artifacts.destination
    if config.artifacts.endpoint_url:
        environment["MLFLOW_S3_ENDPOINT_URL"] = config.artifacts.endpoint_url
    for name, path in config.secret_environment.items():
        if name not in FOREIGN_VARIABLES:
            environment.setdefault(name, read_secret(f"secret_environment.{name}", path))
    environment |= {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    if trusted := trusted_proxies():
        environment[TRUSTED_PROXIES] = trusted
    return environment


def become_server(config: Config, child: Child, found: dict) -> None:
    """Replace this process by `mlflow server`."""
    folder = Path(tempfile.gettempdir())
    environment = environment_for(config, folder)
    for name in FOREIGN_VARIABLES:
        os.environ.pop(name, None)
    os.environ.update(environment)
    command = [sys.executable, "-P", "-m", "mlflow_guard.serve.launch", *config.argv]
    sys.stdout.flush()
    sys.stderr.flush()
    # The server gets its signals again. One that came just now is delivered with the old meaning.
    if signal.sigpending() & {signal.SIGTERM, signal.SIGINT}:
        os._exit(STOPPED)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})
    child.announce(found)
    os.execv(command[0], command)


def encoded_names(config: Config) -> list[str]:
    """The places that are checked, for the log."""
    return [f"{each.name}: {each.description}" for each in config.databases] + [
        f"artifacts: {urllib.parse.unquote(config.artifacts.destination)}"
    ]


def serve(config: Config, accept: tuple[str, ...], say, child: Child) -> Answer:
    """Check, and become the server when all is well; otherwise give the answer back."""
    say("; ".join(encoded_names(config)))
    for each in parts.disabled():
        say(f"switched off: {each}; there is {parts.PARTS[each]}")
    answer, found = wait_for(config, accept, seconds_from("MLFLOW_GUARD_WAIT", WAIT_SECONDS), say)
    if not answer.errors:
        for each in answer.findings:
            say(f"{each['severity']} {each['code']}: {each['message']}")
        say("starting mlflow server")
        become_server(config, child, found)
    return answer


def refuse_slowly(say) -> None:
    """A restart policy starts a refused server again at once: do not let it hammer the database."""
    pause = seconds_from("MLFLOW_GUARD_REFUSAL_PAUSE", PAUSE_SECONDS)
    if pause:
        say(f"ending in {pause:g} s (MLFLOW_GUARD_REFUSAL_PAUSE)")
        time.sleep(pause)
