#!/usr/bin/python
# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubernetes_exec
short_description: Run commands in containers of pods, all at once
description:
  - Runs one command in each of the named containers, at the same time, and waits until all of them have ended.
  - A command prints a line for each thing that it changed, and nothing if there was nothing to change.
  - It is there because M(kubernetes.core.k8s_exec) runs one command at a time, without a time limit, and runs it in
    check mode as well.
version_added: 0.1.0
author:
  - the mlops.mlflow contributors (@mlops)
extends_documentation_fragment:
  - mlops.mlflow.attributes
  - mlops.mlflow.kubernetes
attributes:
  check_mode:
    support: none
  diff_mode:
    support: none
  idempotent:
    support: full
    details: As far as the commands are.
options:
  commands:
    description: What is to be run. Arguments are visible to the cluster's administrators, so none may be a secret.
    type: list
    elements: dict
    required: true
    suboptions:
      pod:
        description: Name of the pod.
        type: str
        required: true
      container:
        description: Name of the container in it.
        type: str
        required: true
      argv:
        description: The command, word by word.
        type: list
        elements: str
        required: true
  timeout:
    description: How many seconds the commands may take.
    type: int
    default: 300
"""

EXAMPLES = r"""
- name: Make the roles and databases
  mlops.mlflow.kubernetes_exec:
    kubeconfig: ~/.kube/config
    context: minikube
    namespace: mlflow
    commands:
      - {pod: postgres-0, container: postgres, argv: [sh, /usr/local/lib/mlops-mlflow/provision.sh]}
"""

RETURN = r"""
results:
  description: What each command wrote, in the order of O(commands).
  returned: success
  type: list
  elements: dict
  contains:
    pod:
      description: Name of the pod.
      type: str
    stdout:
      description: What it wrote to its standard output.
      type: str
    stderr:
      description: What it wrote to its standard error.
      type: str
"""

import os
from concurrent.futures import ThreadPoolExecutor

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.mlops.mlflow.plugins.module_utils import _kubernetes_api as api


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "kubeconfig": {"type": "str", "required": True},
            "context": {"type": "str", "required": True},
            "namespace": {"type": "str", "required": True},
            "commands": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "pod": {"type": "str", "required": True},
                    "container": {"type": "str", "required": True},
                    "argv": {"type": "list", "elements": "str", "required": True},
                },
            },
            "timeout": {"type": "int", "default": 300},
        },
    )
    if not api.HAS_KUBERNETES:
        module.fail_json(msg=missing_required_lib("kubernetes"))
    namespace, commands = module.params["namespace"], module.params["commands"]

    try:
        files = os.pathsep.join(api.kubeconfig_files(module.params["kubeconfig"]))
        cluster = api.Cluster(files, module.params["context"])
        with ThreadPoolExecutor(8) as pool:
            ended = list(pool.map(lambda each: cluster.execute(namespace, each, module.params["timeout"]), commands))
    except api.ClusterError as error:
        module.fail_json(msg=str(error))
    results = [{"pod": each["pod"], "stdout": end.stdout, "stderr": end.stderr} for each, end in zip(commands, ended)]
    failures = [api.failure(each, end) for each, end in zip(commands, ended) if end.code]
    if failures:
        module.fail_json(msg=" ".join(failures), results=results)
    module.exit_json(changed=any(end.stdout.strip() for end in ended), results=results)


if __name__ == "__main__":
    main()
