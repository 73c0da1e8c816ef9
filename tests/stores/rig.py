# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stores that this collection did not deploy: plain containers in a network of their own, and a proxy before them.

They publish their ports on the address that the network has on this host, by which containers of other networks reach
them, and nobody from outside does. Names for that address are given to the servers (`mlflow_server_hosts`).
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import boto3
from botocore.client import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.images.conftest import Container, run, until

from .authority import Authority

REGION = "eu-central-1"
ADMIN = ("administrator", "Hidden-of-the-administrator")
MINIO, WEED, OTHER = "s3.minio.test", "s3.weed.test", "files.other.test"
BUCKET = "models"
MINIO_PORT, PROXY_PORT, OTHER_PORT, LATE_PORT = 29000, 29443, 29444, 29445
HOUR = 3600


def policy(bucket: str, prefix: str = "", without: str = "") -> dict:
    """What a server may do: below a folder, and without one of the rights."""
    below = f"{prefix}/" if prefix else ""
    objects = {
        "s3:GetObject",
        "s3:PutObject",
        "s3:DeleteObject",
        "s3:AbortMultipartUpload",
        "s3:ListMultipartUploadParts",
    }
    statements = [
        {"Effect": "Allow", "Action": sorted(objects - {without}), "Resource": [f"arn:aws:s3:::{bucket}/{below}*"]}
    ]
    if without != "s3:ListBucket":
        listing: dict = {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": [f"arn:aws:s3:::{bucket}"]}
        if below:
            listing["Condition"] = {"StringLike": {"s3:prefix": [below, f"{below}*"]}}
        statements.append(listing)
    return {"Version": "2012-10-17", "Statement": statements}


@dataclass
class Rig:
    """A network, its address on this host, an authority, and what runs there."""

    network: str
    address: str
    folder: Path
    images: dict
    started: list[Container] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.authority = Authority(self.folder / "authority")
        self.stranger = Authority(self.folder / "stranger", "authority of nobody")

    def start(self, component: str, *command: str, options: tuple[str, ...] = ()) -> Container:
        image = self.images[component]["reference"]
        container = Container(image, *command, options=("--network", self.network, *options))
        self.started.append(container)
        return container

    def published(self, port: int, inner: int) -> tuple[str, ...]:
        return ("--publish", f"{self.address}:{port}:{inner}")

    @property
    def hosts(self) -> dict[str, str]:
        names = (MINIO, WEED, OTHER, f"{BUCKET}.{MINIO}", f"{BUCKET}.{WEED}", f"locked.{MINIO}")
        return dict.fromkeys(names, self.address)

    # --- MinIO
    def start_minio(self) -> None:
        certificate, key = self.authority.issue(MINIO, self.address)
        certificates = self.folder / "minio"
        certificates.mkdir()
        (certificates / "public.crt").write_bytes(certificate.read_bytes())
        (certificates / "private.key").write_bytes(key.read_bytes())
        self.minio = self.start(
            "minio",
            *("server", "/data", "--certs-dir", "/certificates"),
            options=(
                *("--network-alias", "minio", "--volume", f"{certificates}:/certificates:ro"),
                *self.published(MINIO_PORT, 9000),
                *("--env", f"MINIO_ROOT_USER={ADMIN[0]}", "--env", f"MINIO_ROOT_PASSWORD={ADMIN[1]}"),
                *("--env", f"MINIO_SITE_REGION={REGION}", "--env", "MINIO_UPDATE=off"),
            ),
        )
        until(lambda: answers(self.client(ADMIN)), "MinIO answers", 90)
        self.mc("alias", "set", "store", "https://127.0.0.1:9000", *ADMIN)

    def mc(self, *words: str, check: bool = True) -> None:
        self.minio.exec("mc", "--config-dir", "/tmp/.mc", "--insecure", *words, check=check)

    def user(self, name: str, rights: dict) -> tuple[str, str]:
        """A user of MinIO with these rights."""
        file = self.folder / f"{name}.json"
        file.write_text(json.dumps(rights))
        run("docker", "cp", str(file), f"{self.minio.name}:/tmp/{name}.json")
        secret = f"Hidden-of-{name}"
        self.mc("admin", "user", "add", "store", name, secret)
        self.mc("admin", "policy", "create", "store", name, f"/tmp/{name}.json")
        self.mc("admin", "policy", "attach", "store", name, "--user", name)
        return name, secret

    def temporary(self, key: tuple[str, str]) -> dict[str, str]:
        """Temporary credentials of a user of MinIO."""
        sts = boto3.client("sts", **self._connection(key, f"https://{self.address}:{MINIO_PORT}", REGION))
        return sts.assume_role(RoleArn="arn:xxx:xxx:xxx:xxxx", RoleSessionName="tests", DurationSeconds=HOUR)[
            "Credentials"
        ]

    def _connection(self, key: tuple[str, ...], url: str, region: str) -> dict:
        token = {"aws_session_token": key[2]} if len(key) > 2 else {}
        secure = {"verify": str(self.authority.ca)} if url.startswith("https") else {}
        keys = {"aws_access_key_id": key[0], "aws_secret_access_key": key[1], **token}
        return {"endpoint_url": url, "region_name": region, **keys, **secure}

    def client(self, key: tuple[str, ...], url: str = "", region: str = REGION):
        """A client on this host, which has none of the names."""
        config = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}, connect_timeout=5)
        return boto3.client(
            "s3", config=config, **self._connection(key, url or f"https://{self.address}:{MINIO_PORT}", region)
        )

    # --- SeaweedFS, and HAProxy before both
    def start_weed(self) -> None:
        keys = [
            {"name": "admin", "credentials": [dict(zip(("accessKey", "secretKey"), ADMIN))], "actions": ["Admin"]},
            {
                "name": "server",
                "credentials": [{"accessKey": "server", "secretKey": "Hidden-of-server"}],
                "actions": [f"{action}:{BUCKET}" for action in ("Read", "Write", "List", "Tagging")],
            },
        ]
        file = self.folder / "s3.json"
        file.write_text(json.dumps({"identities": keys}))
        file.chmod(0o644)
        self.weed = self.start(
            "seaweedfs",
            *("server", "-dir=/data", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false"),
            *("-master.volumeSizeLimitMB=64", "-volume.max=0", "-filer", "-s3", "-s3.ip.bind=0.0.0.0", "-s3.port=8333"),
            *("-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.iam=false", "-s3.autoCreateBucket=false"),
            *("-s3.config=/etc/s3.json", f"-s3.domainName={WEED}:{PROXY_PORT},{WEED}"),
            options=("--network-alias", "weed", "--volume", f"{file}:/etc/s3.json:ro", "--entrypoint", "/usr/bin/weed"),
        )
        until(lambda: answers(self.weed_client), "SeaweedFS answers", 90)

    @property
    def weed_client(self):
        return self.client(ADMIN, f"http://{self.weed.address}:8333", "us-east-1")

    def start_proxy(self) -> None:
        certificate, key = self.authority.issue(WEED, f"*.{WEED}", OTHER)
        pem = self.folder / "proxy.pem"
        pem.write_bytes(certificate.read_bytes() + key.read_bytes())
        pem.chmod(0o644)
        config = self.folder / "haproxy.cfg"
        config.write_text(PROXY)
        self.proxy = self.start(
            "load_balancer",
            *("-db", "-f", "/etc/proxy/haproxy.cfg"),
            options=(
                *("--entrypoint", "haproxy", "--volume", f"{config}:/etc/proxy/haproxy.cfg:ro"),
                *("--volume", f"{pem}:/etc/proxy/proxy.pem:ro"),
                *self.published(PROXY_PORT, 8443),
                *self.published(OTHER_PORT, 8444),
                *self.published(LATE_PORT, 8445),
            ),
        )

    def fetch(self, url: str, method: str = "GET", port: int = 0, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """What a browser gets that knows the rig's names and trusts its authority."""
        parts = urlsplit(url)
        context = ssl.create_default_context(cafile=str(self.authority.ca))
        connection = http.client.HTTPSConnection(parts.hostname or "", port or parts.port, context=context, timeout=20)
        plain = socket.create_connection((self.address, port or parts.port or 443), timeout=20)
        connection.sock = context.wrap_socket(plain, server_hostname=parts.hostname)
        connection.request(method, f"{parts.path}?{parts.query}", headers=headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()

    def remove(self) -> None:
        for container in reversed(self.started):
            container.remove()


def answers(client) -> bool:
    try:
        client.list_buckets()
    except (BotoCoreError, ClientError):
        return False
    return True


# The first is an ordinary proxy; the second has another name and tells the store the name that URLs are signed for; the
# third makes every request look years late.
PROXY = f"""
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend ordinary
    bind :8443 ssl crt /etc/proxy/proxy.pem
    default_backend weed
frontend other
    bind :8444 ssl crt /etc/proxy/proxy.pem
    http-request set-header Host {BUCKET}.{WEED}:{PROXY_PORT} if {{ path_beg /signed }}
    http-request replace-path /signed(.*) \\1
    default_backend weed
frontend late
    bind :8445
    http-request set-header x-amz-date 20200101T000000Z
    default_backend minio
backend weed
    server weed weed:8333
backend minio
    server minio minio:9000 ssl verify none
"""
