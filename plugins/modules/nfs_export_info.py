#!/usr/bin/python
# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nfs_export_info
short_description: Prove that an NFS export is of use to a user who is not root
description:
  - Mounts the export, once for each client, in a mount namespace that nobody else sees and that goes with the module.
    Then, as the given user, it writes, fsyncs, renames, reads through another of the mounts, and deletes.
  - What it writes is below C(.mlflow-guard) on the export, and is taken away again, also when something fails.
  - It needs root for the mount. The client of NFS must be in the kernel or be loadable, see
    M(mlops.mlflow.nfs_client_info). No program for mounting is needed.
  - It is there because M(ansible.posix.mount) shows its mounts to the whole host and needs a program for mounting;
    and a mount alone does not prove that somebody may write.
version_added: 0.2.0
author:
  - the mlops.mlflow contributors (@mlops)
extends_documentation_fragment:
  - mlops.mlflow.attributes
attributes:
  check_mode:
    support: full
    details: It does the same in check mode, because nothing is left of it.
  diff_mode:
    support: N/A
  idempotent:
    support: full
options:
  address:
    description: Name or address of the server.
    type: str
    required: true
  path:
    description: The export's path, as clients of NFS version 4 name it.
    type: str
    required: true
  options:
    description: Options of the mount. What they say about time-outs is not used, so that the try ends.
    type: list
    elements: str
    default: [nfsvers=4.2]
  clients:
    description: Number of mounts that do not share a cache.
    type: int
    default: 2
  uid:
    description: User and group that use the export.
    type: int
    required: true
  minimum_free_mib:
    description: Free space below which the export counts as full.
    type: int
    default: 0
  timeout:
    description: Seconds for all of it.
    type: int
    default: 60
"""

EXAMPLES = r"""
- name: Try the export
  mlops.mlflow.nfs_export_info:
    address: nfs.example.com
    path: /export
    uid: 10001
  register: nfs_export

- name: Check that it is of use
  ansible.builtin.assert:
    that: nfs_export.finding == ''
    fail_msg: "The export {{ nfs_export.reason }}."
"""

RETURN = r"""
finding:
  description:
    - What is wrong, in a word, or nothing. One of V(unreachable), V(path), V(denied), V(version), V(options),
      V(read_only), V(squashed), V(full), V(stale), V(hangs), V(privileges) and V(failed).
  returned: always
  type: str
reason:
  description: The same as the rest of a sentence that begins with the export.
  returned: always
  type: str
free_mib:
  description: Free space of the export in MiB.
  returned: where nothing is wrong
  type: int
"""

import contextlib
import json
import os
import select
import shutil
import signal
import tempfile
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils import _nfs_export as export


def attempt(params: dict, places: list[Path]) -> dict:
    """All of it, in a process that is given up when it hangs."""
    try:
        address = export.resolve(params["address"], min(10, params["timeout"]))
        source = f"{params['address']}:{params['path']}"
        export.mount_all(places, source, export.mount_data(address, params["options"]))
        os.setgroups([])
        os.setresgid(params["uid"], params["uid"], params["uid"])
        os.setresuid(params["uid"], params["uid"], params["uid"])
        os.umask(0o077)
        facts = export.use(places, params["uid"], params["minimum_free_mib"] * 1024**2)
    except export.Finding as found:
        return {"finding": found.word, "reason": found.reason}
    except OSError as error:
        return {"finding": "failed", "reason": f"could not be tried ({error})"}
    return {"finding": "", "reason": "", **facts}


def in_time(params: dict, places: list[Path]) -> dict:
    """The answer of the process, or that there is none."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.write(writer, json.dumps(attempt(params, places)).encode())
        os._exit(0)
    os.close(writer)
    answer = b""
    end = time.monotonic() + params["timeout"]
    while select.select([reader], [], [], max(0.0, end - time.monotonic()))[0]:
        more = os.read(reader, 65536)
        if not more:
            break
        answer += more
    os.close(reader)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    # One that the kernel does not let go of is not waited for.
    for _attempt in range(50):
        if os.waitpid(child, os.WNOHANG)[0]:
            break
        time.sleep(0.1)
    if not answer:
        return {"finding": "hangs", "reason": f"did not answer within {params['timeout']} s"}
    return json.loads(answer)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "address": {"type": "str", "required": True},
            "path": {"type": "str", "required": True},
            "options": {"type": "list", "elements": "str", "default": ["nfsvers=4.2"]},
            "clients": {"type": "int", "default": 2},
            "uid": {"type": "int", "required": True},
            "minimum_free_mib": {"type": "int", "default": 0},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    folder = Path(tempfile.mkdtemp(prefix="mlops-mlflow-nfs-"))
    try:
        # The user of the servers has to get through.
        folder.chmod(0o711)
        places = [folder / str(number) for number in range(max(1, module.params["clients"]))]
        for place in places:
            place.mkdir(mode=0o755)
        answer = in_time(module.params, places)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    module.exit_json(changed=False, **answer)


if __name__ == "__main__":
    main()
