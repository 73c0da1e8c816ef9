#!/bin/sh
# Makes roles and databases what they should be, however far an earlier run came, and prints a line for each thing that it changed.
# Runs inside the container as the superuser through the local socket; passwords come from files and reach neither argv nor the server's log.
set -eu

admin() {
    psql --username=postgres --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 \
        --set=owner="$POSTGRES_OWNER" --set=server="$POSTGRES_SERVER" "$@"
}

ensure_role() { # role
    admin --dbname=postgres --set=role="$1" << 'SQL'
SELECT 'created role ' || :'role' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role');
SELECT format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE', :'role')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \gexec
SQL
}

# The password is set only where the one in the file does not open the door. psql reads the file itself.
ensure_password() { # role, file, database that the role may use
    PGPASSWORD="$(cat "$2")" psql --host=127.0.0.1 --username="$1" --dbname="$3" --no-psqlrc --command='' > /dev/null 2>&1 && return
    PASSWORD_FILE="$2" admin --dbname=postgres --set=role="$1" << 'SQL'
SET log_statement = 'none';
SET log_min_duration_statement = -1;
\set password `cat "$PASSWORD_FILE"`
ALTER ROLE :"role" PASSWORD :'password';
SQL
    echo "set the password of $1"
}

ensure_database() { # database
    admin --dbname=postgres --set=database="$1" << 'SQL'
SELECT 'created database ' || :'database' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database');
SELECT format('CREATE DATABASE %I OWNER %I', :'database', :'owner')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database') \gexec
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE :"database" TO :"server";
SQL
    admin --dbname="$1" << 'SQL'
ALTER SCHEMA public OWNER TO :"owner";
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
REVOKE CREATE ON SCHEMA public FROM :"server";
GRANT USAGE ON SCHEMA public TO :"server";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO :"server";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public GRANT USAGE, SELECT, UPDATE ON SEQUENCES TO :"server";
SQL
}

ensure_role "$POSTGRES_OWNER"
ensure_role "$POSTGRES_SERVER"
for database in $POSTGRES_DATABASES; do
    ensure_database "$database"
done
# The image sets it at the very first start only.
ensure_password postgres /run/secrets/postgres_superuser_password postgres
ensure_password "$POSTGRES_OWNER" /run/secrets/postgres_owner_password "$database"
ensure_password "$POSTGRES_SERVER" /run/secrets/postgres_server_password "$database"
# Each role is for its own databases only.
admin --dbname=postgres << 'SQL'
REVOKE CONNECT ON DATABASE postgres FROM PUBLIC;
REVOKE CONNECT ON DATABASE template1 FROM PUBLIC;
SQL
