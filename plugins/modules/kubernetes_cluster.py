#!/usr/bin/python
# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubernetes_cluster
short_description: Look whether a Kubernetes cluster can take a deployment, before anything is applied
description:
  - Chooses the context, and asks its cluster all that has to be known beforehand, in one call - what the user may do
    (by SelfSubjectAccessReview), the namespace, StorageClasses, nodes and their images, node ports, and which kinds
    the API server offers.
  - Fails with one sentence for each thing that stands in the way. Changes nothing.
  - Never takes the current context of the kubeconfig file by itself, because that may be anybody's production.
  - It is there because M(kubernetes.core.k8s_info) and M(kubernetes.core.k8s_cluster_info) need a call for each of
    these questions, take the current context, and cannot ask what the user may do.
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
    description: The context in it. Empty means the one that minikube made, if there is exactly one.
    type: str
    default: ""
  namespace:
    description: The namespace of the deployment.
    type: str
    required: true
  deployment:
    description: The name of the deployment, which its namespace carries as the label C(mlops.mlflow.deployment).
    type: str
    required: true
  rights:
    description: What the user must be allowed to do.
    type: list
    elements: dict
    default: []
    suboptions:
      resource:
        description: The resource in its plural, after its API group and a slash where it has one, and before a colon
          and its
          subresource where that is meant, such as V(apps/deployments) or V(pods:exec).
        type: str
        required: true
      verb:
        description: What is to be done with it, such as V(create).
        type: str
        required: true
      cluster_wide:
        description: Whether this is needed beyond the namespace.
        type: bool
        default: false
  kinds:
    description: Kinds of which the answer says whether the API server offers them, such as
      V(policy/v1/PodDisruptionBudget).
    type: list
    elements: str
    default: []
  owned_kinds:
    description: Kinds of which the answer lists the objects of the deployment, where the API server offers them.
    type: list
    elements: str
    default: []
  storage_class:
    description: The StorageClass that volumes are to be of. Empty means the cluster's default. Without it volumes are
      not looked at.
    type: str
  storage_classes:
    description: StorageClasses of single volumes by the variable that names them. Where one is empty, it is
      O(storage_class). Without any, all volumes are of O(storage_class).
    type: dict
    default: {}
  needed:
    description: Values of variables by their names. The Secrets and ConfigMaps that they name must be there; a text in
      a list is a Secret.
    type: dict
    default: {}
  node_port:
    description: The node port that must be free or the deployment's own. V(0) means none.
    type: int
    default: 0
  namespace_managed:
    description: Whether the namespace is the deployment's own. Another one must be there, and may have anything in it.
    type: bool
    default: true
  others:
    description: Whether to list what is in the namespace and does not belong to the deployment.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Look at the cluster
  mlops.mlflow.kubernetes_cluster:
    context: minikube
    namespace: mlflow
    deployment: k8s
    rights:
      - {resource: namespaces, verb: create, cluster_wide: true}
      - {resource: apps/deployments, verb: patch}
      - {resource: pods:exec, verb: create}
    kinds: [policy/v1/PodDisruptionBudget]
    storage_class: ""
    node_port: 30500
  register: cluster
"""

RETURN = r"""
cluster:
  description: What was found.
  returned: success
  type: dict
  contains:
    kubeconfig:
      description: The kubeconfig files that were used, as one word.
      type: str
    context:
      description: The context that was chosen.
      type: str
    provider:
      description: What made the cluster, where the kubeconfig file says so, such as V(minikube.sigs.k8s.io).
      type: str
    host:
      description: The address of the API server.
      type: str
    version:
      description: The version of the API server.
      type: str
    namespace_exists:
      description: Whether the namespace is there.
      type: bool
    kinds:
      description: Those of O(kinds) that the API server offers.
      type: list
      elements: str
    objects:
      description: The objects of the deployment that are of O(owned_kinds), each with C(apiVersion), C(kind) and
        C(metadata.name), in the order of the kinds.
      type: list
      elements: dict
    nodes:
      description: The nodes, each with its name, address, usable, cpus, memory_mb and images. Null where the user may
        not see nodes.
      type: list
      elements: dict
    running_images:
      description: Images from which containers of the deployment run, and which are on a node for certain.
      type: list
      elements: str
    container_images:
      description: The image of each container of the deployment that is ready, by the container's name.
      type: dict
    others:
      description: With O(others), what is in the namespace and does not belong to the deployment, each as Kind/name.
      type: list
      elements: str
    quotas:
      description: The ResourceQuotas of the namespace. Empty where the user may not see them.
      type: list
      elements: dict
    limit_ranges:
      description: The LimitRanges of the namespace. Empty where the user may not see them.
      type: list
      elements: dict
    claims:
      description: PersistentVolumeClaims of the deployment that are there.
      type: list
      elements: str
    default_storage_class:
      description: The default StorageClass; empty where there is none.
      type: str
"""

from dataclasses import fields

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.mlops.mlflow.plugins.module_utils import _kubernetes_api as api
from ansible_collections.mlops.mlflow.plugins.module_utils._kubernetes_cluster import Wanted, obstacles, survey


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "kubeconfig": {"type": "str", "default": ""},
            "context": {"type": "str", "default": ""},
            "namespace": {"type": "str", "required": True},
            "deployment": {"type": "str", "required": True},
            "rights": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "resource": {"type": "str", "required": True},
                    "verb": {"type": "str", "required": True},
                    "cluster_wide": {"type": "bool", "default": False},
                },
            },
            "kinds": {"type": "list", "elements": "str", "default": []},
            "owned_kinds": {"type": "list", "elements": "str", "default": []},
            "storage_class": {"type": "str"},
            "storage_classes": {"type": "dict", "default": {}},
            "needed": {"type": "dict", "default": {}},
            "node_port": {"type": "int", "default": 0},
            "namespace_managed": {"type": "bool", "default": True},
            "others": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    if not api.HAS_KUBERNETES:
        module.fail_json(msg=missing_required_lib("kubernetes"))
    wanted = Wanted(**{each.name: module.params[each.name] for each in fields(Wanted)})
    try:
        files, contexts = api.contexts_of(module.params["kubeconfig"])
        context = api.choose_context(contexts, module.params["context"])
        facts = survey(api.Cluster(files, context["name"]), wanted)
    except api.ClusterError as error:
        module.fail_json(msg=str(error))
    found = obstacles(facts, wanted)
    if found:
        module.fail_json(msg=" ".join(found) + " Nothing was changed.")
    module.exit_json(changed=False, cluster={**facts, "kubeconfig": files, "provider": api.provider(context)})


if __name__ == "__main__":
    main()
