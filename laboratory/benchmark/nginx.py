# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx with its own defaults before a plain `mlflow server`, as one writes it in five minutes."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from laboratory.benchmark.deployment import Deployment
from laboratory.benchmark.memory import inspect
from laboratory.benchmark.naive_image import NGINX_RECIPE, NGINX_TAG, built
from laboratory.benchmark.plain_server import wait_until_ready
from laboratory.benchmark.processes import perform

# The one line beyond nginx's own example: with nginx's default for Host, MLflow answers 403 to everything.
SITE = """\
server {{
    listen 80;
    location / {{
        proxy_pass http://{upstream}:5000;
        proxy_set_header Host $http_host;
    }}
}}
"""


@contextlib.contextmanager
def behind_nginx(deployment: Deployment, upstream: str) -> Iterator[tuple[str, str]]:
    """Its container and its address."""
    container = f"mlflow-{deployment.name}-nginx"
    with (
        built(NGINX_TAG, NGINX_RECIPE) as image,
        tempfile.TemporaryDirectory(prefix="mlops-mlflow-benchmark-") as folder,
    ):
        site = Path(folder) / "default"
        site.write_text(SITE.format(upstream=upstream))
        site.chmod(0o644)
        Path(folder).chmod(0o755)
        try:
            perform(
                ["docker", "run", "--detach", "--name", container, "--publish", "127.0.0.1::80"]
                + ["--label", f"mlops.mlflow.deployment={deployment.name}"]
                + ["--network", f"mlflow-{deployment.name}_public"]
                + ["--volume", f"{site}:/etc/nginx/sites-enabled/default:ro", image]
            )
            url = f"http://localhost:{inspect(container)['NetworkSettings']['Ports']['80/tcp'][0]['HostPort']}"
            wait_until_ready(url, container)
            yield container, url
        finally:
            perform(["docker", "rm", "--force", "--volumes", container], check=False)
