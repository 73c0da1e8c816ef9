# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image that one would write in five minutes: MLflow and two drivers, installed by pip on a Debian base."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from laboratory.benchmark.processes import BUILD_SECONDS, perform
from tests.runner.commands import ROOT

IMAGES = ROOT / "roles" / "images" / "files"
TAG = "mlops-mlflow/benchmark-naive:latest"
LABEL = "mlops.mlflow.benchmark=naive"
# Measured once with this recipe on a base made by mmdebstrap; --naive measures it again.
RECORDED_BYTES = 1_170_000_000

RECIPE = f"""\
ARG BASE
FROM ${{BASE}}
LABEL {LABEL}
COPY rootfs ca-bundle.crt /build/
RUN /build/rootfs install python3-venv && rm -rf /var/lib/apt/lists
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_TRUSTED_HOST
ARG PIP_CERT
RUN python3 -m venv /opt/mlflow \\
    && /opt/mlflow/bin/pip install --no-cache-dir mlflow==3.17.2 psycopg2-binary boto3
CMD ["/opt/mlflow/bin/mlflow", "server", "--host", "0.0.0.0"]
"""

NGINX_TAG = "mlops-mlflow/benchmark-nginx:latest"
NGINX_RECIPE = f"""\
ARG BASE
FROM ${{BASE}}
LABEL {LABEL}
COPY rootfs ca-bundle.crt /build/
RUN /build/rootfs install nginx-light && rm -rf /var/lib/apt/lists
CMD ["nginx", "-g", "daemon off;"]
"""


def size(image: str) -> int:
    return int(perform(["docker", "image", "inspect", "--format", "{{.Size}}", image]).stdout)


def _base() -> str:
    """The base on which our own image was built, where it was made here."""
    # By its name too: what was built on it has the label as well.
    ours = ["--filter", "label=mlops.mlflow.component=base", "--filter", "reference=*/debian"]
    found = perform(["docker", "image", "ls", "--quiet", "--no-trunc", *ours]).stdout.split()
    return found[0] if found else "docker.io/library/debian:bookworm-slim"


def _build(tag: str, recipe: str) -> None:
    """Build with the mirrors, proxies and certificates that our own images are built with."""
    with tempfile.TemporaryDirectory(prefix="mlops-mlflow-benchmark-") as folder:
        # The role's own look at the machine; its argument, a folder for caches, is only looked at.
        host = json.loads(perform(["python", str(IMAGES / "host_settings.py"), folder]).stdout)
        arguments = {
            **host["proxy"],
            "BASE": _base(),
            "PIP_INDEX_URL": host["pip"]["index_url"],
            "PIP_EXTRA_INDEX_URL": host["pip"]["extra_index_url"],
            "PIP_TRUSTED_HOST": host["pip"]["trusted_host"],
            "PIP_CERT": "/build/ca-bundle.crt" if host["ca_bundle"] else "",
        }
        given = {name: value for name, value in arguments.items() if value}
        context = Path(folder)
        shutil.copy(IMAGES / "common" / "rootfs", context / "rootfs")
        shutil.copyfile(host["ca_bundle"] or os.devnull, context / "ca-bundle.crt")
        (context / "Dockerfile").write_text(recipe)
        # An argument with a name only is taken from the environment: an index's address may hold a password.
        names = [word for name in given for word in ("--build-arg", name)]
        perform(
            ["docker", "build", "--force-rm", "--tag", tag, *names, folder],
            timeout=BUILD_SECONDS,
            **given,
        )


@contextlib.contextmanager
def built(tag: str, recipe: str) -> Iterator[str]:
    """An image that is there as long as it is needed. One that is there already is used, and stays."""
    if perform(["docker", "image", "inspect", tag], check=False).returncode == 0:
        yield tag
        return
    try:
        _build(tag, recipe)
        yield tag
    finally:
        perform(["docker", "image", "rm", "--force", tag], check=False)
        perform(["docker", "image", "prune", "--force", "--filter", f"label={LABEL}"], check=False)


def naive_size() -> int:
    """Its size in bytes."""
    with built(TAG, RECIPE) as tag:
        return size(tag)
