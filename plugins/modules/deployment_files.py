#!/usr/bin/python
# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: deployment_files
short_description: Write all files of a deployment's folder in one call
description:
  - Compares the small files of a deployment, such as its Compose file, its configuration and copies of its secrets,
    with those in its folder, and writes those that differ in content, mode or owner. It takes one call for all of
    them, where a loop over M(ansible.builtin.copy) takes one for each.
  - Each file is replaced in one step. Until then nobody but the user of the module can read the new one.
  - All input and all that is in the folder is checked before the first change. A symlink, a folder or a special file
    in the place of a file is an error, as is anything but a folder in the place of a folder. Nothing below the folder
    is followed out of it.
  - The content of secrets is in no answer, no difference and no error.
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
    details:
      - Neither the content of secrets nor that of removed files is shown. The former content of a file is not
        shown either if fewer could read it than now, as it may have been a secret.
  idempotent:
    support: full
options:
  path:
    description:
      - The absolute path of the folder. It must belong to the deployment alone; folders of the system and the home
        directory are refused.
      - It is made if it is missing, as are the folders above and below it that are needed. It and the folders on the
        way to the files get the mode V(0700).
    type: path
    required: true
  files:
    description: The files that hold no secret. They belong to the user who runs the module.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The path relative to the folder, without C(..).
        type: str
        required: true
      content:
        description: The text, which is written as UTF-8 exactly as it is, without an additional newline.
        type: str
        required: true
      mode:
        description: The mode as a quoted octal number of four digits.
        type: str
        default: "0644"
  secret_files:
    description: The files that hold secrets. A path must not be in O(files), too.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The path relative to the folder, without C(..).
        type: str
        required: true
      content:
        description: The secret, which is written as UTF-8 exactly as it is, without an additional newline.
        type: str
        required: true
      mode:
        description: The mode as a quoted octal number of four digits.
        type: str
        default: "0400"
      owner:
        description:
          - The user id that the file belongs to, which is that of the user whose container reads it. The group
            becomes the same number. Without it the file belongs to the user who runs the module.
          - Only root can give files away. If the module runs as another user, and that user has another id, the file
            stays with that user and gets the mode V(0444) instead of O(secret_files[].mode), so that the container
            can read it. The folders with their mode V(0700) keep the other users of the machine out.
        type: int
  prune:
    description:
      - Removes all that is in the folder but neither in O(files), O(secret_files) nor O(keep), with the folders that
        are empty then. Symlinks are removed themselves, and not followed.
      - A file system that is mounted below the folder is left alone.
    type: bool
    default: false
  keep:
    description:
      - Paths relative to the folder that O(prune) leaves alone. With a folder, all that is in it stays.
    type: list
    elements: str
    default: []
  late:
    description:
      - Paths of O(files) that are written only with O(finish), so that they tell what was in use when all went well.
        Differences of theirs are not shown.
    type: list
    elements: str
    default: []
  finish:
    description:
      - With V(false) the files in O(late) are not written, and O(prune) removes nothing. What still uses the former
        files goes on finding them, until a second call finishes.
    type: bool
    default: true
notes:
  - Ansible masks the secrets wherever they occur in the answer. A secret that is a common word is masked in the names
    of files as well.
"""

EXAMPLES = r"""
- name: Write the files of a deployment
  mlops.mlflow.deployment_files:
    path: /opt/mlflow/single-az
    files:
      - path: compose.yml
        content: "{{ lookup('ansible.builtin.template', 'compose.yml.j2') }}"
        mode: "0600"
      - path: guard/config.json
        content: "{{ guard_configuration | to_nice_json }}"
    secret_files:
      - path: secrets/postgres_password
        content: "{{ postgres_password }}"
        owner: 999
      - path: secrets/aws_credentials
        content: "{{ lookup('ansible.builtin.template', 'aws_credentials.j2') }}"
        owner: 10001

- name: Show what would change, and remove what is no longer used
  mlops.mlflow.deployment_files:
    path: /opt/mlflow/single-az
    files:
      - path: compose.yml
        content: "{{ lookup('ansible.builtin.template', 'compose.yml.j2') }}"
    prune: true
    keep:
      - arguments.json
      - secrets
  check_mode: true
  diff: true
"""

RETURN = r"""
written:
  description:
    - The paths of the files that were written, relative to the folder.
    - If the module fails, those that were written before.
  returned: always, except when the options themselves are refused
  type: list
  elements: str
  sample:
    - compose.yml
    - secrets/postgres_password
removed:
  description:
    - The paths that were removed, relative to the folder. Those of folders end with a slash.
    - If the module fails, those that were removed before.
  returned: always, except when the options themselves are refused
  type: list
  elements: str
  sample:
    - old/nginx.conf
    - old/
unfinished:
  description: Whether a call with O(finish) has something left to do.
  returned: success
  type: bool
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._deployment_files import (
    FilesError,
    Steps,
    apply,
    check_folder,
    cut,
    describe,
    inspect,
    postpone,
    want,
)


class DeploymentFiles(AnsibleModule):
    """Keeps the parameters out of the answer, also out of that to options which Ansible itself refuses.

    Ansible masks only what it knows as a secret, and that is not so for one under a misspelt name.
    """

    def fail_json(self, msg: str, **kwargs: Any) -> None:
        super().fail_json(msg, **{"invocation": {}, **kwargs})


def main() -> None:
    module = DeploymentFiles(
        argument_spec={
            "path": {"type": "path", "required": True},
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "path": {"type": "str", "required": True},
                    "content": {"type": "str", "required": True, "no_log": False},
                    "mode": {"type": "str", "default": "0644"},
                },
            },
            "secret_files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                # Only the content is a secret: paths and modes as secrets would be cut out of the answer.
                "no_log": False,
                "options": {
                    "path": {"type": "str", "required": True},
                    "content": {"type": "str", "required": True, "no_log": True},
                    "mode": {"type": "str", "default": "0400"},
                    "owner": {"type": "int"},
                },
            },
            "prune": {"type": "bool", "default": False},
            "keep": {"type": "list", "elements": "str", "default": []},
            "late": {"type": "list", "elements": "str", "default": []},
            "finish": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
        # Keeps the parameters, which hold whole files, out of the system's log.
        no_log=True,
    )
    params = module.params
    done = Steps()
    try:
        folder = check_folder(params["path"])
        wanted = want(params["files"], params["secret_files"], os.geteuid(), os.getegid())
        keep = [cut("keep", path) for path in params["keep"]]
        late = {cut("late", path) for path in params["late"]}
        steps = inspect(folder, wanted, params["prune"], keep, module._diff)
        left = Steps() if params["finish"] else postpone(steps, late)
        if module.check_mode:
            done = steps
        else:
            apply(folder, steps, done)
    except FilesError as error:
        module.fail_json(msg=str(error), changed=bool(done), written=done.written, removed=done.removed)

    answer: dict[str, Any] = {
        "changed": bool(done),
        "written": done.written,
        "removed": done.removed,
        "unfinished": bool(left),
    }
    if module._diff:
        done.files = [step for step in done.files if step.wanted.parts not in late]
        answer["diff"] = describe(folder, done)
    module.exit_json(
        invocation={"module_args": {name: params[name] for name in ("path", "prune", "keep")}},
        **answer,
    )


if __name__ == "__main__":
    main()
