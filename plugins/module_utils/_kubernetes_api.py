# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""Questions to a Kubernetes API server, over the connection that a kubeconfig file describes."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._text import one_line

try:
    import urllib3
    import yaml
    from kubernetes import config
    from kubernetes.client import ApiClient, ApiException, Configuration
    from kubernetes.config.kube_config import KubeConfigMerger
    from kubernetes.stream import ws_client

    HAS_KUBERNETES = True
except ImportError:
    HAS_KUBERNETES = False

SECONDS = 10
MINIKUBE = "minikube.sigs.k8s.io"


class ClusterError(Exception):
    """The cluster cannot be asked; the message is one sentence that says why and what to do."""


def kubeconfig_files(given: str) -> list[str]:
    """The kubeconfig files that count, as kubectl chooses them."""
    text = given or os.environ.get("K8S_AUTH_KUBECONFIG") or os.environ.get("KUBECONFIG") or "~/.kube/config"
    return [os.path.expanduser(path) for path in text.split(os.pathsep) if path]


def contexts_of(given: str) -> tuple[str, list[dict[str, Any]]]:
    """The kubeconfig files as one word, and the contexts in them."""
    files = kubeconfig_files(given)
    there = [path for path in files if os.path.isfile(path)]
    if not there:
        raise ClusterError(
            f"There is no kubeconfig file {' or '.join(files)}: give the file of your cluster in "
            "kubernetes_kubeconfig, "
            "or start a cluster of your own with `ansible-playbook playbooks/minikube.yml`."
        )
    try:
        # The client's own list of contexts wants the current one to be there, which nobody here asks for.
        filled = os.pathsep.join(path for path in there if os.path.getsize(path))
        merged = KubeConfigMerger(filled).config
        contexts = [each.value for each in merged.value["contexts"]] if merged else []
        # Where the last cluster was deleted, a file without any is left.
        empty = merged and not any(merged.value[kind] for kind in ("clusters", "contexts", "users"))
        if empty and merged.value.get("kind") != "Config":
            raise ValueError("it has neither clusters nor contexts nor users")
        for each in contexts:
            each["name"], each["context"]["cluster"]
    except (config.ConfigException, yaml.YAMLError, OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise ClusterError(
            f"The kubeconfig file {' or '.join(there)} cannot be used ({one_line(error)}): repair it, or give another "
            "one in "
            "kubernetes_kubeconfig."
        ) from None
    return filled, contexts


def provider(context: dict[str, Any]) -> str:
    """What made the context; minikube leaves its name in it."""
    for each in (context.get("context") or {}).get("extensions") or []:
        found = (each.get("extension") or {}).get("provider", "")
        if found:
            return str(found)
    return ""


def choose_context(contexts: list[dict[str, Any]], wanted: str) -> dict[str, Any]:
    """The context that was asked for, or minikube's own. Never the current one: that may be anybody's production."""
    if not contexts:
        raise ClusterError(
            "The kubeconfig file has no context: start a cluster of your own with `ansible-playbook "
            "playbooks/minikube.yml`, or give the file of yours in kubernetes_kubeconfig."
        )
    names = ", ".join(sorted(each["name"] for each in contexts))
    if wanted:
        for each in contexts:
            if each["name"] == wanted:
                return each
        raise ClusterError(f"kubernetes_context is {wanted}, which the kubeconfig file does not have: it has {names}.")
    local = [each for each in contexts if provider(each) == MINIKUBE]
    if len(local) == 1:
        return local[0]
    raise ClusterError(
        f"kubernetes_context is not given, and {'several contexts are' if local else 'no context is'} minikube's: "
        f"say which one of {names} to deploy to with -e kubernetes_context=NAME."
    )


@dataclass(frozen=True)
class Ended:
    """What a command in a container ended with."""

    code: int
    stdout: str
    stderr: str


def exit_code(status: str) -> int:
    """The exit code in what the API server says at the end of a command; 1 where it says that there was none."""
    try:
        document = json.loads(status)
        if document.get("status") == "Success":
            return 0
        causes = document["details"]["causes"]
        return int(next(each["message"] for each in causes if each["reason"] == "ExitCode"))
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration):
        return 1


def failure(command: dict[str, Any], ended: Ended) -> str:
    """One sentence for a command that failed, with the last line that it wrote."""
    lines = [line for line in (ended.stderr or ended.stdout).splitlines() if line.strip()]
    said = f": {one_line(lines[-1], 300)}" if lines else ""
    return (
        f"`{' '.join(command['argv'])}` in the container {command['container']} of the pod {command['pod']} ended with "
        f"{ended.code}{said}."
    )


class Cluster:
    """One API server. Every answer is a status and a document."""

    def __init__(self, kubeconfig: str, context: str) -> None:
        self.context = context
        settings = Configuration()
        try:
            config.load_kube_config(config_file=kubeconfig, context=context, client_configuration=settings)
        except (config.ConfigException, OSError, ValueError, KeyError, TypeError) as error:
            raise ClusterError(
                f"The context {context} of the kubeconfig file cannot be used ({one_line(error)}): repair it, or "
                "choose another "
                "kubernetes_context."
            ) from None
        self.settings, self.host = settings, settings.host
        self.pool = ApiClient(settings).rest_client.pool_manager

    def credentials(self) -> dict[str, str]:
        """The headers by which the API server knows the user, where it is not by a certificate."""
        found = self.settings.auth_settings().values()
        return {each["key"]: each["value"] for each in found if each["in"] == "header" and each["value"]}

    def ask(self, path: str, method: str = "GET", body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """One request; a server that does not answer is a ClusterError."""
        headers = {"Accept": "application/json", "Content-Type": "application/json", **self.credentials()}
        try:
            answer = self.pool.request(
                method, self.host + path, body=json.dumps(body) if body else None, headers=headers, retries=False,
                timeout=urllib3.Timeout(connect=SECONDS, read=3 * SECONDS),
            )  # fmt: skip
            # The API group of a definition that the cluster does not have is answered with 404 in plain text.
            if answer.status == 404 and not answer.headers.get("Content-Type", "").startswith("application/json"):
                return answer.status, {}
            return answer.status, json.loads(answer.data or b"{}")
        except (urllib3.exceptions.HTTPError, OSError) as error:
            reason = getattr(error, "reason", None) or error
            raise ClusterError(
                f"The cluster of the context {self.context} does not answer at {self.host} ({one_line(reason)}): "
                "start it, "
                "repair the network, or choose another kubernetes_context."
            ) from None
        except ValueError:
            raise self.no_api_server() from None

    def no_api_server(self) -> ClusterError:
        """Why nothing can be asked of what answers."""
        return ClusterError(
            f"{self.host} of the context {self.context} does not answer as a Kubernetes API server: check the "
            "kubeconfig file."
        )

    def items(self, path: str) -> list[dict[str, Any]] | None:
        """The objects of a list, or None where this user may not see them."""
        status, answer = self.ask(path)
        return answer.get("items") or [] if status == 200 else None

    def text(self, path: str) -> str:
        """An answer that is not a document, such as a log; empty where there is none."""
        try:
            answer = self.pool.request(
                "GET", self.host + path, headers=self.credentials(), retries=False, timeout=SECONDS
            )
        except (urllib3.exceptions.HTTPError, OSError):
            return ""
        return answer.data.decode(errors="replace") if answer.status == 200 else ""

    def execute(self, namespace: str, command: dict[str, Any], timeout: int) -> Ended:
        """Run argv in a container of a pod, and wait until it has ended."""
        pod, container = command["pod"], command["container"]
        options = [("command", word) for word in command["argv"]]
        options += [("container", container), ("stdout", "true"), ("stderr", "true")]
        place = f"the container {container} of the pod {pod}"
        # ws_client takes this one by its name in lower case.
        headers = {name.lower(): value for name, value in self.credentials().items()}
        url = f"{self.host}/api/v1/namespaces/{namespace}/pods/{pod}/exec"
        try:
            connection = ws_client.websocket_call(
                self.settings, "GET", url, query_params=options, headers=headers, _preload_content=False
            )
            connection.run_forever(timeout=timeout)
            open_still = connection.is_open()
            said = [connection.read_channel(number) for number in (1, 2, 3)]
            connection.close()
        except (ApiException, OSError, ValueError) as error:
            # The answer's headers and body follow its status.
            reason = one_line(getattr(error, "reason", None) or error).partition(" -+-+-")[0]
            raise ClusterError(f"No command can be run in {place} ({reason}): look at it with `kubectl`.") from None
        if open_still:
            raise ClusterError(f"`{' '.join(command['argv'])}` in {place} has not ended after {timeout} s.")
        return Ended(exit_code(said[2]), said[0], said[1])
