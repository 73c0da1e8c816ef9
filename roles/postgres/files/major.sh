#!/bin/sh
# Moves the data to a newer major version of PostgreSQL, in two halves:
#   dump      inside the container of the old server, which runs: shuts clients out, dumps everything, and notes what is in it
#   restore   in a container of the new image, while no server runs: makes a new cluster, restores, compares, and exchanges the two
# Whatever fails leaves the old cluster as it is. After success it stands beside the new one, as pgdata-VERSION.
set -eu
data=${PGDATA:-/var/lib/postgresql/data/pgdata}
work=$(dirname "$data")/upgrade

fail() {
    echo "$*" >&2
    exit 1
}

admin() {
    psql --username=postgres --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 "$@"
}

# A line for each table with its rows and a sum over them that does not depend on their order; sequences; numbers of constraints and indexes.
contents() {
    admin --dbname=postgres --command="SELECT rolname FROM pg_roles WHERE rolname NOT LIKE 'pg\\_%' ORDER BY 1"
    admin --dbname=postgres --command="SELECT datname FROM pg_database WHERE datallowconn ORDER BY 1" | while IFS= read -r name; do
        admin --dbname="$name" << 'SQL'
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
SELECT format('SELECT %L, count(*), coalesce(sum((''x'' || left(md5(mlops_row::text), 15))::bit(60)::bigint::numeric), 0) FROM %I.%I AS mlops_row',
    current_database() || '.' || n.nspname || '.' || c.relname, n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema' ORDER BY n.nspname, c.relname \gexec
SELECT schemaname, sequencename, last_value FROM pg_sequences ORDER BY 1, 2;
SELECT n.nspname, c.contype, count(*) FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace
WHERE c.contype IN ('p', 'u', 'f', 'c') AND n.nspname <> 'pg_catalog' AND n.nspname <> 'information_schema' GROUP BY 1, 2 ORDER BY 1, 2;
SELECT schemaname, count(*) FROM pg_indexes WHERE schemaname NOT LIKE 'pg\_%' GROUP BY 1 ORDER BY 1;
SQL
    done
}

reopen() {
    [ ! -e "$data/pg_hba.conf.open" ] || mv "$data/pg_hba.conf.open" "$data/pg_hba.conf"
}

dump() {
    used=$(du -sk "$data" | cut -f1)
    free=$(df -Pk "$data" | awk 'NR == 2 { print $4 }')
    [ "$free" -gt $((used * 2)) ] || fail "the volume has $((free / 1024)) MiB free, and twice the $((used / 1024)) MiB of the data are needed for a dump and a copy: make room."
    kept=$data-$(cat "$data/PG_VERSION")
    [ ! -e "$kept" ] || fail "$kept is there already, from an earlier upgrade: remove it."
    rm -rf "$work"
    mkdir -m 0700 "$work"
    # What is written after the dump would be lost: nobody but this script gets in until the new server answers.
    [ -e "$data/pg_hba.conf.open" ] || cp -p "$data/pg_hba.conf" "$data/pg_hba.conf.open"
    trap 'reopen; admin --dbname=postgres --command="SELECT pg_reload_conf()" > /dev/null' EXIT
    echo 'local all postgres trust' > "$data/pg_hba.conf"
    admin --dbname=postgres --command='SELECT pg_reload_conf()' > /dev/null
    sleep 1
    admin --dbname=postgres --command="SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename <> 'postgres'" > /dev/null
    sleep 1
    [ "$(admin --dbname=postgres --command="SELECT count(*) FROM pg_stat_activity WHERE usename <> 'postgres'")" = 0 ] || fail "clients are still connected."
    pg_dumpall --username=postgres --file="$work/dump.sql"
    contents > "$work/contents"
    sync
    trap - EXIT
}

exchange() {
    if [ -e "$data" ]; then
        mv "$data" "$data-$(cat "$data/PG_VERSION")"
    fi
    mv "$work/pgdata" "$data"
    sync
    rm -rf "$work"
}

restore() {
    # The old server has ended: it may be opened again, should it be needed.
    reopen
    if [ ! -e "$work/complete" ]; then
        [ -s "$work/contents" ] || fail "there is no dump to be restored: run the upgrade from its beginning."
        rm -rf "$work/pgdata"
        # shellcheck disable=SC2086 # several words
        initdb --pgdata="$work/pgdata" --username=postgres $POSTGRES_INITDB_ARGS > /dev/null
        echo 'host all all all scram-sha-256' >> "$work/pgdata/pg_hba.conf"
        PGHOST=$(mktemp -d)
        export PGHOST
        pg_ctl --pgdata="$work/pgdata" --log="$work/log" --wait --timeout=60 \
            --options="-c listen_addresses='' -c unix_socket_directories='$PGHOST'" start > /dev/null || fail "the new server does not start: $(tail -n 3 "$work/log")"
        trap 'pg_ctl --pgdata="$work/pgdata" --mode=immediate stop > /dev/null' EXIT
        # The one role that is there already.
        grep -v '^CREATE ROLE postgres;$' "$work/dump.sql" | admin --dbname=postgres --output=/dev/null
        contents > "$work/contents.new"
        cmp -s "$work/contents" "$work/contents.new" || fail "what was restored is not what was dumped: $(diff "$work/contents" "$work/contents.new" | head -n 5)"
        vacuumdb --username=postgres --all --analyze-only --quiet
        trap - EXIT
        pg_ctl --pgdata="$work/pgdata" --mode=fast --wait stop > /dev/null
        sync
        touch "$work/complete"
    fi
    exchange
}

"$1"
