# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All filters: what roles decide, as pure functions. The document of each is the file of its name beside this one.

They are in one file, and import a function when it is called: for each task that uses a filter, Ansible loads all files
of this folder in a new process.
"""

from __future__ import annotations

import importlib
from types import GeneratorType
from typing import Any, Callable

UTILS = "ansible_collections.mlops.mlflow.plugins.module_utils"

# Filter -> module and function.
FUNCTIONS = {
    "database_connection": "_database.connection",
    "database_problems": "_database.problems",
    "database_server_failure": "_database_server_login.failure",
    "database_server_login": "_database_server_login.login",
    "database_server_passwords": "_database_server.password_states",
    "database_server_plan": "_database_server.plan",
    "database_server_problems": "_database_server_input.problems",
    "database_server_refusals": "_database_server.refusals",
    "database_server_sql": "_database_server_sql.script",
    "database_warnings": "_database.warnings",
    "decide_secrets": "_secrets.decided",
    "deployment_plan": "_deployment_plan.planned",
    "engine_contents": "_engine.contents",
    "files_to_write": "_deployment_plan.files_to_write",
    "find_deployments": "_deployments.found",
    "guard_reasons": "_guard_reasons.explain",
    "images_build": "_images.build_settings",
    "images_plan": "_images.planned",
    "kubernetes_collisions": "_kubernetes_namespace.collisions",
    "kubernetes_differing": "_kubernetes_plan.differing",
    "kubernetes_images": "_kubernetes_plan.images",
    "kubernetes_input_problems": "_kubernetes_input.problems",
    "kubernetes_leftovers": "_kubernetes_plan.leftovers",
    "kubernetes_missing_images": "_kubernetes_plan.missing_images",
    "kubernetes_plan": "_kubernetes_plan.planned",
    "kubernetes_pods": "_kubernetes_pod.completed",
    "kubernetes_quota_problems": "_kubernetes_quota.problems",
    "kubernetes_records": "_kubernetes_plan.records",
    "kubernetes_rights": "_kubernetes_plan.rights",
    "kubernetes_secrets_again": "_kubernetes_plan.secrets_again",
    "kubernetes_stuck_pods": "_kubernetes_plan.stuck_pods",
    "left_elsewhere": "_left_elsewhere.sentences",
    "load_balancer_unused": "_load_balancer.unused",
    "minikube_cluster": "_minikube.look",
    "minikube_driver_faults": "_minikube.driver_faults",
    "minikube_steps": "_minikube.steps",
    "minikube_url": "_minikube.url",
    "mlflow_server_environment": "_mlflow_environment.environment",
    "mlflow_servers": "_mlflow_servers.plan",
    "object_store_problems": "_object_store.input_problems",
    "port_refusal": "_public_port.port_refusal",
    "secret_files": "_deployment_plan.secret_files",
    "settled_services": "_engine.settled",
    "trial_files": "_guard_trial.files_for",
    "trial_lines": "_guard_trial.lines",
    "trial_reasons": "_guard_trial.reasons",
}


def whole(given: Any) -> Any:
    """What `map` and `select` give can be read once only."""
    return list(given) if isinstance(given, GeneratorType) else given


def function_of(name: str) -> Callable[..., Any]:
    module, _dot, function = FUNCTIONS[name].partition(".")
    return getattr(importlib.import_module(f"{UTILS}.{module}"), function)


def filter_of(name: str) -> Callable[..., Any]:
    def decide(*given: Any, **options: Any) -> Any:
        return function_of(name)(*map(whole, given), **{key: whole(value) for key, value in options.items()})

    return decide


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {name: filter_of(name) for name in FUNCTIONS}
