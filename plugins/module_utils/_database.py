# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""A PostgreSQL that the collection did not deploy: what is given for it, and what is wrong with it, in sentences."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._certificates import certificate_fault, key_fault

# What only an external database has, with the value that means that it is not given.
EXTERNAL_ONLY = {
    "host": "",
    "port": 5432,
    "name": "mlflow",
    "schema": "",
    "registry_name": "",
    "tls_mode": "verify-full",
    "ca_file": "",
    "client_certificate_file": "",
    "client_key_file": "",
    "server_username": "",
    "server_password": "",
    "owner_username": "",
    "owner_password": "",
    "owner_host": "",
    "owner_port": 0,
    "max_connections": 0,
    "connect_timeout": 5,
    "networks": [],
    "adopt_enabled": False,
}
SECRETS = ("server_password", "owner_password")
# The files of the control node, by what they are, with the names that they have among the secrets of the servers.
FILES = {"ca": "backend_ca.pem", "client_certificate": "backend_client.crt", "client_key": "backend_client.key"}
SECRETS_FOLDER = "/run/secrets"
# The authorities that an image of Debian's trusts.
SYSTEM_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
CHECKING_MODES = ("verify-ca", "verify-full")
RANGES = {
    "port": (1, 65535),
    "owner_port": (0, 65535),
    "max_connections": (0, 100_000),
    "connect_timeout": (1, 60),
}
# What a 0 means instead of a number.
ZERO = {"max_connections": ", or 0 to ask the server", "owner_port": ", or 0 for that of database_port"}
UNITS = {"connect_timeout": " seconds"}
HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?")
SCHEMA = re.compile(r"[a-z_][a-z0-9_-]{0,62}")
# Databases that a server, or its provider, has for itself.
RESERVED_DATABASES = (
    *("postgres", "template0", "template1", "rdsadmin"),
    *("cloudsqladmin", "alloydbadmin", "azure_maintenance", "azure_sys"),
)
LONGEST_NAME = 63
DRIVER = "postgresql+psycopg2"


def is_external(kind: str) -> bool:
    return kind == "external"


def problems(given: dict[str, Any], kind: str, files: dict[str, str]) -> list[str]:
    """What cannot be right, each by variable. `given` has the options without their prefix, `files` the texts."""
    if not is_external(kind):
        return [
            f"database_{name} is set, but database is {kind}: set database to external to use it, or leave "
            f"database_{name} out; the PostgreSQL of the deployment is set up by itself."
            for name, nothing in EXTERNAL_ONLY.items()
            if given[name] != nothing
        ]
    return [*place_problems(given), *login_problems(given), *number_problems(given), *tls_problems(given, files)]


def warnings(given: dict[str, Any], kind: str) -> list[str]:
    """What is no fault, and ought to be known."""
    if not is_external(kind):
        return []
    found = []
    if not given["owner_username"]:
        found.append(
            f"database_owner_username is empty, so {given['server_username']} owns the tables and the servers log in "
            "as it: the guard stands before the schema, but nothing in the database keeps a server, or whoever has its "
            "password, from changing it. Two roles do (docs/external-database.md) [server-may-create]."
        )
    if given["tls_mode"] not in CHECKING_MODES:
        found.append(
            f"database_tls_mode is {given['tls_mode']}, with which nobody checks who answers at {given['host']}: set "
            "it to verify-full where the way to the server is not safe by itself."
        )
    return found


def hosts(given: dict[str, Any], name: str = "host") -> list[str]:
    return [each.strip() for each in str(given[name]).split(",")]


def is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def host_problem(host: str, option: str) -> str:
    start = f"{option} is '{shown(host)}'"
    if "://" in host or "@" in host:
        return (
            f"{start}, a URL: give the host name only; the rest has the variables database_port, database_name and "
            "database_server_username."
        )
    if host.startswith("/"):
        return (
            f"{start}, the folder of a Unix socket, which containers do not have: give the host name of the server, or "
            "that of the proxy which has the socket."
        )
    if host.lower() in ("localhost", "::1") or host.startswith("127."):
        return (
            f"{start}, which is the container itself for a server in one: give the name or the address that the host "
            "has in its network."
        )
    if is_address(host):
        return ""
    if re.fullmatch(r".*:\d+", host):
        return f"{start}, with a port: give the host name only, and the port in {option.replace('host', 'port')}."
    if not HOST.fullmatch(host):
        return f"{start}: give a host name or an IP address, such as db.example.com."
    return ""


def shown(host: str) -> str:
    """A host as it was given, without a password that somebody put into a URL."""
    return re.sub(r"//[^/@]*@", "//***@", host)


def place_problems(given: dict[str, Any]) -> list[str]:
    found = []
    if not given["host"]:
        found.append(
            "database is external, but database_host is empty: give the host name of the PostgreSQL server, such as "
            "db.example.com."
        )
    else:
        found += [problem for host in hosts(given) if (problem := host_problem(host, "database_host"))][:1]
    if given["owner_host"]:
        of_owner = (host_problem(host, "database_owner_host") for host in hosts(given, "owner_host"))
        found += [problem for problem in of_owner if problem][:1]
    name, registry = str(given["name"]), str(given["registry_name"])
    found += [name_problem(name, "database_name")]
    if registry:
        found += [name_problem(registry, "database_registry_name")]
    if registry and registry == name:
        found.append(
            f"database_registry_name is {registry}, as database_name is: leave it out, and registered models are there "
            "with everything else."
        )
    found += [schema_problem(str(given["schema"]), "database_schema")]
    found = [problem for problem in found if problem]
    return found + [network_problem(each) for each in given["networks"] if network_problem(each)]


def name_problem(name: str, option: str) -> str:
    """What is wrong with the name of a database."""
    if not name or len(name.encode()) > LONGEST_NAME or re.search(r"[\x00-\x1f]", name):
        return f"{option} is '{name}': give a name of 1 to {LONGEST_NAME} bytes without control characters."
    if name in RESERVED_DATABASES:
        return (
            f"{option} is {name}, which the server has for itself: make a database for MLflow and give its name "
            "(playbooks/database.yml makes one)."
        )
    return ""


def schema_problem(schema: str, option: str) -> str:
    """What is wrong with the name of a schema; nothing is with none."""
    if schema and not SCHEMA.fullmatch(schema):
        return (
            f"{option} is '{schema}': give a name of at most 63 lower-case letters, digits, underscores and hyphens "
            "that begins with a letter, such as mlflow."
        )
    if schema.startswith("pg_") or schema in ("information_schema", "mlflow_guard"):
        return f"{option} is {schema}, which is not for tables of users: give another one."
    return ""


def network_problem(text: Any) -> str:
    try:
        ipaddress.ip_network(str(text))
    except ValueError:
        return f"database_networks has '{text}': give networks such as 10.20.0.0/16, without bits behind the mask."
    return ""


def login_problems(given: dict[str, Any]) -> list[str]:
    found = []
    with_certificate = bool(given["client_certificate_file"])
    if not given["server_username"]:
        found.append(
            "database is external, but database_server_username is empty: give the role that servers log in as."
        )
    if not given["server_password"] and not with_certificate:
        found.append(
            "database is external, but database_server_password is empty: give the password of "
            "database_server_username, or a client certificate in database_client_certificate_file."
        )
    if given["owner_password"] and not given["owner_username"]:
        found.append(
            "database_owner_password is set, but database_owner_username is empty: give the owner role, or leave its "
            "password out where one role does everything."
        )
    if given["owner_username"] and not given["owner_password"] and not with_certificate:
        found.append(
            "database_owner_username is set, but database_owner_password is empty: give its password, or leave both "
            "out where one role does everything."
        )
    if given["owner_username"] and given["owner_username"] == given["server_username"]:
        found.append(
            f"database_owner_username is {given['owner_username']}, as database_server_username is: give two roles, or "
            "leave database_owner_username and its password out where one role does everything."
        )
    found += [
        f"database_{name} has a line break or a NUL character: give it in one line."
        for name in ("server_username", "owner_username", *SECRETS)
        if re.search(r"[\x00\n\r]", str(given[name]))
    ]
    return found


def number_problems(given: dict[str, Any]) -> list[str]:
    found = []
    for name, (least, most) in RANGES.items():
        try:
            fits = least <= int(given[name]) <= most
        except (TypeError, ValueError):
            fits = False
        if not fits:
            found.append(
                f"database_{name} is {given[name]!r}: give {max(least, 1)} to {most}{UNITS.get(name, '')}"
                f"{ZERO.get(name, '')}."
            )
    return found


def authority_problem(ca_file: str, mode: str, prefix: str) -> str:
    """What is wrong with a file of authorities beside this mode."""
    if not ca_file or mode in CHECKING_MODES:
        return ""
    return (
        f"{prefix}_ca_file is set, but {prefix}_tls_mode is {mode}, which checks no certificate: set {prefix}_tls_mode "
        f"to verify-full, or leave {prefix}_ca_file out."
    )


def tls_problems(given: dict[str, Any], files: dict[str, str]) -> list[str]:
    found = []
    mode, ca = given["tls_mode"], given["ca_file"]
    found += [problem for problem in [authority_problem(ca, mode, "database")] if problem]
    certificate, key = given["client_certificate_file"], given["client_key_file"]
    if bool(certificate) != bool(key):
        there, missing = ("certificate", "key") if certificate else ("key", "certificate")
        found.append(
            f"database_client_{there}_file is set, but database_client_{missing}_file is empty: give both, or neither."
        )
    if certificate and mode == "disable":
        found.append(
            "database_client_certificate_file is set, but database_tls_mode is disable: a certificate is shown with "
            "TLS only, so choose another mode or leave it out."
        )
    checks = {"ca": certificate_fault, "client_certificate": certificate_fault, "client_key": key_fault}
    for name, check in checks.items():
        path = given[f"{name}_file"]
        if path:
            fault = file_fault(path, files.get(name, "")) or check(files[name])
            found += [f"database_{name}_file is '{path}', {fault}"] if fault else []
    return found


def file_fault(path: str, text: str) -> str:
    if not str(path).startswith("/"):
        return "a relative path: give an absolute one."
    return "" if text else "and the control node has no file there, or an empty one: give one that it has."


def query(given: dict[str, Any]) -> dict[str, str]:
    """The parameters of the connection, in libpq's own words."""
    found = {"sslmode": str(given["tls_mode"]), "connect_timeout": str(given["connect_timeout"])}
    if given["tls_mode"] in CHECKING_MODES:
        found["sslrootcert"] = f"{SECRETS_FOLDER}/{FILES['ca']}" if given["ca_file"] else SYSTEM_AUTHORITIES
    if given["client_certificate_file"]:
        found["sslcert"] = f"{SECRETS_FOLDER}/{FILES['client_certificate']}"
        found["sslkey"] = f"{SECRETS_FOLDER}/{FILES['client_key']}"
    if given["schema"]:
        found["options"] = f"-csearch_path={given['schema']}"
    if len(hosts(given)) > 1 or len(hosts(given, "owner_host")) > 1:
        found["target_session_attrs"] = "read-write"
    return found


def owner_address(given: dict[str, Any]) -> dict[str, Any]:
    """Where the owner opens the database; nothing where that is no other place than the servers'."""
    place = {
        "owner_host": ",".join(hosts(given, "owner_host" if given["owner_host"] else "host")),
        "owner_port": int(given["owner_port"]) or int(given["port"]),
    }
    return place if given["owner_host"] or int(given["owner_port"]) else {}


def connection(given: dict[str, Any], kind: str, files: dict[str, str], own: dict[str, Any]) -> dict[str, Any]:
    """How servers reach the database. `own` has how they reach the one of the deployment itself."""
    if not is_external(kind):
        return {"files": {}, "known": {"external": False}, **own}
    single = not given["owner_username"]
    return {
        "backend_store": {
            "drivername": DRIVER,
            "host": ",".join(hosts(given)),
            "port": int(given["port"]),
            "database": given["name"],
            "query": query(given),
            "server_username": given["server_username"],
            "owner_username": given["server_username" if single else "owner_username"],
            **owner_address(given),
            **({"registry_database": given["registry_name"]} if given["registry_name"] else {}),
        },
        "server_password": given["server_password"],
        "owner_password": given["server_password" if single else "owner_password"],
        "max_connections": given["max_connections"],
        "files": {FILES[name]: text for name, text in files.items() if given[f"{name}_file"]},
        "known": {
            "external": True,
            "adopt": given["adopt_enabled"],
            "networks": list(given["networks"]),
            "given": {name: value for name, value in given.items() if name not in SECRETS},
        },
    }
