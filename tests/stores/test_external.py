# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""single-az on stores that this collection did not deploy, from the first run to the last.

One deployment on MinIO: TLS by an authority of one's own, path style, another region, a folder of a bucket with
versions and an object lock, a key that is confined to the folder and temporary; then the same one without any key. One
on SeaweedFS: virtual hosts, behind a proxy that ends TLS; then with URLs that lead clients there.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.images.conftest import LABEL, Container, run

from .playbooks import Deployment, Played
from .rig import ADMIN, BUCKET, MINIO, MINIO_PORT, OTHER, OTHER_PORT, PROXY_PORT, REGION, WEED, Rig, policy

FOLDER = "team/mlflow"
LOCKED = "locked"
ARTIFACT = "external-s3.txt"
TEXT = b"it stays"
# Where Amazon's agent for containers answers, which boto3 believes without TLS.
AGENT = "169.254.170.2"


def put_artifact(deployment: Deployment) -> None:
    request = urllib.request.Request(artifact_url(deployment), data=TEXT, method="PUT")
    urllib.request.urlopen(request, timeout=60).read()


def artifact_url(deployment: Deployment, way: str = "artifacts") -> str:
    return f"{deployment.url}/api/2.0/mlflow-artifacts/{way}/{ARTIFACT}"


def get_artifact(deployment: Deployment) -> bytes:
    with urllib.request.urlopen(artifact_url(deployment), timeout=60) as answer:
        return answer.read()


def check(played: Played) -> Played:
    assert played.code == 0, f"{played.reason}\n{played.text[-4000:]}"
    assert "Hidden" not in played.text
    return played


def keys(client, bucket: str, prefix: str = "") -> set[str]:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return {each["Key"] for page in pages for each in page.get("Contents", [])}


def destroyed(deployment: Deployment, place: str) -> None:
    """Nothing of it is left here, and it says where the artifacts stay."""
    played = check(deployment.destroy())
    assert f"Nothing is deleted in an external store: the artifacts stay in {place}" in played.text, played.text[-2000:]
    assert deployment.containers == []
    assert not deployment.home.exists()


class TestMinio:
    """In the order of the file: each test goes on where the one before has ended."""

    @pytest.fixture(scope="class")
    @classmethod
    def given(cls, rig: Rig) -> dict:
        admin = rig.client(ADMIN)
        place = {"LocationConstraint": REGION}
        admin.create_bucket(Bucket=LOCKED, CreateBucketConfiguration=place, ObjectLockEnabledForBucket=True)
        lock = {"Mode": "GOVERNANCE", "Days": 1}
        admin.put_object_lock_configuration(
            Bucket=LOCKED,
            ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": lock}},
        )
        admin.put_object(Bucket=LOCKED, Key="somebody/else", Body=b"x")
        temporary = rig.temporary(rig.user("trainer", policy(LOCKED, FOLDER)))
        return {
            "mlflow_server_hosts": rig.hosts,
            "object_store_endpoint_url": f"https://{MINIO}:{MINIO_PORT}",
            "object_store_region": REGION,
            "object_store_addressing_style": "path",
            "object_store_bucket": LOCKED,
            "object_store_prefix": FOLDER,
            "object_store_ca_file": str(rig.authority.ca),
            "object_store_access_key": temporary["AccessKeyId"],
            "object_store_secret_key": temporary["SecretAccessKey"],
            "object_store_session_token": temporary["SessionToken"],
        }

    def test_it_is_deployed_and_trained_on(self, rig: Rig, deployment: Deployment, given: dict) -> None:
        check(deployment.deploy(**given))
        check(deployment.verify())
        put_artifact(deployment)
        assert get_artifact(deployment) == TEXT
        found = keys(rig.client(ADMIN), LOCKED)
        assert f"{FOLDER}/{ARTIFACT}" in found
        assert {each for each in found if not each.startswith(f"{FOLDER}/")} == {"somebody/else"}

    def test_a_page_of_another_origin_may_read_what_is_signed(self, rig: Rig) -> None:
        client, place = rig.client(ADMIN), {"Bucket": LOCKED, "Key": f"{FOLDER}/{ARTIFACT}"}
        status, headers, body = rig.fetch(
            client.generate_presigned_url("get_object", place), Origin="https://page.test"
        )
        assert (status, body) == (200, TEXT)
        assert headers["access-control-allow-origin"] in ("https://page.test", "*")

    def test_the_token_is_a_secret(self, deployment: Deployment, given: dict) -> None:
        token, secret = given["object_store_session_token"], given["object_store_secret_key"]
        holders = {
            file.name
            for file in deployment.folder.rglob("*")
            if file.is_file() and any(each in file.read_text(errors="replace") for each in (token, secret))
        }
        assert holders == {"aws_credentials"}
        for container in deployment.containers:
            assert token not in run("docker", "inspect", container.split()[1]).stdout

    def test_a_second_run_changes_nothing(self, rig: Rig, deployment: Deployment, given: dict) -> None:
        before = deployment.containers
        versions = rig.client(ADMIN).list_object_versions(Bucket=LOCKED)["Versions"]
        played = check(deployment.deploy(**given))
        assert (played.changed, deployment.containers) == (0, before)
        # Nor is the store tried again: a bucket with a lock keeps what is written to it.
        assert len(rig.client(ADMIN).list_object_versions(Bucket=LOCKED)["Versions"]) == len(versions)

    def test_a_refused_change_leaves_what_runs(self, rig: Rig, deployment: Deployment, given: dict) -> None:
        before = deployment.containers
        played = deployment.deploy(**{**given, "object_store_ca_file": str(rig.stranger.ca)})
        assert played.code != 0
        assert "object_store_ca_file" in played.reason, played.text[-3000:]
        assert deployment.containers == before
        assert get_artifact(deployment) == TEXT

    @pytest.fixture(scope="class")
    @classmethod
    def agent(cls, rig: Rig) -> Iterator[Container]:
        """Hands out temporary keys at the address of Amazon's agent, as it does for a task with a role."""
        network = f"{rig.network}-agent"
        options = ("--subnet", "169.254.170.0/24", "--gateway", AGENT, "--label", LABEL)
        run("docker", "network", "create", *options, network)
        started = None
        try:
            new = rig.temporary(("trainer", "Hidden-of-trainer"))
            answer = {
                "AccessKeyId": new["AccessKeyId"],
                "SecretAccessKey": new["SecretAccessKey"],
                "Token": new["SessionToken"],
                "Expiration": new["Expiration"].strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
            folder = rig.folder / "agent"
            folder.mkdir()
            (folder / "role").write_text(json.dumps(answer))
            started = Container(
                rig.images["mlflow_server"]["reference"],
                *("-m", "http.server", "--directory", "/agent", "8080"),
                options=(
                    *("--network", network, "--publish", f"{AGENT}:80:8080", "--entrypoint", "python3"),
                    *("--volume", f"{folder}:/agent:ro", "--user", "0:0"),
                ),
            )
            yield started
        finally:
            if started:
                started.remove()
            run("docker", "network", "rm", network)

    def test_the_same_without_a_key(self, deployment: Deployment, given: dict, agent: Container) -> None:
        without = {name: value for name, value in given.items() if not name.endswith(("_key", "_token"))}
        role = {
            "object_store_instance_role_enabled": True,
            "mlflow_server_environment": {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/role"},
        }
        check(deployment.deploy(**without, **role))
        assert get_artifact(deployment) == TEXT
        put_artifact(deployment)
        assert "GET /role" in agent.logs
        assert not list(deployment.folder.rglob("aws_credentials"))
        assert check(deployment.deploy(**without, **role)).changed == 0

    def test_nothing_is_deleted_with_it(self, rig: Rig, deployment: Deployment) -> None:
        before = keys(rig.client(ADMIN), LOCKED)
        destroyed(deployment, f"s3://{LOCKED}/{FOLDER} at https://{MINIO}:{MINIO_PORT}")
        assert keys(rig.client(ADMIN), LOCKED) == before
        assert f"{FOLDER}/{ARTIFACT}" in before

    def test_the_next_one_takes_it_over_only_when_told(self, rig: Rig, deployment: Deployment, given: dict) -> None:
        played = deployment.deploy(**given)
        assert played.code != 0
        assert "marker of deployment" in played.reason, played.text[-3000:]
        assert "mlflow_server_adopt_destination" in played.reason
        check(deployment.deploy(**given, mlflow_server_adopt_destination=True))
        assert get_artifact(deployment) == TEXT
        destroyed(deployment, f"s3://{LOCKED}/{FOLDER}")


class TestSeaweedfs:
    """Virtual hosts behind a proxy; at the end with URLs that lead clients to it."""

    @pytest.fixture(scope="class")
    @classmethod
    def given(cls, rig: Rig) -> dict:
        rig.weed_client.create_bucket(Bucket=BUCKET)
        return {
            "mlflow_server_hosts": rig.hosts,
            "object_store_endpoint_url": f"https://{WEED}:{PROXY_PORT}",
            "object_store_addressing_style": "virtual",
            "object_store_bucket": BUCKET,
            "object_store_ca_file": str(rig.authority.ca),
            "object_store_access_key": "server",
            "object_store_secret_key": "Hidden-of-server",
        }

    def test_it_is_deployed_and_trained_on(self, rig: Rig, deployment: Deployment, given: dict) -> None:
        check(deployment.deploy(**given))
        check(deployment.verify())
        put_artifact(deployment)
        assert get_artifact(deployment) == TEXT
        assert ARTIFACT in keys(rig.weed_client, BUCKET)

    def test_a_second_run_changes_nothing(self, deployment: Deployment, given: dict) -> None:
        before = deployment.containers
        played = check(deployment.deploy(**given))
        assert (played.changed, deployment.containers) == (0, before)

    def test_a_url_is_good_for_the_name_that_it_was_signed_for(
        self, rig: Rig, deployment: Deployment, given: dict
    ) -> None:
        check(deployment.deploy(**given, mlflow_server_presigned_urls_enabled=True))
        with urllib.request.urlopen(artifact_url(deployment, "presigned"), timeout=60) as answer:
            url = json.load(answer)["url"]
        assert urlsplit(url).netloc == f"{BUCKET}.{WEED}:{PROXY_PORT}"
        status, headers, body = rig.fetch(url, Origin="https://browser.test")
        assert (status, body) == (200, TEXT)
        assert headers["access-control-allow-origin"] in ("https://browser.test", "*")
        # Under another name it is worth nothing, unless a proxy tells the store the one that was signed.
        another = urlsplit(url)._replace(netloc=f"{OTHER}:{OTHER_PORT}")
        assert rig.fetch(another.geturl())[0] == 403
        told = another._replace(path=f"/signed{another.path}").geturl()
        assert rig.fetch(told)[::2] == (200, TEXT)

    def test_nothing_is_deleted_with_it(self, rig: Rig, deployment: Deployment) -> None:
        before = keys(rig.weed_client, BUCKET)
        destroyed(deployment, f"s3://{BUCKET} at https://{WEED}:{PROXY_PORT}")
        assert keys(rig.weed_client, BUCKET) == before
        assert ARTIFACT in before
