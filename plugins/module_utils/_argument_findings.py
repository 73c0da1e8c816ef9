# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""Every finding of the argument check: its stable code, how severe it is, what it means, why it matters, what to do."""

from __future__ import annotations

from typing import NamedTuple

ERROR, WARNING = "error", "warning"


def _error(meaning: str, why: str, remedy: str) -> dict[str, str]:
    return {"severity": ERROR, "meaning": meaning, "why": why, "remedy": remedy}


def _warning(meaning: str, why: str, remedy: str) -> dict[str, str]:
    return {"severity": WARNING, "meaning": meaning, "why": why, "remedy": remedy}


FINDINGS: dict[str, dict[str, str]] = {
    # --- The request itself -------------------------------------------------------------------------------------
    "accept-unknown": _error(
        "A code that is to be accepted does not exist.",
        "A misspelt code would accept nothing, and the refusal that it was meant for would come as a surprise.",
        "write the code as the refusal prints it",
    ),
    "accept-never": _error(
        "A code is to be accepted that can never be accepted.",
        "Going on in spite of it would damage data or start a server that cannot work.",
        "do what its own refusal says instead",
    ),
    "version-invalid": _error(
        "The MLflow version is not of the form 3.17.2.",
        "Options, defaults and database revisions differ between patch releases; `latest` or `3.17` names none "
        "of them.",
        "name one exact release",
    ),
    "version-too-old": _error(
        "The release is older than the catalogue.",
        "Nothing is known of its options and revisions, so nothing can be checked.",
        "use MLflow 2.0.0 or newer",
    ),
    "version-unknown": _error(
        "No such release was published within the range of the catalogue.",
        "The image or package cannot exist, or is not an MLflow release.",
        "use a published release",
    ),
    "version-newer": _warning(
        "The release is newer than the catalogue.",
        "It is checked against the newest known release; new options are refused and new revisions are unknown.",
        "update the collection, or make this release importable for the interpreter that runs the module",
    ),
    # --- Options and values -------------------------------------------------------------------------------------
    "option-unknown": _error(
        "`mlflow server` has no such option in any release.",
        "It exits with a usage error; a misspelt key that is dropped on the way leaves the default in force instead.",
        "use the name of an option with underscores",
    ),
    "option-not-in-release": _error(
        "The option exists, but not in the release that is deployed.",
        "That release exits with `No such option`.",
        "remove it, or deploy a release that has it",
    ),
    "value-type": _error(
        "The value is not of the type of its option.",
        "click refuses some of these, others are turned into text and used as such.",
        "give a value of the type of the option",
    ),
    "value-range": _error(
        "The number is outside the range of the option.",
        "Port 99999 is noticed only when the web server binds it: after the database was migrated, and with exit "
        "code 0.",
        "give a number within the range",
    ),
    "value-choice": _error(
        "The value is none of the choices of the option.",
        "`mlflow server` exits with a usage error.",
        "use one of the choices",
    ),
    "value-empty": _error(
        "The value is empty.",
        "MLflow takes an empty value as unset and falls back silently: an empty backend store URI, the usual "
        "sign of an "
        "unset variable, starts a healthy server on a new SQLite file inside the container.",
        "give a value, or leave the argument out",
    ),
    "value-whitespace": _error(
        "The value begins or ends with white space, or holds a line break or control character.",
        "A trailing line break (a secret read from a file) becomes part of the database name or the bucket.",
        "strip the value",
    ),
    "value-quoted": _error(
        "The value stands in quotes that are part of it.",
        "Compose lists and env files hand quotes on; a quoted URI is taken as a path of the local file system.",
        "remove the quotes",
    ),
    "value-placeholder": _error(
        "The value still holds a variable or template expression.",
        "Nothing expands it any more: `$HOME/x` becomes a directory of that name.",
        "render the value before it is passed",
    ),
    "flag-cannot-be-switched-off": _error(
        "The argument says false, but the environment switches the flag on and it has no opposite.",
        "A flag without opposite can only be left out, and then the environment variable counts.",
        "remove the variable from the environment",
    ),
    "environment-overridden": _warning(
        "The argument and its environment variable have different values.",
        "The argument wins; whoever reads or changes the variable later is misled.",
        "keep one of the two",
    ),
    "secret-in-argument": _warning(
        "A URI carries a password.",
        "Arguments can be read in `ps`, `docker inspect` and pod specifications, and MLflow prints the whole URI in "
        "several errors. The password is taken out of the returned values.",
        "leave the password out and deliver it in a file (PGPASSFILE)",
    ),
    "server-option-secret": _error(
        "The options of the web server carry a password.",
        "They are an argument, visible in `ps`, and there is no way to take the password out of them.",
        "use a key without passphrase in a file that only the server can read",
    ),
    # --- Environment --------------------------------------------------------------------------------------------
    "environment-name-invalid": _error(
        "The name of an environment variable is not a name.",
        "Compose and Kubernetes refuse it or cut it at the equals sign.",
        "use letters, digits and underscores",
    ),
    "environment-misspelt": _error(
        "The variable is unknown to MLflow, but reads like one that it knows and that is not set.",
        "MLflow ignores unknown names: with MLFLOW_BACKEND_URI instead of MLFLOW_BACKEND_STORE_URI the server is "
        "healthy, on a new SQLite file in the container.",
        "use the name that MLflow reads",
    ),
    "environment-unknown": _warning(
        "Nothing that MLflow is made of reads the variable.",
        "MLflow ignores it; it may belong to a plugin, or to whoever renders the arguments.",
        "remove it unless something else reads it",
    ),
    "environment-not-in-release": _warning(
        "The variable exists, but not in the release that is deployed.",
        "This release ignores it.",
        "remove it, or deploy a release that reads it",
    ),
    "environment-value-invalid": _error(
        "The value of an environment variable is none that its reader takes.",
        "MLflow raises an error at start or, worse, at the first request that reads the variable.",
        "correct the value",
    ),
    "kubernetes-service-link": _error(
        "The variable holds the address that Kubernetes injects for a Service, not a setting.",
        "A Service named `mlflow` makes MLFLOW_PORT=tcp://… in every pod, and the server does not start.",
        "set enableServiceLinks: false, or give the port as an argument",
    ),
    "kubernetes-service-link-possible": _warning(
        "On Kubernetes the port is left to the default or the environment.",
        "A Service named `mlflow` injects MLFLOW_PORT=tcp://… and the server does not start.",
        "give the port as an argument",
    ),
    "secret-in-environment": _warning(
        "The environment carries a secret in clear text.",
        "It can be read in `docker inspect`, in pod specifications and in rendered files. It is left out of the "
        "returned environment.",
        "deliver it in a file and name it in secret_environment (with the role, put it into "
        "mlflow_server_secret_environment)",
    ),
    "tracking-uri-in-environment": _warning(
        "The server's environment holds a client setting.",
        "`mlflow server` does not take its store from MLFLOW_TRACKING_URI or MLFLOW_REGISTRY_URI; it starts on "
        "its own default.",
        "use backend_store_uri and registry_store_uri",
    ),
    "workspace-variable-set": _error(
        "MLFLOW_WORKSPACE is set for a server.",
        "It is a client setting; the server refuses to start with it.",
        "remove the variable",
    ),
    "libpq-environment": _error(
        "A variable of PostgreSQL's client library changes where the server connects to.",
        "PGOPTIONS, PGSERVICE, PGHOSTADDR and their like fill in or override parts of the URI; once lost, MLflow "
        "builds a second complete schema elsewhere.",
        "say it in the URI, or remove the variable",
    ),
    "libpq-environment-ignored": _warning(
        "A variable of PostgreSQL's client library is set, but the URI says the same part.",
        "The URI wins, so the variable misleads its reader.",
        "remove the variable",
    ),
    "telemetry-enabled": _warning(
        "Usage data is sent to MLflow's telemetry service.",
        "It is on by default from this release on.",
        "set MLFLOW_DISABLE_TELEMETRY=true",
    ),
    "custom-scorers-enabled": _warning(
        "The server executes code that users register as scorers.",
        "Whoever may write to the server runs code in it, with its credentials.",
        "leave MLFLOW_SERVER_ENABLE_CUSTOM_SCORERS unset",
    ),
    "file-not-mounted": _error(
        "An option, a URI or a variable names a file that the servers do not have.",
        "The server stops when it reads it, or answers the first request that needs it with an error.",
        "mount the file and name its path in readable_paths, or leave the setting out",
    ),
    # --- Database -----------------------------------------------------------------------------------------------
    "backend-store-missing": _error(
        "No backend store is named.",
        "MLflow starts on sqlite:///mlflow.db or ./mlruns in its working directory: healthy, empty, and lost "
        "with the container.",
        "set backend_store_uri",
    ),
    "database-scheme-missing": _error(
        "The store is named without a scheme.",
        "Anything without a scheme is a path: MLflow makes a directory of that name.",
        "write dialect+driver://user@host:port/database",
    ),
    "database-scheme-unsupported": _error(
        "The scheme is none that MLflow has a store for.",
        "The server stops with an error that prints the whole URI, password included.",
        "use postgresql+psycopg2, mysql+pymysql, mssql+pymssql or sqlite, in lower case",
    ),
    "backend-store-remote-server": _error(
        "The store is another tracking server or a Databricks workspace.",
        "A server needs a database; these are addresses for clients.",
        "use the URI of the database",
    ),
    "database-driver-unknown": _error(
        "SQLAlchemy has no such driver, or it is an asynchronous one.",
        "The server stops when it builds its engine.",
        "use a synchronous driver, such as psycopg2, psycopg or pymysql",
    ),
    "database-driver-implicit": _warning(
        "The URI leaves the driver to SQLAlchemy.",
        "A bare postgresql:// means psycopg2 up to SQLAlchemy 2.0 and psycopg 3 from 2.1 on: a rebuilt image "
        "then fails with "
        "`No module named 'psycopg'`.",
        "name the driver, as in postgresql+psycopg2://",
    ),
    "database-driver-missing": _error(
        "The driver is not among those that the image holds.",
        "The server stops with ModuleNotFoundError.",
        "use a driver of the image, or add it to the image",
    ),
    "database-uri-malformed": _error(
        "The URI cannot be read.",
        "SQLAlchemy refuses it, or reads it as something else.",
        "write dialect+driver://user@host:port/database",
    ),
    "database-uri-unencoded": _error(
        "User or password hold reserved characters that are not percent-encoded.",
        "SQLAlchemy cuts the URI at them: the rest of the password becomes the host, is sent to the name server "
        "and logged.",
        "percent-encode them (@ is %40, / is %2F, : is %3A, # is %23), or keep the password out of the URI",
    ),
    "database-host-missing": _error(
        "The database's host is not named.",
        "The client library then takes a socket inside the container.",
        "name the host, or the socket directory as ?host=/path",
    ),
    "database-host-invalid": _error(
        "The database's host is not a host name or address.",
        "The server tries for 103 seconds and more before it gives up; IPv6 addresses need brackets.",
        "correct the host",
    ),
    "database-host-loopback": _warning(
        "The database is expected on the loopback address.",
        "In a container that is the container itself.",
        "use the name of the database's service, unless it runs in the same pod",
    ),
    "database-port-invalid": _error(
        "The database's port is not a port.",
        "SQLAlchemy refuses the URI, or the connection cannot be made.",
        "use a number from 1 to 65535",
    ),
    "database-name-missing": _error(
        "No database is named.",
        "The client library takes PGDATABASE or the user's name: MLflow was seen to build its 65 tables in `postgres`.",
        "append /<database>",
    ),
    "database-name-invalid": _error(
        "The name of the database holds characters that it surely should not.",
        "A line break, a blank or a slash at the end name another database.",
        "correct the name",
    ),
    "database-name-system": _error(
        "The database is one of the server's own.",
        "MLflow would put its tables into every database made later (template1) or beside the server's own data.",
        "use a database of its own",
    ),
    "database-name-maintenance": _warning(
        "The database is the maintenance database `postgres`.",
        "Other tools connect to it by default and may leave tables in it.",
        "use a database of its own",
    ),
    "database-query-override": _error(
        "The query of the URI names the host, port, user, password, database or service a second time.",
        "The query wins: the server connects to something else than the URI seems to say.",
        "name each part once, before the question mark",
    ),
    "database-query-invalid": _error(
        "The query of the URI holds a parameter or value that the driver does not take.",
        "Every connection fails, after 103 seconds and more of retries.",
        "correct the parameter",
    ),
    "database-tls-root-missing": _error(
        "The database's certificate is to be verified, and no authority is named.",
        "libpq then looks for ~/.postgresql/root.crt, which a container does not have, and refuses every connection.",
        "add sslrootcert=/path/of/the/ca.pem, or sslrootcert=system for public authorities",
    ),
    "database-statement-timeout": _warning(
        "The URI limits how long a statement may take.",
        "A migration of a large database takes minutes in one statement, and is cut off.",
        "set the limit for the role that the servers use, not for the one that owns the schema",
    ),
    "database-search-path": _warning(
        "The URI selects a schema by its options.",
        "It works, but a URI without them builds a second complete schema in `public`.",
        "set the search path for the role in the database instead",
    ),
    "database-read-only": _error(
        "The connection asks for a read-only server.",
        "MLflow writes at start and with every request.",
        "connect to the primary",
    ),
    "database-in-memory": _error(
        "The store is an SQLite database in memory.",
        "Each worker has its own and all are lost at restart.",
        "use a database server",
    ),
    "sqlite-uri-form": _error(
        "The SQLite URI has the wrong number of slashes.",
        "sqlite://x/y names a host, which SQLite has not; relative paths take three slashes, absolute ones four.",
        "write sqlite:////absolute/path",
    ),
    "sqlite-relative-path": _error(
        "The SQLite file is relative to the working directory.",
        "In a container that is a layer which is lost with it.",
        "use a database server, or an absolute path on a mount",
    ),
    "sqlite-path-not-mounted": _warning(
        "The SQLite file is on no path that is known to be mounted.",
        "Without a mount it is lost with the container.",
        "put it on a mount and name that in shared_paths",
    ),
    "sqlite-with-replicas": _error(
        "Several replicas use SQLite.",
        "Each has its own file, or all lock one over a network file system: `database is locked`, and corruption.",
        "use a database server",
    ),
    "sqlite-with-workers": _warning(
        "Several workers use SQLite.",
        "Writers lock each other out.",
        "set workers to 1, or use a database server",
    ),
    "file-store": _error(
        "The store is a directory.",
        "The file store is in maintenance mode, has no model registry worth the name and no transactions; newer "
        "releases refuse it.",
        "use a database server",
    ),
    "local-default-store": _warning(
        "The server process keeps its data in its working directory.",
        "Started from another directory it is a healthy, empty server.",
        "name the store with an absolute path, or use a database server",
    ),
    "registry-store-separate": _warning(
        "Models are registered in another database than runs are tracked in.",
        "`mlflow db upgrade` handles one of them at a time, and MLflow never verifies the registry's revision.",
        "leave registry_store_uri out unless the separation is wanted",
    ),
    "registry-store-other-kind": _error(
        "The registry store is of another kind than the backend store.",
        "Nearly always one of the two is a left-over; backups and upgrades of the two then never match.",
        "use the same kind of database for both",
    ),
    "read-replica-mismatch": _error(
        "The read replica cannot be a copy of the backend store.",
        "Reads would be answered from other data than writes go to.",
        "name a replica of the same database",
    ),
    "read-replica-is-primary": _warning(
        "The read replica is the backend store itself.",
        "Nothing is taken off the primary: every worker opens a second pool of connections to it.",
        "name the address of a replica, or leave read_replica_backend_store_uri out",
    ),
    "pool-size-without-pool": _error(
        "A size is given for a pool that has none.",
        "SQLAlchemy refuses to build the engine (`Invalid argument(s) 'pool_size'`), and the server does not start.",
        "remove the sizes, or the class of the pool",
    ),
    "pool-of-one": _error(
        "The class of the pool gives one connection to all.",
        "Requests at the same time use one connection at once, or fail with `connection is already checked out`.",
        "use QueuePool, or NullPool behind a pooler",
    ),
    "connection-budget": _error(
        "The servers may open more connections than the database allows.",
        "replicas x workers x engines x (pool + overflow) is reached under load, and requests fail with `too "
        "many clients`. MLflow takes a pool or overflow of 0 as not set (5 and 10); an overflow of -1 has no bound.",
        "raise max_connections (the playbooks' own PostgreSQL: postgres_max_connections, which restarts it), or lower "
        "replicas, workers, MLFLOW_SQLALCHEMYSTORE_POOL_SIZE and _MAX_OVERFLOW",
    ),
    # --- Artifacts ----------------------------------------------------------------------------------------------
    "artifacts-destination-missing": _error(
        "Nothing says where artifacts go to.",
        "The default ./mlartifacts is a directory of the container: lost with it, and different in each replica.",
        "set artifacts_destination",
    ),
    "artifact-path-relative": _error(
        "An artifact location is relative, or lacks its scheme.",
        "bucket/path, s3//bucket and ~/x all become directories below the working directory, silently and for ever.",
        "use a URI with scheme, or an absolute path on a mount",
    ),
    "artifact-path-not-shared": _error(
        "Several replicas keep artifacts on a local path that is not declared as shared.",
        "What one replica stores, the others list as empty with status 200.",
        "mount the same storage everywhere and name it in shared_paths, or use an object store",
    ),
    "artifact-path-not-mounted": _warning(
        "Artifacts are kept on a local path that is not a mount.",
        "Without a mount they are lost with the container. The check knows the declared ones (shared_paths).",
        "put them on a mount and name that in shared_paths",
    ),
    "artifact-root-local": _error(
        "The default artifact root is a path of the server.",
        "Clients write to that path on their own disk, report success, and the server shows nothing.",
        "use artifacts_destination, or an object store as root",
    ),
    "artifact-root-shared-path": _warning(
        "The default artifact root is a mounted path.",
        "Clients write to it themselves, so every client needs the same mount at the same path.",
        "use artifacts_destination unless all clients have the mount",
    ),
    "artifact-uri-malformed": _error(
        "An artifact URI names no bucket or container.",
        "It is never checked at start; every upload fails, and an artifact root is stored with each experiment "
        "for ever.",
        "write scheme://bucket/path",
    ),
    "artifact-uri-query": _error(
        "An artifact URI has a query or fragment.",
        "It becomes part of the stored location of every experiment.",
        "remove it",
    ),
    "artifact-scheme-unsupported": _error(
        "The release has no artifact repository for the scheme, or not for this purpose.",
        "/health is fine; every upload fails.",
        "use a supported scheme, in lower case",
    ),
    "artifact-bucket-invalid": _error(
        "The bucket's name breaks the rules for buckets.",
        "The first upload fails, not the start.",
        "use 3 to 63 lower-case letters, digits, dots and hyphens",
    ),
    "artifact-bucket-underscore": _warning(
        "The bucket's name holds an underscore.",
        "Only old buckets can; new ones are refused, and TLS host names do not work with it.",
        "use hyphens",
    ),
    "artifact-root-host": _warning(
        "The artifact root holds the address of a server.",
        "It is stored with each experiment; when the address changes, the artifacts are out of reach.",
        "use mlflow-artifacts:/ without host, unless a separate artifact server is wanted",
    ),
    "artifacts-not-served": _error(
        "Artifacts are not proxied, and the root is not a place that clients can reach.",
        "Without a root clients write below <server's directory>/mlruns on their own disk; a mlflow-artifacts: "
        "root answers 503.",
        "set default_artifact_root to an object store, or serve artifacts",
    ),
    "artifacts-destination-ignored": _warning(
        "A destination is set, but artifacts are not proxied.",
        "The destination is unused.",
        "remove artifacts_destination, or serve artifacts",
    ),
    "artifact-root-and-destination": _error(
        "Root and destination name different places.",
        "Experiments use the root, directly from the client; the destination holds nothing but what is sent to "
        "the open proxy.",
        "set artifacts_destination alone (proxied), or default_artifact_root with serve_artifacts: false (direct)",
    ),
    "artifact-proxy-open": _warning(
        "Clients store directly, but the proxy stays open.",
        "Whoever reaches the server can still upload through it.",
        "set serve_artifacts: false",
    ),
    "artifacts-only-conflict": _error(
        "An artifacts-only server was given something that it cannot use, or lacks what it needs.",
        "It exits with a usage error that prints the URI, password included; with serve_artifacts: false it "
        "serves nothing at all.",
        "remove the other argument",
    ),
    "endpoint-url-invalid": _error(
        "The endpoint of the object store is not an http(s) URL of a host.",
        "boto3 refuses it at the first upload.",
        "write http(s)://host:port",
    ),
    "endpoint-loopback": _warning(
        "The object store is expected on the loopback address.",
        "In a container that is the container itself; and the server hands this address to clients in presigned URLs.",
        "use an address that server and clients reach",
    ),
    "endpoint-console": _warning(
        "The endpoint has the port of MinIO's console.",
        "The console answers S3 requests with a web page, and every upload fails with an error about XML.",
        "use the port of the API, which is 9000 by default",
    ),
    "endpoint-behind-proxy": _warning(
        "Requests to an object store beside the servers go through a proxy.",
        "boto3 takes the proxy from the environment; it knows no such host, and uploads fail with 403 or 502.",
        "name the store's host in NO_PROXY",
    ),
    "s3-tls-contradiction": _warning(
        "TLS is not verified, yet a CA bundle is given.",
        "MLFLOW_S3_IGNORE_TLS and AWS_CA_BUNDLE exclude each other.",
        "keep the bundle",
    ),
    "s3-ca-bundle-partial": _warning(
        "Only boto3 knows the CA bundle.",
        "Multipart uploads go through requests and fail with certificate errors.",
        "set REQUESTS_CA_BUNDLE to the same file",
    ),
    "aws-credentials-partial": _error(
        "Only one half of the AWS key pair is there.",
        "boto3 stops with PartialCredentialsError at the first upload.",
        "deliver both halves, best in a credentials file",
    ),
    # --- Network and web server ---------------------------------------------------------------------------------
    "host-loopback": _warning(
        "The server listens on the loopback address of its container.",
        "Nobody outside the container can reach it.",
        "set host to 0.0.0.0",
    ),
    "host-invalid": _error(
        "The address to listen on is none.",
        "Noticed only by the web server: after the database was migrated, and with exit code 0.",
        "use an address or host name alone, such as 0.0.0.0",
    ),
    "static-prefix-invalid": _error(
        "The static prefix has the wrong form.",
        "`mlflow server` exits with a usage error.",
        "begin it with one slash and end it with none",
    ),
    "static-prefix-moves-health": _warning(
        "The static prefix moves /health and /version too.",
        "Probes of /health get 404 and the server is restarted for ever.",
        "probe <prefix>/health",
    ),
    "server-backends-conflict": _error(
        "Options for more than one web server are given.",
        "`mlflow server` exits with a usage error.",
        "keep one of gunicorn_opts, waitress_opts and uvicorn_opts",
    ),
    "security-options-without-uvicorn": _error(
        "The security options go with uvicorn only.",
        "`mlflow server` exits with a usage error.",
        "remove gunicorn_opts and waitress_opts",
    ),
    "dev-conflict": _error(
        "The development mode excludes the other argument.",
        "`mlflow server` exits with a usage error.",
        "remove dev",
    ),
    "dev-mode": _warning(
        "The server runs in development mode.",
        "It logs debug output and restarts with every changed file.",
        "remove dev unless MLflow itself is being developed",
    ),
    "server-option-duplicated": _error(
        "The options of the web server name what `mlflow server` sets itself.",
        "MLflow appends its own host, port and workers; one of the two silently wins, or the server listens elsewhere.",
        "use the arguments host, port and workers",
    ),
    "server-option-unknown": _error(
        "The web server has no such option.",
        "It dies at once, after the database was migrated, and `mlflow server` exits with 0.",
        "correct the option",
    ),
    "server-option-value": _error(
        "A word for the web server has a value that it does not take, or lacks one.",
        "It dies at once, after the database was migrated, and `mlflow server` exits with 0; with several workers it "
        "may also be started again for ever.",
        "correct the value",
    ),
    "server-option-ends": _error(
        "With this word the web server prints something or goes into the background, and ends.",
        "`mlflow server` waits for that process alone: the container stops with exit code 0 and is started again for "
        "ever.",
        "remove it",
    ),
    "server-options-conflict": _error(
        "Words for the web server do not go together.",
        "Each is fine alone; together the web server dies after the database was migrated, or answers every request "
        "with 500.",
        "give a certificate together with its key",
    ),
    "server-tls-key-missing": _warning(
        "The web server is given a certificate and no key.",
        "It starts only if the file of the certificate holds the key as well.",
        "give the key as well, unless one file holds both",
    ),
    "server-tls-plain-url": _warning(
        "The web server speaks TLS, and a public URL begins with http.",
        "Probes, load balancers and clients that speak plain HTTP are cut off.",
        "write https in public_urls, or leave TLS to a proxy before the server",
    ),
    "server-reload": _warning(
        "The web server watches its files.",
        "A change of any file restarts it, and uvicorn ignores the number of workers then.",
        "remove --reload unless MLflow itself is being developed",
    ),
    "server-root-path": _warning(
        "uvicorn is given a root path.",
        "MLflow's own comparisons are made with the whole path: /health is not a health check any more, and origins "
        "are not checked at all.",
        "remove it, and set static_prefix",
    ),
    "server-ends-itself": _warning(
        "The only worker ends after a number of requests, and nothing starts another one.",
        "uvicorn replaces workers only where there are several; `mlflow server` ends with exit code 0.",
        "use two workers or more, or remove --limit-max-requests",
    ),
    "server-option-package": _warning(
        "An option of the web server needs a package that MLflow does not bring.",
        "Without it the web server dies with ModuleNotFoundError, after the database was migrated.",
        "make sure that the image holds the package",
    ),
    "server-variable-ignored": _warning(
        "A setting for a web server has no effect.",
        "The web server that MLflow starts does not read it, or MLflow's own value wins.",
        "remove it",
    ),
    "server-options-unreadable": _error(
        "The options of the web server cannot be split into words.",
        "A quote is not closed.",
        "close the quote",
    ),
    "workers-invalid": _error(
        "The number of workers is not a positive integer.",
        "0, -1 and words are noticed only by the web server, after the database was migrated, if at all.",
        "give a positive integer",
    ),
    "allowed-hosts-invalid": _error(
        "An allowed host is not of the form of a Host header.",
        "Headers hold host or host:port in lower case; anything else matches nothing and everybody gets 403. A star "
        "makes the entry a pattern, in which brackets are a set of characters: [::1]:* is written [[]::1]:*.",
        "write host or host:port, separated by commas",
    ),
    "allowed-host-default-port": _warning(
        "An allowed host names port 80 or 443, and the name alone is not allowed.",
        "Browsers and most clients leave the default port out of the Host header, so the entry matches none of them.",
        "add the name without port",
    ),
    "allowed-host-without-port": _warning(
        "A name of the inner network is allowed without a port.",
        "Clients there call the server by its port and send `name:port`, which is another text: 403.",
        "add the name with its port, or with :*",
    ),
    "allowed-hosts-missing": _warning(
        "Origins are allowed, but not their hosts.",
        "The page of that name is refused with 403 by its Host header before its origin is looked at.",
        "set allowed_hosts to the public names",
    ),
    "scraper-not-allowed": _warning(
        "Metrics are exposed, but the addresses that scrapers use are not among the allowed hosts.",
        "allowed_hosts replaces the default, which lets private addresses pass: /metrics answers 403, while /health "
        "stays green.",
        "add patterns for the private addresses, such as 10.*, or the name by which the scraper asks",
    ),
    "security-option-ignored": _warning(
        "Hosts or origins are listed, but the security middleware is off.",
        "Nothing is compared with them.",
        "leave the middleware on, or remove the list",
    ),
    "allowed-hosts-any": _warning(
        "Every host is allowed.",
        "The protection against DNS rebinding is off.",
        "name the public hosts",
    ),
    "allowed-hosts-default": _warning(
        "Several replicas, but no allowed hosts.",
        "By default only localhost and private addresses pass; a load balancer's name gets 403, while probes "
        "stay green.",
        "set allowed_hosts, and public_urls to have it checked",
    ),
    "public-url-invalid": _error(
        "A public URL is not an http(s) URL.",
        "It is what allowed hosts, origins and prefix are checked against.",
        "write https://host[:port][/prefix]",
    ),
    "public-url-prefix": _error(
        "The path of a public URL is not the static prefix.",
        "The user interface loads its files from the wrong place.",
        "make both the same",
    ),
    "public-host-not-allowed": _error(
        "The host of a public URL is not among the allowed hosts.",
        "Every user gets 403 `Invalid Host header`, while /health stays green.",
        "add it to allowed_hosts, with its port if it is not the default one",
    ),
    "public-origin-not-allowed": _error(
        "The origin of a public URL is not among the allowed CORS origins.",
        "The user interface gets 403 `Cross-origin request blocked` with every change, although it is the same origin.",
        "add scheme://host[:port] to cors_allowed_origins",
    ),
    "cors-origin-invalid": _error(
        "An allowed origin is not of the form of an Origin header.",
        "It is compared as text: a path, a closing slash or a missing scheme match nothing.",
        "write scheme://host[:port] without a default port, separated by commas",
    ),
    "cors-any-origin": _warning(
        "Every origin is allowed.",
        "Any web page that a user visits can change data.",
        "name the origins",
    ),
    "cors-origins-missing": _warning(
        "Hosts are allowed, but no origins.",
        "The user interface behind another name than localhost needs both.",
        "set cors_allowed_origins to the public address",
    ),
    "x-frame-options-invalid": _error(
        "The value is no X-Frame-Options.",
        "MLflow sends it as it is, and browsers ignore it.",
        "use SAMEORIGIN, DENY or NONE",
    ),
    "security-middleware-disabled": _warning(
        "The security middleware is off.",
        "Neither Host nor Origin headers are checked.",
        "leave it on, or check both in a proxy before the server",
    ),
    "prometheus-path-relative": _warning(
        "The directory for metrics is relative.",
        "It lies below the working directory, which may be read-only.",
        "use an absolute path on a writable mount",
    ),
    "prometheus-path-shared": _error(
        "Several replicas write their metrics into one shared directory.",
        "Process numbers collide and the figures are mixed.",
        "use a directory of each replica's own",
    ),
    # --- Authentication, secrets and jobs -----------------------------------------------------------------------
    "auth-secret-key-missing": _error(
        "Basic authentication lacks its secret key.",
        "The server stops, after the database was migrated; with a key of its own each replica logs out the "
        "others' users.",
        "deliver MLFLOW_FLASK_SERVER_SECRET_KEY and name it in secret_environment",
    ),
    "auth-admin-password-missing": _error(
        "Basic authentication lacks the administrator's password.",
        "This release has no default password and does not start without one, after the database was migrated.",
        "deliver MLFLOW_AUTH_ADMIN_PASSWORD and name it in secret_environment, or set MLFLOW_AUTH_CONFIG_PATH",
    ),
    "auth-admin-password-short": _error(
        "The administrator's password has fewer than twelve characters.",
        "The server stops, after the database was migrated.",
        "use twelve or more",
    ),
    "app-of-plugin": _warning(
        "The application is none of MLflow's own.",
        "It must come from a plugin in the image; without it `mlflow server` exits with a usage error.",
        "make sure that the image holds the plugin",
    ),
    "auth-database-default": _warning(
        "Users and permissions are kept in basic_auth.db in the working directory.",
        "They are lost with the container.",
        "set MLFLOW_AUTH_CONFIG_PATH to a file with a database_uri, and auth_database_uri here",
    ),
    "auth-database-local": _error(
        "Each replica keeps users and permissions in a file of its own.",
        "A user made on one replica is unknown to the others.",
        "use a database server for them and name it in auth_database_uri",
    ),
    "auth-not-enabled": _warning(
        "Authentication is configured, but not switched on.",
        "Without app_name: basic-auth everybody can do everything.",
        "set app_name: basic-auth, or remove the variable",
    ),
    "webhook-key-missing": _warning(
        "The key for webhook secrets is not set.",
        "Each process makes its own: other workers answer 500, and after a restart stored secrets are lost for ever.",
        "deliver MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY and name it in secret_environment",
    ),
    "webhook-key-invalid": _error(
        "The key for webhook secrets is no Fernet key.",
        "The server stops at import.",
        "use 32 bytes in URL-safe base64",
    ),
    "kek-passphrase-missing": _warning(
        "The passphrase for stored gateway secrets is not set.",
        "A publicly known default protects them.",
        "deliver MLFLOW_CRYPTO_KEK_PASSPHRASE and name it in secret_environment",
    ),
    "jobs-with-replicas": _error(
        "Several replicas run the job runner, each with a queue of its own.",
        "Each start puts all running jobs of the shared database back into its own queue: they run twice.",
        "set MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false, or give all one queue by MLFLOW_SERVER_JOB_HUEY_REDIS_URL",
    ),
    "jobs-with-prefix": _warning(
        "The job runner calls the server without its static prefix.",
        "Jobs fail with 404.",
        "set MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false",
    ),
    "jobs-setting-ignored": _warning(
        "A setting for jobs is given, but no jobs are run.",
        "Nothing is archived, queued or scheduled.",
        "set MLFLOW_SERVER_ENABLE_JOB_EXECUTION=true, or remove the setting",
    ),
    "jobs-host-not-allowed": _warning(
        "The job runner calls the server by its listening address, which is not among the allowed hosts.",
        "Jobs fail with 403.",
        "add host:port to allowed_hosts, or set MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false",
    ),
    "workspace-store-ignored": _warning(
        "A workspace store is named, but workspaces are off.",
        "MLflow says so in one line of its log and goes on.",
        "set enable_workspaces, or remove workspace_store_uri",
    ),
    "file-store-with-workspaces": _error(
        "Workspaces need a database.",
        "The server refuses to start.",
        "use a database server",
    ),
    # --- Changes against what was last applied ------------------------------------------------------------------
    "schema-upgrade": _error(
        "The new release brings database revisions that the last one did not have.",
        "There is no way back but a restored dump, and replicas of the old release fail at their next restart.",
        "back up the database, plan the schema step, and accept this code",
    ),
    "schema-downgrade": _error(
        "The new release lacks database revisions that the last one had.",
        "It refuses the database (`Can't locate revision`, `out-of-date`), and no command takes a database back.",
        "restore a dump made with the older release, then accept this code",
    ),
    "backend-store-changed": _error(
        "The backend store is another database than before.",
        "All experiments and runs are out of reach; MLflow builds new tables wherever it is pointed to.",
        "move the data first, then accept this code",
    ),
    "registry-store-changed": _error(
        "The registry store is another database than before.",
        "All registered models are out of reach.",
        "move the data first, then accept this code",
    ),
    "auth-store-changed": _error(
        "The database of users and permissions is another one than before.",
        "All users are unknown, and a new administrator is made.",
        "move the data first, then accept this code",
    ),
    "artifacts-destination-changed": _error(
        "Proxied artifacts go to another place than before.",
        "MLflow stores the destination nowhere: every earlier run lists empty, with status 200.",
        "copy the artifacts first, then accept this code",
    ),
    "artifacts-endpoint-changed": _error(
        "The object store's endpoint is another one than before.",
        "The same bucket name leads to other data.",
        "copy the artifacts first, then accept this code",
    ),
    "artifacts-proxy-removed": _error(
        "Artifacts were proxied and are no longer.",
        "Everything stored so far has mlflow-artifacts: locations, which then answer 503.",
        "keep serve_artifacts on; accept this code if no proxied artifact exists",
    ),
    "tracking-removed": _error(
        "The server was a tracking server and becomes an artifacts-only one.",
        "Every request for runs and experiments fails.",
        "deploy the artifacts-only server beside it, or accept this code",
    ),
    "workspaces-removed": _error(
        "Workspaces were on and are no longer.",
        "With data outside the workspace `default` the server refuses to start.",
        "move everything into `default` first, then accept this code",
    ),
    "artifact-root-changed": _warning(
        "New experiments keep their artifacts elsewhere than the existing ones.",
        "Existing ones stay where they are, for ever; the deployment is then a mixture of both.",
        "plan for both places",
    ),
    "address-changed": _warning(
        "The server answers under another path than before.",
        "Clients and probes that use the old address get 404.",
        "tell the users",
    ),
    "authentication-removed": _warning(
        "Basic authentication was on and is no longer.",
        "Everybody who reaches the server can do everything.",
        "make sure that something else protects it",
    ),
}


class Finding(NamedTuple):
    """One thing that was found; `found` and `message` never hold a secret."""

    code: str
    severity: str
    argument: str
    found: str
    remedy: str
    message: str

    def as_dict(self) -> dict[str, str]:
        return dict(self._asdict())


def make_finding(code: str, argument: str, found: str, remedy: str | None = None) -> Finding:
    """A finding with its sentence; severity and, where none is given, the remedy come from the table."""
    entry = FINDINGS[code]
    remedy = remedy or entry["remedy"]
    return Finding(code, entry["severity"], argument, found, remedy, f"{argument}: {found}; {remedy} [{code}].")
