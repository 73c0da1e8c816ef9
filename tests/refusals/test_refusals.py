# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input to the real playbooks: each is refused before anything is changed, in one sentence that helps.

A refusal names the variable, what was found (never a secret) and what to do. Input is given as users give it: by
`-e name=value`, where everything is a string, and by JSON or a file of variables, where it has a type.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import certifi
import pytest

ROOT = Path(__file__).resolve().parents[2]
HIDDEN = "Hidden-Value"
# A playbook that runs longer hangs; it takes a few seconds, and many times as many where the machine has other work.
HANGS_SECONDS = 600
NFS = "multi-az-nfs"


@dataclass(frozen=True)
class Case:
    """Variables, and words that the refusal has: the variable's name and part of the remedy."""

    variables: dict | str
    words: list[str]
    playbook: str = "single-az"
    secret: str = field(default=HIDDEN)

    def __str__(self) -> str:
        return self.variables if isinstance(self.variables, str) else json.dumps(self.variables)


CASES = [
    # --- the deployment
    Case({"deployment_name": "Bad Name"}, ["deployment_name", "'Bad Name'", "lower-case"]),
    Case({"deployment_name": "../up"}, ["deployment_name", "'../up'", "lower-case"]),
    Case({"deployment_name": ""}, ["deployment_name", "lower-case"]),
    Case({"deployment_name": "bin"}, ["deployment_name", "bin", "another"]),
    Case("deployment_public_port=99999", ["deployment_public_port", "99999", "1 to 65535"]),
    Case({"deployment_public_port": 0}, ["deployment_public_port", "0", "1 to 65535"]),
    Case({"deployment_public_port": "http"}, ["deployment_public_port", "http", "int"]),
    Case("deployment_public_address=localhost", ["deployment_public_address", "localhost", "127.0.0.1"]),
    Case({"deployment_public_names": ["https://example.com"]}, ["deployment_public_names", "https://", "scheme"]),
    Case({"deployment_public_names": []}, ["deployment_public_names", "at least one"]),
    Case(
        {"deployment_given_secrets": {"postgres_pass": HIDDEN}}, ["deployment_given_secrets", "postgres_pass", "names"]
    ),
    Case(
        {"deployment_given_secrets": {"mlflow_server_flask_secret_key": HIDDEN}},
        ["deployment_given_secrets", "mlflow_server_flask_secret_key", "crypto_kek_passphrase, flask_secret_key,"],
    ),
    Case({"deployment_given_secrets": {"webhook_encryption_key": HIDDEN}}, ["webhook_encryption_key", "Fernet"]),
    Case("deployment_renewed_secrets=kek", ["deployment_renewed_secrets", "kek", "crypto_kek_passphrase"]),
    Case({"deployment_previous_secrets": {"flask_secret_key": HIDDEN}}, ["deployment_previous_secrets", "encrypted"]),
    Case("deployment_wait_timeout=3", ["deployment_wait_timeout", "3", "10"]),
    Case("deployment_log_mb=-1", ["deployment_log_mb", "-1", "to the engine"]),
    Case({"deployment_memory_limits_mb": {"redis": 512}}, ["deployment_memory_limits_mb", "redis", "mlflow_server"]),
    Case(
        {"deployment_memory_limits_mb": {"postgres": 99999999}},
        ["deployment_memory_limits_mb", "99999999", "the host has"],
    ),
    Case(
        {"deployment_memory_limits_mb": {"postgres": "big"}},
        ["deployment_memory_limits_mb", "'big'", "a number from 1"],
    ),
    # --- several faults at once, of several roles
    Case(
        {
            "deployment_public_port": 0,
            "deployment_log_mb": "much",
            "postgres_max_connections": 3,
            "object_store_bucket": "Bad_Bucket",
            "mlflow_server_workers": 99,
            "docker_compose_minimum_version": "1.0",
        },
        ["deployment_public_port is 0", "'much'", "postgres_max_connections is 3", "'Bad_Bucket'", "99", "2.18.0"],
    ),
    Case(
        {"postgres_max_connections": 3, "mlflow_server_args": {"no_such": 1}, "images_registry_timeout": 0},
        ["postgres_max_connections is 3", "images_registry_timeout is 0"],
    ),
    Case(
        {"images_registry_timeout": 0, "mlflow_server_args": {"no_such": 1}},
        ["images_registry_timeout is 0", "no_such"],
    ),
    # --- what the playbook decides
    Case("mlflow_server_public_port=5001", ["mlflow_server_public_port", "and set deployment_public_port"]),
    Case({"postgres_server_password": HIDDEN}, ["postgres_server_password", "and set deployment_given_secrets"]),
    # --- Docker
    Case("docker_engine_minimum_version=99.0", ["docker_engine_minimum_version", "99.0", "upgrade the engine"]),
    Case("docker_compose_minimum_version=2.0", ["docker_compose_minimum_version", "2.0", "2.18.0"]),
    # --- the images
    Case("images_supply=download", ["images_supply", "download", "build"]),
    Case("images_postgres_reference=postgres", ["images_postgres_reference", "postgres", "registry"]),
    Case("images_registry_timeout=0", ["images_registry_timeout", "0", "seconds"]),
    Case("object_store=gcs", ["object_store", "gcs", "seaweedfs"]),
    Case("images_archive=/nonexistent/images.tar", ["images_archive", "/nonexistent/images.tar"]),
    Case("mlflow_server_version=3.17", ["version", "3.17"]),
    # --- PostgreSQL
    Case({"postgres_databases": ["my-db"]}, ["postgres_databases", "my-db", "underscores"]),
    Case({"postgres_databases": ["postgres"]}, ["postgres_databases", "postgres", "name at least one"]),
    Case({"postgres_databases": []}, ["postgres_databases", "at least one"]),
    Case({"postgres_server_username": "mlflow_owner"}, ["postgres_server_username", "mlflow_owner", "two different"]),
    Case("postgres_max_connections=10", ["postgres_max_connections", "10", "40 to 5000"]),
    Case({"postgres_settings": {"max_connections": 100}}, ["postgres_settings", "postgres_max_connections"]),
    Case("mlflow_server_workers=20", ["20 workers", "600", "480", "postgres_max_connections"]),
    Case("postgres_memory_mb=16", ["postgres_memory_mb", "16", "256"]),
    Case(
        {"deployment_given_secrets": {"postgres_owner_password": "Hidden"}},
        ["postgres_owner_password", "8 characters"],
        secret="Hidden",
    ),
    Case(
        {"deployment_given_secrets": {"postgres_server_password": f"{HIDDEN}\nline"}},
        ["postgres_server_password", "line break"],
    ),
    # --- the object store
    Case("object_store_bucket=My_Bucket", ["object_store_bucket", "My_Bucket", "lower-case"]),
    Case("object_store=external", ["object_store_access_key", "external", "instance_role_enabled"]),
    *(
        Case(
            {"object_store": "external", "object_store_access_key": "a", "object_store_secret_key": HIDDEN, **wrong},
            words,
        )
        for wrong, words in (
            ({"object_store_secret_key": ""}, ["object_store_secret_key is empty", "give the key"]),
            ({"object_store_instance_role_enabled": True}, ["instance_role_enabled", "access_key", "leave one"]),
            ({"object_store_prefix": "/team/"}, ["object_store_prefix", "'/team/'", "team/mlflow"]),
            ({"object_store_addressing_style": "dns"}, ["object_store_addressing_style", "dns", "virtual"]),
            ({"object_store_region": "eu central"}, ["object_store_region", "'eu central'", "eu-central-1"]),
            ({"object_store_ca_file": "/nonexistent/ca.pem"}, ["object_store_ca_file", "no file", "absolute path"]),
            ({"object_store_ca_file": str(ROOT / "LICENSE")}, ["object_store_ca_file", "no certificate", "PEM"]),
            (
                {"object_store_ca_file": certifi.where(), "object_store_endpoint_url": "http://s3.example.com"},
                ["object_store_ca_file", "http://s3.example.com", "https"],
            ),
            (
                {"object_store_ca_file": certifi.where(), "mlflow_server_environment": {"AWS_CA_BUNDLE": "/x.pem"}},
                ["mlflow_server_environment", "AWS_CA_BUNDLE", "of the store"],
            ),
            (
                {"object_store_addressing_style": "virtual", "object_store_endpoint_url": "https://192.0.2.7:9000"},
                ["object_store_addressing_style", "192.0.2.7", "path"],
            ),
            ({"mlflow_server_hosts": {"s3": "s3.example.com"}}, ["mlflow_server_hosts", "IP addresses"]),
        )
    ),
    *(
        Case({name: value}, [name, "seaweedfs", "external"])
        for name, value in (
            ("object_store_session_token", HIDDEN),
            ("object_store_prefix", "team"),
            ("object_store_ca_file", certifi.where()),
            ("object_store_instance_role_enabled", True),
        )
    ),
    Case(
        {
            "object_store": "external",
            "object_store_access_key": "a",
            "object_store_secret_key": HIDDEN,
            "object_store_endpoint_url": "s3.example.com/bucket",
        },
        ["object_store_endpoint_url", "s3.example.com/bucket", "https://"],
    ),
    Case(
        {"object_store": "seaweedfs", "object_store_endpoint_url": "https://s3.example.com"},
        ["object_store_endpoint_url", "seaweedfs", "external"],
    ),
    Case(
        {"object_store": "seaweedfs", "object_store_secret_key": HIDDEN},
        ["object_store_secret_key", "seaweedfs", "external"],
    ),
    Case(
        {"deployment_given_secrets": {"object_store_server_secret_key": " Hidden-Value "}},
        ["server_secret_key", "white space"],
    ),
    # --- zones, servers in them, and the load balancer
    Case("mlflow_server_replicas=0", ["mlflow_server_replicas", "0", "at least 1"], "multi-az"),
    Case("mlflow_server_replicas=1", ["mlflow_server_replicas", "zone without a server", "at least 2"], "multi-az"),
    Case({"mlflow_server_replicas": 65}, ["mlflow_server_replicas", "65", "64"], "multi-az"),
    Case("mlflow_server_zones=north", ["mlflow_server_zones", "north", "list"], "multi-az"),
    Case({"mlflow_server_zones": ["a", "a"]}, ["mlflow_server_zones", "['a', 'a']", "of its own"], "multi-az"),
    Case({"mlflow_server_zones": ["North 1", "b"]}, ["mlflow_server_zones", "North 1", "lower-case"], "multi-az"),
    Case(
        {"mlflow_server_zone_replicas": {"a": 1, "c": 1}},
        ["mlflow_server_zone_replicas", "unknown zone c", "a, b"],
        "multi-az",
    ),
    Case(
        {"mlflow_server_zone_replicas": {"a": 2, "b": 0}},
        ["mlflow_server_zone_replicas", "zone without a server", "at least 1"],
        "multi-az",
    ),
    Case("mlflow_server_drain_seconds=-1", ["mlflow_server_drain_seconds", "-1", "0 to 3600"], "multi-az"),
    Case("mlflow_server_requests_per_worker=0", ["mlflow_server_requests_per_worker", "0", "1 to 1000"], "multi-az"),
    Case({"mlflow_server_guard_parts_disabled": ["gate"]}, ["mlflow_server_guard_parts_disabled", "gate", "bounds"]),
    Case(
        {"mlflow_server_guard_parts_disabled": ["artifacts"], "mlflow_server_presigned_downloads_enabled": True},
        ["mlflow_server_guard_parts_disabled", "mlflow_server_presigned_downloads_enabled"],
        "multi-az",
    ),
    Case("load_balancer_requests_per_worker=-1", ["load_balancer_requests_per_worker", "-1", "no limit"], "multi-az"),
    Case("load_balancer_statistics_port=5000", ["load_balancer_statistics_port", "5000", "65535"], "multi-az"),
    Case(
        {"load_balancer_trusted_proxies": ["proxy.example.com"]},
        ["load_balancer_trusted_proxies", "proxy.example.com", "10.0.0.0/8"],
        "multi-az",
    ),
    Case("images_load_balancer_reference=haproxy", ["images_load_balancer_reference", "registry"], "multi-az"),
    Case(
        {"deployment_public_names": ["mlflow.example.com"], "mlflow_server_args": {"allowed_hosts": "x.example.com"}},
        ["allowed_hosts", "mlflow.example.com"],
        "multi-az",
    ),
    # --- files for the servers
    Case({"mlflow_server_files": {"ca.pem": "/no/such/ca.pem"}}, ["mlflow_server_files", "/no/such/ca.pem", "no file"]),
    Case({"mlflow_server_files": {"certs/ca.pem": "/etc/hosts"}}, ["mlflow_server_files", "certs/ca.pem", "folder"]),
    Case(
        {"mlflow_server_files": {"flask_secret_key": "/etc/hosts"}},
        ["mlflow_server_files", "flask_secret_key", "another name"],
    ),
    Case(
        {"mlflow_server_environment": {"AWS_CA_BUNDLE": "/certs/ca.pem", "REQUESTS_CA_BUNDLE": "/certs/ca.pem"}},
        ["AWS_CA_BUNDLE", "/certs/ca.pem", "file-not-mounted"],
    ),
    # --- NFS
    Case("nfs_server_address=nfs.example.com:2049", ["nfs_server_address", "nfs.example.com:2049", "port"], NFS),
    Case({"nfs_server_address": "nfs example"}, ["nfs_server_address", "nfs example", "IPv4"], NFS),
    Case("nfs_export_path=export", ["nfs_export_path", "'export'", "absolute"], NFS),
    Case("nfs_export_path=/a,b nfs_server_address=nfs", ["nfs_export_path", "/a,b", "commas"], NFS),
    Case("nfs_export_path=/data", ["nfs_export_path", "/data", "nfs_server_address", "/export"], NFS),
    Case({"nfs_mount_options": ["nfsvers=4.2,soft"]}, ["nfs_mount_options", "nfsvers=4.2,soft", "commas"], NFS),
    Case({"nfs_mount_options": ["nfsvers=4.2", "soft"]}, ["nfs_mount_options", "soft", "lost"], NFS),
    Case({"nfs_mount_options": ["nfsvers=4.2", "ro"]}, ["nfs_mount_options", "ro", "leave it out"], NFS),
    Case({"nfs_mount_options": ["nfsvers=4.2", "noresvport"]}, ["nfs_mount_options", "noresvport", "leave"], NFS),
    Case({"nfs_mount_options": ["hard"]}, ["nfs_mount_options", "hard", "nfsvers=4.2"], NFS),
    Case({"nfs_mount_options": ["nfsvers=3"]}, ["nfs_mount_options", "nfsvers=3", "nfsvers=4.2"], NFS),
    Case({"nfs_mount_options": ["nfsvers=4.1"]}, ["nfs_mount_options", "nfsvers=4.1", "4.2 only"], NFS),
    Case("nfs_subnet=10.213.39.0", ["nfs_subnet", "10.213.39.0", "24 to 29"], NFS),
    Case("nfs_subnet=10.213.39.4/29", ["nfs_subnet", "10.213.39.4/29", "10.213.39.0/29"], NFS),
    Case("nfs_subnet=300.1.1.0/29", ["nfs_subnet", "300.1.1.0/29", "IPv4"], NFS),
    # The engine's own bridge.
    Case("nfs_subnet=172.17.0.0/29", ["nfs_subnet", "172.17.0.0/29", "172.17.0.0/16", "docker0"], NFS),
    Case("nfs_lease_seconds=1", ["nfs_lease_seconds", "1", "5 to 300"], NFS),
    Case("nfs_minimum_free_mib=-1", ["nfs_minimum_free_mib", "-1", "0 to"], NFS),
    Case("nfs_probe_seconds=1", ["nfs_probe_seconds", "1", "5 to 600"], NFS),
    Case("nfs_client_count=0", ["nfs_client_count", "which the playbook decides", "remove nfs_client_count"], NFS),
    Case("images_nfs_reference=ganesha", ["images_nfs_reference", "ganesha", "registry"], NFS),
    # --- the server
    Case("mlflow_server_artifacts_volume=nfs", ["mlflow_server_artifacts_volume", "dict"], "local"),
    Case(
        {"mlflow_server_secret_environment": {"MLFLOW_FLASK_SERVER_SECRET_KEY": HIDDEN}},
        ["mlflow_server_secret_environment", "MLFLOW_FLASK_SERVER_SECRET_KEY", "the role sets itself"],
    ),
    Case({"mlflow_server_secret_environment": {"SHOP KEY": HIDDEN}}, ["secret_environment", "SHOP KEY", "letters"]),
    Case({"mlflow_server_secret_environment": {"KEY": f"{HIDDEN}\n1"}}, ["secret_environment", "line break"]),
    Case("mlflow_server_workers=-1", ["mlflow_server_workers", "-1", "1 to 64"]),
    Case({"mlflow_server_workers": 65}, ["mlflow_server_workers", "65", "1 to 64"]),
    Case({"mlflow_server_workers": "many"}, ["mlflow_server_workers", "many", "int"]),
    Case("mlflow_server_replicas=0", ["mlflow_server_replicas", "0", "at least 1"]),
    Case("mlflow_server_replicas=2", ["mlflow_server_replicas", "2", "multi-az"]),
    Case({"mlflow_server_accept": ["schema_emptied"]}, ["mlflow_server_accept", "'schema_emptied'", "schema-emptied"]),
    Case({"mlflow_server_accept": ["schema-foreign"]}, ["mlflow_server_accept", "schema-foreign", "never"]),
    Case("mlflow_server_schema=force", ["mlflow_server_schema", "force", "upgrade"]),
    Case(
        {"mlflow_server_schema_lock_timeout": -1, "mlflow_server_schema_blocked_timeout": 0},
        ["mlflow_server_schema_lock_timeout is -1", "mlflow_server_schema_blocked_timeout is 0"],
    ),
    Case("mlflow_server_source=checkouts/mlflow", ["mlflow_server_source", "checkouts/mlflow", "absolute"], "local"),
    Case("mlflow_server_source=/nonexistent/mlflow", ["mlflow_server_source", "/nonexistent/mlflow"], "local"),
    Case(
        "mlflow_server_artifacts_destination=mlartifacts",
        ["mlflow_server_artifacts_destination", "mlartifacts", "absolute"],
        "local",
    ),
    Case(
        "mlflow_server_artifacts_destination=s3:/bucket",
        ["mlflow_server_artifacts_destination", "s3:/bucket", "s3://mlflow"],
    ),
    Case(
        {"mlflow_server_args": {"backend_store_uri": "sqlite:///mlflow.db"}},
        ["backend_store_uri", "mlflow_server_backend_store"],
    ),
    Case({"mlflow_server_args": {"worker": 3}}, ["worker", "workers"]),
    Case({"mlflow_server_args": {"x_frame_options": "MAYBE"}}, ["x_frame_options", "MAYBE", "DENY"]),
    Case({"mlflow_server_args": {"static_prefix": "mlflow/"}}, ["static_prefix", "mlflow/", "/"]),
    Case(
        {"mlflow_server_args": {"gunicorn_opts": "--timeout 9", "uvicorn_opts": "--timeout-keep-alive 9"}},
        ["gunicorn_opts", "uvicorn_opts"],
    ),
    Case({"mlflow_server_args": {"serve_artifacts": False}}, ["serve_artifacts"]),
    Case(
        {"mlflow_server_args": {"registry_store_uri": "postgresql://a@b/c"}},
        ["registry_store_uri", "database_registry_name", "leave it out"],
    ),
    Case({"mlflow_server_args": ["--port", "80"]}, ["mlflow_server_args", "dict"]),
    Case({"mlflow_server_environment": {"MLFLOW_BACKEND_STORE_URI": "sqlite:///x.db"}}, ["MLFLOW_BACKEND_STORE_URI"]),
]


def play(
    case: Case, name: str, timeout: float = HANGS_SECONDS, *options: str
) -> tuple[subprocess.CompletedProcess, dict]:
    variables = case.variables if isinstance(case.variables, str) else json.dumps(case.variables)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    environment |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', os.defpath)}",
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
    }
    result = subprocess.run(
        ["ansible-playbook", str(ROOT / "playbooks" / f"{case.playbook}.yml"), "-e", f"deployment_name={name}"]
        + ["-e", variables, *options],
        cwd="/",
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    start = result.stdout.find("{")
    assert start >= 0, result.stdout + result.stderr
    return result, json.loads(result.stdout[start:])


def messages(answer: dict) -> list[str]:
    """What the failed tasks said; of a loop, the items that failed."""
    found = []
    for each in answer["plays"]:
        for task in each["tasks"]:
            for result in task["hosts"].values():
                if not result.get("failed"):
                    continue
                items = [item for item in result.get("results", []) if item.get("failed")] or [result]
                # An argument spec has a heading in `msg`, and a list of its own.
                found += ["; ".join(item.get("argument_errors", [])) or item.get("msg", "") for item in items]
    return [str(message) for message in found]


def left_behind(name: str) -> list[str]:
    found = [
        str(folder)
        for folder in (
            Path("~/.local/share/mlops.mlflow").expanduser() / name,
            Path("~/.config/mlops.mlflow/localhost").expanduser() / name,
        )
        if folder.exists()
    ]
    for command in (["ps", "--all"], ["volume", "ls"], ["network", "ls"]):
        listing = subprocess.run(
            ["docker", *command, "--quiet", "--filter", f"label=mlops.mlflow.deployment={name}"],
            capture_output=True,
            text=True,
            check=True,
        )
        found += listing.stdout.split()
    return found


def refused(case: Case) -> str:
    name = f"refused-{uuid.uuid4().hex[:8]}"
    result, answer = play(case, name)
    assert result.returncode != 0, f"accepted: {case}"
    said = messages(answer)
    assert len(said) == 1, f"not one message but {len(said)}: {said}"
    assert answer["stats"]["localhost"]["changed"] == 0, "something was changed before the refusal"
    assert not left_behind(name)
    assert case.secret not in result.stdout + result.stderr, "the refusal shows a secret"
    crashes = ("Traceback", "rendering template", "is undefined", "{{", "non-zero return code", "All items completed")
    for sign in crashes:
        assert sign not in said[0], f"no refusal but a crash: {said[0]}"
    return said[0]


def mostly_extended(cases: list[Case]) -> list:
    """Each is a run of a playbook, and the rules have tables in tests/unit: every run takes a quarter of them."""
    return [
        pytest.param(case, id=str(case), marks=[pytest.mark.extended] if number % 4 else [])
        for number, case in enumerate(cases)
    ]


@pytest.mark.parametrize("case", mostly_extended(CASES))
def test_bad_input_is_refused(case: Case) -> None:
    message = refused(case)
    for word in case.words:
        assert word in message, f"'{word}' is not in: {message}"
    # What only follows from it is not told.
    assert "_servers is empty" not in message


def test_a_kernel_without_nfs_is_refused() -> None:
    """Before anything is changed, and with the way that needs no NFS."""
    known = Path("/proc/filesystems").read_text(encoding="ascii").split()
    if "nfs4" in known or Path("/lib/modules", os.uname().release, "kernel/fs/nfs").exists():
        pytest.skip("the kernel of this machine can mount NFS")
    said = refused(Case({}, [], NFS))
    for word in ("cannot mount NFS", "/proc/filesystems", "nfsv4", "playbooks/multi-az.yml"):
        assert word in said, said


@pytest.fixture
def listener() -> Iterator[int]:
    """A process that is not part of the collection, on a port of its own."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import socket, time; s = socket.create_server(('127.0.0.1', 0)); "
            "print(s.getsockname()[1], flush=True); time.sleep(120)",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    port = int(process.stdout.readline())
    yield port
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_port_in_use_is_refused(listener: int) -> None:
    message = refused(Case(f"deployment_public_port={listener}", []))
    for word in ("deployment_public_port", str(listener), "in use"):
        assert word in message, message
    with socket.create_connection(("127.0.0.1", listener), timeout=5):
        pass
