# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""The artifact store: a real S3 store and directories; and the fingerprint of the destination."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import uuid
from contextlib import contextmanager
from pathlib import Path

import pytest
import servers
from conftest import OWNER

# Far from the minutes that boto3 takes with its own limits and retries.
SECONDS = 45
BOTO = {"AWS_ACCESS_KEY_ID": "AKIAGUARD", "AWS_SECRET_ACCESS_KEY": "s3 secret/+=", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture(scope="session")
def s3(object_store):
    boto3 = pytest.importorskip("boto3")
    return boto3.client(
        "s3",
        endpoint_url=object_store.endpoint,
        aws_access_key_id=object_store.access_key,
        aws_secret_access_key=object_store.secret_key,
        region_name="us-east-1",
    )


@pytest.fixture
def bucket(s3):
    return new_bucket(s3)


def new_bucket(s3):
    """A bucket that takes writes: SeaweedFS makes room for one when the first object comes."""
    name = f"b{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="first", Body=b"x")
    s3.delete_object(Bucket=name, Key="first")
    return name


def keys(s3, bucket):
    return {each["Key"] for each in s3.list_objects_v2(Bucket=bucket).get("Contents", [])}


def in_bucket(deployment, object_store, bucket, prefix=""):
    deployment.config["artifacts"].update(destination=f"s3://{bucket}{prefix}", endpoint_url=object_store.endpoint)
    credentials = deployment.folder / "credentials"
    credentials.write_text(
        f"[default]\naws_access_key_id = {object_store.access_key}\naws_secret_access_key = {object_store.secret_key}\n"
    )
    deployment.variables = {
        "AWS_SHARED_CREDENTIALS_FILE": str(credentials),
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
    }
    return deployment


@pytest.fixture
def on_s3(deploy, object_store, bucket):
    return in_bucket(deploy(), object_store, bucket)


def test_the_probe_does_all_and_leaves_nothing(on_s3, s3, bucket):
    s3.put_object(Bucket=bucket, Key="other", Body=b"x")
    answer = on_s3.run("store")
    assert (answer.code, answer.document["store"]["kind"]) == (0, "s3"), answer.document
    assert keys(s3, bucket) == {"other"}
    assert s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []


def test_a_versioned_bucket_is_fine_and_stays_clean(on_s3, s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert on_s3.run("store").code == 0
    versions = s3.list_object_versions(Bucket=bucket)
    assert [each for each in versions.get("Versions", []) if "probe" in each["Key"]] == []


def test_a_prefix_is_kept_to(deploy, object_store, s3, bucket):
    deployment = in_bucket(deploy(), object_store, bucket, "/team a/ml/")
    assert deployment.run("schema", "--mode", "initialize").code == 0
    assert keys(s3, bucket) == {"team a/ml/.mlflow-guard/marker.json"}
    assert deployment.run("check").codes == set()


def test_missing_bucket(on_s3):
    on_s3.config["artifacts"]["destination"] = "s3://no-such-bucket-here"
    answer = on_s3.run("store")
    assert (answer.code, answer.errors()) == (3, {"store-bucket-missing"}), answer.document
    assert "no-such-bucket-here" in answer.finding("store-bucket-missing")["message"]
    before = on_s3.dump()
    answer = on_s3.run("schema", "--mode", "initialize")
    assert (answer.code, answer.errors()) == (3, {"store-bucket-missing"}), answer.document
    assert on_s3.dump() == before


@pytest.mark.parametrize("name", ["s3://", "s3:///path", "s3://Not_A_Bucket!"])
def test_impossible_bucket(on_s3, name):
    on_s3.config["artifacts"]["destination"] = name
    assert on_s3.run("store").errors() == {"store-bucket-missing"}


@pytest.mark.parametrize(
    ("access", "secret", "code"),
    [
        ("AKIANOBODY", "x", "store-signature"),
        ("AKIAGUARD", "wrong", "store-signature"),
        ("AKIAREADER", "reader secret", "store-denied"),
    ],
)
def test_keys(on_s3, access, secret, code):
    Path(on_s3.variables["AWS_SHARED_CREDENTIALS_FILE"]).write_text(
        f"[default]\naws_access_key_id={access}\naws_secret_access_key={secret}\n"
    )
    answer = on_s3.run("store")
    assert (answer.code, answer.errors()) == (3, {code}), answer.document
    assert secret == "x" or secret not in answer.stdout + answer.stderr


def test_no_credentials(on_s3):
    on_s3.variables["AWS_SHARED_CREDENTIALS_FILE"] = "/run/secrets/nowhere"
    answer = on_s3.run("store")
    assert (answer.code, answer.errors()) == (3, {"store-credentials-missing"})
    assert "/run/secrets/nowhere" in answer.finding("store-credentials-missing")["message"]


@pytest.mark.parametrize("endpoint", ["http://no-such-host.invalid:9000", "http://127.0.0.1:{closed}"])
def test_unreachable_endpoint(on_s3, endpoint):
    on_s3.config["artifacts"]["endpoint_url"] = endpoint.format(closed=servers.free_port())
    answer = on_s3.run("store")
    assert (answer.code, answer.errors()) == (4, {"store-unreachable"}), answer.document
    assert answer.seconds < SECONDS


def test_tls_to_a_store_without(on_s3, object_store):
    on_s3.config["artifacts"]["endpoint_url"] = object_store.endpoint.replace("http:", "https:")
    assert on_s3.run("store").errors() == {"store-tls"}


@contextmanager
def answering(response: bytes):
    """A server that gives the same answer to everything."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def loop():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connection.recv(65536)
                connection.sendall(response)
                connection.close()

        threading.Thread(target=loop, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def http_response(status: str, body: str, kind: str = "application/xml") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return (head + body).encode()


def error_document(code: str, message: str) -> str:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"


@pytest.mark.parametrize(
    ("response", "code"),
    [
        (http_response("200 OK", "<html><body>Console</body></html>", "text/html"), "store-not-s3"),
        (http_response("200 OK", "OK", "text/plain"), "store-not-s3"),
        (http_response("404 Not Found", "404 page not found", "text/plain"), "store-not-s3"),
        (
            http_response("503 Service Unavailable", error_document("SlowDown", "Reduce your request rate")),
            "store-unavailable",
        ),
        (
            http_response("403 Forbidden", error_document("RequestTimeTooSkewed", "The difference is too large")),
            "store-clock",
        ),
        (
            http_response(
                "400 Bad Request", error_document("XAmzContentSHA256Mismatch", "x-amz-content-sha256 does not match")
            ),
            "store-checksum",
        ),
        (
            http_response(
                "400 Bad Request", error_document("IllegalLocationConstraintException", "use another endpoint")
            ),
            "store-region",
        ),
    ],
)
def test_answers_of_other_services(on_s3, response, code):
    # What such services answer is fixed here: they cannot all be run.
    with answering(response) as endpoint:
        on_s3.config["artifacts"]["endpoint_url"] = endpoint
        answer = on_s3.run("store")
    assert answer.errors() == {code}, answer.document
    assert answer.seconds < SECONDS


def test_a_directory(deploy):
    deployment = deploy()
    answer = deployment.run("store")
    assert (answer.code, answer.document["store"]["kind"]) == (0, "directory")
    assert os.listdir(deployment.folder / "artifacts") == []
    deployment.config["artifacts"]["destination"] = f"file://{deployment.folder}/artifacts"
    assert deployment.run("store").code == 0


@pytest.mark.parametrize(
    ("destination", "code"),
    [
        ("/nowhere/mlartifacts", "destination-missing"),
        ("/etc/hostname", "destination-missing"),
        ("/proc", "destination-not-writable"),
        ("mlartifacts", "artifact-path-relative"),
        ("./x", "artifact-path-relative"),
        ("bucket/path", "artifact-path-relative"),
        ("s3:/bucket", "store-bucket-missing"),
        ("http://host/x", "artifact-scheme-unsupported"),
        ("mlflow-artifacts:/x", "artifact-scheme-unsupported"),
    ],
)
def test_wrong_destinations(deploy, destination, code):
    deployment = deploy()
    deployment.config["artifacts"]["destination"] = destination
    answer = deployment.run("store")
    assert (answer.code, answer.errors()) == (3, {code}), answer.document


@pytest.mark.skipif(os.geteuid() != 0, reason="another user's rights are taken on as root")
def test_a_directory_of_another_user(deploy):
    deployment = deploy()
    environment = deployment.environment()
    identity = servers.unprivileged("nobody")
    shared = Path("/tmp") / f"guard-{uuid.uuid4().hex}"
    shared.mkdir(mode=0o755)
    try:
        deployment.config["artifacts"]["destination"] = str(shared)
        command = deployment.command("store")
        # The test's own folder is not open to others, so the configuration comes by a descriptor.
        script = (
            f"import os, sys; os.setgroups([]); os.setgid({identity['group']}); os.setuid({identity['user']}); "
            "from mlflow_guard.cli import main; main(['--config', '/dev/stdin', 'store'])"
        )
        imports = (
            "import locale, mlflow_guard.cli, mlflow_guard.config, mlflow_guard.inspect.store, mlflow_guard.findings\n"
        )
        with open(command[command.index("--config") + 1]) as file:
            process = subprocess.run(
                [command[0], "-c", imports + script],
                env=environment,
                stdin=file,
                capture_output=True,
                text=True,
                check=False,
            )
        answer = deployment.answered(process.returncode, process.stdout, process.stderr)
        assert (answer.code, answer.errors()) == (3, {"destination-not-writable"}), answer.document
        assert str(identity["user"]) in answer.finding("destination-not-writable")["message"]
    finally:
        shared.rmdir()


def test_unknown_kinds_of_stores_are_mentioned(deploy):
    deployment = deploy()
    deployment.config["artifacts"]["destination"] = "gs://bucket/path"
    answer = deployment.run("store")
    assert (answer.code, answer.codes) == (0, {"store-scheme-unchecked"})
    answer = deployment.run("schema", "--mode", "initialize")
    assert answer.code == 0, answer.document
    assert deployment.run("check").codes == {"store-scheme-unchecked"}
    # There is no marker in such a store, so the recorded name is compared.
    deployment.config["artifacts"]["destination"] = "gs://other/path"
    assert deployment.run("check").errors() == {"destination-marker-missing"}


# The fingerprint. Each on a directory and on S3.
@pytest.fixture(params=["directory", "s3"])
def marked(request, ready, object_store, bucket, s3):
    """A deployment at head, and functions that look at its destination and change it."""
    if request.param == "directory":

        def other():
            path = ready.folder / f"other{uuid.uuid4().hex}"
            path.mkdir()
            return str(path)

        return ready, other, lambda: (ready.folder / "artifacts/.mlflow-guard/marker.json").unlink()
    deployment = in_bucket(ready, object_store, bucket)
    answer = deployment.run("schema", "--mode", "initialize", "--adopt-destination")
    assert answer.code == 0, answer.document

    def other_bucket():
        return f"s3://{new_bucket(s3)}"

    return deployment, other_bucket, lambda: s3.delete_object(Bucket=bucket, Key=".mlflow-guard/marker.json")


def refused_with(deployment, code):
    """The check, the start and the schema step refuse, and nothing is changed."""
    before = deployment.dump()
    for answer in deployment.run_all(["check"], ["serve"], ["schema", "--mode", "upgrade"]):
        assert (answer.code, answer.errors()) == (3, {code}), answer.document
    assert deployment.dump() == before


def test_a_changed_destination_is_refused(marked):
    deployment, other, _ = marked
    assert deployment.run("check").codes == set()
    first = deployment.config["artifacts"]["destination"]
    deployment.config["artifacts"]["destination"] = other()
    refused_with(deployment, "destination-marker-missing")
    assert first in deployment.run("check").finding("destination-marker-missing")["message"]
    # It can be meant, and then the new place is the only one.
    assert deployment.run("schema", "--mode", "initialize", "--adopt-destination").code == 0
    assert deployment.run("check").codes == set()


def test_an_emptied_destination_is_refused(marked):
    deployment, _, empty = marked
    empty()
    refused_with(deployment, "destination-marker-missing")
    # To write it anew needs no right to change the schema, and is done once.
    for changed in (True, False):
        answer = deployment.run("schema", "--adopt-destination")
        assert (answer.code, answer.document["changed"]) == (0, changed), answer.document
    assert deployment.run("check").codes == set()


def test_the_destination_of_another_deployment_is_refused(marked, deploy, cluster):
    deployment, _, _ = marked
    second = deploy(cluster.head())
    second.config["artifacts"] = dict(deployment.config["artifacts"])
    second.config["deployment"] = "second"
    second.variables = deployment.variables
    before = second.dump()
    answer = second.run("schema", "--mode", "initialize")
    assert (answer.code, answer.errors()) == (3, {"destination-of-another"})
    assert "'test'" in answer.finding("destination-of-another")["message"]
    assert second.dump() == before
    # Taken over knowingly, the first one is shut out: two never write to one place.
    assert second.run("schema", "--mode", "initialize", "--adopt-destination").code == 0
    assert second.run("check").codes == set()
    refused_with(deployment, "destination-of-another")


def test_the_same_destination_under_another_name(ready):
    alias = ready.folder / "alias"
    alias.symlink_to(ready.folder / "artifacts")
    ready.config["artifacts"]["destination"] = str(alias)
    answer = ready.run("check")
    assert (answer.code, answer.codes) == (0, {"destination-moved"})
    answer = ready.run("schema", "--mode", "initialize")
    assert (answer.code, answer.document["changed"]) == (0, True)
    assert ready.run("check").codes == set()


def test_a_marker_that_was_changed(ready):
    marker = ready.folder / "artifacts/.mlflow-guard/marker.json"
    for content in ("", "{}", "[1]", '{"identity": 5}', "not json"):
        marker.write_text(content)
        assert ready.run("check").errors() == {"destination-marker-unreadable"}, content
    assert ready.run("schema", "--mode", "initialize").errors() == {"destination-marker-unreadable"}
    assert ready.run("schema", "--mode", "initialize", "--adopt-destination").code == 0
    assert json.loads(marker.read_text())["deployment"] == "test"
    assert ready.run("check").codes == set()


def test_a_database_without_record(deploy, cluster):
    deployment = deploy(cluster.head())
    cluster.execute(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO mlflow_server",
        "GRANT SELECT, USAGE ON ALL SEQUENCES IN SCHEMA public TO mlflow_server",
        database=deployment.database,
        user=OWNER,
    )
    assert deployment.run("check").errors() == {"destination-unrecorded"}
    assert deployment.run("check", "--skip-store").errors() == {"destination-unrecorded"}
    assert deployment.run("serve").errors() == {"destination-unrecorded"}
    assert deployment.run("schema").errors() == {"destination-unrecorded", "rights-missing"}
    assert deployment.run("schema", "--mode", "initialize").code == 0
    assert deployment.run("check").codes == set()


def test_a_new_database_on_a_used_destination_is_mentioned(deploy):
    deployment = deploy()
    (deployment.folder / "artifacts/0").mkdir()
    answer = deployment.run("schema", "--mode", "initialize")
    assert (answer.code, answer.codes) == (0, {"destination-not-empty"})


def test_an_unreachable_store_stops_before_anything_is_changed(deploy, object_store, bucket):
    deployment = in_bucket(deploy(), object_store, bucket)
    deployment.config["artifacts"]["endpoint_url"] = f"http://127.0.0.1:{servers.free_port()}"
    before = deployment.dump()
    answer = deployment.run("schema", "--mode", "initialize")
    assert (answer.code, answer.errors()) == (4, {"store-unreachable"})
    assert deployment.dump() == before
