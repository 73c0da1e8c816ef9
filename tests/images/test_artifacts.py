# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Artifacts on their way: uploads that are passed on while they come in, and downloads by presigned URLs."""

from __future__ import annotations

import concurrent.futures
import hashlib
import http.client
import json
import os
import secrets
import socket
import struct
import subprocess
import sys
import time
from dataclasses import dataclass
from urllib.parse import parse_qs, quote, urlsplit

import boto3
import botocore.config
import botocore.exceptions
import pytest
import requests

from .conftest import LABEL, Container, remove_users, run, until
from .test_mlflow_server import HARDENED, POSTGRES, URI, get

MIB = 2**20
PART = 8 * MIB
SIZES = (0, 1, PART - 1, PART, PART + 1, 20 * MIB, 64 * MIB)
BYTES = os.urandom(64 * MIB)
BUCKET, FOLDER = "mlflow", "artifacts"
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts/"
PRESIGNED = "/api/2.0/mlflow-artifacts/presigned/"
# Seconds for which the second server's presigned URLs are good.
SHORT = 3
EXTRA = {"Metadata": {"team": "images"}, "CacheControl": "no-store"}
# What ten uploads of 64 MiB at once may add to the memory of a worker, in MiB: for each of them, three parts under way,
# one that is read and its copy, and half as much again that the allocator keeps. Held as a whole, with a copy, they
# would be 1280.
MEMORY_LIMIT = 10 * 5 * 8 * 3 // 2


@dataclass
class Rig:
    """A store and two servers on it: one as behind a load balancer, one below a prefix with short-lived URLs."""

    store: Container
    server: Container
    prefixed: Container

    @property
    def s3(self):
        return boto3.client(
            "s3",
            endpoint_url=f"http://{self.store.address}:8333",
            aws_access_key_id="key",
            aws_secret_access_key="secret",
            region_name="us-east-1",
            config=botocore.config.Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
        )

    def connect(self, server: Container | None = None) -> http.client.HTTPConnection:
        return http.client.HTTPConnection((server or self.server).address, 5000, timeout=100)

    def put(self, path: str, body, server: Container | None = None, **headers: str) -> tuple[int, str]:
        connection = self.connect(server)
        connection.request("PUT", path, body=body, headers=headers, encode_chunked="Transfer-Encoding" in headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    def ask(self, path: str, server: Container | None = None, **headers: str) -> tuple[int, dict]:
        connection = self.connect(server)
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    def head(self, name: str) -> dict | None:
        try:
            return self.s3.head_object(Bucket=BUCKET, Key=f"{FOLDER}/{name}")
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "404":
                raise
            return None

    def digest(self, name: str) -> str:
        body = self.s3.get_object(Bucket=BUCKET, Key=f"{FOLDER}/{name}")["Body"]
        return hashlib.sha256(body.read()).hexdigest()

    def begun(self) -> list:
        """Multipart uploads that are neither complete nor taken back."""
        return self.s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])

    def to_store(self, url: str) -> str:
        """The URL with the store's own address."""
        return urlsplit(url)._replace(scheme="http", netloc=f"{self.store.address}:8333").geturl()

    def from_store(self, url: str, method: str = "GET", body: bytes | None = None) -> tuple[int, bytes]:
        """What the store says to a presigned URL when a load balancer has put in the name that it was signed for."""
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(self.store.address, 8333, timeout=20)
        connection.request(method, f"{parts.path}?{parts.query}", body=body, headers={"Host": "s3:8333"})
        answer = connection.getresponse()
        return answer.status, answer.read()


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def serve(image: str, network: str, *options: str, **environment: str) -> Container:
    environment = {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
        "MLFLOW_S3_ENDPOINT_URL": "http://s3:8333",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_GUARD_PRESIGNED_URLS": "public",
        **environment,
    }
    variables = [word for name, value in environment.items() for word in ("--env", f"{name}={value}")]
    return Container(
        image,
        *("mlflow", "server", "--host", "0.0.0.0", "--port", "5000", "--backend-store-uri", URI, "--workers", "1"),
        *("--artifacts-destination", f"s3://{BUCKET}/{FOLDER}", *options),
        options=(*HARDENED, "--network", network, *variables),
    )


def up(server: Container, path: str = "/health") -> None:
    until(lambda: get(f"http://{server.address}:5000{path}")[0] == 200 or not server.state["Running"], path, 120)
    assert server.state["Running"], server.logs


@pytest.fixture(scope="module")
def rig(images, tmp_path_factory):
    if images["object_store"]["kind"] != "seaweedfs":
        pytest.skip("the object store of this machine is MinIO")
    config = tmp_path_factory.mktemp("store") / "s3.json"
    identity = {"name": "t", "credentials": [{"accessKey": "key", "secretKey": "secret"}], "actions": ["Admin"]}
    config.write_text(json.dumps({"identities": [identity]}))
    config.chmod(0o644)
    config.parent.chmod(0o755)
    network = f"images-test-{secrets.token_hex(4)}"
    run("docker", "network", "create", "--label", LABEL, network)
    on_network = ("--network", network, "--network-alias")
    image = images["mlflow_server"]["reference"]
    try:
        database = Container(images["postgres"]["reference"], options=(*POSTGRES, *on_network, "postgres"))
        store = Container(
            images["object_store"]["reference"],
            *("server", "-dir=/data", "-s3", "-s3.config=/etc/seaweedfs/s3.json", "-ip.bind=0.0.0.0"),
            *("-volume.max=0", "-master.volumeSizeLimitMB=64"),
            options=(*on_network, "s3", "--volume", f"{config}:/etc/seaweedfs/s3.json:ro"),
        )
        ready = ("pg_isready", "-q", "-h", "127.0.0.1")
        until(lambda: database.exec(*ready, check=False).returncode == 0, "PostgreSQL answers")
        names = "localhost,localhost:*,mlflow.example.com,10.*,172.*,192.168.*"
        server = serve(image, network, "--allowed-hosts", names, FORWARDED_ALLOW_IPS="*")
        # One after the other, because both would make the tables of the empty database.
        up(server)
        prefixed = serve(
            image,
            network,
            *("--static-prefix", "/ml"),
            MLFLOW_S3_UPLOAD_EXTRA_ARGS=json.dumps(EXTRA),
            MLFLOW_PRESIGNED_DOWNLOAD_URL_TTL_SECONDS=str(SHORT),
        )
        up(prefixed, "/ml/health")
        rig = Rig(store, server, prefixed)
        until(lambda: get(f"http://{store.address}:8333/")[0] == 403, "S3 answers")
        rig.s3.create_bucket(Bucket=BUCKET)
        yield rig
    finally:
        remove_users("network", network)
        run("docker", "network", "rm", network)


# --- uploads ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_what_is_sent_is_there(rig, size):
    content = memoryview(BYTES)[:size]
    pieces = (content[start : start + 100_000] for start in range(0, size, 100_000))
    assert rig.put(f"{ARTIFACTS}0/length/{size}", content, **{"Content-Length": str(size)}) == (200, "")
    assert rig.put(f"{ARTIFACTS}0/chunked/{size}", pieces, **{"Transfer-Encoding": "chunked"}) == (200, "")
    for way in ("length", "chunked"):
        assert rig.head(f"0/{way}/{size}")["ContentLength"] == size
        assert rig.digest(f"0/{way}/{size}") == digest(content)
    assert not rig.begun()


def test_a_second_upload_replaces_the_first(rig):
    for content in (BYTES[: 20 * MIB], b"short"):
        assert rig.put(f"{ARTIFACTS}0/again", content)[0] == 200
        assert rig.digest("0/again") == digest(content)


@pytest.mark.parametrize("size", [3, PART + 1])
@pytest.mark.parametrize("name", ["two words", "größe-漢字", "100%", "a+b&c=d", "semi;colon~(x)'"])
def test_names_are_kept(rig, name, size):
    assert rig.put(f"{ARTIFACTS}0/names/{size}/{quote(name)}", BYTES[:size])[0] == 200
    listed = rig.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{FOLDER}/0/names/{size}/{name}").get("Contents", [])
    assert [each["Key"] for each in listed] == [f"{FOLDER}/0/names/{size}/{name}"]
    status, answer = rig.ask(f"{PRESIGNED}0/names/{size}/{quote(name)}")
    assert status == 200, answer
    status, content = rig.from_store(answer["url"])
    assert (status, digest(content)) == (200, digest(BYTES[:size]))


OWN = """
import sys
from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository
size, *names = sys.argv[1:]
for name in names:
    path = "/tmp/" + name
    open(path, "wb").write(bytes(int(size)))
    S3ArtifactRepository("s3://mlflow/artifacts").log_artifact(path, "0/own")
"""
# Names of which MLflow's own repository says that they are packed for the way, and what they are.
PACKED = {"table.csv.gz": "application/gzip", "table.csv.bz2": "application/x-bzip2", "code.txz": "application/x-xz"}


@pytest.mark.parametrize("size", [5, PART + 5])
def test_the_content_type_is_the_one_of_mlflow_s_own_repository(rig, size):
    names = ["page.html", "data.json", "MLmodel", "é.txt", *PACKED]
    rig.server.exec("python3", "-c", OWN, str(size), *names)
    kinds = set()
    for name in names:
        assert rig.put(f"{ARTIFACTS}0/kinds/{quote(name)}", bytes(size))[0] == 200
        own, ours = rig.head(f"0/own/{name}"), rig.head(f"0/kinds/{name}")
        assert ours.get("Metadata") == own.get("Metadata")
        assert ours.get("ContentEncoding") is None
        assert ("ContentEncoding" in own) == (name in PACKED)
        assert ours.get("ContentType") == PACKED.get(name, own.get("ContentType")), name
        kinds.add(ours.get("ContentType"))
        # What was stored with an encoding comes back as it is, too: here without being anything that is packed.
        for folder in ("own", "kinds"):
            answer = rig.ask(f"{PRESIGNED}0/{folder}/{quote(name)}")[1]
            content = requests.get(rig.to_store(answer["url"]), headers={"Host": "s3:8333"}, timeout=20).content
            assert digest(content) == digest(bytes(size)), name
    # Or the comparison says nothing.
    assert len(kinds) > 4


@pytest.mark.parametrize("size", [5, PART + 5])
def test_a_part_of_what_was_stored_with_an_encoding(rig, size):
    """Clients fetch a file in parts, each of which they would try to unpack."""
    rig.server.exec("python3", "-c", OWN, str(size), "parts.csv.gz")
    answer = rig.ask(f"{PRESIGNED}0/own/parts.csv.gz")[1]
    headers = {"Host": "s3:8333", "Range": f"bytes={size - 3}-"}
    part = requests.get(rig.to_store(answer["url"]), headers=headers, timeout=20)
    assert (part.status_code, part.content) == (206, bytes(3))


def test_what_is_the_guard_s_has_no_url(rig):
    rig.s3.put_object(Bucket=BUCKET, Key=f"{FOLDER}/.mlflow-guard/marker.json", Body=b"{}")
    for path in (".mlflow-guard/marker.json", ".mlflow-guard%2fmarker.json", "0/%2e/.mlflow-guard/marker.json"):
        for route in (PRESIGNED, ARTIFACTS):
            status, answer = rig.ask(route + path)
            assert (status, answer["error_code"]) == (403, "PERMISSION_DENIED"), path
        assert rig.put(ARTIFACTS + path, b"{}")[0] == 403


@pytest.mark.parametrize("size", [5, PART + 5])
def test_further_arguments_of_uploads_are_honoured(rig, size):
    assert rig.put(f"/ml{ARTIFACTS}0/extra/{size}.json", BYTES[:size], rig.prefixed)[0] == 200
    found = rig.head(f"0/extra/{size}.json")
    assert found["Metadata"] == EXTRA["Metadata"]
    assert found["CacheControl"] == EXTRA["CacheControl"]
    assert found["ContentType"] == "application/json"


CLIENT = """
import hashlib, os, pathlib, sys
import mlflow

folder, sizes = pathlib.Path(sys.argv[1]), [int(word) for word in sys.argv[2:]]
(folder / "sent/deeper").mkdir(parents=True)
for size in sizes:
    (folder / f"sent/deeper/{size} bytes").write_bytes(os.urandom(size))
mlflow.set_experiment("artifacts")
with mlflow.start_run() as run:
    mlflow.log_artifacts(folder / "sent", "files")
    mlflow.log_text("grüße", "ünder/two words.txt")
back = pathlib.Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, dst_path=folder / "back"))
for size in sizes:
    sent, got = (path / f"deeper/{size} bytes" for path in (folder / "sent", back / "files"))
    assert hashlib.sha256(sent.read_bytes()).digest() == hashlib.sha256(got.read_bytes()).digest(), size
assert mlflow.artifacts.load_text(run.info.artifact_uri + "/ünder/two words.txt") == "grüße"
print("all read back")
"""


def test_the_real_client(rig, tmp_path):
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": f"http://{rig.server.address}:5000",
        # Without a load balancer nothing passes presigned URLs on.
        "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    command = (sys.executable, "-c", CLIENT, str(tmp_path), *map(str, SIZES[:3]), str(64 * MIB))
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr + rig.server.logs
    assert done.stdout.splitlines()[-1] == "all read back"


# --- uploads that fail -----------------------------------------------------------------------------------------------


def begin(rig: Rig, name: str, sent: int, framing: str) -> socket.socket:
    """Send the begin of an upload, and leave the connection open."""
    client = socket.create_connection((rig.server.address, 5000), timeout=60)
    client.sendall(f"PUT {ARTIFACTS}{name} HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n\r\n".encode())
    if "chunked" in framing:
        client.sendall(b"%x\r\n" % (sent + 1))
    client.sendall(memoryview(BYTES)[:sent])
    return client


@pytest.mark.parametrize("sent", [0, MIB, PART, 20 * MIB])
@pytest.mark.parametrize("framing", [f"Content-Length: {40 * MIB}", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("way", ["end", "reset"])
def test_a_client_that_goes_away_leaves_nothing(rig, sent, framing, way):
    name = f"0/gone/{sent}-{framing[:3]}-{way}"
    client = begin(rig, name, sent, framing)
    if sent > PART:
        until(rig.begun, "the upload to the store begins", 20)
    if way == "reset":
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    until(lambda: not rig.begun(), "the upload is taken back", 20)
    assert rig.put(f"{ARTIFACTS}0/after", b"after") == (200, "")
    assert rig.head(name) is None
    # Nothing was wrong with the server.
    assert "Traceback" not in rig.server.logs


def test_a_connection_outlives_the_pauses_of_proxies(rig):
    """With uvicorn's own 5 s, a proxy that keeps it longer sends its next request into the closing."""
    connection = rig.connect()
    connection.request("GET", "/version")
    assert connection.getresponse().read()
    opened = connection.sock
    time.sleep(7)
    connection.request("GET", "/version")
    assert connection.getresponse().read()
    assert connection.sock is opened


def threads(server: Container) -> int:
    """Threads of all processes of a container."""
    return len(server.exec("sh", "-c", "ls -d /proc/[0-9]*/task/*").stdout.split())


def memory(server: Container) -> int:
    """MiB of memory of the largest process of a container."""
    found = server.exec("sh", "-c", "cat /proc/[0-9]*/status").stdout.splitlines()
    return max(int(line.split()[1]) for line in found if line.startswith("VmRSS:")) // 1024


def most_memory(server: Container, done: concurrent.futures.Future) -> int:
    most = memory(server)
    while not done.done():
        most = max(most, memory(server))
    return most


def test_ten_large_uploads_at_once(rig):
    """With one worker: its memory stays bounded, and it answers other calls meanwhile."""
    assert rig.put(f"{ARTIFACTS}0/warm", BYTES)[0] == 200
    before, meanwhile, slowest = memory(rig.server), 0, 0.0
    began = time.monotonic()
    # Memory is read beside the calls: reading it takes longer than one of them.
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        uploads = [pool.submit(rig.put, f"{ARTIFACTS}0/ten/{number}", BYTES) for number in range(10)]
        done = pool.submit(concurrent.futures.wait, uploads)
        reading = pool.submit(most_memory, rig.server, done)
        while not done.done():
            begin = time.monotonic()
            assert get(f"http://{rig.server.address}:5000/api/2.0/mlflow/experiments/get?experiment_id=0")[0] == 200
            slowest, meanwhile = max(slowest, time.monotonic() - begin), meanwhile + (not done.done())
        took, most = time.monotonic() - began, reading.result()
    assert [upload.result() for upload in uploads] == [(200, "")] * 10
    print(f"{took:.1f} s, memory {before} to {most} MiB, {meanwhile} calls meanwhile, the slowest took {slowest:.2f} s")
    # How long a call takes is the machine's doing; that it does not wait for the uploads' end is the server's.
    assert meanwhile
    assert most - before < MEMORY_LIMIT
    assert all(rig.head(f"0/ten/{number}")["ContentLength"] == len(BYTES) for number in range(10))
    assert rig.digest("0/ten/0") == rig.digest("0/ten/9") == digest(BYTES)
    # What is kept for the next ones is a thread each, and nothing of the artifacts.
    until(lambda: memory(rig.server) - before < MEMORY_LIMIT / 2, "memory is given back")


def test_many_slow_clients_stand_in_nobody_s_way(rig):
    """More than the event loop has threads: a client that sends slowly must not keep the others waiting."""
    before = threads(rig.server)
    slow = [begin(rig, f"0/slow/{number}", PART + MIB, f"Content-Length: {20 * MIB}") for number in range(12)]
    try:
        until(lambda: len(rig.begun()) == 12, "all have begun", 30)
        assert rig.put(f"{ARTIFACTS}0/beside", BYTES[: 20 * MIB])[0] == 200
        assert get(f"http://{rig.server.address}:5000{ARTIFACTS}0/beside")[0] == 200
        for client in slow[:4]:
            client.sendall(memoryview(BYTES)[PART + MIB : 20 * MIB])
            assert b" 200 " in client.recv(1000).split(b"\r\n")[0]
    finally:
        for client in slow:
            client.close()
    until(lambda: not rig.begun(), "the others are taken back", 30)
    assert all((rig.head(f"0/slow/{number}") is not None) == (number < 4) for number in range(12))
    # A pool keeps its threads, at most one for each upload; those of boto3 are gone.
    until(lambda: threads(rig.server) <= before + 16, "threads end", 20)
    assert "Traceback" not in rig.server.logs


# --- presigned downloads ---------------------------------------------------------------------------------------------


@pytest.fixture
def artifact(rig) -> str:
    assert rig.put(f"{ARTIFACTS}0/signed/data.bin", BYTES[:100_000])[0] == 200
    return f"{PRESIGNED}0/signed/data.bin"


@pytest.mark.parametrize("host", ["localhost:5162", "localhost", "mlflow.example.com"])
@pytest.mark.parametrize("scheme", ["", "http", "https"])
def test_a_presigned_url_leads_to_where_the_client_asked(rig, artifact, host, scheme):
    status, answer = rig.ask(artifact, Host=host, **({"X-Forwarded-Proto": scheme} if scheme else {}))
    assert status == 200, answer
    parts = urlsplit(answer["url"])
    assert (parts.scheme, parts.netloc) == (scheme or "http", host)
    assert parts.path == f"/{BUCKET}/{FOLDER}/0/signed/data.bin"
    assert answer["file_size"] == 100_000
    status, content = rig.from_store(answer["url"])
    assert (status, digest(content)) == (200, digest(BYTES[:100_000]))


def test_a_host_that_is_not_allowed_gets_no_url(rig, artifact):
    connection = rig.connect()
    connection.request("GET", artifact, headers={"Host": "evil.example.org"})
    answer = connection.getresponse()
    assert answer.status == 403
    assert b"Signature" not in answer.read()


def test_a_presigned_url_opens_one_object_to_read_for_a_while(rig, artifact):
    _status, answer = rig.ask("/ml" + artifact, rig.prefixed)
    begin = time.monotonic()
    url = answer["url"]
    query = parse_qs(urlsplit(url).query)
    assert query["X-Amz-Expires"] == [str(SHORT)]
    assert "secret" not in url
    assert rig.from_store(url)[0] == 200
    assert rig.put(f"{ARTIFACTS}0/signed/other.bin", b"other")[0] == 200
    assert rig.from_store(url.replace("data.bin?", "other.bin?"))[0] == 403
    assert rig.from_store(url.replace(f"X-Amz-Expires={SHORT}", "X-Amz-Expires=3600"))[0] == 403
    assert rig.from_store(url, "PUT", b"mine")[0] == 403
    assert rig.from_store(url, "DELETE")[0] == 403
    assert rig.digest("0/signed/data.bin") == digest(BYTES[:100_000])
    time.sleep(max(0.0, SHORT + 1.5 - (time.monotonic() - begin)))
    assert rig.from_store(url)[0] == 403


def test_below_a_prefix_the_url_still_names_the_store_s_path(rig, artifact):
    host = f"{rig.prefixed.address}:5000"
    status, answer = rig.ask("/ml" + artifact, rig.prefixed, Host=host)
    assert status == 200, answer
    parts = urlsplit(answer["url"])
    assert (parts.netloc, parts.path) == (host, f"/{BUCKET}/{FOLDER}/0/signed/data.bin")


def test_only_trusted_proxies_say_what_the_scheme_is(rig, artifact):
    _status, answer = rig.ask("/ml" + artifact, rig.prefixed, **{"X-Forwarded-Proto": "https"})
    assert urlsplit(answer["url"]).scheme == "http"


def test_a_missing_artifact_has_no_url(rig):
    status, answer = rig.ask(f"{PRESIGNED}0/signed/nothing.bin")
    assert (status, answer["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_a_missing_artifact_is_not_found(rig):
    # With 500 MLflow's client would ask again and again.
    status, answer = rig.ask(f"{ARTIFACTS}0/nowhere/missing.bin")
    assert (status, answer["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert "missing.bin" in answer["message"]


def test_the_server_advertises_downloads_and_no_uploads(rig):
    _status, answer = rig.ask("/api/3.0/mlflow/server-info")
    assert (answer["multipart_downloads_enabled"], answer["multipart_uploads_enabled"]) == (True, False)


# --- last, because it ends the store ---------------------------------------------------------------------------------


def test_a_store_that_stops_in_the_middle(rig):
    name = "0/middle.bin"
    client = begin(rig, name, 20 * MIB, f"Content-Length: {64 * MIB}")
    until(rig.begun, "the upload to the store begins", 20)
    # The server tries the store again for a while, which takes longer on a busy machine; what counts is the answer.
    client.settimeout(300)
    run("docker", "kill", rig.store.name)
    client.sendall(memoryview(BYTES)[20 * MIB :])
    answer = http.client.HTTPResponse(client)
    answer.begin()
    said = json.loads(answer.read())
    client.close()
    assert answer.status == 503
    assert said["error_code"] == "TEMPORARILY_UNAVAILABLE"
    assert "The artifact store did not take middle.bin" in said["message"]
    assert get(f"http://{rig.server.address}:5000/api/2.0/mlflow/experiments/get?experiment_id=0")[0] == 200
    status, answer = rig.put(f"{ARTIFACTS}0/small", b"small")
    assert (status, json.loads(answer)["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")

    run("docker", "start", rig.store.name)
    until(lambda: get(f"http://{rig.store.address}:8333/")[0] == 403, "S3 answers again")
    until(lambda: rig.put(f"{ARTIFACTS}0/back", BYTES[: PART + 1])[0] == 200, "uploads work again", 60)
    assert rig.head(name) is None
    assert rig.head("0/small") is None
    assert "Traceback" not in rig.server.logs
