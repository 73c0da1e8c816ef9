# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""Rules on the databases: backend store, registry store, read replica, users, and the connections to them."""

from __future__ import annotations

import re

from ansible_collections.mlops.mlflow.plugins.module_utils._argument_findings import Finding, make_finding
from ansible_collections.mlops.mlflow.plugins.module_utils._argument_rules_shared import (
    LIBPQ_VALUES,
    in_paths,
    is_host,
    is_loopback,
    worker_count,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._arguments import Resolved, closest, show
from ansible_collections.mlops.mlflow.plugins.module_utils._uris import (
    DatabaseUri,
    database_identity,
    has_password,
    parse_database_uri,
    uri_scheme,
)

# Synchronous drivers of SQLAlchemy for the four dialects that MLflow has a store for, by the module that is imported.
DRIVERS = {
    "postgresql": {
        "psycopg2": "psycopg2",
        "psycopg": "psycopg",
        "psycopg2cffi": "psycopg2cffi",
        "pg8000": "pg8000",
    },
    "mysql": {
        "pymysql": "pymysql",
        "mysqldb": "MySQLdb",
        "mysqlconnector": "mysql.connector",
        "cymysql": "cymysql",
        "pyodbc": "pyodbc",
        "mariadbconnector": "mariadb",
    },
    "mssql": {"pymssql": "pymssql", "pyodbc": "pyodbc"},
    "sqlite": {"pysqlite": "sqlite3", "pysqlcipher": "sqlcipher3"},
}

# Module names and package names of the same driver, as an operator may list either.
DRIVER_PACKAGES = {
    "psycopg2": ("psycopg2", "psycopg2-binary"),
    "psycopg": ("psycopg", "psycopg3"),
    "MySQLdb": ("MySQLdb", "mysqlclient"),
    "mysql.connector": ("mysql.connector", "mysql-connector-python"),
}

SYSTEM_DATABASES = {
    "postgresql": ("template0", "template1"),
    "mysql": ("mysql", "information_schema", "performance_schema", "sys"),
    "mssql": ("master", "model", "msdb", "tempdb"),
}

# Connection parameters of libpq (PostgreSQL 17 and older); any other one makes it refuse the connection.
LIBPQ_PARAMETERS = frozenset(
    [
        "host",
        "hostaddr",
        "port",
        "dbname",
        "user",
        "password",
        "passfile",
        "require_auth",
        "channel_binding",
        "connect_timeout",
        "client_encoding",
        "options",
        "application_name",
        "fallback_application_name",
        "keepalives",
        "keepalives_idle",
        "keepalives_interval",
        "keepalives_count",
        "tcp_user_timeout",
        "replication",
        "gssencmode",
        "sslmode",
        "requiressl",
        "sslnegotiation",
        "sslcompression",
        "sslcert",
        "sslkey",
        "sslkeylogfile",
        "sslpassword",
        "sslcertmode",
        "sslrootcert",
        "sslcrl",
        "sslcrldir",
        "sslsni",
        "requirepeer",
        "ssl_min_protocol_version",
        "ssl_max_protocol_version",
        "min_protocol_version",
        "max_protocol_version",
        "krbsrvname",
        "gsslib",
        "gssdelegation",
        "service",
        "servicefile",
        "target_session_attrs",
        "load_balance_hosts",
    ]
)
# Those for which it takes a whole number only. LIBPQ_VALUES has those for which it knows a few words only.
LIBPQ_NUMBERS = frozenset(
    (
        "connect_timeout",
        "keepalives",
        "keepalives_idle",
        "keepalives_interval",
        "keepalives_count",
        "tcp_user_timeout",
        "sslcompression",
        "sslsni",
    )
)

# The other drivers are called with the parameters of the query by name, so that an unknown one is a TypeError. These
# are the names of their connect(), and what SQLAlchemy makes of ssl_* for MySQL. pyodbc takes any.
MYSQL_PARAMETERS = """
autocommit charset client_flag collation compress connect_timeout host init_command local_infile passwd password port
read_default_file read_default_group sql_mode ssl_ca ssl_capath ssl_cert ssl_check_hostname ssl_cipher ssl_key
unix_socket use_unicode user db database
"""
DRIVER_PARAMETERS = {
    "pymysql": f"""{MYSQL_PARAMETERS} bind_address binary_prefix defer_connect max_allowed_packet named_pipe
program_name read_timeout server_public_key ssl ssl_disabled ssl_key_password ssl_verify_cert ssl_verify_identity
write_timeout""",
    "mysqldb": f"""{MYSQL_PARAMETERS} auth_plugin conv cursorclass named_pipe ssl ssl_mode read_timeout
write_timeout""",
    "mysqlconnector": f"""{MYSQL_PARAMETERS} allow_local_infile allow_local_infile_in_path auth_plugin buffered
client_flags conn_attrs connection_timeout consume_results converter_class dns_srv force_ipv6 get_warnings pool_name
pool_reset_session pool_size raise_on_warnings raw read_timeout ssl_disabled ssl_verify_cert ssl_verify_identity
time_zone tls_ciphersuites tls_versions use_pure write_timeout""",
    "pg8000": """application_name database host password port replication source_address ssl_context startup_params
tcp_keepalive timeout unix_sock user""",
    "pymssql": """appname as_dict autocommit charset conn_properties database encryption host login_timeout password
port read_only server tds_version timeout use_datetime2 user""",
}

# The parts of a connection that a PG* variable fills in where the URI is silent.
LIBPQ_PARTS = {"PGHOST": "host", "PGPORT": "port", "PGDATABASE": "database", "PGUSER": "username"}
# Variables that change the target whatever the URI says.
LIBPQ_ALWAYS = {
    "PGOPTIONS": "it can select another schema",
    "PGSERVICE": "it fills in parameters from a service file",
    "PGSERVICEFILE": "it names a file of connection parameters",
    "PGHOSTADDR": "it replaces the address of the host",
    "PGSYSCONFDIR": "it names the directory of the service file",
}


def check_databases(resolved: Resolved) -> list[Finding]:
    """All rules of this file."""
    findings: list[Finding] = []
    containers = resolved.request.platform != "host"
    backend = resolved.value("backend_store_uri")
    backend_given = resolved.given("backend_store_uri")
    artifacts_only = bool(resolved.value("artifacts_only"))
    if not artifacts_only:
        if not backend_given:
            hint = ""
            if resolved.environment.get("MLFLOW_TRACKING_URI"):
                hint = "; MLFLOW_TRACKING_URI does not set it"
            code = "backend-store-missing" if containers else "local-default-store"
            findings.append(make_finding(code, "backend_store_uri", f"no backend store is named{hint}"))
        elif backend is not None:
            findings += check_store(resolved, "backend_store_uri", backend)
        registry = resolved.value("registry_store_uri")
        if registry is not None and registry != backend:
            findings += check_store(resolved, "registry_store_uri", registry)
            findings += check_registry(resolved, registry, backend)
        replica = resolved.value("read_replica_backend_store_uri")
        if replica is not None:
            findings += check_store(resolved, "read_replica_backend_store_uri", replica)
            findings += check_read_replica(resolved, replica, backend)
    if resolved.request.auth_database_uri and resolved.value("app_name") == "basic-auth":
        findings += check_store(resolved, "auth_database_uri", resolved.request.auth_database_uri)
    findings += check_libpq_environment(resolved, backend)
    findings += check_connection_budget(resolved, backend)
    return findings


def check_store(resolved: Resolved, argument: str, text: str) -> list[Finding]:
    """One store's URI: scheme, driver, host, port, database and parameters."""
    label = resolved.label(argument)
    if has_password(text) and "://" in text:
        secret = [make_finding("secret-in-argument", label, f"{show(text)} carries a password")]
    else:
        secret = []
    scheme = uri_scheme(text)
    lowered = text.lower()
    if lowered in ("databricks", "databricks-uc", "uc") or scheme.lower() in ("databricks", "databricks-uc", "uc"):
        return secret + [make_finding("backend-store-remote-server", label, "the store is a Databricks workspace")]
    if scheme.lower() in ("http", "https"):
        return secret + [make_finding("backend-store-remote-server", label, f"{show(text)} is the address of a server")]
    if scheme.lower() == "file" or text[0] in "./~\\":
        return secret + [make_finding("file-store", label, f"{show(text)} is a directory")]
    if "://" not in text:
        dialect = scheme.split("+")[0].lower()
        if dialect in DRIVERS or dialect == "postgres":
            return [
                make_finding("database-uri-malformed", label, f"{show(text)} lacks the two slashes after the colon")
            ]
        return [make_finding("database-scheme-missing", label, f"{show(text)} has no scheme")]
    uri = parse_database_uri(text)
    if uri is None:
        scheme = text.split("://", 1)[0]
        found = make_finding(
            "database-scheme-unsupported", label, f"MLflow has no database store for '{show_scheme(scheme)}'"
        )
        return secret + [found]
    if uri.dialect not in DRIVERS:
        remedy = None
        if uri.dialect.lower() in ("postgres", "postgresql", "pgsql", "psql", "pg"):
            remedy = "write postgresql+psycopg2://"
        elif uri.dialect.lower() in ("mysql", "mariadb"):
            remedy = "write mysql+pymysql://"
        elif uri.dialect.lower() in ("sqlite", "sqlite3"):
            remedy = "write sqlite:////absolute/path"
        found = f"MLflow has no database store for '{show_scheme(uri.scheme)}'"
        return secret + [make_finding("database-scheme-unsupported", label, found, remedy)]
    findings = secret + check_driver(resolved, label, uri)
    if uri.dialect == "sqlite":
        return findings + check_sqlite(resolved, label, text, uri)
    unencoded = check_encoding(label, text, uri)
    if unencoded:
        # Host, port and database are read wrongly then; what could be said of them would only confuse.
        return findings + [unencoded]
    return findings + check_target(resolved, label, text, uri) + check_query(resolved, label, uri)


def show_scheme(scheme: str) -> str:
    """A scheme in a message; a text in its place may be anything, a password included."""
    return scheme if re.fullmatch(r"[A-Za-z][A-Za-z0-9+._-]{0,30}", scheme) else "***"


def check_driver(resolved: Resolved, label: str, uri: DatabaseUri) -> list[Finding]:
    drivers = DRIVERS[uri.dialect]
    if uri.scheme.endswith("+") or (uri.driver and uri.driver not in drivers):
        known = closest(uri.driver, drivers)
        remedy = f"did you mean {uri.dialect}+{known}?" if known else None
        return [
            make_finding(
                "database-driver-unknown", label, f"{uri.scheme} names no synchronous driver of SQLAlchemy", remedy
            )
        ]
    findings = []
    if uri.dialect == "sqlite":
        return findings
    available = resolved.request.drivers
    # SQLAlchemy 2.1 changed which driver `postgresql://` means. An image that holds both works either way.
    both = all(set(available) & set(DRIVER_PACKAGES[module]) for module in ("psycopg2", "psycopg"))
    if not uri.driver and not (uri.dialect == "postgresql" and both):
        preferred = "psycopg2" if uri.dialect == "postgresql" else "pymysql" if uri.dialect == "mysql" else "pymssql"
        findings.append(
            make_finding(
                "database-driver-implicit",
                label,
                f"{uri.scheme}:// leaves the driver to SQLAlchemy",
                f"write {uri.dialect}+{preferred}://",
            )
        )
    if available:
        # Without a driver in the URI, SQLAlchemy 2.1 imports psycopg, mysqlclient and pyodbc.
        module = (
            drivers[uri.driver]
            if uri.driver
            else {"postgresql": "psycopg", "mysql": "MySQLdb"}.get(uri.dialect, "pyodbc")
        )
        if not set(available) & set(DRIVER_PACKAGES.get(module, (module,))):
            found = f"{uri.scheme}:// needs {module}, and the image holds {', '.join(available)}"
            findings.append(make_finding("database-driver-missing", label, found))
    return findings


def check_sqlite(resolved: Resolved, label: str, text: str, uri: DatabaseUri) -> list[Finding]:
    containers = resolved.request.platform != "host"
    path = uri.database or ""
    if uri.host is not None:
        return [make_finding("sqlite-uri-form", label, f"{show(text)} names a host")]
    if path in ("", ":memory:") or "mode=memory" in text or path.startswith("file::memory:"):
        return [make_finding("database-in-memory", label, f"{show(text)} is a database in memory")]
    if path.startswith("file:"):
        path = path[len("file:") :]
    findings = []
    if not path.startswith("/"):
        code = "sqlite-relative-path" if containers else "local-default-store"
        findings.append(make_finding(code, label, f"{show(text)} is relative to the working directory"))
    elif containers and not in_paths(path, resolved.request.shared_paths):
        findings.append(make_finding("sqlite-path-not-mounted", label, f"{show(path)} is on no path of shared_paths"))
    if resolved.request.replicas > 1:
        findings.append(make_finding("sqlite-with-replicas", label, f"{resolved.request.replicas} replicas use SQLite"))
    elif worker_count(resolved) > 1:
        findings.append(make_finding("sqlite-with-workers", label, f"{worker_count(resolved)} workers use SQLite"))
    return findings


def check_encoding(label: str, text: str, uri: DatabaseUri) -> Finding | None:
    """Signs of a raw @ / : ? # [ ] in user or password: the parts behind them do not look like what they should be."""
    rest = text.split("://", 1)[1]
    authority = re.split(r"[/?]", rest, maxsplit=1)[0]
    raw = False
    if "@" in (uri.host or "") or "@" in (uri.port or ""):
        raw = True  # a second @ before the path
    elif "@" in rest and "@" not in authority:
        raw = True  # a slash or question mark before the @ that ends the password
    elif (
        "@" in (uri.database or "")
        and uri.username is not None
        or authority.count("@") > 1
        or "#" in authority
        or re.search(r"[\[\]]", authority.rpartition("@")[0])
        or re.search(r"%(?![0-9A-Fa-f]{2})", authority.rpartition("@")[0])
    ):
        raw = True
    if not raw:
        return None
    return make_finding(
        "database-uri-unencoded", label, "user or password hold reserved characters that are not percent-encoded"
    )


def check_target(resolved: Resolved, label: str, text: str, uri: DatabaseUri) -> list[Finding]:
    """Host, port and database."""
    findings = []
    query_host = uri.parameter("host") or uri.parameter("unix_socket") or uri.parameter("unix_sock")
    odbc = uri.parameter("odbc_connect")
    authority = re.split(r"[/?]", text.split("://", 1)[1], maxsplit=1)[0].rpartition("@")[2]
    if authority.count(":") > 1 and "[" not in authority:
        findings.append(
            make_finding(
                "database-host-invalid",
                label,
                f"{show(authority)} is an IPv6 address without brackets",
                "put it in brackets: [address]:port",
            )
        )
    elif uri.host is None:
        if not query_host and not odbc and not decided_by_variable(resolved, label, uri, "PGHOST"):
            findings.append(make_finding("database-host-missing", label, f"{show(text)} names no host"))
    elif not all(is_host(host) for host in uri.host.split(",")):
        findings.append(make_finding("database-host-invalid", label, f"{show(uri.host)} is not a host name or address"))
    elif is_loopback(uri.host) and resolved.request.platform != "host":
        findings.append(make_finding("database-host-loopback", label, f"the database is expected at {show(uri.host)}"))
    if uri.port is not None and authority.count(":") <= 1:
        if not uri.port.isdigit() or not 1 <= int(uri.port) <= 65535:
            findings.append(make_finding("database-port-invalid", label, f"{show(uri.port)} is not a port"))
    elif uri.port is None and re.search(r":$", authority):
        findings.append(make_finding("database-port-invalid", label, "the port is empty"))
    name = uri.database
    if name is None:
        if not odbc and not uri.parameter("dbname") and not decided_by_variable(resolved, label, uri, "PGDATABASE"):
            findings.append(make_finding("database-name-missing", label, f"{show(text)} names no database"))
    elif re.search(r"[\s/\\'\"`;#@:%&=]", name) or len(name) > 63:
        findings.append(make_finding("database-name-invalid", label, f"the database is called {show(name)}"))
    elif name.lower() in SYSTEM_DATABASES.get(uri.dialect, ()):
        findings.append(make_finding("database-name-system", label, f"{name} belongs to the database server itself"))
    elif uri.dialect == "postgresql" and name == "postgres":
        findings.append(make_finding("database-name-maintenance", label, "the database is postgres"))
    return findings


def check_query(resolved: Resolved, label: str, uri: DatabaseUri) -> list[Finding]:
    """The parameters behind the question mark."""
    findings = []
    names = [name for name, dummy in uri.query]
    overrides = {
        "dbname": uri.database,
        "database": uri.database,
        "db": uri.database,
        "user": uri.username,
        "port": uri.port,
        "password": uri.password,
        "passwd": uri.password,
        "host": uri.host,
        "service": "",
    }
    for name in sorted(set(names)):
        if name in overrides and (overrides[name] is not None):
            findings.append(make_finding("database-query-override", label, f"the query names {name} as well"))
        elif name == "hostaddr":
            findings.append(
                make_finding("database-query-override", label, "the query names hostaddr, which replaces the host")
            )
    driverless = not uri.parameter("driver") and not uri.parameter("odbc_connect")
    if uri.driver == "pyodbc" and uri.host and uri.database and driverless:
        found = "pyodbc needs the name of its driver to go to a host"
        remedy = "append ?driver=ODBC+Driver+18+for+SQL+Server, or the name of the driver in the image"
        findings.append(make_finding("database-query-invalid", label, found, remedy))
    if uri.driver in DRIVER_PARAMETERS:
        return findings + check_driver_query(label, uri)
    if uri.dialect != "postgresql" or uri.driver not in ("", "psycopg2", "psycopg"):
        return findings
    findings += check_verified_tls(resolved, label, uri)
    for name, value in uri.query:
        if name not in LIBPQ_PARAMETERS:
            nearest = closest(name, LIBPQ_PARAMETERS)
            findings.append(
                make_finding(
                    "database-query-invalid",
                    label,
                    f"libpq has no connection parameter {show(name)}",
                    f"did you mean {nearest}?" if nearest else None,
                )
            )
        elif name in LIBPQ_VALUES and value not in LIBPQ_VALUES[name]:
            same = [word for word in LIBPQ_VALUES[name] if word.lower() == value.lower()]
            findings.append(
                make_finding(
                    "database-query-invalid",
                    label,
                    f"{name} is {show(value)}, which libpq does not know",
                    f"write {same[0]}" if same else f"use one of: {', '.join(LIBPQ_VALUES[name])}",
                )
            )
        elif name in LIBPQ_NUMBERS and not re.fullmatch(r"-?\d+", value):
            findings.append(
                make_finding(
                    "database-query-invalid", label, f"{name} is {show(value)}", "give a whole number without a unit"
                )
            )
        elif name == "options" and re.search(r"(statement|transaction)_timeout\s*=\s*[1-9]", value):
            found = "the options of the URI limit how long a statement may take"
            findings.append(make_finding("database-statement-timeout", label, found))
        elif name == "options" and "search_path" in value:
            findings.append(make_finding("database-search-path", label, "the options of the URI set search_path"))
        elif (
            name == "options"
            and "default_transaction_read_only" in value
            and not re.search(r"read_only\s*=\s*(off|false|0)", value)
        ):
            findings.append(
                make_finding("database-read-only", label, "the options of the URI make transactions read-only")
            )
        elif name == "target_session_attrs" and value in ("read-only", "standby", "prefer-standby"):
            if label != "read_replica_backend_store_uri":
                findings.append(make_finding("database-read-only", label, f"target_session_attrs is {value}"))
        elif name in ("host", "options", "sslrootcert") and not value.strip():
            findings.append(make_finding("database-query-invalid", label, f"{name} is empty"))
    return findings


def check_driver_query(label: str, uri: DatabaseUri) -> list[Finding]:
    """The parameters of a driver that takes them by name."""
    findings = []
    known = frozenset(DRIVER_PARAMETERS[uri.driver].split())
    for name, value in uri.query:
        if name not in known:
            nearest = closest(name, known)
            found = f"{uri.driver} has no connection parameter {show(name)}"
            remedy = f"did you mean {nearest}?" if nearest else "remove it"
            findings.append(make_finding("database-query-invalid", label, found, remedy))
        elif name == "ssl" and uri.dialect == "mysql":
            found = f"ssl is {show(value)}, and {uri.driver} takes no text there"
            findings.append(make_finding("database-query-invalid", label, found, "write ssl_ca=/path/of/the/ca.pem"))
        elif name.endswith("timeout") and not re.fullmatch(r"\d+(\.\d+)?", value):
            remedy = "give a number without a unit"
            findings.append(make_finding("database-query-invalid", label, f"{name} is {show(value)}", remedy))
    return findings


def check_verified_tls(resolved: Resolved, label: str, uri: DatabaseUri) -> list[Finding]:
    """Certificates that libpq is told to verify, with or without authorities to verify them by."""
    mode, root = uri.parameter("sslmode") or "", uri.parameter("sslrootcert")
    if root == "system" and mode not in ("", "verify-full"):
        found = f"sslrootcert=system goes with sslmode=verify-full only, and sslmode is {mode}"
        return [make_finding("database-query-invalid", label, found, "write sslmode=verify-full")]
    if uri.parameter("channel_binding") == "require" and mode in ("disable", "allow"):
        found = f"channel_binding=require needs TLS, and sslmode is {mode}"
        return [make_finding("database-query-invalid", label, found, "write sslmode=require")]
    named = root is not None or resolved.has_variable("PGSSLROOTCERT") or resolved.request.platform == "host"
    if mode.startswith("verify-") and not named:
        return [make_finding("database-tls-root-missing", label, f"sslmode is {mode}, and sslrootcert is not named")]
    return []


def check_registry(resolved: Resolved, registry: str, backend: str | None) -> list[Finding]:
    label = resolved.label("registry_store_uri")
    one, other = parse_database_uri(registry), parse_database_uri(backend or "")
    if one is None or other is None or backend is None:
        return []
    if one.dialect != other.dialect:
        return [
            make_finding(
                "registry-store-other-kind",
                label,
                f"the registry is in {show_scheme(one.dialect)}, the backend store in {show_scheme(other.dialect)}",
            )
        ]
    if database_identity(registry) != database_identity(backend):
        return [
            make_finding("registry-store-separate", label, "the registry is in another database than the backend store")
        ]
    return []


def check_read_replica(resolved: Resolved, replica: str, backend: str | None) -> list[Finding]:
    label = resolved.label("read_replica_backend_store_uri")
    one, other = parse_database_uri(replica), parse_database_uri(backend or "")
    if one is None or other is None:
        return []
    if one.dialect == "sqlite" or one.dialect != other.dialect:
        return [
            make_finding(
                "read-replica-mismatch",
                label,
                f"a {show_scheme(one.dialect)} database is no replica of the backend store",
            )
        ]
    if (one.database or "") != (other.database or ""):
        return [
            make_finding(
                "read-replica-mismatch", label, "the replica is a database of another name than the backend store"
            )
        ]
    if database_identity(replica) == database_identity(backend or "") and not replica_by_attributes(one):
        return [make_finding("read-replica-is-primary", label, "it leads to the backend store itself")]
    if one.parameter("target_session_attrs") in ("read-write", "primary"):
        found = "target_session_attrs asks for the primary"
        return [make_finding("read-replica-is-primary", label, found)]
    return []


def replica_by_attributes(uri: DatabaseUri) -> bool:
    """Whether libpq is told to look for a standby among the hosts."""
    return uri.parameter("target_session_attrs") in ("read-only", "standby", "prefer-standby")


def check_libpq_environment(resolved: Resolved, backend: str | None) -> list[Finding]:
    """PG* variables, where a PostgreSQL database is used at all."""
    uri = parse_database_uri(backend or "")
    if uri is None or uri.dialect != "postgresql":
        return []
    findings = []
    for name, why in LIBPQ_ALWAYS.items():
        if resolved.environment.get(name):
            findings.append(make_finding("libpq-environment", name, f"the variable is set, and {why}"))
    deciding, idle = {}, []
    for name, part in LIBPQ_PARTS.items():
        if not resolved.environment.get(name):
            continue
        if uri_says(uri, part):
            idle.append(name)
        else:
            deciding[name] = part
    if deciding:
        found = f"the URI names no {', no '.join(deciding.values())}, so {' and '.join(deciding)} decide"
        remedy = f"write {' and '.join(deciding.values())} into backend_store_uri, and remove the variables"
        findings.append(make_finding("libpq-environment", ", ".join(deciding), found, remedy))
    if idle:
        found = "the URI says the same, and wins"
        findings.append(make_finding("libpq-environment-ignored", ", ".join(idle), found))
    attributes = resolved.environment.get("PGTARGETSESSIONATTRS", "")
    if attributes in ("read-only", "standby", "prefer-standby"):
        findings.append(make_finding("database-read-only", "PGTARGETSESSIONATTRS", f"the variable is {attributes}"))
    return findings


def uri_says(uri: DatabaseUri, part: str) -> bool:
    """Whether a URI names host, port, database or username, in one place or another."""
    if part == "host":
        return bool(uri.host or uri.parameter("host"))
    if part == "port":
        return bool(uri.port or uri.parameter("port") or re.search(r":\d+$", uri.parameter("host") or ""))
    return bool(uri._asdict()[part] or uri.parameter({"database": "dbname", "username": "user"}[part]))


def decided_by_variable(resolved: Resolved, label: str, uri: DatabaseUri, variable: str) -> bool:
    """Whether a missing part of the backend store's URI is filled in by libpq's variable: that is reported once."""
    backend = label == resolved.label("backend_store_uri")
    return backend and uri.dialect == "postgresql" and bool(resolved.environment.get(variable))


def check_connection_budget(resolved: Resolved, backend: str | None) -> list[Finding]:
    """The most connections that all replicas may open, against what the database allows."""
    findings = []
    pool = pool_number(resolved, "POOL_SIZE", 5)
    overflow = pool_number(resolved, "MAX_OVERFLOW", 10)
    uri = parse_database_uri(backend or "")
    limit = resolved.request.max_connections
    kind = resolved.environment.get("MLFLOW_SQLALCHEMYSTORE_POOLCLASS") or "QueuePool"
    findings += check_pool_class(resolved, kind)
    if uri is None or uri.dialect == "sqlite" or limit is None:
        return findings
    if kind != "QueuePool" or pool is None or overflow is None:
        return findings
    if overflow == -1:
        found = "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW is -1, so that the pools have no upper bound"
        findings.append(make_finding("connection-budget", "max_connections", found))
        return findings
    # Tracking and registry have an engine each, even for one URI; basic authentication brings a third.
    engines = 2 + (resolved.value("app_name") == "basic-auth" and shares_server(resolved, backend))
    registry = resolved.value("registry_store_uri")
    if registry and not same_server(registry, backend):
        engines -= 1
    workers = worker_count(resolved)
    need = resolved.request.replicas * workers * engines * (pool + overflow)
    # PostgreSQL keeps three connections for superusers.
    usable = limit - (3 if uri.dialect == "postgresql" else 1)
    if need > usable:
        found = (
            f"{resolved.request.replicas} replicas x {workers} workers x {engines} engines x ({pool} + {overflow}) "
            f"connections are {need}, and the database allows {usable}"
        )
        findings.append(make_finding("connection-budget", "max_connections", found))
    return findings


def pool_number(resolved: Resolved, name: str, default: int) -> int | None:
    """The size that MLflow hands to SQLAlchemy: 0 is "not set" to it. None for what is refused elsewhere."""
    text = resolved.environment.get(f"MLFLOW_SQLALCHEMYSTORE_{name}", "0").strip()
    if not re.fullmatch(r"[+-]?\d+", text):
        return None
    number = int(text) or default
    return None if number < -1 or (number < 0 and name == "POOL_SIZE") else number


# Which sizes the pools of SQLAlchemy take; with another one the engine is not built.
POOL_SIZES = {
    "NullPool": (),
    "StaticPool": (),
    "AssertionPool": (),
    "SingletonThreadPool": ("POOL_SIZE",),
}


def check_pool_class(resolved: Resolved, kind: str) -> list[Finding]:
    """A pool that cannot be had, or not with these sizes."""
    name = "MLFLOW_SQLALCHEMYSTORE_POOLCLASS"
    if kind.startswith(("Async", "FallbackAsync")):
        found = f"{kind} is for asynchronous engines, and MLflow's are none"
        return [make_finding("environment-value-invalid", name, found, "use QueuePool or NullPool")]
    findings = []
    sizes = [
        size
        for size in ("POOL_SIZE", "MAX_OVERFLOW")
        if kind in POOL_SIZES
        and size not in POOL_SIZES[kind]
        and resolved.environment.get(f"MLFLOW_SQLALCHEMYSTORE_{size}", "").strip().lstrip("+0")
    ]
    if sizes:
        found = f"{kind} takes no {' and no '.join(sizes)}, and the engine is not built with one"
        findings.append(make_finding("pool-size-without-pool", name, found))
    if kind in ("StaticPool", "AssertionPool"):
        found = f"{kind} gives one connection to all requests, which go on at the same time"
        findings.append(make_finding("pool-of-one", name, found))
    return findings


def same_server(one: str, other: str | None) -> bool:
    first, second = database_identity(one), database_identity(other or "")
    return bool(first and second and first[:3] == second[:3])


def shares_server(resolved: Resolved, backend: str | None) -> bool:
    """Whether users are kept on the same database server; assumed where it is not said."""
    auth = resolved.request.auth_database_uri
    return same_server(auth, backend) if auth else resolved.has_variable("MLFLOW_AUTH_CONFIG_PATH")
