# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""What the guard found at a PostgreSQL of somebody else, in sentences with the variables of this collection."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._finding_codes import current, with_code

SETUP = "playbooks/database.yml does it with an administrator's login, or prints the SQL"
# The variable that decides, and what to do.
KNOWN = {
    "database-host-unknown": ("database_host", "correct it, or see that containers resolve it (mlflow_server_hosts)"),
    "database-port-closed": ("database_port", "correct it, and see that PostgreSQL listens there for other hosts"),
    "database-timeout": (
        "database_host",
        "correct it, and let this host through the firewall or the security group of the server",
    ),
    "database-starting": ("database_host", "wait until the server takes connections, and run it again"),
    "database-connections-full": (
        "database_max_connections",
        "end sessions that nobody needs, or let the server have more connections",
    ),
    "database-missing": ("database_name", f"correct it, or make the database ({SETUP})"),
    "database-not-admitted": (
        "database_host",
        "admit this host and role on the server (pg_hba.conf, authorized networks), with TLS where it asks for that "
        "(database_tls_mode)",
    ),
    "database-not-a-database": ("database_port", "give host and port of PostgreSQL itself"),
    "database-pooler": (
        "database_owner_host",
        "give the server's own address there, and its port in database_owner_port; servers may go through the pooler",
    ),
    "owner-elsewhere": ("database_owner_host", "give the address of the server that database_host leads to"),
    "registry-of-another": (
        "database_registry_name",
        "correct it; if that deployment is gone for good, remove its record there (DELETE FROM mlflow_guard.registry)",
    ),
    "database-replica": ("database_host", "give the address of the primary, or wait until this server is promoted"),
    "database-encoding": ("database_name", "make the database anew with the encoding UTF8"),
    "database-unrecorded": (
        "database_adopt_enabled",
        "look at it with playbooks/adopt.yml, and set this to true for one run if it is to be this deployment's",
    ),
    "schema-other-purpose": (
        "database_name",
        "correct it, and see that database_name and database_registry_name are not exchanged",
    ),
    "schema-foreign": ("database_name", f"give MLflow a database of its own ({SETUP})"),
    "schema-elsewhere": (
        "database_schema",
        "give the schema in which that MLflow is, or accept schema-elsewhere (mlflow_server_accept) for a second one",
    ),
    "schema-missing": ("database_schema", f"give a schema that is there and that both roles may use ({SETUP})"),
    "schema-older": (
        "mlflow_server_schema",
        "set it to upgrade, which makes a dump first, or use mlflow_server_version of the database's own release",
    ),
    "schema-newer": (
        "mlflow_server_version",
        "use the MLflow release that migrated the database or a newer one, or restore the dump from before that",
    ),
}
ROLE_REMEDIES = {
    "database-auth-failed": "correct the name of the role, or its password in {password}",
    "database-no-connect-right": "GRANT CONNECT ON DATABASE to the role",
    "server-role-missing": f"correct it, or make the role ({SETUP})",
    "owner-lacks-rights": (
        f"make it the owner of the database and of MLflow's tables ({SETUP}), or give the role that is"
    ),
    "record-of-another-owner": "give each deployment a database of its own, or this one the owner that it had",
    "rights-missing": f"give the role its rights ({SETUP}), or set mlflow_server_schema to initialize",
    "role-read-only": "ALTER ROLE … RESET default_transaction_read_only",
}
# What servers and libpq say where the certificate of the client is the reason.
CLIENT_CERTIFICATE = ("alert", "client certificate", "private key", "certificate authentication", "certificate file")
PASSWORD_FILE = re.compile(r"the password of /run/secrets/[^\s;,]+")


def sentence(finding: dict[str, Any], given: dict[str, Any]) -> str:
    """A finding of the guard's about one of the databases, with the variable that a user sets."""
    variable, text = reason(finding, given)
    if variable == "database_name" and str(finding.get("argument", "")).startswith("registry_store"):
        variable = "database_registry_name"
    return with_code(f"{variable}: {text}.", current(str(finding.get("code", ""))))


def reason(finding: dict[str, Any], given: dict[str, Any]) -> tuple[str, str]:
    """The variable that decides, and what was found with what to do."""
    code, found = current(str(finding.get("code", ""))), str(finding.get("found", ""))
    found = PASSWORD_FILE.sub("the password that is given", found)
    role = role_of(str(finding.get("argument", "")), given)
    if code == "database-auth-failed" and given.get("client_certificate_file"):
        remedy = "give the certificate that the server takes for this role, and the password where it asks for one too"
        return "database_client_certificate_file", f"{found}; {remedy}"
    if role and code in ROLE_REMEDIES:
        remedy = ROLE_REMEDIES[code].format(password=f"database_{role}_password")
        return f"database_{role}_username", f"{found}; {remedy}"
    argument = str(finding.get("argument", ""))
    if code == "database-pooler" and has_own_address(given) and not is_of_owner(argument):
        variable, remedy = "database_schema", "leave it empty, and set search_path for both roles in the database"
    elif code == "database-tls":
        variable, remedy = about_tls(found, given)
    elif code in KNOWN:
        variable, remedy = KNOWN[code]
    else:
        variable, remedy = "database_name", str(finding.get("remedy", ""))
    if has_own_address(given) and is_of_owner(argument) and variable in ("database_host", "database_port"):
        variable = variable.replace("database_", "database_owner_")
    return variable, f"{found}; {remedy}"


def has_own_address(given: dict[str, Any]) -> bool:
    """Whether the owner reaches the database at another address than the servers."""
    return bool(given.get("owner_host") or int(given.get("owner_port") or 0))


def is_of_owner(argument: str) -> bool:
    return "owner" in argument.split(".")[1:2]


def role_of(argument: str, given: dict[str, Any]) -> str:
    """Which of the two roles an argument of the guard is about; one role that does everything is the server's."""
    part = argument.split(".")[1] if "." in argument else ""
    if part not in ("server", "owner"):
        return ""
    return part if given.get("owner_username") else "server"


def about_tls(found: str, given: dict[str, Any]) -> tuple[str, str]:
    words = found.lower()
    if "does not support ssl" in words:
        return (
            "database_tls_mode",
            "set it to disable where the way to the server is safe by itself, or switch on TLS there",
        )
    if "server certificate for" in words or "does not match host name" in words:
        return "database_host", "give a name that the server's certificate has, or set database_tls_mode to verify-ca"
    if "certificate has expired" in words or "not yet valid" in words:
        return "database_host", "renew the server's certificate, or set the clock"
    if any(part in words for part in CLIENT_CERTIFICATE):
        return (
            "database_client_certificate_file",
            "give the certificate, and its key, that the server takes for this role",
        )
    if "verify failed" in words or "self-signed" in words or "self signed" in words:
        file = f"'{given['ca_file']}' does not have" if given.get("ca_file") else "is empty: give a file that has"
        return "database_ca_file", f"{file} the certificate of the authority that signed the server's"
    return "database_tls_mode", "choose the mode that the server offers, or correct its certificate"
