# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an API server answers that is no document."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._kubernetes_api import Cluster, ClusterError
from ansible_collections.mlops.mlflow.plugins.module_utils._kubernetes_cluster import offered

from tests.refusals.test_kubernetes import kubeconfig

ANSWERS = {
    "/api/v1": (200, "application/json", json.dumps({"resources": [{"name": "pods", "kind": "Pod"}]})),
    # As Kubernetes 1.35 answers for an API group whose definitions are not there.
    "/apis/gateway.networking.k8s.io/v1": (404, "text/plain; charset=utf-8", "404 page not found\n"),
    "/page": (200, "text/html", "<html></html>"),
}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, kind, body = ANSWERS[self.path]
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Cluster(kubeconfig(tmp_path, server.server_port), "staging")
        server.shutdown()


def test_an_api_group_that_is_not_there_is_no_fault(cluster: Cluster) -> None:
    assert offered(cluster, ["v1/Pod", "gateway.networking.k8s.io/v1/HTTPRoute"]) == {"v1/Pod": "pods"}


def test_a_page_is_no_api_server(cluster: Cluster) -> None:
    with pytest.raises(ClusterError, match="does not answer as a Kubernetes API server: check the kubeconfig"):
        cluster.ask("/page")
