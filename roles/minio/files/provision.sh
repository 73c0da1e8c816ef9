#!/bin/sh
# Makes the bucket and the servers' key what they should be, and prints a line for each thing that it changed.
# Images of MinIO have a shell and `mc`, and hardly any other program.
# Keys go through standard input: argv can be seen by others.
set -eu
secrets=/run/secrets

client() {
    mc --config-dir /tmp/.mc --quiet "$@"
}

says() { # word, command: whether the word is in what the command prints
    word=$1
    shift
    case "$("$@")" in *"$word"*) return 0 ;; esac
    return 1
}

both_keys() { # access key, file with its secret key
    printf '%s\n%s\n' "$1" "$(cat "$2")"
}

both_keys "$(cat $secrets/root_user)" $secrets/root_password | client alias set admin http://127.0.0.1:9000 > /dev/null
if ! client ls "admin/$BUCKET" > /dev/null 2>&1; then
    client mb --ignore-existing "admin/$BUCKET" > /dev/null
    echo "created bucket $BUCKET"
fi
if [ "$VERSIONING" = true ] && ! says enabled client version info "admin/$BUCKET"; then
    client version enable "admin/$BUCKET" > /dev/null
    echo "enabled versioning of bucket $BUCKET"
fi
# A key that opens the bucket is as it should be; anything else is made anew.
if ! both_keys "$SERVER_ACCESS_KEY" $secrets/server_secret_key | client alias set server http://127.0.0.1:9000 > /dev/null 2>&1 \
    || ! client ls "server/$BUCKET" > /dev/null 2>&1; then
    both_keys "$SERVER_ACCESS_KEY" $secrets/server_secret_key | client admin user add admin > /dev/null
    client admin policy create admin "$BUCKET-objects" /usr/local/lib/mlops-mlflow/policy.json > /dev/null
    client admin policy attach admin "$BUCKET-objects" --user "$SERVER_ACCESS_KEY" > /dev/null 2>&1 || true
    says "$BUCKET-objects" client admin policy entities admin --user "$SERVER_ACCESS_KEY"
    echo "gave the key $SERVER_ACCESS_KEY the right to the objects of bucket $BUCKET"
fi
