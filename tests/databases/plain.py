# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plain `mlflow server` of an older release, as people run it without this collection, and a client of its time."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.guard.releases import RELEASES, SERVER, environment
from tests.guard.servers import end, free_port, get, wait_until

# What `mlflow server` and its client of a release import beside what the guard's tests have.
ALSO = {
    "2.9.2": ["querystring-parser"],
    "3.16.0": ["fastapi", "uvicorn", "flask-cors", "cachetools", "packaging", "requests", "huey", "aiohttp"],
}
# Logs what people log, and prints what is to be read back: runs with their numbers, and artifacts with their text.
CLIENT = """
import json, sys
import mlflow
from mlflow.tracking import MlflowClient
mlflow.set_tracking_uri(sys.argv[1])
client = MlflowClient()
said = {}
for name in ("iris", "Ünïcode / with blanks"):
    experiment = client.create_experiment(name, tags={"team": "red"})
    for number in range(2):
        run = client.create_run(experiment, tags={"kind": "old"}, run_name="run %d" % number).info.run_id
        for step in range(5):
            client.log_metric(run, "loss", 1 / (step + 1 + number), step=step)
        client.log_param(run, "depth", number)
        text = "artifact of %s %d\\n" % (name, number) * 1000
        client.log_text(run, text, "notes/long name.txt")
        client.set_terminated(run)
        said[run] = {"experiment": name, "depth": str(number), "steps": 5, "text": text}
client.create_registered_model("classifier")
client.create_model_version("classifier", client.get_run(run).info.artifact_uri + "/notes", run)
print("SAID" + json.dumps(said))
"""


def programs(release: str, *more: str) -> Path:
    wanted = [f"mlflow-skinny=={release}", *RELEASES[release], *SERVER, *ALSO.get(release, []), *more]
    return environment(f"plain-mlflow-{release}", wanted, [f"mlflow=={release}"])


def variables() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**kept, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "LC_ALL": "C.UTF-8"}


@contextlib.contextmanager
def server(release: str, uri: str, artifacts: Path | str, log: Path, **settings: str) -> Iterator[str]:
    """Its address; it makes the database as it starts. With settings it finds a store."""
    binaries, port = programs(release, *(["boto3"] if settings else [])), free_port()
    command = [str(binaries / "mlflow"), "server", "--host=127.0.0.1", f"--port={port}", "--workers=1"]
    command += [f"--backend-store-uri={uri}", f"--artifacts-destination={artifacts}"]
    environment = {**variables(), "PATH": f"{binaries}:{os.environ['PATH']}", **settings}
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment, cwd=log.parent)
        try:
            wait_until(lambda: answers(port), f"mlflow {release}", 300, process)
            yield f"http://127.0.0.1:{port}"
        finally:
            end(process)


def answers(port: int) -> bool:
    with contextlib.suppress(OSError, ValueError):
        return get(port, "/api/2.0/mlflow/experiments/get?experiment_id=0")[0] == 200
    return False


def log_runs(release: str, url: str) -> dict[str, dict]:
    """By run, what has to be there for ever."""
    command = [str(programs(release) / "python"), "-c", CLIENT, url]
    done = subprocess.run(command, capture_output=True, text=True, env=variables(), check=False, timeout=300)
    lines = [line for line in done.stdout.splitlines() if line.startswith("SAID")]
    assert lines, done.stdout + done.stderr
    return json.loads(lines[0].removeprefix("SAID"))
