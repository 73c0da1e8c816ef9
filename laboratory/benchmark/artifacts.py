# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Artifacts through the public address of a deployment, beside the store itself.

Both sides of a pair are measured in turn and in the same run: MLflow's own client against boto3 with its defaults.
The store has no public port: on the host, its address on the Docker network will do.

    python -m laboratory.benchmark.artifacts --url http://localhost:5000 --endpoint http://172.18.0.3:8333 \\
        --credentials-file credentials --bucket mlflow
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

import boto3
from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository

MIB = 2**20
SMALL_BYTES = 64 * 1024


class Raw:
    """boto3 with its defaults."""

    def __init__(self, endpoint: str, credentials_file: str, bucket: str, prefix: str) -> None:
        os.environ["AWS_SHARED_CREDENTIALS_FILE"] = credentials_file
        self.client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
        self.bucket = bucket
        self.prefix = prefix

    def upload(self, file: Path) -> None:
        self.client.upload_file(str(file), self.bucket, f"{self.prefix}/{file.name}")

    def download(self, name: str, folder: Path) -> Path:
        self.client.download_file(self.bucket, f"{self.prefix}/{name}", str(folder / name))
        return folder / name

    def clean(self, marker: str) -> None:
        """Remove every object with the marker in its key, wherever the server's destination puts it."""
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket):
            for found in page.get("Contents", []):
                if marker in found["Key"]:
                    self.client.delete_object(Bucket=self.bucket, Key=found["Key"])


class Public:
    """MLflow's client and the public address."""

    def __init__(self, url: str, prefix: str) -> None:
        self.repository = MlflowArtifactsRepository(f"mlflow-artifacts:/{prefix}", tracking_uri=url)

    def upload(self, file: Path) -> None:
        self.repository.log_artifact(str(file))

    def download(self, name: str, folder: Path) -> Path:
        return Path(self.repository.download_artifacts(name, str(folder)))


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_back(side: Raw | Public, files: list[Path]) -> float:
    """Seconds of downloading all of the files; what comes back is compared."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spent = seconds(lambda: [side.download(file.name, folder) for file in files])
        if any(digest(folder / file.name) != digest(file) for file in files):
            raise SystemExit(f"{type(side).__name__}: a download differs from what was uploaded")
    return spent


def make_files(folder: Path, count: int, size: int, name: str) -> list[Path]:
    files = [folder / f"{name}-{number}" for number in range(count)]
    for file in files:
        file.write_bytes(os.urandom(size))
    return files


def measure(raw: Raw, public: Public, folder: Path, rounds: int, megabytes: int, small: int) -> dict[str, dict]:
    """Medians of alternating rounds: what each side does, and the ratio of the two."""
    spent: dict[str, dict[str, list[float]]] = {}
    for number in range(rounds + 1):
        kinds = {
            "large": make_files(folder, 1, megabytes * MIB, f"large-{number}"),
            "small": make_files(folder, small, SMALL_BYTES, f"small-{number}"),
        }
        for kind, files in kinds.items():
            # Whoever comes second finds a warm machine, so they change places.
            for side in (raw, public) if number % 2 else (public, raw):
                up = seconds(lambda files=files, side=side: [side.upload(file) for file in files])
                down = read_back(side, files)
                if number:  # the first round opens connections
                    spent.setdefault(f"{kind} up", {}).setdefault(type(side).__name__.lower(), []).append(up)
                    spent.setdefault(f"{kind} down", {}).setdefault(type(side).__name__.lower(), []).append(down)
            for file in files:
                file.unlink()
    return {name: summary(name, sides, megabytes, small) for name, sides in spent.items()}


def summary(name: str, sides: dict[str, list[float]], megabytes: int, small: int) -> dict:
    large = name.startswith("large")
    amount = megabytes * MIB / 1e6 if large else small
    rates = {side: amount / statistics.median(times) for side, times in sides.items()}
    return {"unit": "MB/s" if large else "files/s", **rates, "ratio": rates["public"] / rates["raw"]}


def arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", required=True, help="public address of the deployment")
    parser.add_argument("--endpoint", required=True, help="S3 endpoint of the store, reachable from here")
    parser.add_argument("--credentials-file", required=True, help="shared credentials file with the store's key")
    parser.add_argument("--bucket", required=True, help="bucket of the server's artifacts")
    parser.add_argument("--rounds", type=int, default=7, help="measured rounds, after one that is not (default 7)")
    parser.add_argument("--large", type=int, default=64, help="MiB of a large file (default 64)")
    parser.add_argument("--small", type=int, default=40, help="files of 64 KiB in a round (default 40)")
    parser.add_argument("--json", type=Path, help="file that gets the figures too")
    given = parser.parse_args(words)
    for name in ("rounds", "large", "small"):
        if getattr(given, name) < 1:
            parser.error(f"--{name} is {getattr(given, name)}, and has to be 1 or more")
    if not Path(given.credentials_file).is_file():
        parser.error(f"--credentials-file: there is no file {given.credentials_file}")
    return given


def main(words: list[str]) -> int:
    given = arguments(words)
    prefix = f"benchmark-{uuid.uuid4().hex[:12]}"
    raw = Raw(given.endpoint, given.credentials_file, given.bucket, prefix)
    folder = Path(tempfile.mkdtemp(prefix="mlflow-benchmark-"))
    try:
        figures = measure(raw, Public(given.url, prefix), folder, given.rounds, given.large, given.small)
    finally:
        raw.clean(prefix)
        shutil.rmtree(folder)
    print(f"{'':12}{'store':>10}{'public':>10}  {'unit':8}{'ratio':>6}")
    for name, row in figures.items():
        print(f"{name:12}{row['raw']:10.1f}{row['public']:10.1f}  {row['unit']:8}{row['ratio']:6.2f}")
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
