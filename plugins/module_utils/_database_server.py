# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""A PostgreSQL server of others: what is wrong with what is given, what must not be touched, and what is to be done."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._database import (
    RESERVED_DATABASES,
    authority_problem,
    schema_problem,
)

OLDEST = 130000
# From here on a database's owner owns its schema public too, and from ADMIN_OPTION on CREATEROLE alone is not enough.
PUBLIC_OF_OWNER = 150000
PUBLIC_OWNER = "pg_database_owner"
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}")
# All tables that any release of MLflow has, and the two of their revisions. A test compares them with the guard's.
_TRACKING = (
    "alembic_version assessments budget_policies datasets endpoint_bindings endpoint_model_mappings "
    "endpoint_tags endpoints entity_associations evaluation_dataset_records evaluation_dataset_tags "
    "evaluation_datasets experiment_tags experiments guardrail_configs guardrails input_tags inputs issues "
    "job_locks jobs label_schemas latest_metrics logged_model_metrics logged_model_params logged_model_tags "
    "logged_models mcp_access_endpoints mcp_server_aliases mcp_server_tags mcp_server_version_tags "
    "mcp_server_versions mcp_servers metrics model_definitions model_version_tags model_versions "
    "online_scoring_configs params registered_model_aliases registered_model_tags registered_models "
    "review_queue_items review_queue_label_schemas review_queue_users review_queues runs scheduler_leases "
    "scorer_versions scorers secrets span_metrics spans sql_assessment_daily_rollups sql_span_cost_daily_rollups "
    "sql_trace_metric_daily_rollups sql_trace_rollup_rebuild_queue tags trace_info trace_metrics "
    "trace_request_metadata trace_tags webhook_events webhooks workspaces"
)
_USERS = (
    "alembic_version alembic_version_auth experiment_permissions gateway_endpoint_permissions "
    "gateway_model_definition_permissions gateway_secret_permissions registered_model_permissions "
    "role_permissions roles scorer_permissions user_role_assignments users workspace_permissions"
)
TRACKING_TABLES, USERS_TABLES = frozenset(_TRACKING.split()), frozenset(_USERS.split())
# Names such as users and tags are anybody's. MLflow's first release had these already.
KINDS = ((TRACKING_TABLES, {"experiments", "runs"}), (USERS_TABLES, {"users", "experiment_permissions"}))
SHOWN = 5
TLS = "give the authority of the server's certificate in database_server_ca_file, or another database_server_tls_mode"


# --- what is given ---------------------------------------------------------------------------------------------------


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
        option = "database_server_name is" if name == str(given["name"]) else "database_server_databases has"
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


# --- why there is no connection --------------------------------------------------------------------------------------


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


# --- what must not be touched ----------------------------------------------------------------------------------------


def named(given: dict[str, Any], who: str) -> str:
    return str(given[f"{who}_username"])


def mlflow_tables(objects: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """Schema and name of the tables that are MLflow's: names alone prove nothing, so its oldest ones must be there."""
    found: set[tuple[str, str]] = set()
    for schema in {each["schema"] for each in objects}:
        names = {each["name"] for each in objects if each["schema"] == schema and each["kind"] == "table"}
        for tables, oldest in KINDS:
            if oldest <= names:
                found |= {(schema, name) for name in names & tables}
    return found


def some(items: list[str]) -> str:
    more = len(items) - SHOWN
    return ", ".join(items[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def described(each: dict[str, Any]) -> str:
    return f"{each['kind']} {each['schema'] + '.' if each['schema'] else ''}{each['name']}"


def answered(answer: dict[str, Any]) -> bool:
    """Whether a query has a result. Its task does not count as failed, since the reason is told in another one."""
    return "query_result" in answer


def by_database(answers: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What is in each database that was looked at, or the `error` of looking."""
    return {
        each["item"]: each["query_result"][0]["seen"] if answered(each) else {"error": str(each.get("msg", ""))}
        for each in answers
        if not each.get("skipped")
    }


def refusals(
    given: dict[str, Any], seen: dict[str, Any], answers: list[dict[str, Any]], passwords: dict[str, str]
) -> list[str]:
    """Why nothing may be changed. `answers` are those to looking into the databases that are there."""
    if seen["version"] < OLDEST:
        return [
            f"database_server_host: {given['host']} is PostgreSQL {seen['version'] // 10000}, but MLflow's schema "
            f"needs {OLDEST // 10000} or newer: upgrade the server."
        ]
    if seen["standby"]:
        return [f"database_server_host: {given['host']} is a standby, which takes no changes: name its primary server."]
    found = [sentence for who in ("owner", "server") for sentence in role_refusals(given, seen, passwords, who)]
    if seen["server_is_owner"]:
        found.append(
            f"database_server_server_username: role {named(given, 'server')} is a member of {named(given, 'owner')} "
            f"and so may change the schema: REVOKE {named(given, 'owner')} FROM {named(given, 'server')}, or name "
            "another role."
        )
    contents = by_database(answers)
    for name in given["databases"]:
        found += database_refusals(given, seen, name, contents.get(name, {}))
    return found


def role_refusals(given: dict[str, Any], seen: dict[str, Any], passwords: dict[str, str], who: str) -> list[str]:
    name, admin = named(given, who), seen["admin"]
    role, option = seen["roles"].get(name), f"database_server_{who}_username"
    if role is None:
        if admin["superuser"] or admin["createrole"]:
            return []
        return [
            f"database_server_admin_username: {admin['name']} may not make role {name}: give a superuser or a role "
            "with CREATEROLE, or have the role made first."
        ]
    above = [words for key, words in ABOVE.items() if role[key]]
    if above:
        return [
            f"{option}: role {name} is there already and is {' and '.join(above)}, which no role of MLflow may be: "
            "name another role, which is then made."
        ]
    found = []
    places = {foreign_place(each, name, given["databases"]) for each in seen["belongings"]}
    elsewhere = sorted(places - {""})
    if elsewhere:
        found.append(
            f"{option}: role {name} is there already and {some(elsewhere)}: name another role, which is then made, or "
            "name all databases that are for it in database_server_databases."
        )
    if not role["changeable"] and role_step(given, seen, passwords, who)["changes"]:
        found.append(
            f"database_server_admin_username: {admin['name']} may not change role {name}, which has another password "
            f"or other attributes than it needs: GRANT {name} TO {admin['name']} WITH ADMIN OPTION, or give the login "
            "that made the role."
        )
    return found


ABOVE = {"superuser": "a superuser", "replication": "for replication", "bypassrls": "above row security"}


def foreign_place(each: dict[str, Any], role: str, databases: list[str]) -> str:
    """What a role has to do with anything but its databases, in words; nothing where it has not."""
    if each["role"] != role or each["database"] in databases:
        return ""
    place = f"database {each['database']}" if each["database"] else f"the whole server ({each['other']})"
    return f"{'owns something' if each['owns'] else 'has rights'} in {place}"


def database_refusals(given: dict[str, Any], seen: dict[str, Any], name: str, content: dict[str, Any]) -> list[str]:
    database, admin = seen["databases"].get(name), seen["admin"]
    option = "database_server_name" if name == given["name"] else "database_server_databases"
    if database is None:
        return new_database_refusals(given, seen, name)
    if database["template"] or not database["open"]:
        what = "is a template" if database["template"] else "takes no connections"
        return [f"{option}: database {name} {what}, which no deployment can use: choose another name."]
    if content.get("error"):
        return [
            f"{option}: database {name} is there, but {admin['name']} cannot look at it "
            f"({reason_in(content['error'])}), and "
            f"so it is not touched: GRANT CONNECT ON DATABASE {name} TO {admin['name']}, or choose another name."
        ]
    objects = content.get("objects", [])
    ours = mlflow_tables(objects)
    others = [each for each in objects if each["kind"] != "table" or (each["schema"], each["name"]) not in ours]
    if others:
        return [
            f"{option}: database {name} holds what is not MLflow's ({some([described(each) for each in others])}), and "
            "so it is not touched: choose the name of a database that is not there or is empty."
        ]
    return [
        *owner_refusals(given, seen, name, option, objects),
        *schema_refusals(given, seen, name, content.get("schemas", {})),
        *encoding_refusals(database, name, option),
    ]


def new_database_refusals(given: dict[str, Any], seen: dict[str, Any], name: str) -> list[str]:
    admin = seen["admin"]
    if not (admin["superuser"] or admin["createdb"]):
        return [
            f"database_server_admin_username: {admin['name']} may not make database {name}: give a superuser or a role "
            "with CREATEDB, or have the database made first, with the owner in database_server_owner_username."
        ]
    if not admin["superuser"] and seen["version"] < PUBLIC_OF_OWNER and not given["schema"]:
        return [public_is_anothers(given, seen, name, "the superuser of the server")]
    return []


def public_is_anothers(given: dict[str, Any], seen: dict[str, Any], name: str, owner: str) -> str:
    return (
        f"database_server_schema is '{given['schema']}', but schema {given['schema'] or 'public'} of database {name} "
        f"belongs to {owner}, and {seen['admin']['name']} may not hand it over: set database_server_schema to a schema "
        "of its own, such as mlflow, or give a superuser."
    )


def owner_refusals(
    given: dict[str, Any], seen: dict[str, Any], name: str, option: str, objects: list[dict[str, Any]]
) -> list[str]:
    database, owner, admin = seen["databases"][name], named(given, "owner"), seen["admin"]
    if database["owner"] not in (owner, admin["name"]) and objects:
        return [
            f"{option}: database {name} holds an MLflow and belongs to {database['owner']}: give that role as "
            f"database_server_owner_username, or ALTER DATABASE {name} OWNER TO {owner} if it is yours."
        ]
    if database["owner"] != owner and not (database["changeable"] and (admin["superuser"] or admin["createdb"])):
        return [
            f"{option}: database {name} belongs to {database['owner']}, and {admin['name']} may not hand it over to "
            f"{owner}: have {database['owner']} or a superuser do so, or choose another name."
        ]
    strangers = sorted({each["owner"] for each in objects if each["owner"] != owner})
    if strangers:
        which = [each["schema"] + "." + each["name"] for each in objects if each["owner"] != owner]
        return [
            f"{option}: in database {name} tables of MLflow belong to {', '.join(strangers)} ({some(which)}), and only "
            "their owner can change them: give that role as database_server_owner_username, or ALTER TABLE ... OWNER "
            f"TO {owner}."
        ]
    return []


def schema_refusals(given: dict[str, Any], seen: dict[str, Any], name: str, schemas: dict[str, str]) -> list[str]:
    owner = schemas.get(given["schema"] or "public")
    # A superuser may hand over any, and whoever owns the database is the owner that PostgreSQL 15 gives to public.
    if seen["admin"]["superuser"] or owner in (None, named(given, "owner"), PUBLIC_OWNER):
        return []
    return [public_is_anothers(given, seen, name, owner)]


def encoding_refusals(database: dict[str, Any], name: str, option: str) -> list[str]:
    if database["encoding"] == "UTF8":
        return []
    return [
        f"{option}: database {name} has the encoding {database['encoding']}, in which names of runs can get lost: "
        "choose another name, and the database is made with UTF8."
    ]


# --- what is to be done ----------------------------------------------------------------------------------------------

AFTER_PASSWORD = re.compile(
    r"database .* does not exist|permission denied for database|too many connections for|not currently accepting"
)


def password_state(answer: dict[str, Any]) -> str:
    """Whether a role's password is `right` or `wrong`, or whether its login cannot tell (`unknown`)."""
    error = str(answer.get("msg", ""))
    if answered(answer) or AFTER_PASSWORD.search(error):
        return "right"
    return "unknown" if "pg_hba.conf" in error else "wrong"


def password_states(answers: list[dict[str, Any]]) -> dict[str, str]:
    return {each["item"]: password_state(each) for each in answers if not each.get("skipped")}


def role_step(given: dict[str, Any], seen: dict[str, Any], passwords: dict[str, str], who: str) -> dict[str, Any]:
    """What makes one role what it should be. Only what differs is named: not everybody may set every attribute."""
    name, limit = named(given, who), int(given[f"{who}_connection_limit"])
    role = seen["roles"].get(name)
    step = {"which": who, "name": name, "expires": None, "connection_limit": limit or None}
    if role is None:
        return {**step, "flags": "LOGIN,NOSUPERUSER,NOCREATEDB,NOCREATEROLE", "password": True, "changes": True}
    flags = [flag for flag, key, wrong in FLAGS if role[key] is wrong]
    password = passwords.get(who) == "wrong"
    limited = limit and limit != role["connection_limit"]
    return {
        **step,
        "flags": ",".join(flags),
        "password": password,
        "expires": "infinity" if role["expired"] else None,
        "changes": bool(flags or password or limited or role["expired"]),
    }


FLAGS = (("LOGIN", "login", False), ("NOCREATEDB", "createdb", True), ("NOCREATEROLE", "createrole", True))


def plan(
    given: dict[str, Any],
    seen: dict[str, Any],
    answers: list[dict[str, Any]],
    passwords: dict[str, str],
    check_mode: bool = False,
) -> dict[str, Any]:
    """The roles and databases with what each needs. In check mode nothing can be done inside of what is not there."""
    owner, server, admin = named(given, "owner"), named(given, "server"), seen["admin"]
    # The owner may do everything in its database, and needs no administrator for it.
    worker = "admin" if admin["superuser"] else "owner"
    ready = {owner, server} <= set(seen["roles"]) and (worker == "admin" or passwords.get("owner") == "right")
    contents, databases = by_database(answers), []
    for name in given["databases"]:
        database = seen["databases"].get(name, {})
        hand_over = database.get("owner") != owner
        usable = seen["roles"].get(owner, {}).get("usable", False)
        databases.append(
            {
                "name": name,
                "hand_over": hand_over,
                "join": hand_over and not admin["superuser"] and not usable,
                "inside": not check_mode or bool(database) and ready and (worker == "admin" or not hand_over),
                "schema_there": (given["schema"] or "public") in contents.get(name, {}).get("schemas", {}),
                "search_path": [role for role in (owner, server) if lacks_search_path(given, seen, name, role)],
            }
        )
    return {
        "roles": [role_step(given, seen, passwords, who) for who in ("owner", "server")],
        "databases": databases,
        "worker": worker,
        "admin": admin["name"],
        "keeps_connect": not admin["superuser"],
        # What the server's template has does for a new database, unless it could not be UTF8.
        "locale": "" if seen["template_encoding"] == "UTF8" else "C",
        "quiet": "-c log_statement=none -c log_min_duration_statement=-1" if admin["superuser"] else "",
    }


def lacks_search_path(given: dict[str, Any], seen: dict[str, Any], database: str, role: str) -> bool:
    if not given["schema"]:
        return False
    settings = [
        value
        for each in seen["settings"]
        if (each["database"], each["role"]) == (database, role)
        for value in each["settings"]
    ]
    return f"search_path={given['schema']}" not in [value.replace('"', "") for value in settings]
