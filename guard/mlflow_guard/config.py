# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""The guard's configuration file. It holds no secret: passwords stand in files that it names."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mlflow_guard.answer import Problem
from mlflow_guard.serve.launch import FOREIGN_VARIABLES

DEFAULT_PATH = "/etc/mlflow-guard/config.json"
# Options of `mlflow server` that would open another store than the checked one.
STORE_OPTIONS = ("--backend-store-uri", "--registry-store-uri")
# Where a database listens when no port is named.
PORTS = {"postgresql": 5432, "mysql": 3306}
# What `postgresql` alone means here. SQLAlchemy changed its own mind about that in 2.1.
POSTGRES_DRIVER = "postgresql+psycopg2"


def wrong(argument: str, found: str, remedy: str = "", code: str = "configuration") -> Problem:
    """A mistake in the configuration."""
    return Problem(code, argument, found, remedy)


def read_secret(argument: str, path: str) -> str:
    """The secret of a file, without the one line end that editors add."""
    try:
        secret = Path(path).read_bytes().decode()
    except OSError as error:
        raise Problem("secret-unreadable", argument, f"the file {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Problem("secret-unreadable", argument, f"the file {path} is not UTF-8 text") from None
    secret = secret.removesuffix("\n")
    if not secret:
        raise Problem("secret-unreadable", argument, f"the file {path} is empty")
    if "\n" in secret or "\0" in secret:
        raise Problem("secret-unreadable", argument, f"the file {path} has more than one line")
    return secret


@dataclass(frozen=True)
class Login:
    """A role of a database, the file with its password, and where it has an address of its own for it."""

    argument: str
    username: str
    password_file: str
    host: str = ""
    port: int | None = None

    def password(self) -> str | None:
        """The password; None where there is none to give, as for SQLite or a trusted socket."""
        if not self.password_file:
            return None
        return read_secret(f"{self.argument}.password_file", self.password_file)

    def readable(self) -> bool:
        """Whether the password is at hand in this container."""
        return not self.password_file or os.access(self.password_file, os.R_OK)

    @property
    def has_address(self) -> bool:
        """Whether it reaches the database at another address than the servers do."""
        return bool(self.host or self.port)


@dataclass(frozen=True)
class Database:
    """Where a database is and who works in it."""

    name: str
    kind: str
    drivername: str
    host: str
    port: int | None
    database: str
    query: dict
    server: Login
    owner: Login | None
    # What its provider allows this deployment; None where nothing is known of that.
    max_connections: int | None = None
    # The part of the configuration that its host and port stand in, where that is not its own.
    address_of: str = ""

    @property
    def dialect(self) -> str:
        """postgresql, mysql or sqlite; MariaDB counts as MySQL."""
        dialect = self.drivername.split("+")[0]
        return "mysql" if dialect == "mariadb" else dialect

    @property
    def session_drivername(self) -> str:
        """The driver of the guard's own sessions: on PostgreSQL one for all, whichever the server works with."""
        return POSTGRES_DRIVER if self.dialect == "postgresql" else self.drivername

    @property
    def address(self) -> str:
        """For messages: the part of the configuration that its host and port stand in."""
        return self.address_of or self.name

    def reached_by(self, login: Login) -> Database:
        """The database at the address that this role has for it: the owner's may lead past a pooler."""
        if not login.has_address:
            return self
        port = login.port or (None if login.host else self.port)
        return replace(self, host=login.host or self.host, port=port, address_of=login.argument)

    @property
    def place(self) -> tuple:
        """Equal for stores that live in the same place of the same database, however it is written."""
        if self.dialect == "sqlite":
            return (self.dialect, os.path.realpath(self.database))
        host, port = self.host.lower().rstrip("."), self.port or PORTS[self.dialect]
        # Of the parameters only this one decides where tables are: it can name a schema.
        return (self.dialect, host, port, self.database, self.query.get("options", ""))

    @property
    def description(self) -> str:
        """For messages: the database and where it is."""
        if self.dialect == "sqlite":
            return f"SQLite file {self.database}"
        # Several hosts have commas, and an IPv6 address colons.
        host = f"[{self.host}]" if ":" in self.host and "," not in self.host else self.host
        return f"database {self.database!r} on {host}" + (f":{self.port}" if self.port else "")


@dataclass(frozen=True)
class Artifacts:
    """Where artifacts go."""

    mode: str
    destination: str
    endpoint_url: str

    argument: str = "artifacts.destination"


@dataclass(frozen=True)
class Config:
    """All that the guard is told."""

    deployment: str
    backend: Database
    registry: Database | None
    auth: Database | None
    artifacts: Artifacts
    argv: tuple[str, ...]
    secret_environment: dict[str, str] = field(default_factory=dict)
    schema_dumps: str = ""
    previous_secrets: dict[str, str] = field(default_factory=dict)
    # How many `mlflow server` there are, each with its workers.
    servers: int = 1

    @property
    def databases(self) -> list[Database]:
        """The backend store first: a schema step works in this order."""
        return [each for each in (self.backend, self.registry, self.auth) if each is not None]

    @property
    def registry_apart(self) -> Database | None:
        """The registry's database, where it is another one than the backend store's."""
        return self.registry if self.registry and self.registry.place != self.backend.place else None

    def keeps_record(self, database: Database) -> bool:
        """Whether the record of the deployment stands in this database: all that is of one deployment has the same."""
        return database is self.backend or database is self.registry_apart

    def kinds_in(self, database: Database) -> frozenset[str]:
        """The kinds of store that this configuration keeps in the same database."""
        return frozenset(each.kind for each in self.databases if each.place == database.place)


def _text(source: dict, key: str, argument: str, default: str | None = None) -> str:
    value = source.get(key, default)
    if value is None and default is not None:
        value = default
    if not isinstance(value, str):
        raise wrong(f"{argument}.{key}" if argument else key, f"a text is needed and {value!r} was found")
    return value


def _count(source: dict, key: str, argument: str, default: int | None) -> int | None:
    """A number that is at least 1."""
    value = source.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise wrong(f"{argument}.{key}" if argument else key, f"a number from 1 is needed and {value!r} was found")
    return value


def _host(source: dict, argument: str) -> str:
    """A host name, or several; empty where there is none."""
    host = _text(source, "host", argument, "")
    if host != host.strip():
        raise wrong(f"{argument}.host", f"a host name is needed and {host!r} was found", code="database-host-invalid")
    return host


def _port(source: dict, argument: str) -> int | None:
    port = source.get("port")
    if port is not None and (isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536):
        found = f"a number from 1 to 65535 is needed and {port!r} was found"
        raise wrong(f"{argument}.port", found, code="database-port-invalid")
    return port


def _login(source: Any, argument: str, dialect: str) -> Login:
    if not isinstance(source, dict):
        raise wrong(argument, f"username and password_file are needed and {type(source).__name__} was found")
    username = _text(source, "username", argument, "" if dialect == "sqlite" else None)
    if not username and dialect != "sqlite":
        raise wrong(f"{argument}.username", "it is empty")
    password_file = _text(source, "password_file", argument, "")
    return Login(argument, username, password_file, _host(source, argument), _port(source, argument))


def _database(source: Any, name: str, kind: str) -> Database:
    if not isinstance(source, dict):
        raise wrong(name, f"a mapping is needed and {type(source).__name__} was found")
    drivername = _text(source, "drivername", name)
    dialect = drivername.split("+")[0]
    if dialect not in ("postgresql", "mysql", "mariadb", "sqlite"):
        found = f"{drivername!r} is not postgresql+psycopg2, mysql+pymysql or sqlite"
        raise wrong(f"{name}.drivername", found, code="database-scheme-unsupported")
    if drivername == "postgresql":
        drivername = POSTGRES_DRIVER
    database = _text(source, "database", name, "")
    if not database or database == ":memory:":
        code = "database-in-memory" if database else "database-name-missing"
        raise wrong(f"{name}.database", f"a name is needed and {database!r} was found", code=code)
    if dialect == "sqlite" and not database.startswith("/"):
        raise wrong(f"{name}.database", f"{database!r} is not an absolute path", code="sqlite-relative-path")
    host, port = _host(source, name), _port(source, name)
    if dialect != "sqlite" and not host:
        raise wrong(f"{name}.host", f"a host name is needed and {host!r} was found", code="database-host-missing")
    query = source.get("query") or {}
    if not isinstance(query, dict) or not all(isinstance(value, str) for value in query.values()):
        raise wrong(f"{name}.query", "a mapping of texts is needed")
    server = _login(source.get("server") or ({} if dialect == "sqlite" else None), f"{name}.server", dialect)
    if server.has_address:
        raise wrong(f"{name}.server", "it has a host or a port", f"give the servers' address in {name} itself")
    owner = _login(source["owner"], f"{name}.owner", dialect) if source.get("owner") else None
    if owner and owner.has_address and dialect != "postgresql":
        raise wrong(f"{name}.owner", f"it has a host or a port, which only PostgreSQL's may, and this is {dialect}")
    limit = _count(source, "max_connections", name, None)
    return Database(name, kind, drivername, host, port, database, query, server, owner, limit)


def _artifacts(source: Any) -> Artifacts:
    if not isinstance(source, dict):
        raise wrong("artifacts", f"a mapping is needed and {type(source).__name__} was found")
    mode = source.get("mode")
    if mode not in ("proxied", "direct"):
        raise wrong("artifacts.mode", f"proxied or direct is needed and {mode!r} was found")
    key = "destination" if mode == "proxied" else "default_artifact_root"
    destination = _text(source, key, "artifacts", "")
    if mode == "direct" and not destination:
        key, destination = "destination", _text(source, "destination", "artifacts", "")
    if not destination.strip():
        found = "it is empty, and MLflow would use a directory inside the container"
        raise wrong(f"artifacts.{key}", found, code="artifacts-destination-missing")
    endpoint = _text(source, "endpoint_url", "artifacts", "") or os.environ.get("MLFLOW_S3_ENDPOINT_URL", "")
    return Artifacts(mode, destination, endpoint, f"artifacts.{key}")


def option_values(argv: tuple[str, ...] | list[str], *names: str) -> list[str]:
    """All values that a command line gives to an option, in `--name value` or `--name=value`."""
    values = []
    for position, word in enumerate(argv):
        name, equals, value = word.partition("=")
        if name in names:
            values.append(value if equals else (argv[position + 1] if position + 1 < len(argv) else ""))
    return values


def _check_argv(argv: tuple[str, ...], artifacts: Artifacts) -> None:
    for option in STORE_OPTIONS:
        if option_values(argv, option):
            raise Problem("argv-overrides", "argv", f"{option} is given")
    option = "--artifacts-destination" if artifacts.mode == "proxied" else "--default-artifact-root"
    for value in option_values(argv, option):
        if value.rstrip("/") != artifacts.destination.rstrip("/"):
            raise Problem(
                "argv-overrides", "argv", f"{option} {value} differs from {artifacts.argument} {artifacts.destination}"
            )
    if artifacts.mode == "proxied":
        for value in option_values(argv, "--default-artifact-root"):
            if not value.startswith("mlflow-artifacts:"):
                raise Problem(
                    "argv-overrides", "argv", f"--default-artifact-root {value} is given in artifact mode proxied"
                )
        if "--no-serve-artifacts" in argv:
            raise Problem("argv-overrides", "argv", "--no-serve-artifacts is given in artifact mode proxied")


def _files(source: dict, key: str) -> dict[str, str]:
    """Names of variables with the files that hold their values."""
    files = source.get(key) or {}
    if not isinstance(files, dict) or not all(isinstance(value, str) and name for name, value in files.items()):
        raise wrong(key, "a mapping of variable names to file names is needed")
    return dict(files)


def parse(source: Any) -> Config:
    """Check the document and make a Config of it."""
    if not isinstance(source, dict):
        raise wrong("configuration", "a JSON object is needed")
    artifacts = _artifacts(source.get("artifacts"))
    argv = source.get("argv") or []
    if not isinstance(argv, list) or not all(isinstance(word, str) for word in argv):
        raise wrong("argv", "a list of texts is needed")
    _check_argv(tuple(argv), artifacts)
    return Config(
        deployment=_text(source, "deployment", "", "mlflow"),
        backend=_database(source.get("backend_store"), "backend_store", "backend"),
        registry=_database(source["registry_store"], "registry_store", "backend")
        if source.get("registry_store")
        else None,
        auth=_database(source["auth_store"], "auth_store", "auth") if source.get("auth_store") else None,
        artifacts=artifacts,
        argv=tuple(argv),
        secret_environment=_files(source, "secret_environment"),
        schema_dumps=_text(source, "schema_dumps", "", ""),
        previous_secrets=_files(source, "previous_secrets"),
        servers=_count(source, "servers", "", 1) or 1,
    )


def read_document(path: str) -> Any:
    """The JSON of the configuration file."""
    try:
        return json.loads(Path(path).read_bytes())
    except OSError as error:
        raise wrong("--config", f"the file {path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise wrong("--config", f"the file {path} is not JSON: {error}") from None


def load(path: str) -> Config:
    """The configuration of a file."""
    return parse(read_document(path))


def export_secrets(config: Config) -> None:
    """Set the variables that come from files for this process too: it may need a proxy or a key that is one of them.

    One that cannot be read is no reason to refuse here; the server's start does.
    """
    for name, path in config.secret_environment.items():
        if name not in FOREIGN_VARIABLES and os.access(path, os.R_OK):
            os.environ.setdefault(name, read_secret(f"secret_environment.{name}", path))
