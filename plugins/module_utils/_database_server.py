# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""A PostgreSQL server of others: what must not be touched there, and what is to be done."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._database_server_input import option_of
from ansible_collections.mlops.mlflow.plugins.module_utils._database_server_login import named, reason_in

OLDEST = 130000
# From here on a database's owner owns its schema public too, and from ADMIN_OPTION on CREATEROLE alone is not enough.
PUBLIC_OF_OWNER = 150000
PUBLIC_OWNER = "pg_database_owner"
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


# --- what must not be touched ----------------------------------------------------------------------------------------


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
    option = option_of(given, name)
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
