#!/usr/bin/env python3
# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one call of mlflow_server_args costs beside a module that does nothing.

Both are packed by Ansible itself, once; then the packed modules are run in turns, as Ansible runs them on a host, so
that a busy machine slows both alike. The second table shows the whole command `ansible localhost -m ...`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COLLECTIONS = ROOT / "playbooks" / "collections"

REQUEST = {
    "args": {
        "backend_store_uri": "postgresql+psycopg2://mlflow_server@postgres:5432/mlflow",
        "artifacts_destination": "s3://mlflow",
        "host": "0.0.0.0",
        "port": 5000,
        "workers": 2,
        "allowed_hosts": "localhost:*,mlflow.example.com",
        "cors_allowed_origins": "https://mlflow.example.com",
        "uvicorn_opts": "--timeout-keep-alive 60",
        "static_prefix": "/mlflow",
        "app_name": "basic-auth",
        "secrets_cache_ttl": 60,
        "expose_prometheus": "/tmp/metrics",
        "enable_workspaces": True,
    },
    "environment": {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_LOGGING_LEVEL": "INFO",
        "MLFLOW_S3_ENDPOINT_URL": "http://seaweedfs:8333",
        "MLFLOW_AUTH_CONFIG_PATH": "/run/auth.ini",
    },
    "secret_environment": [
        "MLFLOW_FLASK_SERVER_SECRET_KEY",
        "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY",
        "MLFLOW_CRYPTO_KEK_PASSPHRASE",
    ],
    "public_urls": ["https://mlflow.example.com/mlflow"],
    "max_connections": 200,
}

NOTHING = ("ansible.builtin.ping", {})


def call(version: str, folder: str) -> tuple[str, dict]:
    return "mlops.mlflow.mlflow_server_args", {**REQUEST, "mlflow_version": version, "path": f"{folder}/{version}.json"}


def ansible(module: str, params: dict, folder: str, keep: bool = False) -> None:
    """The ad-hoc command, with everything that it writes in a folder of its own."""
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
        "ANSIBLE_REMOTE_TEMP": folder,
        "ANSIBLE_KEEP_REMOTE_FILES": "1" if keep else "0",
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
    }
    command = [str(Path(sys.executable).parent / "ansible"), "localhost", "-m", module]
    if params:
        command += ["-a", json.dumps(params)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if result.returncode != 0:
        raise SystemExit(f"{module} failed: {result.stdout}{result.stderr}")


def pack(module: str, params: dict, folder: str) -> Path:
    """The module as Ansible sends it to a host."""
    with tempfile.TemporaryDirectory(dir=folder) as remote:
        ansible(module, params, remote, keep=True)
        packed = next(Path(remote).glob("**/AnsiballZ_*.py"))
        target = Path(folder) / f"{len(os.listdir(folder))}_{packed.name}"
        os.replace(packed, target)
    return target


def timed(action) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def run_packed(packed: Path) -> None:
    result = subprocess.run([sys.executable, str(packed)], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise SystemExit(f"{packed.name} failed: {result.stdout}{result.stderr}")


def interleaved(actions: dict, rounds: int) -> dict[str, list[float]]:
    """Run all actions in turns, and keep the times of each."""
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _round in range(rounds):
        for name, action in actions.items():
            times[name].append(timed(action))
    return times


def table(title: str, times: dict[str, list[float]]) -> None:
    """Medians side by side; the first row is the module that does nothing."""
    base = statistics.median(next(iter(times.values())))
    print(f"\n{title}\n{'':42}{'median ms':>10}{'least ms':>10}{'more ms':>10}{'ratio':>8}")
    for name, values in times.items():
        median = statistics.median(values)
        print(
            f"{name:42}{median * 1000:10.0f}{min(values) * 1000:10.0f}"
            f"{(median - base) * 1000:10.0f}{median / base:8.2f}"
        )


def catalogue_figures(rounds: int) -> None:
    code = (
        "import time\n"
        "start = time.perf_counter()\n"
        "from ansible_collections.mlops.mlflow.plugins.module_utils._catalogue import Catalogue\n"
        "imported = time.perf_counter()\n"
        "Catalogue().release('3.17.2')\n"
        "print(imported - start, time.perf_counter() - imported)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(COLLECTIONS)}
    samples = []
    for _round in range(rounds):
        out = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
        ).stdout
        samples.append([float(word) * 1000 for word in out.split()])
    size = (ROOT / "plugins" / "module_utils" / "_catalogue_data.py").stat().st_size
    parsed = statistics.median(sample[1] for sample in samples)
    imported = statistics.median(sample[0] for sample in samples)
    print(
        f"\nCatalogue: {size / 1024:.1f} KiB, parsed and one release put together in "
        f"{parsed:.1f} ms (import {imported:.1f} ms)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="benchmark-module-") as folder:
        state = os.path.join(folder, "state")
        os.mkdir(state)
        modules = {
            "ansible.builtin.ping": NOTHING,
            "mlflow_server_args, 3.17.2": call("3.17.2", state),
            "mlflow_server_args, newer than catalogue": call("3.99.0", state),
        }
        packed = {name: pack(module, params, folder) for name, (module, params) in modules.items()}
        for path in packed.values():
            run_packed(path)  # the first run fills the file caches and writes the file at `path`
        table(
            "The packed module alone",
            interleaved({name: lambda path=path: run_packed(path) for name, path in packed.items()}, rounds),
        )
        commands = {name: lambda entry=entry: ansible(*entry, folder) for name, entry in list(modules.items())[:2]}
        table("The whole command `ansible localhost -m`", interleaved(commands, max(3, rounds // 3)))
        for name, path in packed.items():
            print(f"{name}: {path.stat().st_size / 1024:.0f} KiB packed")
    catalogue_figures(5)


if __name__ == "__main__":
    main()
