#!/usr/bin/python
# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubernetes_ready
short_description: Wait until a cluster takes pods
description:
  - Waits until all nodes are ready, DNS answers and volumes can be had, as it takes a moment after a cluster was
    started. When the time is over, it fails with one sentence that says what is missing.
  - Changes nothing.
  - It is there because M(kubernetes.core.k8s_info) waits for one kind of object, and not for DNS or volumes.
version_added: 0.1.0
author:
  - the mlops.mlflow contributors (@mlops)
requirements:
  - kubernetes >= 24.2.0 (Python)
extends_documentation_fragment:
  - mlops.mlflow.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  kubeconfig:
    description: The kubeconfig file. Empty means that of E(K8S_AUTH_KUBECONFIG), E(KUBECONFIG) or V(~/.kube/config).
    type: str
    default: ""
  context:
    description: The context in it.
    type: str
    required: true
  nodes:
    description: How many nodes there are at least.
    type: int
    default: 1
  timeout:
    description: How many seconds to wait. With V(0) it looks once.
    type: int
    default: 300
"""

EXAMPLES = r"""
- name: Wait until the cluster takes pods
  mlops.mlflow.kubernetes_ready:
    context: mlflow
    nodes: 2
"""

RETURN = r"""
cluster:
  description: What was found.
  returned: success
  type: dict
  contains:
    nodes:
      description: The nodes by name, each with its C(name) and C(zone), which is empty where it has none.
      type: list
      elements: dict
    storage_class:
      description: The default StorageClass.
      type: str
missing:
  description: What is missing, in words.
  returned: failure
  type: list
  elements: str
"""

import time

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.mlops.mlflow.plugins.module_utils import _kubernetes_api as api
from ansible_collections.mlops.mlflow.plugins.module_utils import _kubernetes_ready as ready


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "kubeconfig": {"type": "str", "default": ""},
            "context": {"type": "str", "required": True},
            "nodes": {"type": "int", "default": 1},
            "timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    if not api.HAS_KUBERNETES:
        module.fail_json(msg=missing_required_lib("kubernetes"))
    context, timeout = module.params["context"], module.params["timeout"]
    end, pause = time.monotonic() + timeout, 0.3
    while True:
        try:
            files, contexts = api.contexts_of(module.params["kubeconfig"])
            facts = ready.facts_of(api.Cluster(files, api.choose_context(contexts, context)["name"]))
            missing = ready.lacking(facts, module.params["nodes"])
        except api.ClusterError as error:
            missing = [str(error).rstrip(".")]
        if not missing:
            module.exit_json(changed=False, cluster=ready.summary(facts))
        if time.monotonic() >= end:
            why = "; ".join(missing)
            module.fail_json(
                msg=f"After {timeout} s the cluster of the context {context} does not take pods yet: {why}.",
                missing=missing,
            )
        time.sleep(pause)
        pause = min(pause * 1.3, 2)


if __name__ == "__main__":
    main()
