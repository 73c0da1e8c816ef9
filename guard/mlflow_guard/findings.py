# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""What every finding of the guard means and what to do about it: plain data, of which the docs can be made.

`severity` is error (the command refuses) or warning. `retry` marks an error that may go away by itself: exit code 4.
`usage` marks one of the command line, the configuration or the environment: exit code 2. `acceptable` marks an error
that `--accept CODE` may turn into a warning, because nothing is damaged by going on. `remedy` is the second half of a
sentence: it follows what was found. A code that the collection's check of the arguments has too means the same there.
"""

FINDINGS = {
    # Configuration and image
    "accept-unknown": {
        "severity": "error",
        "usage": True,
        "meaning": "A code that is to be accepted does not exist.",
        "why": "A misspelt code would accept nothing, and the refusal that it was meant for would come as a surprise.",
        "remedy": "write the code as the refusal prints it",
    },
    "accept-never": {
        "severity": "error",
        "usage": True,
        "meaning": "A code is to be accepted that can never be accepted.",
        "why": "Going on in spite of it would damage data or start a server that cannot work.",
        "remedy": "do what its own refusal says instead",
    },
    "configuration": {
        "severity": "error",
        "usage": True,
        "meaning": "The guard's configuration file or a command option is missing or wrong.",
        "why": "The guard never guesses which database or store is meant.",
        "remedy": "correct it and deploy again",
    },
    "environment-value-invalid": {
        "severity": "error",
        "usage": True,
        "meaning": "The value of an environment variable is none that its reader takes.",
        "why": "The guard does not guess what was meant.",
        "remedy": "correct the value",
    },
    "database-scheme-unsupported": {
        "severity": "error",
        "usage": True,
        "meaning": "The scheme is none that MLflow has a store for.",
        "why": "The guard knows PostgreSQL, MySQL, MariaDB and SQLite.",
        "remedy": "use postgresql+psycopg2, mysql+pymysql or sqlite as the drivername",
    },
    "database-name-missing": {
        "severity": "error",
        "usage": True,
        "meaning": "No database is named.",
        "why": "The client library would take one of another name.",
        "remedy": "name the database",
    },
    "database-in-memory": {
        "severity": "error",
        "usage": True,
        "meaning": "The store is an SQLite database in memory.",
        "why": "Each worker has its own and all are lost at restart.",
        "remedy": "use a database server, or a file on a mounted volume",
    },
    "sqlite-relative-path": {
        "severity": "error",
        "usage": True,
        "meaning": "The SQLite file is relative to the working directory.",
        "why": "In a container that is a layer which is lost with it.",
        "remedy": "use a database server, or an absolute path on a mount",
    },
    "database-host-missing": {
        "severity": "error",
        "usage": True,
        "meaning": "The database's host is not named.",
        "why": "The client library would take a socket inside the container.",
        "remedy": "name the host",
    },
    "database-host-invalid": {
        "severity": "error",
        "usage": True,
        "meaning": "The database's host is not a host name or address.",
        "why": "No connection can be made.",
        "remedy": "correct the host",
    },
    "database-port-invalid": {
        "severity": "error",
        "usage": True,
        "meaning": "The database's port is not a port.",
        "why": "No connection can be made.",
        "remedy": "use a number from 1 to 65535",
    },
    "artifacts-destination-missing": {
        "severity": "error",
        "usage": True,
        "meaning": "Nothing says where artifacts go to.",
        "why": "MLflow would keep them in a directory of the container: lost with it, and different in each replica.",
        "remedy": "name the destination",
    },
    "secret-unreadable": {
        "severity": "error",
        "usage": True,
        "meaning": "A file that holds a password or another secret is missing, unreadable, empty or has several lines.",
        "why": (
            "Secrets reach the processes as files only; a password of several lines cannot stand in a password file of "
            "libpq."
        ),
        "remedy": "mount a readable file with the secret in one line",
    },
    "stored-secrets-unreadable": {
        "severity": "error",
        "acceptable": True,
        "meaning": "The database holds secrets that no given passphrase or key decrypts.",
        "why": "MLflow starts, and fails when somebody needs them: API keys of the AI gateway, or secrets of webhooks.",
        "remedy": (
            "give the value with which they were stored, or give it in previous_secrets (deployment_previous_secrets) "
            "to have them encrypted with the new one, or accept stored-secrets-unreadable (mlflow_server_accept) to "
            "give them up"
        ),
    },
    "stored-secrets-former": {
        "severity": "error",
        "meaning": "The database holds secrets that are encrypted with the former passphrase or key.",
        "why": "The server gets the new one and could not decrypt them.",
        "remedy": "run the schema step in a mode that changes something (mlflow_server_schema=initialize)",
    },
    "argv-overrides": {
        "severity": "error",
        "usage": True,
        "meaning": "The arguments of `mlflow server` name another store than the one that the guard checks.",
        "why": (
            "A command line option wins over the environment, so the server would open a database or a store that "
            "nobody has checked."
        ),
        "remedy": "remove the option from the arguments and set the store in the deployment's own variables",
    },
    "mlflow-unreadable": {
        "severity": "error",
        "meaning": "MLflow or its migration scripts cannot be found in this image.",
        "why": "Without them nobody knows which schema this image needs.",
        "remedy": "use an image that has MLflow's server packages, or check PYTHONPATH",
    },
    "import-failed": {
        "severity": "error",
        "meaning": "A Python package, or a file, that the server needs is missing in the image or cannot be loaded.",
        "why": "MLflow notices most of them only while it serves, some by restarting its workers without end.",
        "remedy": "build the image again with this package",
    },
    "code-unknown": {
        "severity": "warning",
        "meaning": "This image's MLflow has other code where the guard's web server takes a shorter way.",
        "why": "What is passed by there might refuse, count or change something, so MLflow's own, slower way is used.",
        "remedy": "nothing is needed; an image with the release that the guard was written for is faster",
    },
    "structure-unknown": {
        "severity": "warning",
        "meaning": "This image's MLflow is newer than the guard's list of tables for each revision.",
        "why": "Then only the revision is compared, and the tables of the newest revision that the list knows.",
        "remedy": "use a newer release of the guard when there is one",
    },
    # Reaching a database
    "database-driver-missing": {
        "severity": "error",
        "meaning": "The driver is not among those that the image holds.",
        "why": "An image made for another database. `postgresql` alone means psycopg2 here.",
        "remedy": "use postgresql+psycopg2, mysql+pymysql or sqlite as the drivername, with its package in the image",
    },
    "database-driver-unknown": {
        "severity": "error",
        "meaning": "SQLAlchemy has no such driver, or it is an asynchronous one.",
        "why": "Often a typing error. The server would stop when it builds its engine.",
        "remedy": "use postgresql+psycopg2, mysql+pymysql or sqlite as the drivername",
    },
    "database-host-unknown": {
        "severity": "error",
        "retry": True,
        "meaning": "The database's host name does not resolve.",
        "why": "A typing error, a server on another network, or a name service that is not up yet.",
        "remedy": "check the host name and the network of this container",
    },
    "database-port-closed": {
        "severity": "error",
        "retry": True,
        "meaning": "The database's host answers, but nothing listens on the port.",
        "why": "A wrong port, or a database server that is down or listens on another address.",
        "remedy": "check the port and that the database server runs",
    },
    "database-timeout": {
        "severity": "error",
        "retry": True,
        "meaning": "The database's host or server does not answer in time.",
        "why": "A firewall that drops packets, a wrong address, or a server that hangs.",
        "remedy": "check the address, the firewall and the database server's log",
    },
    "database-starting": {
        "severity": "error",
        "retry": True,
        "meaning": "The database server is starting, stopping or recovering.",
        "why": "It takes no connections in that time.",
        "remedy": "wait until it is ready",
    },
    "database-connections-full": {
        "severity": "error",
        "retry": True,
        "meaning": "The database server, the database or the role takes no more connections.",
        "why": "Every worker of the server holds several connections.",
        "remedy": "raise max_connections, or use fewer workers, replicas or a smaller pool",
    },
    "database-locked": {
        "severity": "error",
        "retry": True,
        "meaning": "A table or the database is locked by another session for longer than the guard waits.",
        "why": "A migration is running, or a transaction was left open.",
        "remedy": "wait for the other session or end it",
    },
    "database-auth-failed": {
        "severity": "error",
        "meaning": "The database server does not accept the user name and password.",
        "why": "Often a password that was generated anew while the database kept the old one.",
        "remedy": "check the user name and the content of the password file",
    },
    "database-not-admitted": {
        "severity": "error",
        "meaning": (
            "The database server does not admit this client at all (pg_hba.conf, host lists, or a database that takes "
            "no connections)."
        ),
        "why": "The server decides by address, user, database and encryption before it looks at the password.",
        "remedy": "admit this address and user on the database server, or use TLS if it asks for encryption",
    },
    "database-missing": {
        "severity": "error",
        "meaning": "The database does not exist on the server.",
        "why": "The guard creates no databases: a wrong name must not start an empty one.",
        "remedy": "correct the database name or create the database",
    },
    "database-no-connect-right": {
        "severity": "error",
        "meaning": "The role may not connect to the database.",
        "why": "The CONNECT right was revoked, which is usual where several applications share a server.",
        "remedy": "GRANT CONNECT ON DATABASE to the role",
    },
    "database-tls": {
        "severity": "error",
        "meaning": "The encrypted connection to the database failed: certificate, name or TLS setting.",
        "why": "The server does not offer TLS, or its certificate is not the one that is trusted here.",
        "remedy": "check sslmode and sslrootcert in the query of the database and the server's certificate",
    },
    "database-not-a-database": {
        "severity": "error",
        "meaning": "What answers on the port does not speak the database's protocol.",
        "why": "A wrong port often belongs to another service.",
        "remedy": "check host and port",
    },
    "database-replica": {
        "severity": "error",
        "retry": True,
        "meaning": "The database server is a replica, which takes no writes.",
        "why": (
            "A replica's address was given, or a failover has left the address at a server that is not promoted yet. "
            "MLflow would start, and every write would fail."
        ),
        "remedy": "give the address of the primary, or wait until this server is promoted",
    },
    "role-read-only": {
        "severity": "error",
        "meaning": "Sessions of the role are read-only by a setting, default_transaction_read_only.",
        "why": "It is set for the role, the database or the whole server, often to keep a copy as it is.",
        "remedy": "give the address of the primary, or take the setting away (ALTER ROLE or ALTER DATABASE … RESET)",
    },
    "database-pooler": {
        "severity": "error",
        "meaning": "A connection pooler stands in between that does not keep a session, or does not pass settings on.",
        "why": (
            "Session locks and settings do not work through such pooling, so the schema step needs the database "
            "itself. Servers and the check may go through it."
        ),
        "remedy": (
            "run the schema step with the database server's own host and port, and keep the pooler's for the servers"
        ),
    },
    "owner-elsewhere": {
        "severity": "error",
        "meaning": "The address of the owner role leads to another database than that of the servers.",
        "why": "The schema step would look at the one and migrate it, and the servers would work in the other.",
        "remedy": "give the owner the address of the server that the pooler leads to",
    },
    "database-refused": {
        "severity": "error",
        "meaning": "The database refused, with a reason that the guard has no name for.",
        "why": "The server's own sentence is given as found.",
        "remedy": "see the database server's log",
    },
    # What the database holds
    "schema-empty": {
        "severity": "error",
        "meaning": "The database is empty: MLflow has not been initialised there.",
        "why": (
            "An empty database where data was expected is often a wrong name, so a server never fills one by itself."
        ),
        "remedy": (
            "run `mlflow-guard schema --mode initialize` (mlflow_server_schema: initialize) if a new deployment is "
            "meant, else correct the database"
        ),
    },
    "database-unrecorded": {
        "severity": "error",
        "meaning": "The database holds an MLflow that no deployment has recorded as its own.",
        "why": "A plain server made it and may still work in it, or it was named by mistake.",
        "remedy": (
            "look at it first (playbooks/adopt.yml, `mlflow-guard survey`), then take it over on purpose: "
            "database_adopt_enabled, or the schema step without --only-recorded"
        ),
    },
    "schema-older": {
        "severity": "error",
        "meaning": "The database is at an older revision than this image's MLflow needs.",
        "why": (
            "The migration cannot be undone and shuts out all older servers, so it is made only on demand, after a "
            "dump."
        ),
        "remedy": (
            "set mlflow_server_schema: upgrade (`mlflow-guard schema --mode upgrade`), or use an image of the "
            "database's own MLflow release"
        ),
    },
    "schema-newer": {
        "severity": "error",
        "meaning": "The database is at a revision that this image's MLflow does not know: a newer release migrated it.",
        "why": "MLflow cannot go back; an older server on a newer schema fails or writes wrong rows.",
        "remedy": (
            "use an image with the MLflow release that migrated it or a newer one, or restore the dump from before "
            "that upgrade"
        ),
    },
    "schema-half-migrated": {
        "severity": "error",
        "meaning": (
            "The database holds MLflow's tables, but not as its revision says: a migration or initialisation did not "
            "end, or someone changed tables."
        ),
        "why": "MLflow would take it as it is, or fail in the middle of the next migration.",
        "remedy": "restore the last dump, or repair the named tables by hand and stamp the right revision",
    },
    "schema-version-lost": {
        "severity": "error",
        "meaning": "MLflow's tables are there, but the table with its revision is missing or empty.",
        "why": "Any migration would start from the beginning and fail on tables that exist.",
        "remedy": "restore the version table from a dump, or stamp the revision that fits the tables",
    },
    "schema-two-revisions": {
        "severity": "error",
        "meaning": "The version table has more than one row.",
        "why": "Two migrations ran at once, or two applications share the table; alembic cannot go on from there.",
        "remedy": "delete the row that does not fit the tables, after a dump",
    },
    "schema-foreign": {
        "severity": "error",
        "meaning": "The database belongs to another application.",
        "why": (
            "`mlflow server` would create its own tables in there, change tables of the same name, or leave five "
            "tables behind when it fails."
        ),
        "remedy": "give MLflow a database of its own and correct the database name",
    },
    "schema-other-purpose": {
        "severity": "error",
        "meaning": "The database is one of MLflow's, but of another kind or another deployment than configured here.",
        "why": "The backend store and the authentication database keep different tables.",
        "remedy": "check that backend_store, registry_store and auth_store are not exchanged",
    },
    "schema-elsewhere": {
        "severity": "error",
        "acceptable": True,
        "meaning": "The schema in use is empty, but another schema of the same database holds an MLflow.",
        "why": "A lost or changed search_path would start a second, empty MLflow beside the real one.",
        "remedy": (
            "correct search_path (query options of the store or ALTER ROLE), or accept schema-elsewhere "
            "(mlflow_server_accept) if a second MLflow is meant"
        ),
    },
    "schema-missing": {
        "severity": "error",
        "meaning": "The role has no schema that exists and that it may use.",
        "why": "The search_path names only schemas that are missing, or the USAGE right on them was not granted.",
        "remedy": "correct search_path or GRANT USAGE ON SCHEMA; the schema step grants it for the server's role",
    },
    "schema-differs": {
        "severity": "error",
        "meaning": "The owner and the server's role work in different schemas.",
        "why": 'What one creates the other would not see; a search_path with "$user" does this.',
        "remedy": "set the same search_path for both roles",
    },
    "schema-emptied": {
        "severity": "error",
        "acceptable": True,
        "meaning": (
            "The database is empty, but it once held a deployment: the record of its artifacts destination is still "
            "there."
        ),
        "why": "Its tables were dropped; initialising again would hide that, and all artifacts would belong to nobody.",
        "remedy": "restore the last dump, or accept schema-emptied (mlflow_server_accept) to begin anew",
    },
    "foreign-tables-beside": {
        "severity": "warning",
        "meaning": "Other tables or views stand beside MLflow's in the same schema.",
        "why": "They work together until a new MLflow release creates a table of the same name.",
        "remedy": "move them to a schema or database of their own",
    },
    "database-too-old": {
        "severity": "error",
        "meaning": "The database server is too old for MLflow.",
        "why": "MLflow's tables need generated columns: PostgreSQL 12, SQLite 3.31.",
        "remedy": "upgrade the database server",
    },
    "database-encoding": {
        "severity": "warning",
        "meaning": "The database's encoding, or a table's collation, does not fit.",
        "why": (
            "Names and tags outside the encoding are refused; in MySQL a foreign key needs equal collations on both "
            "sides."
        ),
        "remedy": (
            "make the database anew with UTF8 (MySQL: utf8mb4, and the collation of `experiments` as the database's "
            "default)"
        ),
    },
    "indexes-missing": {
        "severity": "warning",
        "meaning": "Indexes that MLflow's migrations make are missing.",
        "why": "Everything works, but pages become slow with many runs.",
        "remedy": "create them again as a new database has them",
    },
    "default-experiment": {
        "severity": "warning",
        "meaning": "The experiment 0 (Default) is deleted or missing although there are others.",
        "why": "Clients that name no experiment fail with `No Experiment with id=0`.",
        "remedy": (
            "restore it with `mlflow experiments restore --experiment-id 0`; a missing one is made at the next server "
            "start"
        ),
    },
    "sequence-behind": {
        "severity": "warning",
        "meaning": "A sequence is behind the largest number in its column.",
        "why": "The next insert fails as a duplicate; rows were copied in without their sequence.",
        "remedy": "set it with setval() to the column's maximum",
    },
    "connection-budget": {
        "severity": "warning",
        "meaning": "The servers may open more connections than the database allows.",
        "why": "Each worker has a pool for the tracking store and one for the registry.",
        "remedy": (
            "raise max_connections, or lower the servers, the workers, MLFLOW_SQLALCHEMYSTORE_POOL_SIZE or "
            "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW"
        ),
    },
    "time-limits-short": {
        "severity": "warning",
        "meaning": "Sessions of the server's role have time limits that MLflow reaches in ordinary use.",
        "why": (
            "They are set for the role, the database or the whole server. A search in a large database takes seconds, "
            "and writers of one experiment wait for one another; what is cut off ends as an error at the user."
        ),
        "remedy": (
            "give the role longer ones (ALTER ROLE … SET): statement_timeout and transaction_timeout from 30 s, "
            "lock_timeout and idle_in_transaction_session_timeout from 5 s, or 0"
        ),
    },
    # Rights
    "server-may-create": {
        "severity": "warning",
        "meaning": "The server's role may create tables in the schema.",
        "why": (
            "Then any server or client command with its password can still migrate the database behind the guard's "
            "back."
        ),
        "remedy": "REVOKE CREATE ON SCHEMA from the role and from PUBLIC, and use a separate owner role",
    },
    "server-owns-tables": {
        "severity": "warning",
        "meaning": "The server's role owns MLflow's tables or is a member of the role that does.",
        "why": "An owner may alter and drop its tables, so nothing stops a migration by the server.",
        "remedy": "give the tables to a separate owner role (REASSIGN OWNED)",
    },
    "rights-missing": {
        "severity": "error",
        "meaning": "The server's role may not read and write all rows of MLflow's tables.",
        "why": "The server would start and fail at the first write.",
        "remedy": "run the schema step, which grants them",
    },
    "record-of-another-owner": {
        "severity": "error",
        "meaning": "Another deployment, with another owner role, keeps its record of the destination in this database.",
        "why": "There is one schema for the records of a database, and only its owner may write there.",
        "remedy": "use a database of its own for each deployment, or the same owner role for both",
    },
    "server-role-missing": {
        "severity": "error",
        "meaning": "The server's role does not exist in the database.",
        "why": "The schema step grants the rights on rows to it.",
        "remedy": "create the role, or correct the server's user name",
    },
    "owner-missing": {
        "severity": "error",
        "meaning": "The configuration names no owner role, or its password file is not here.",
        "why": (
            "The schema step needs a role that may create and alter tables; server containers do not have its password."
        ),
        "remedy": "run the schema step where the owner's password file is mounted",
    },
    "owner-lacks-rights": {
        "severity": "error",
        "meaning": "The owner role may not create in the schema or the database, or does not own MLflow's tables.",
        "why": (
            "PostgreSQL 15 and later grant CREATE on schema public only to the database's owner; only an owner may "
            "alter a table."
        ),
        "remedy": "make the role the owner of the database and its tables (ALTER DATABASE … OWNER TO, REASSIGN OWNED)",
    },
    # Artifact locations in the database
    "locations-unreachable": {
        "severity": "error",
        "acceptable": True,
        "meaning": "Existing artifacts are reached through the server's proxy, which this configuration switches off.",
        "why": (
            "A location is written into an experiment and its runs for ever; without the proxy those artifacts cannot "
            "be read."
        ),
        "remedy": (
            "keep serving artifacts (artifact mode proxied), or rewrite the locations and accept locations-unreachable"
        ),
    },
    "locations-other-store": {
        "severity": "warning",
        "meaning": "Artifact locations in the database point to another store than the configured one.",
        "why": (
            "Locations are frozen when an experiment is made: old ones stay where they were, and clients need access "
            "there."
        ),
        "remedy": "keep the other store in place, or copy the artifacts and rewrite the locations",
    },
    "locations-mixed": {
        "severity": "warning",
        "meaning": "Some artifacts go through the server and others directly to a store.",
        "why": "Clients need the store's keys for a part of the experiments only, which surprises everybody.",
        "remedy": "use one artifact mode and rewrite the locations of the others",
    },
    "locations-local": {
        "severity": "warning",
        "meaning": "Artifact locations are paths of a local file system.",
        "why": "Every client writes such artifacts to its own disk, where nobody else finds them.",
        "remedy": "rewrite these locations, and use a root with a scheme for new experiments",
    },
    "locations-host": {
        "severity": "warning",
        "meaning": "Artifact locations contain the host name of a tracking server.",
        "why": "They break as soon as the server gets another name.",
        "remedy": "rewrite them to mlflow-artifacts:/ without a host",
    },
    "locations-unread": {
        "severity": "warning",
        "meaning": "The artifact locations could not all be read in time.",
        "why": "The tables are large; only the experiments were looked at.",
        "remedy": "nothing has to be done",
    },
    # Artifact store
    "store-unreachable": {
        "severity": "error",
        "retry": True,
        "meaning": "The artifact store's endpoint does not answer: name, port or time-out.",
        "why": "MLflow starts all the same, and every upload fails later.",
        "remedy": "check the endpoint's address and that the store runs",
    },
    "store-unavailable": {
        "severity": "error",
        "retry": True,
        "meaning": "The artifact store answers with a server error, or asks to slow down.",
        "why": "It is starting, overloaded or broken.",
        "remedy": "see the store's log",
    },
    "store-tls": {
        "severity": "error",
        "meaning": "The encrypted connection to the artifact store failed.",
        "why": "Its certificate is not trusted here, or the endpoint speaks no TLS.",
        "remedy": (
            "set AWS_CA_BUNDLE and REQUESTS_CA_BUNDLE to the certificate authority's file, or correct the endpoint's "
            "scheme"
        ),
    },
    "store-credentials-missing": {
        "severity": "error",
        "meaning": "There are no credentials for the artifact store.",
        "why": "Neither the environment nor the credentials file has a complete key.",
        "remedy": "mount the credentials file and name it in AWS_SHARED_CREDENTIALS_FILE",
    },
    "store-signature": {
        "severity": "error",
        "meaning": "The artifact store does not accept the key or its signature.",
        "why": "Unknown access key, wrong secret key, or an expired token.",
        "remedy": "check the credentials file of the server",
    },
    "store-clock": {
        "severity": "error",
        "meaning": "The clocks of this machine and the artifact store differ too much.",
        "why": "Signed requests are valid for some minutes only.",
        "remedy": "set the clock (NTP)",
    },
    "store-region": {
        "severity": "error",
        "meaning": "The bucket is in another region than the client's.",
        "why": "S3 redirects such requests, and uploads fail.",
        "remedy": "set AWS_DEFAULT_REGION to the bucket's region",
    },
    "store-bucket-missing": {
        "severity": "error",
        "meaning": "The bucket does not exist.",
        "why": "MLflow starts all the same, and the first upload fails.",
        "remedy": "create the bucket or correct its name",
    },
    "store-denied": {
        "severity": "error",
        "meaning": (
            "The server's key may not do what MLflow needs in the bucket: list, read, write, multipart upload, delete."
        ),
        "why": "A missing right shows only when a user needs it.",
        "remedy": (
            "allow s3:ListBucket, GetObject, PutObject, DeleteObject and AbortMultipartUpload on the bucket and prefix"
        ),
    },
    "store-checksum": {
        "severity": "error",
        "meaning": "The artifact store does not understand the checksums that boto3 sends.",
        "why": "Since 1.36 boto3 adds checksums by default, and some S3 look-alikes refuse them.",
        "remedy": (
            "set AWS_REQUEST_CHECKSUM_CALCULATION=when_required and AWS_RESPONSE_CHECKSUM_VALIDATION=when_required"
        ),
    },
    "store-not-s3": {
        "severity": "error",
        "meaning": "What answers at the endpoint is not an S3 store.",
        "why": "The port of a console or of another service was taken.",
        "remedy": "use the S3 port of the store",
    },
    "store-broken": {
        "severity": "error",
        "meaning": "What was written to the artifact store does not come back as it was, or an operation failed.",
        "why": "Artifacts would be damaged or lost.",
        "remedy": "see the store's log and its release notes",
    },
    "store-scheme-unchecked": {
        "severity": "warning",
        "meaning": "The guard has no probe for this kind of artifact store.",
        "why": "It knows S3 and directories; others are used by MLflow but not examined here, and carry no marker.",
        "remedy": "prove the store with a test upload",
    },
    "destination-missing": {
        "severity": "error",
        "meaning": "The directory for artifacts does not exist or is no directory.",
        "why": "MLflow would create it inside the container, where it is lost.",
        "remedy": "mount the volume at this path",
    },
    "artifact-path-not-mounted": {
        "severity": "error",
        "meaning": "Artifacts are kept on a local path that is not a mount.",
        "why": "Its content is lost with the container and other replicas do not see it.",
        "remedy": "mount a volume at this path",
    },
    "artifact-path-relative": {
        "severity": "error",
        "meaning": "An artifact location is relative, or lacks its scheme.",
        "why": "MLflow takes it as a path below its working directory.",
        "remedy": "use an absolute path of a mounted volume, or a URI such as s3://bucket",
    },
    "artifact-scheme-unsupported": {
        "severity": "error",
        "meaning": "The release has no artifact repository for the scheme, or not for this purpose.",
        "why": "These are addresses for clients; a server cannot store there.",
        "remedy": "use an absolute path of a mounted volume, or a URI such as s3://bucket",
    },
    "destination-not-writable": {
        "severity": "error",
        "meaning": "The server's user cannot write, rename or delete in the directory for artifacts.",
        "why": "Uploads would fail; on NFS root_squash and foreign user numbers do this.",
        "remedy": "give the directory to the user of the server's container",
    },
    "destination-hangs": {
        "severity": "error",
        "retry": True,
        "meaning": "The file system of the directory for artifacts does not answer.",
        "why": "A hard NFS mount waits for ever when its server is away.",
        "remedy": "check the file server and the mount",
    },
    "destination-full": {
        "severity": "warning",
        "meaning": "The file system of the directory for artifacts is nearly full.",
        "why": "Uploads fail when it is.",
        "remedy": "make room or enlarge the volume",
    },
    "destination-not-empty": {
        "severity": "warning",
        "meaning": "The database is new, but the destination already holds other objects.",
        "why": "Perhaps it belongs to another deployment or to an older database.",
        "remedy": "make sure that this destination is meant",
    },
    # Fingerprint of the destination
    "destination-unrecorded": {
        "severity": "error",
        "meaning": "The database has no record of the artifacts destination.",
        "why": "MLflow stores the destination nowhere; without a record a wrong one cannot be noticed.",
        "remedy": "run the schema step, which records the destination and puts a marker there",
    },
    "destination-unconfirmed": {
        "severity": "error",
        "meaning": "The record of the destination was begun, but its marker was not written.",
        "why": "A schema step was interrupted.",
        "remedy": "run the schema step again",
    },
    "destination-marker-missing": {
        "severity": "error",
        "meaning": "The destination has no marker although this database's artifacts should be there.",
        "why": "The destination was changed or emptied: all old artifacts would seem to be gone, without an error.",
        "remedy": "set the old destination again or restore its content; if this place is meant (only the marker was "
        "lost, artifacts were copied, or may be lost), run the playbook once with -e "
        "mlflow_server_adopt_destination=true (`mlflow-guard schema --adopt-destination`)",
    },
    "destination-of-another": {
        "severity": "error",
        "meaning": "The destination carries the marker of another deployment.",
        "why": (
            "Two deployments in one destination delete each other's artifacts, and this database's artifacts are "
            "elsewhere."
        ),
        "remedy": "correct the destination, or take it over: run the playbook once with -e "
        "mlflow_server_adopt_destination=true (`mlflow-guard schema --adopt-destination`)",
    },
    "registry-of-another": {
        "severity": "error",
        "meaning": "The registry's database has the record of another deployment than the backend store's.",
        "why": "Two deployments in one registry change each other's models, and this one's models are elsewhere.",
        "remedy": "correct the registry's database; if that deployment is gone for good, remove its record there: "
        "DELETE FROM mlflow_guard.registry (the table mlflow_guard_registry, if it is not PostgreSQL)",
    },
    "destination-moved": {
        "severity": "warning",
        "meaning": "The destination is written differently from the recorded one, but carries the right marker.",
        "why": "The same store under another name, or a copy of it.",
        "remedy": "run the schema step, which records the new name",
    },
    "destination-marker-unreadable": {
        "severity": "error",
        "meaning": "The marker in the destination is not what the guard wrote.",
        "why": "Somebody changed .mlflow-guard/marker.json.",
        "remedy": "restore the object, or write it anew: run the playbook once with -e "
        "mlflow_server_adopt_destination=true (`mlflow-guard schema --adopt-destination`)",
    },
    # Schema step
    "lock-busy": {
        "severity": "error",
        "retry": True,
        "meaning": "Another schema step holds the lock for longer than this one waits.",
        "why": "Only one at a time may change a schema.",
        "remedy": "wait for the other one or end its session, then run it again",
    },
    "schema-blocked": {
        "severity": "error",
        "retry": True,
        "meaning": "The migration waited too long for a table that another session uses, and was undone.",
        "why": "An open transaction keeps the table; while the migration waits, all others wait too.",
        "remedy": "end that session (stop the servers for the upgrade) and run the schema step again",
    },
    "migration-failed": {
        "severity": "error",
        "meaning": "MLflow's own migration code failed.",
        "why": (
            "On PostgreSQL nothing of it remains; MySQL, MariaDB and SQLite cannot undo it, so restore the dump there."
        ),
        "remedy": "read the reason, repair the data it names, and run the schema step again",
    },
    "dump-program-missing": {
        "severity": "error",
        "meaning": "The program that dumps the database is not in this image.",
        "why": "There is no upgrade without a way back.",
        "remedy": "install the database's client package in the image, or make a dump yourself and use --skip-dump",
    },
    "dump-program-old": {
        "severity": "error",
        "meaning": "The image's pg_dump is older than the database server.",
        "why": "pg_dump refuses servers that are newer than itself.",
        "remedy": "use an image with a newer PostgreSQL client, or make a dump yourself and use --skip-dump",
    },
    "dump-failed": {
        "severity": "error",
        "meaning": "The dump before the upgrade could not be written.",
        "why": "There is no upgrade without a way back.",
        "remedy": "check the directory for dumps, its free space and the owner's rights",
    },
    "dump-skipped": {
        "severity": "warning",
        "meaning": "The upgrade was made without a dump, as asked.",
        "why": "Only a dump or a snapshot leads back.",
        "remedy": "keep your own",
    },
    "not-at-head": {
        "severity": "error",
        "meaning": "After the schema step the database is not at the image's revision.",
        "why": "Something else changed it at the same time, or the migration did not do what it should.",
        "remedy": "run the check and look for other programs that write to this database",
    },
    "unexpected": {
        "severity": "error",
        "meaning": "Something happened that the guard has no name for.",
        "why": "This is a defect of the guard or of its surroundings.",
        "remedy": "report it with the text",
    },
    # Health
    "unhealthy": {
        "severity": "error",
        "meaning": "The server does not answer an API request that reads the database.",
        "why": "MLflow's own /health answers even with the database down.",
        "remedy": "see the server's log and the database",
    },
}
