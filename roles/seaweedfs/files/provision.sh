#!/bin/sh
# Makes the bucket what it should be, and prints a line for each thing that it changed.
set -eu

weed_shell() {
    echo "$1" | weed shell -master=127.0.0.1:9333
}

if ! weed_shell s3.bucket.list | grep -Eq "^ *${BUCKET}[[:space:]]"; then
    weed_shell "s3.bucket.create -name $BUCKET" > /dev/null
    echo "created bucket $BUCKET"
fi
if [ "$VERSIONING" = true ] && ! weed_shell "s3.bucket.versioning -name $BUCKET" | grep -q Enabled; then
    weed_shell "s3.bucket.versioning -name $BUCKET -enable" > /dev/null
    echo "enabled versioning of bucket $BUCKET"
fi
