# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input to playbooks/k8s.yml that is refused without a cluster; tests/kubernetes has what a cluster forbids."""

from __future__ import annotations

import http.server
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.refusals.test_refusals import HIDDEN, Case, mostly_extended, refused

CASES = [
    Case({"deployment_name": "Bad Name"}, ["deployment", "'Bad Name'", "lower-case"], "k8s"),
    Case("kubernetes_namespace=My_Space", ["kubernetes_namespace", "My_Space", "lower-case"], "k8s"),
    Case("kubernetes_namespace=default", ["kubernetes_namespace", "default", "neither"], "k8s"),
    Case("kubernetes_namespace=kube-system", ["kubernetes_namespace", "kube-system", "cluster's own"], "k8s"),
    Case("kubernetes_public_url=localhost:5000", ["kubernetes_public_url", "localhost:5000", "http://"], "k8s"),
    Case({"kubernetes_image_references": {"mlflow": "a/b:1"}}, ["kubernetes_image_references", "mlflow_server"], "k8s"),
    Case(
        {"kubernetes_image_references": {"postgres": "postgres"}},
        ["kubernetes_image_references", "postgres", "registry.example.com"],
        "k8s",
    ),
    Case("kubernetes_image_pull_policy=Sometimes", ["kubernetes_image_pull_policy", "Sometimes", "Never"], "k8s"),
    Case({"deployment_name": "bin"}, ["deployment", "bin", "another"], "k8s"),
    Case("kubernetes_image_pull_secrets=registry", ["kubernetes_image_pull_secrets", "registry", "list"], "k8s"),
    Case({"kubernetes_image_pull_secrets": ["My_Registry"]}, ["kubernetes_image_pull_secrets", "My_Registry"], "k8s"),
    Case({"kubernetes_labels": {"app.kubernetes.io/name": "x"}}, ["kubernetes_labels", "sets itself"], "k8s"),
    Case({"kubernetes_labels": {"team": "a b"}}, ["kubernetes_labels", "team", "'a b'", "63"], "k8s"),
    Case({"kubernetes_annotations": {"team": 1}}, ["kubernetes_annotations", "team", "quotes"], "k8s"),
    Case({"kubernetes_pod_labels": {"a b": "x"}}, ["kubernetes_pod_labels", "'a b'", "example.com/team"], "k8s"),
    Case({"kubernetes_storage_classes": {}}, ["kubernetes_storage_classes", "kubernetes_storage_class"], "k8s"),
    Case("kubernetes_wait_timeout=3", ["kubernetes_wait_timeout", "3", "10"], "k8s"),
    Case(
        "kubernetes_kubeconfig=/nonexistent/config",
        ["/nonexistent/config", "kubernetes_kubeconfig", "playbooks/minikube.yml"],
        "k8s",
    ),
]


@pytest.mark.parametrize("case", mostly_extended(CASES))
def test_bad_input_is_refused(case: Case) -> None:
    message = refused(case)
    for word in case.words:
        assert word in message, f"'{word}' is not in: {message}"


@pytest.fixture
def closed() -> int:
    """A port at which nothing listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture
def page() -> Iterator[int]:
    """A port at which something answers that is no API server."""
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def kubeconfig(folder: Path, port: int) -> str:
    """A file with two contexts of one cluster, which is at that port."""
    contexts = [{"name": name, "context": {"cluster": "one", "user": "me"}} for name in ("production", "staging")]
    path = folder / "config"
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "one", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
                "users": [{"name": "me", "user": {"token": HIDDEN}}],
                "contexts": contexts,
                "current-context": "production",
            }
        )
    )
    return str(path)


def said(folder: Path, port: int, **more: str) -> str:
    return refused(Case({"kubernetes_kubeconfig": kubeconfig(folder, port), **more}, [], "k8s"))


def test_the_current_context_is_never_taken(tmp_path, closed) -> None:
    message = said(tmp_path, closed)
    for word in ("kubernetes_context is not given", "production, staging", "-e kubernetes_context=NAME"):
        assert word in message, message


def test_an_unknown_context_is_refused(tmp_path, closed) -> None:
    message = said(tmp_path, closed, kubernetes_context="stagging")
    for word in ("kubernetes_context is stagging", "production, staging"):
        assert word in message, message


def test_a_cluster_that_does_not_answer(tmp_path, closed) -> None:
    message = said(tmp_path, closed, kubernetes_context="staging")
    for word in ("staging", "does not answer", f"127.0.0.1:{closed}", "kubernetes_context"):
        assert word in message, message


def test_something_that_is_no_cluster(tmp_path, page) -> None:
    message = said(tmp_path, page, kubernetes_context="staging")
    for word in (f"127.0.0.1:{page}", "staging", "kubeconfig"):
        assert word in message, message


def test_a_file_that_is_no_kubeconfig(tmp_path) -> None:
    path = tmp_path / "config"
    path.write_text("neither: here\nnor: there\n")
    message = refused(Case({"kubernetes_kubeconfig": str(path), "kubernetes_context": "staging"}, [], "k8s"))
    for word in (str(path), "kubernetes_kubeconfig", "repair"):
        assert word in message, message
