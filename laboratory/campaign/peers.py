# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""MLflow the plain way beside a deployment, on its PostgreSQL and its store: `mlflow server`, and that behind nginx."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from laboratory.benchmark.deployment import Deployment
from laboratory.benchmark.naive_image import NGINX_RECIPE, NGINX_TAG, RECIPE, TAG, built
from laboratory.benchmark.nginx import behind_nginx
from laboratory.benchmark.plain_server import plain_server

PLAIN, NGINX = "plain", "nginx"
NAMES = {PLAIN: "mlflow server", NGINX: "behind nginx"}
PROGRAM = "/opt/mlflow/bin/mlflow"
# MLflow's client fetches artifacts from the store itself wherever the server says that it can sign URLs, and a plain
# server signs them for the address that it has of the store. Here that is a name within the deployment's networks.
CLIENT = {
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "false",
}
CLIENT_NOTE = (
    f"their clients have {' and '.join(CLIENT)} set to false, so that artifacts pass through the server: without it "
    "each download hangs for minutes, since MLflow signs URLs with the store's name inside the deployment"
)


@contextlib.contextmanager
def images() -> Iterator[None]:
    """Built once for the whole campaign; what was there before stays."""
    with built(TAG, RECIPE), built(NGINX_TAG, NGINX_RECIPE):
        yield


@contextlib.contextmanager
def peers(deployment: Deployment) -> Iterator[dict[str, tuple[str, list[str]]]]:
    """Name -> address and containers."""
    with (
        plain_server(deployment, TAG, PROGRAM) as (plain, plain_url),
        behind_nginx(deployment, plain) as (nginx, nginx_url),
    ):
        yield {PLAIN: (plain_url, [plain]), NGINX: (nginx_url, [plain, nginx])}
