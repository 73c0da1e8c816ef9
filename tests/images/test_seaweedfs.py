# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract of the SeaweedFS image: the official one's, run as its own user on a read-only root."""

from __future__ import annotations

import hashlib
import json
import os

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from .conftest import run, until

KEY, SECRET = "images-test", "s3cret/+="
IDENTITIES = {
    "identities": [{"name": "test", "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": ["Admin"]}]
}
HARDENED = (
    "--read-only",
    "--cap-drop",
    "ALL",
    "--security-opt",
    "no-new-privileges",
    "--user",
    "1000:1000",
    "--tmpfs",
    "/tmp",
    # As SIGTERM, but without its wait.
    "--stop-signal",
    "SIGINT",
)


@pytest.fixture
def image(images) -> str:
    if images["object_store"]["kind"] != "seaweedfs":
        pytest.skip("the object store of this machine is MinIO")
    return images["object_store"]["reference"]


def client(container, secret: str = SECRET):
    return boto3.client(
        "s3",
        endpoint_url=f"http://{container.address}:8333",
        aws_access_key_id=KEY,
        aws_secret_access_key=secret,
        region_name="us-east-1",
        config=Config(retries={"max_attempts": 1}, connect_timeout=2, read_timeout=20, s3={"addressing_style": "path"}),
        verify=False,
    )


@pytest.fixture
def store(image, start, volume, tmp_path):
    config = tmp_path / "s3.json"
    config.write_text(json.dumps(IDENTITIES))
    config.chmod(0o644)
    container = start(
        image,
        *(
            "server",
            "-dir=/data",
            "-s3",
            "-s3.config=/etc/seaweedfs/s3.json",
            "-ip.bind=0.0.0.0",
            "-volume.max=0",
            "-master.volumeSizeLimitMB=64",
        ),
        options=(*HARDENED, "--volume", f"{volume}:/data", "--volume", f"{config}:/etc/seaweedfs/s3.json:ro"),
    )

    def answers() -> bool:
        if not container.state["Running"]:
            raise AssertionError(f"the container stopped:\n{container.logs}")
        try:
            client(container).list_buckets()
        except (BotoCoreError, ClientError):
            return False
        return True

    until(answers, "S3 answers")
    container.answers = answers
    return container


def test_objects_multipart_listing_and_persistence(store):
    s3 = client(store)
    s3.create_bucket(Bucket="bucket")
    small = b"small \x00 object"
    # A new volume server may need a moment before it takes the first object.
    until(lambda: put(s3, "a/small", small), "the first object is stored")
    large = os.urandom(11 * 2**20)
    upload = s3.create_multipart_upload(Bucket="bucket", Key="b/large")["UploadId"]
    parts = []
    for number, begin in enumerate(range(0, len(large), 5 * 2**20), 1):
        body = large[begin : begin + 5 * 2**20]
        tag = s3.upload_part(Bucket="bucket", Key="b/large", UploadId=upload, PartNumber=number, Body=body)["ETag"]
        parts.append({"PartNumber": number, "ETag": tag})
    s3.complete_multipart_upload(Bucket="bucket", Key="b/large", UploadId=upload, MultipartUpload={"Parts": parts})

    run("docker", "restart", "--time", "20", store.name)
    until(store.answers, "S3 answers after a restart")
    s3 = client(store)
    # S3 answers before the volumes have told the master that they are there.
    until(lambda: get(s3, "a/small") == small, "the objects are there again")
    received = s3.get_object(Bucket="bucket", Key="b/large")["Body"].read()
    assert hashlib.sha256(received).digest() == hashlib.sha256(large).digest()
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket="bucket", Prefix="a/")["Contents"]] == ["a/small"]
    s3.delete_object(Bucket="bucket", Key="a/small")
    with pytest.raises(ClientError, match="NoSuchKey"):
        s3.get_object(Bucket="bucket", Key="a/small")


def put(s3, key: str, body: bytes) -> bool:
    try:
        s3.put_object(Bucket="bucket", Key=key, Body=body)
    except ClientError:
        return False
    return True


def get(s3, key: str) -> bytes | None:
    try:
        return s3.get_object(Bucket="bucket", Key=key)["Body"].read()
    except ClientError:
        return None


def test_a_wrong_secret_is_refused(store):
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        client(store, "wrong").list_buckets()


def test_a_health_check_has_a_program_for_it(store):
    """BusyBox's wget, as in the official image."""
    store.exec("wget", "-q", "-O", "/dev/null", "http://127.0.0.1:9333/cluster/status")


def test_the_release_the_user_and_the_entry_point(image):
    assert " 4.48 " in run("docker", "run", "--rm", image, "version").stdout
    assert run("docker", "run", "--rm", "--entrypoint", "id", image, "-u").stdout == "1000\n"
    config = json.loads(run("docker", "image", "inspect", image).stdout)[0]["Config"]
    assert config["Entrypoint"] == ["/usr/bin/weed"]
    assert "/data" in config["Volumes"]
    assert run("docker", "run", "--rm", "--entrypoint", "stat", image, "-c", "%u:%g", "/data").stdout == "1000:1000\n"


def test_nothing_else_in_it(image):
    listing = run("docker", "run", "--rm", "--entrypoint", "ls", image, "/").stdout.split()
    assert set(listing) <= {"bin", "data", "dev", "etc", "proc", "sys", "tmp", "usr"}
