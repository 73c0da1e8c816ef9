# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`mlflow server` with its own defaults (four workers, job runners), beside the server of a deployment.

It has the same services and, unless another one is given, the same image, so only the way of running differs. Its
database, its role and its prefix in the bucket are its own. In the image of the deployment artifacts pass through the
server for both, and MLflow's packages are fewer than in a plain installation, so this server is smaller than most.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from laboratory.benchmark.deployment import Deployment
from laboratory.benchmark.memory import inspect
from laboratory.benchmark.processes import StepFailed, perform

NAME = "plain_server"
PASSFILE = "/run/plain-server/pgpass"
READY_SECONDS = 180


def _database(deployment: Deployment, store: dict, folder: Path, uid: int) -> tuple[str, Path]:
    """Make a database with a role of its own; return the URI without a password, and the file that has it."""
    password = secrets.token_hex(16)
    # By standard input: no argument of a process holds the password.
    perform(
        ["docker", "compose", "exec", "-T", "postgres", "psql", "-U", "postgres", "-q", "-v", "ON_ERROR_STOP=1"],
        cwd=deployment.home,
        stdin=f"CREATE ROLE {NAME} LOGIN PASSWORD '{password}';\nCREATE DATABASE {NAME} OWNER {NAME};\n",
    )
    passfile = folder / "pgpass"
    passfile.touch(mode=0o600)
    passfile.write_text(f"{store['host']}:{store['port']}:{NAME}:{NAME}:{password}\n")
    os.chown(passfile, uid, -1)
    return f"{store['drivername']}://{NAME}@{store['host']}:{store['port']}/{NAME}", passfile


def _networks(deployment: Deployment, server: dict) -> list[str]:
    """Those of the server; before them the one that is not internal, since only there a port can be published."""
    public = f"mlflow-{deployment.name}_public"
    return [public, *(name for name in server["NetworkSettings"]["Networks"] if name != public)]


def _store_options(environment: dict[str, str], mounts: list[dict]) -> list[str]:
    """What the server of the deployment is told of its S3 store holds for the plain one too. No secret is in it."""
    options = []
    for name, value in environment.items():
        if name.startswith("AWS_") or name == "MLFLOW_S3_ENDPOINT_URL":
            options += ["--env", f"{name}={value}"]
    for mount in mounts:
        if mount["Destination"] == environment.get("AWS_SHARED_CREDENTIALS_FILE"):
            options += ["--volume", f"{mount['Source']}:{mount['Destination']}:ro"]
    return options


def wait_until_ready(url: str, container: str) -> None:
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{url}/api/2.0/mlflow/experiments/get?experiment_id=0", timeout=30).close()
            return
        if not inspect(container)["State"]["Running"]:
            break
        time.sleep(0.5)
    log = perform(["docker", "logs", "--tail", "15", container], check=False)
    raise StepFailed(f"`mlflow server` with its own defaults was not ready at {url}:\n{log.stdout}{log.stderr}")


@contextlib.contextmanager
def plain_server(deployment: Deployment, image: str = "", program: str = "mlflow") -> Iterator[tuple[str, str]]:
    """Its container and its address. The label makes it part of the deployment for destroy.yml, should we be killed."""
    server = inspect(deployment.server())
    file = next((deployment.home / "config" / "mlflow-server").glob("*/guard.json"))
    config = json.loads(file.read_text())
    environment = dict(entry.split("=", 1) for entry in server["Config"]["Env"])
    container = f"mlflow-{deployment.name}-plain"
    first, *others = _networks(deployment, server)
    with tempfile.TemporaryDirectory(prefix="mlops-mlflow-benchmark-") as folder:
        uid = int(server["Config"]["User"].split(":")[0])
        uri, passfile = _database(deployment, config["backend_store"], Path(folder), uid)
        try:
            perform(
                ["docker", "create", "--name", container, "--label", f"mlops.mlflow.deployment={deployment.name}"]
                + ["--network", first, "--publish", "127.0.0.1::5000", "--env", "MLFLOW_DISABLE_TELEMETRY=true"]
                + ["--env", f"PGPASSFILE={PASSFILE}", "--volume", f"{passfile}:{PASSFILE}:ro"]
                + _store_options(environment, server["Mounts"])
                + [image or server["Image"], program, "server", "--host", "0.0.0.0", "--backend-store-uri", uri]
                + ["--artifacts-destination", f"{config['artifacts']['destination']}/{NAME}"]
            )
            for network in others:
                perform(["docker", "network", "connect", network, container])
            perform(["docker", "start", container])
            published = inspect(container)["NetworkSettings"]["Ports"]["5000/tcp"][0]["HostPort"]
            url = f"http://localhost:{published}"
            wait_until_ready(url, container)
            yield container, url
        finally:
            perform(["docker", "rm", "--force", "--volumes", container], check=False)
