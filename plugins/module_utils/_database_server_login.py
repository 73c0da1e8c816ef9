# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""How to connect to a PostgreSQL server of others, and what it says when that or the work there fails."""

from __future__ import annotations

import re
from typing import Any

TLS = "give the authority of the server's certificate in database_server_ca_file, or another database_server_tls_mode"


def named(given: dict[str, Any], who: str) -> str:
    return str(given[f"{who}_username"])


def login(given: dict[str, Any], who: str, authorities: str) -> dict[str, Any]:
    """How the modules of community.postgresql connect: as `admin`, `owner` or `server`."""
    found = {
        "login_host": given["host"],
        "login_port": int(given["port"]),
        "login_user": given[f"{who}_username"],
        "login_password": str(given[f"{who}_password"]),
        "ssl_mode": given["tls_mode"],
        "connect_params": {
            "connect_timeout": int(given["connect_timeout"]),
            "target_session_attrs": "read-write",
            "application_name": "mlops.mlflow",
            # The other modules take a failure to connect for one of their own, in the language of the server.
            "client_encoding": "UTF8",
        },
    }
    if given["ca_file"] or given["tls_mode"].startswith("verify-"):
        found["ca_cert"] = given["ca_file"] or authorities or "system"
    return found


def reason_in(error: str) -> str:
    """What libpq says, without where it tried and without the lines after the first."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    last = re.sub(r"^.*?connection to server (at|on) .*? failed: ", "", lines[0]) if lines else "nothing is said"
    last = re.sub(r"^unable to connect to database: ", "", last)
    return re.sub(r"^(FATAL|ERROR):\s*", "", last).rstrip(".")


def connection_problem(error: str, given: dict[str, Any], who: str = "admin") -> str:
    """A sentence for an error of connecting, with the variable and with what to do."""
    reason, place = reason_in(error), f"{given['host']}:{given['port']}"
    user, database = f"database_server_{who}_username", given["admin_database"]
    if "required Python library" in error or "psycopg" in error and "No module" in error:
        return (
            "Python on the control node has no psycopg2, with which Ansible connects to PostgreSQL: install "
            "psycopg2-binary "
            "with pip where Ansible is, or the package python3-psycopg2 of the system."
        )
    table = (
        (r"could not translate host name|Name or service not known", "database_server_host",
         "correct the host name, or let the control node resolve it"),
        (r"Connection refused|timeout expired|timed out|No route to host|unreachable",
         "database_server_host and database_server_port",
         "correct them, see that the server runs, and let the control node through its firewall"),
        (r"read-only|not read-write|hot standby", "database_server_host", "name the server that takes writes"),
        (r"no pg_hba\.conf entry.*(no encryption|SSL off)", "database_server_tls_mode",
         "use require or verify-full if the server wants TLS, or allow the control node's address in its pg_hba.conf"),
        (r"pg_hba\.conf", user,
         "allow this user and the control node's address in the server's pg_hba.conf, or in the rules of the cloud"),
        (r"password authentication failed|no password supplied|authentication failed",
         f"{user} and database_server_{who}_password", "correct them"),
        (r"does not support SSL", "database_server_tls_mode",
         "switch TLS on at the server, or choose prefer or disable"),
        (r"does not match host name", "database_server_host", "give a name that the server's certificate has"),
        (r"certificate has expired", "database_server_host", "renew the server's certificate"),
        (r"root certificate|certificate verify failed|SSL error|sslrootcert", "database_server_tls_mode", TLS),
        (r"database .* does not exist", "database_server_admin_database",
         f"name a database that is there instead of {database}"),
        (r"permission denied for database", "database_server_admin_database",
         "name one that the administrator may connect to"),
        (r"role .* does not exist|not permitted to log in", user, "give a role that may log in"),
        (r"too many (connections|clients)|remaining connection slots", "database_server_host",
         "end connections that nobody needs, and run the playbook again"),
    )  # fmt: skip
    for pattern, variables, remedy in table:
        if re.search(pattern, error, re.IGNORECASE | re.DOTALL):
            return hidden(f"{variables}: no connection to {place} as {named(given, who)}: {reason}; {remedy}.", given)
    return hidden(f"database_server_host: no connection to {place} as {named(given, who)}: {reason}.", given)


def hidden(text: str, given: dict[str, Any]) -> str:
    """The text without a password. libpq shows none; this is for what a server of others may say."""
    for who in ("admin", "owner", "server"):
        secret = str(given.get(f"{who}_password") or "")
        # A short word such as mlflow is part of many names.
        if len(secret) >= 8:
            text = text.replace(secret, "***")
    return text


def failure(error: str, given: dict[str, Any]) -> str:
    """A sentence for an error in the middle of the work."""
    reason, admin = reason_in(error.rpartition("due to : ")[2]), given["admin_username"]
    if re.search(r"unable to connect|connection to server|required Python library", error):
        who = next((who for who in ("owner", "server") if f'"{given[f"{who}_username"]}"' in error), "admin")
        return connection_problem(error, given, who)
    if re.search(r"permission denied|must be (owner|member|superuser|able)|only roles with", error, re.IGNORECASE):
        return hidden(
            f"database_server_admin_username is {admin}, which may not do all that is needed ({reason}): give a "
            "superuser, or a role with CREATEROLE and CREATEDB that made both roles. What was done already is kept, "
            "and another run goes on from there.",
            given,
        )
    return hidden(f"The database was not prepared completely: {reason}. Another run goes on from there.", given)
