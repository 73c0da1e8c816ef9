# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""python -m tests.beds.kubernetes.names KUBECONFIG FILE PROCESS: the cluster's names, as a file of hosts for dnsmasq.

Services with an address have a name; those without one have the names and addresses of the pods behind them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from pathlib import Path

from kubernetes import client, config, watch

from tests.beds.kubernetes.settings import DOMAIN

# Changes come in groups, and one reading of the file is enough for each.
PAUSE_SECONDS = 0.1
RETRY_SECONDS = 1


def lines(services: list[client.V1Service], endpoints: list[client.V1Endpoints]) -> list[str]:
    found = set()
    headless = set()
    for service in services:
        name = f"{service.metadata.name}.{service.metadata.namespace}.svc.{DOMAIN}"
        if service.spec.cluster_ip == "None":
            headless.add((service.metadata.namespace, service.metadata.name))
        elif service.spec.cluster_ip:
            found.add(f"{service.spec.cluster_ip} {name}")
    for each in endpoints:
        if (each.metadata.namespace, each.metadata.name) not in headless:
            continue
        name = f"{each.metadata.name}.{each.metadata.namespace}.svc.{DOMAIN}"
        # Those that are not ready are there where the Service asks for them (publishNotReadyAddresses).
        for address in (address for subset in each.subsets or [] for address in subset.addresses or []):
            found.add(f"{address.ip} {name}")
            if address.hostname:
                found.add(f"{address.ip} {address.hostname}.{name}")
    return sorted(found)


def write(path: Path, content: list[str], server: int) -> None:
    text = "".join(f"{line}\n" for line in content)
    if path.read_text(encoding="utf-8") == text:
        return
    # In place: dnsmasq reads this very file again.
    path.write_text(text, encoding="utf-8")
    os.kill(server, signal.SIGHUP)


def follow(listing, changed: threading.Event) -> None:
    """Tell of every change; the connection ends now and then, and what was missed counts as one."""
    while True:
        with contextlib.suppress(Exception):
            changed.set()
            for _event in watch.Watch().stream(listing, timeout_seconds=300):
                changed.set()
        time.sleep(RETRY_SECONDS)


def main(words: list[str]) -> None:
    kubeconfig, path, server = words[0], Path(words[1]), int(words[2])
    config.load_kube_config(kubeconfig)
    # Each watch keeps a connection of its own.
    api = client.CoreV1Api()
    changed = threading.Event()
    for listing in (api.list_service_for_all_namespaces, api.list_endpoints_for_all_namespaces):
        threading.Thread(target=follow, args=(listing, changed), daemon=True).start()
    while True:
        changed.wait()
        changed.clear()
        try:
            services = api.list_service_for_all_namespaces().items
            write(path, lines(services, api.list_endpoints_for_all_namespaces().items), server)
        except Exception as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            time.sleep(RETRY_SECONDS)
            changed.set()
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    main(sys.argv[1:])
