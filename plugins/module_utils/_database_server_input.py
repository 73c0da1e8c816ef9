# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""What is given to prepare a PostgreSQL server of others, and what cannot be right in it, in sentences."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._database import (
    RESERVED_DATABASES,
    authority_problem,
    schema_problem,
)

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}")


def number(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def problems(given: dict[str, Any]) -> list[str]:
    """What cannot be right, whatever the server is like. `given` has the options without their prefix."""
    return [*missing(given), *bad_names(given), *same_roles(given), *bad_numbers(given), *bad_file(given)]


def missing(given: dict[str, Any]) -> list[str]:
    why = {
        "host": "give the host name or the address of the PostgreSQL server",
        "admin_username": "give the administrator of the server, who may make roles and databases, or set "
        "database_server_sql_only to true and hand the SQL to somebody who has that login",
        "admin_password": "give the administrator's password when you run the playbook, such as from a vaulted file",
        "owner_username": "name the role that is to own the database, such as mlflow_owner",
        "owner_password": "choose a password for that role; none is generated, because a deployment needs it too",
        "server_username": "name the role of the MLflow servers, such as mlflow_server",
        "server_password": "choose a password for that role; none is generated, because a deployment needs it too",
    }
    needed = ["owner_username", "server_username"] if given["sql_only"] else list(why)
    return [f"database_server_{name} is empty: {why[name]}." for name in needed if not str(given[name]).strip()]


def option_of(given: dict[str, Any], name: str) -> str:
    """The option that names a database."""
    of_its_own = {str(given[option]): f"database_server_{option}" for option in ("registry_name", "name")}
    return of_its_own.get(name, "database_server_databases")


def bad_names(given: dict[str, Any]) -> list[str]:
    found = []
    wanted = "use up to 63 letters, digits, underscores and hyphens, and a letter first"
    for option in ("owner_username", "server_username"):
        value = str(given[option])
        if value and not NAME.fullmatch(value):
            found.append(f"database_server_{option} is '{value}': {wanted}.")
        elif value.startswith("pg_") or value in ("public", "none"):
            found.append(f"database_server_{option} is '{value}', which is PostgreSQL's own: choose another name.")
    found += [problem for problem in [schema_problem(str(given["schema"]), "database_server_schema")] if problem]
    for option in ("admin_username", "admin_database"):
        if re.search(r"[\"',\\\s]", str(given[option]).strip()):
            found.append(
                f"database_server_{option} is '{given[option]}': give a name without quotes, commas and blanks."
            )
    databases = given["databases"]
    if isinstance(databases, str) or not isinstance(databases, list) or not databases:
        wanted = "give a list of at least one name, such as [mlflow]"
        return [*found, f"database_server_databases is '{databases}': {wanted}."]
    for name in map(str, databases):
        option = option_of(given, name)
        option += " has" if option.endswith("_databases") else " is"
        if not NAME.fullmatch(name):
            found.append(f"{option} '{name}': {wanted}.")
        elif name in RESERVED_DATABASES or name == given["admin_database"]:
            found.append(
                f"{option} '{name}', a database of the server itself, which is never changed: choose another name."
            )
    return found


def same_roles(given: dict[str, Any]) -> list[str]:
    owner, server, admin = (str(given[f"{who}_username"]) for who in ("owner", "server", "admin"))
    if owner and owner == server:
        return [
            f"database_server_owner_username and database_server_server_username are both '{owner}': give two roles, "
            "or nothing keeps a server from changing the schema."
        ]
    return [
        f"database_server_{who}_username is '{name}', the administrator's own login: give a role of its own."
        for who, name in (("owner", owner), ("server", server))
        if name and name == admin
    ]


def bad_numbers(given: dict[str, Any]) -> list[str]:
    bounds = {
        "port": ("give 1 to 65535", lambda value: 1 <= value <= 65535),
        "connect_timeout": ("give 1 to 600 seconds", lambda value: 1 <= value <= 600),
    }
    limit = (
        "give 3 to 100000 connections, or 0 to leave the limit as it is",
        lambda value: value == 0 or 3 <= value <= 100000,
    )
    bounds.update(dict.fromkeys(("owner_connection_limit", "server_connection_limit"), limit))
    return [
        f"database_server_{name} is {given[name]}: {words}."
        for name, (words, holds) in bounds.items()
        if (value := number(given[name])) is not None and not holds(value)
    ]


def bad_file(given: dict[str, Any]) -> list[str]:
    found = []
    if given["sql_file"] and not given["sql_only"]:
        found.append(
            f"database_server_sql_file is '{given['sql_file']}', but database_server_sql_only is false: set it to "
            "true, or leave the file out."
        )
    problem = authority_problem(given["ca_file"], given["tls_mode"], "database_server")
    return [*found, problem] if problem else found
