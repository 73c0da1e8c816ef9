#!/usr/bin/python
# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_server_args
short_description: Check the arguments of an MLflow tracking server before they reach it
description:
  - Checks the options and environment variables of C(mlflow server) against the exact release that is deployed, and
    refuses those that would damage, mix or hide data. Options, defaults, variables and database revisions of every
    release from 2.0.0 on are part of the collection.
  - Compares them with the arguments that were last applied, and refuses changes that need a migration of the
    database or put existing data out of reach, unless they are accepted by the code of the finding.
  - Returns the command line and the environment, both without secrets. It does not start anything and
    connects to nothing.
  - All findings are reported at once. The collection's page on findings explains each code.
  - It is there because no other module knows the options of MLflow.
version_added: 0.1.0
author:
  - the mlops.mlflow contributors (@mlops)
extends_documentation_fragment:
  - mlops.mlflow.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  mlflow_version:
    description:
      - The exact release of MLflow that is deployed.
      - A release that is newer than the catalogue is checked against the newest known one, with a warning. If the
        interpreter that runs the module can import that release, it is asked for its options and revisions instead.
    type: str
    required: true
  args:
    description:
      - The options of C(mlflow server), named with underscores and in their positive form, for example
        V(serve_artifacts) with V(false) for C(--no-serve-artifacts).
      - A value of V(null) is an option that is not given.
    type: dict
    default: {}
  environment:
    description:
      - The environment variables of the server. A variable with the value V(null) is not set.
      - Secrets do not belong here; they are reported and left out of RV(environment). Deliver them in files and name
        them in O(secret_environment).
    type: dict
    default: {}
  secret_environment:
    description: Names of the environment variables that reach the server from files, such as
      V(MLFLOW_FLASK_SERVER_SECRET_KEY).
    type: list
    elements: str
    default: []
  replicas:
    description: How many servers run with these arguments.
    type: int
    default: 1
  platform:
    description:
      - Where the servers run.
      - With V(host) they are processes of a machine, so that local paths and the loopback address are no errors.
    type: str
    choices: [compose, kubernetes, host]
    default: compose
  path:
    description:
      - A file that holds the arguments which were last accepted. It is compared with, and written if something changed.
      - It holds no secret and has the mode V(0600). Its directory must exist, but in check mode, which writes nothing.
    type: path
  accept:
    description:
      - Codes of findings that are accepted knowingly. An error or a warning with such a code becomes part of
        RV(accepted), and is not said.
      - Those of the guard are given back as RV(guard_accept), since they are found by a program that looks at the
        database.
      - A code that does not exist, or that can never be accepted, is an error itself.
    type: list
    elements: str
    default: []
  max_connections:
    description:
      - How many connections the database server allows. If given, the most that all replicas may open is checked
        against it.
    type: int
  shared_paths:
    description:
      - Absolute paths inside the servers that are mounts which outlive them and, with several replicas, are
        shared by all.
    type: list
    elements: str
    default: []
  public_urls:
    description:
      - The addresses by which users reach the servers. Allowed hosts, allowed origins and the static prefix are checked
        against them.
    type: list
    elements: str
    default: []
  drivers:
    description:
      - The database drivers that the image holds, by module or package name, such as V(psycopg2). If given, the drivers
        that the URIs need must be among them.
    type: list
    elements: str
    default: []
  auth_database_uri:
    description:
      - The C(database_uri) of the file in E(MLFLOW_AUTH_CONFIG_PATH), without password. MLflow takes it from that
        file only.
    type: str
  readable_paths:
    description:
      - Absolute paths of the files and folders that the servers find in their containers, such as V(/run/secrets). If
        given, every file that an option, a URI or a variable names must be one of them, or lie below one or below
        one of O(shared_paths).
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Check the arguments of a server and keep them
  mlops.mlflow.mlflow_server_args:
    mlflow_version: 3.17.2
    args:
      backend_store_uri: postgresql+psycopg2://mlflow_server@postgres:5432/mlflow
      artifacts_destination: s3://mlflow
      host: 0.0.0.0
      port: 5000
      workers: 2
      allowed_hosts: localhost:5000,127.0.0.1:5000,mlflow:5000
    environment:
      MLFLOW_S3_ENDPOINT_URL: http://seaweedfs:8333
      MLFLOW_SERVER_ENABLE_JOB_EXECUTION: "false"
      MLFLOW_DISABLE_TELEMETRY: "true"
    secret_environment:
      - MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY
      - MLFLOW_CRYPTO_KEK_PASSPHRASE
    public_urls:
      - http://localhost:5000
    max_connections: 100
    path: /opt/mlflow/arguments.json
  register: mlflow_arguments

- name: Show what a change would mean
  mlops.mlflow.mlflow_server_args:
    mlflow_version: 3.17.2
    args:
      backend_store_uri: postgresql+psycopg2://mlflow_server@postgres:5432/mlflow
      artifacts_destination: s3://other-bucket
    path: /opt/mlflow/arguments.json
  check_mode: true
  diff: true

- name: Go to a release with another database schema, knowing that there is no way back
  mlops.mlflow.mlflow_server_args:
    mlflow_version: 3.17.2
    args: "{{ mlflow_args }}"
    path: /opt/mlflow/arguments.json
    accept:
      - schema-upgrade
"""

RETURN = r"""
argv:
  description: The options for C(mlflow server), each as one word C(--option=value), in a fixed order and without
    secrets.
  returned: success
  type: list
  elements: str
  sample:
    - --backend-store-uri=postgresql+psycopg2://mlflow_server@postgres:5432/mlflow
    - --host=0.0.0.0
    - --port=5000
environment:
  description: The environment variables as text, without those that carry a secret.
  returned: success
  type: dict
  sample: {"MLFLOW_S3_ENDPOINT_URL": "http://seaweedfs:8333"}
withheld:
  description: Names of the variables that were left out of RV(environment) because they carry a secret.
  returned: success
  type: list
  elements: str
  sample: ["AWS_SECRET_ACCESS_KEY"]
guard_accept:
  description: The codes in O(accept) that are for C(mlflow-guard), which takes them as C(--accept).
  returned: success
  type: list
  elements: str
  sample: ["schema-emptied"]
findings:
  description: What was found and not accepted; errors come first. With an error among them the module fails.
  returned: always, except when RV(ignore:path) cannot be used
  type: list
  elements: dict
  contains:
    code:
      description: The stable code of the finding.
      type: str
    severity:
      description: V(error) or V(warning).
      type: str
    argument:
      description: The option or variable that it is about.
      type: str
    found:
      description: What was found, without secrets.
      type: str
    remedy:
      description: What to do.
      type: str
    message:
      description: The three in one sentence.
      type: str
  sample:
    - code: database-driver-implicit
      severity: warning
      argument: backend_store_uri
      found: postgresql:// leaves the driver to SQLAlchemy
      remedy: write postgresql+psycopg2://
      message: >-
        backend_store_uri: postgresql:// leaves the driver to SQLAlchemy; write postgresql+psycopg2://
        [database-driver-implicit].
accepted:
  description: The errors and warnings that were accepted by O(accept), in the form of RV(findings).
  returned: always, except when RV(ignore:path) cannot be used
  type: list
  elements: dict
transitions:
  description: Each change against the arguments in O(path), with its class.
  returned: always, except when RV(ignore:path) cannot be used
  type: list
  elements: dict
  contains:
    argument:
      description: What changes.
      type: str
    before:
      description: The value that was last applied.
      type: raw
    after:
      description: The value now.
      type: raw
    class:
      description: One of V(harmless), V(restart), V(artifacts_move), V(schema_step) and V(data_unreachable).
      type: str
    code:
      description: The code of the finding that goes with it, empty if none does.
      type: str
    message:
      description: What it means.
      type: str
"""

import os
import tempfile

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._arguments import Request
from ansible_collections.mlops.mlflow.plugins.module_utils._catalogue import Catalogue
from ansible_collections.mlops.mlflow.plugins.module_utils._check import Result, check
from ansible_collections.mlops.mlflow.plugins.module_utils._introspection import describe_installed
from ansible_collections.mlops.mlflow.plugins.module_utils._state import MODE, StateError, dump_state, read_state
from ansible_collections.mlops.mlflow.plugins.module_utils._transitions import as_texts


def write_state(module: AnsibleModule, path: str, text: str) -> None:
    """Replace the file in one step: a run that is interrupted leaves the old one."""
    handle, temporary = tempfile.mkstemp(dir=module.tmpdir)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(text)
    os.chmod(temporary, MODE)
    module.atomic_move(temporary, path)
    # atomic_move gives a replaced file the mode of the one before it.
    os.chmod(path, MODE)


def answer(module: AnsibleModule, result: Result) -> dict:
    """The parts of the answer that success and failure have in common."""
    return {
        "findings": [finding.as_dict() for finding in result.findings],
        "accepted": [finding.as_dict() for finding in result.accepted],
        "transitions": [transition.as_dict() for transition in result.transitions],
        # By default the answer would hold the module's parameters, and with them passwords that stand in URIs.
        "invocation": {
            "module_args": {"mlflow_version": module.params["mlflow_version"], "path": module.params["path"]}
        },
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "mlflow_version": {"type": "str", "required": True},
            "args": {"type": "dict", "default": {}},
            "environment": {"type": "dict", "default": {}},
            # Names of variables, no secrets: as no_log they would be cut out of the answer.
            "secret_environment": {"type": "list", "elements": "str", "default": [], "no_log": False},
            "replicas": {"type": "int", "default": 1},
            "platform": {"type": "str", "choices": ["compose", "kubernetes", "host"], "default": "compose"},
            "path": {"type": "path"},
            "accept": {"type": "list", "elements": "str", "default": []},
            "max_connections": {"type": "int"},
            "shared_paths": {"type": "list", "elements": "str", "default": []},
            "public_urls": {"type": "list", "elements": "str", "default": []},
            "drivers": {"type": "list", "elements": "str", "default": []},
            "auth_database_uri": {"type": "str"},
            "readable_paths": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
        # Keeps the parameters, which may hold passwords by mistake, out of the system's log.
        no_log=True,
    )
    params = module.params
    for name in ("replicas", "max_connections"):
        if params[name] is not None and params[name] < 1:
            module.fail_json(msg=f"{name} must be a positive integer, and is {params[name]}.", invocation={})
    try:
        previous, mode_is_right = read_state(params["path"], not module.check_mode) if params["path"] else (None, True)
    except StateError as error:
        module.fail_json(msg=str(error), invocation={})

    request = Request(
        **{name: tuple(params[name]) if isinstance(params[name], list) else params[name] for name in Request._fields}
    )
    result = check(request, Catalogue(), previous, describe_installed)
    for finding in result.warnings:
        module.warn(finding.message)
    if result.errors:
        module.fail_json(
            msg=" ".join(finding.message for finding in result.errors) + " Nothing was changed.",
            **answer(module, result),
        )

    changed = bool(params["path"]) and (previous != result.state or not mode_is_right)
    if changed and not module.check_mode:
        write_state(module, params["path"], dump_state(result.state))
    before, after = as_texts(previous, result.state)
    module.exit_json(
        changed=changed,
        argv=result.argv,
        environment=result.environment,
        withheld=result.withheld,
        guard_accept=result.guard_accept,
        diff={
            "before_header": params["path"] or "",
            "after_header": params["path"] or "",
            "before": before,
            "after": after,
        },
        **answer(module, result),
    )


if __name__ == "__main__":
    main()
