#!/usr/bin/env bash
# Entry point of the PostgreSQL image: makes the database cluster at the first start, then runs the server.
#
# POSTGRES_USER (postgres), POSTGRES_PASSWORD, POSTGRES_DB (the user's name), POSTGRES_INITDB_ARGS: each also as ..._FILE, the path of a file that holds it.
# POSTGRES_HOST_AUTH_METHOD (scram-sha-256), PGDATA, and /docker-entrypoint-initdb.d/*.sql, *.sql.gz and *.sh, in the order of their names.
#
# A cluster is made in $PGDATA/.initdb and moved up when it is complete, PG_VERSION last. Whatever interrupts the first start, the next one either makes
# it again from nothing or finishes the move: a half-made cluster is never served.
set -Eeuo pipefail
shopt -s nullglob dotglob

fail() {
    echo "docker-entrypoint: $*" >&2
    exit 1
}

# variable NAME [DEFAULT]: sets NAME from itself, from the file that NAME_FILE names, or to DEFAULT.
variable() {
    local name=$1 file_name="${1}_FILE" default=${2:-}
    local value=${!name:-} file=${!file_name:-}
    if [[ -n $value && -n $file ]]; then
        fail "both $name and $file_name are set: give one of them."
    fi
    if [[ -n $file ]]; then
        [[ -r $file ]] || fail "$file_name names $file, which user $(id -u) cannot read: check its path, owner and mode."
        value=$(<"$file")
    fi
    printf -v "$name" '%s' "${value:-$default}"
    unset "$file_name"
}

# Started as root (not the default): own the directories, then become the user of the image.
become_postgres() {
    mkdir -p "$PGDATA" /run/postgresql
    find "$PGDATA" /run/postgresql \! -user postgres -exec chown postgres:postgres {} +
    exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
}

# initdb asks for the name of its user; a container may run under a number that has none.
name_the_user() {
    getent passwd "$(id -u)" >/dev/null && return
    wrapper=$(mktemp -d)
    echo "postgres:x:$(id -u):$(id -g):PostgreSQL:/var/lib/postgresql:/bin/sh" >"$wrapper/passwd"
    echo "postgres:x:$(id -g):" >"$wrapper/group"
    export NSS_WRAPPER_PASSWD=$wrapper/passwd NSS_WRAPPER_GROUP=$wrapper/group
    local libraries=(/usr/lib/*/libnss_wrapper.so)
    export LD_PRELOAD=${libraries[0]}
}

start_private_server() {
    # Reached only through a socket that nobody else looks for: a health check must not take this for the real server.
    sockets=$(mktemp -d)
    "$@" -D "$making" -c listen_addresses= -c unix_socket_directories="$sockets" &
    server=$!
    export PGHOST=$sockets
    local tries
    for ((tries = 0; tries < 600; tries++)); do
        pg_isready -q -U "$POSTGRES_USER" -d postgres && return
        kill -0 "$server" 2>/dev/null || fail "the server could not be started to make the database: its messages are above."
        sleep 0.1
    done
    fail "the server did not become ready within 60 seconds to make the database."
}

stop_private_server() {
    kill -INT "$server"
    wait "$server" || fail "the server did not stop cleanly after the database was made."
    unset PGHOST
    rm -rf "$sockets"
}

run_file() {
    local psql=(psql -v ON_ERROR_STOP=1 --no-password --no-psqlrc --username "$POSTGRES_USER" --dbname "$POSTGRES_DB")
    echo "docker-entrypoint: $1"
    case $1 in
    *.sh)
        if [[ -x $1 ]]; then
            "$1"
        else
            # shellcheck source=/dev/null
            . "$1"
        fi
        ;;
    *.sql) "${psql[@]}" -f "$1" ;;
    *.sql.gz) gunzip -c "$1" | "${psql[@]}" ;;
    *) echo "docker-entrypoint: $1 is left out, it is no .sh, .sql or .sql.gz file." ;;
    esac
}

make_cluster() {
    variable POSTGRES_PASSWORD
    variable POSTGRES_USER postgres
    variable POSTGRES_DB "$POSTGRES_USER"
    variable POSTGRES_INITDB_ARGS
    local method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
    if [[ -z $POSTGRES_PASSWORD && $method != trust ]]; then
        fail "POSTGRES_PASSWORD is empty and there is no database yet: set it, or POSTGRES_PASSWORD_FILE, to the password of the superuser."
    fi
    [[ $POSTGRES_PASSWORD != *$'\n'* ]] || fail "POSTGRES_PASSWORD holds a line break, which PostgreSQL cannot store: choose another."

    export PGDATA=$making
    # xargs takes quotes apart, and unlike eval runs nothing.
    local arguments=() password_file
    [[ -z $POSTGRES_INITDB_ARGS ]] || mapfile -d '' arguments < <(xargs printf '%s\0' <<<"$POSTGRES_INITDB_ARGS")
    password_file=$(umask 077 && mktemp)
    printf '%s\n' "$POSTGRES_PASSWORD" >"$password_file"
    if [[ -n $POSTGRES_PASSWORD ]]; then
        arguments+=(--pwfile="$password_file")
    fi
    initdb --username="$POSTGRES_USER" "${arguments[@]}" || { rm -f "$password_file"; fail "initdb failed: its reason is above."; }
    rm -f "$password_file"
    printf '\nhost all all all %s\n' "$method" >>"$making/pg_hba.conf"

    start_private_server "$@"
    export PGPASSWORD=$POSTGRES_PASSWORD
    if [[ $POSTGRES_DB != postgres ]]; then
        psql -q -v ON_ERROR_STOP=1 --no-psqlrc --username "$POSTGRES_USER" --dbname postgres -v name="$POSTGRES_DB" <<<'CREATE DATABASE :"name";'
    fi
    local file scripts=/docker-entrypoint-initdb.d
    # A folder that cannot be listed looks like an empty one.
    [[ ! -d $scripts || (-r $scripts && -x $scripts) ]] || fail "$scripts cannot be read by user $(id -u): give the folder the mode 0755."
    for file in "$scripts"/*; do
        run_file "$file"
    done
    unset PGPASSWORD
    stop_private_server
    PGDATA=$cluster
    sync
    touch "$cluster/.initdb-complete"
}

# Renames on one file system. It may be interrupted anywhere, and called again.
move_up() {
    local entry
    for entry in "$making"/*; do
        [[ ${entry##*/} == PG_VERSION ]] || mv "$entry" "$cluster/"
    done
    [[ ! -e $making/PG_VERSION ]] || mv "$making/PG_VERSION" "$cluster/"
    rm -rf "$making"
    rm -f "$cluster/.initdb-complete"
    sync
}

ensure_cluster() {
    mkdir -p "$PGDATA" 2>/dev/null || fail "PGDATA is $PGDATA, which user $(id -u) cannot make: give a volume that this user owns."
    chmod 0700 "$PGDATA" 2>/dev/null || true
    [[ -w $PGDATA ]] || fail "PGDATA is $PGDATA, in which user $(id -u) cannot write: give a volume that this user owns."
    if [[ -e $cluster/.initdb-complete ]]; then
        echo "docker-entrypoint: finishing the first start that was interrupted."
        move_up
    fi
    [[ ! -s $cluster/PG_VERSION ]] || return 0
    if [[ -d $making ]]; then
        echo "docker-entrypoint: the first start was interrupted; the database is made again."
        rm -rf "$making"
    fi
    local entry
    for entry in "$cluster"/*; do
        [[ ${entry##*/} == lost+found ]] || fail "PGDATA is $PGDATA, which holds ${entry##*/} but no PostgreSQL database: empty it, or name another directory."
    done
    # In the background, since bash hears a signal while it waits but not while a program of its own runs. What is left when the
    # first process of the container exits is killed with it.
    make_cluster "$@" &
    wait "$!"
    move_up
    echo "docker-entrypoint: the database is made."
}

if [[ ${1:-postgres} == -* ]]; then
    set -- postgres "$@"
fi
[[ $# -gt 0 ]] || set -- postgres
if [[ $1 != postgres ]]; then
    exec "$@"
fi
for argument in "$@"; do
    case $argument in
    -\? | --help | --describe-config | -V | --version) exec "$@" ;;
    esac
done

: "${PGDATA:=/var/lib/postgresql/data}"
export PGDATA
[[ $(id -u) -ne 0 ]] || become_postgres "$@"
cluster=$PGDATA
making=$cluster/.initdb
name_the_user
# The first process of a container ignores signals that it has no handler for.
trap 'exit 143' TERM INT
ensure_cluster "$@"
trap - TERM INT
# The server does not need them, and everybody who can look at its process could read them.
unset POSTGRES_PASSWORD POSTGRES_PASSWORD_FILE
exec "$@"
