# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for the API servers of the clusters that stand_in.py says it has: what the role waits for, and no more."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

READY = {"conditions": [{"type": "Ready", "status": "True"}]}
UNREADY = {"conditions": [{"type": "Ready", "status": "False", "message": "container runtime network not ready"}]}
CLASS = {
    "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": "k8s.io/minikube-hostpath",
}


def items(home: Path, path: str) -> list[dict] | None:
    """The objects of a cluster, but for what its scenario says is missing; None for what this API does not have."""
    scenario = json.loads((home / "scenario.json").read_text())
    missing = scenario.get("missing", [])
    config = json.loads((home / "profiles/mlflow/config.json").read_text())
    names = ["mlflow"] + [f"mlflow-{each['Name']}" for each in config["Nodes"][1:]]
    pod = {"status": {"containerStatuses": [{"name": "p", "ready": "volumes" not in missing}]}}
    answers: dict[str, list[dict]] = {
        "/api/v1/nodes": [{"metadata": {"name": n}, "status": UNREADY if n in missing else READY} for n in names],
        "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices": [
            {"endpoints": [{"conditions": {"ready": "dns" not in missing}}]}
        ],
        "/apis/storage.k8s.io/v1/storageclasses": [] if "class" in missing else [CLASS],
        "/api/v1/namespaces/kube-system/pods": [pod],
    }
    return answers.get(path)


@contextlib.contextmanager
def servers(folder: Path) -> Iterator[str]:
    """API servers for all machines below a folder: that of a machine is at this address and its name."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            _nothing, machine, path = urlsplit(self.path).path.split("/", 2)
            found = items(folder / machine, f"/{path}")
            body = json.dumps({"items": found}).encode()
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
