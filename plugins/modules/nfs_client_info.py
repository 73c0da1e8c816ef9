#!/usr/bin/python
# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nfs_client_info
short_description: Tell whether a host can mount NFS, and whether a network is free on it
description:
  - Looks whether the kernel has the client of NFS version 4, or can load it, and compares a network with the routes of
    the host.
  - Loads no module, mounts nothing, and needs no rights.
  - It is there because facts of Ansible say neither which filesystems the kernel can mount nor whether a network
    overlaps with a route.
version_added: 0.2.0
author:
  - the mlops.mlflow contributors (@mlops)
extends_documentation_fragment:
  - mlops.mlflow.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
  idempotent:
    support: full
options:
  network:
    description: A network that is to be free, such as V(10.213.39.0/29).
    type: str
"""

EXAMPLES = r"""
- name: Look at the host's kernel and networks
  mlops.mlflow.nfs_client_info:
    network: 10.213.39.0/29
  register: nfs_client
"""

RETURN = r"""
supported:
  description: Whether the kernel can mount NFS version 4.
  returned: always
  type: bool
reason:
  description: Why it cannot, in words; empty where it can.
  returned: always
  type: str
overlapping:
  description: The networks of the host that overlap with O(network), with their interfaces.
  returned: always
  type: list
  elements: str
"""

import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils import _nfs_client as client


def text(path: str) -> str:
    """What a file holds; nothing where it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def main() -> None:
    module = AnsibleModule(argument_spec={"network": {"type": "str"}}, supports_check_mode=True)
    release = os.uname().release
    listing = "".join(text(f"/lib/modules/{release}/{name}") for name in ("modules.dep", "modules.builtin"))
    reason = client.kernel_support(
        release, text("/proc/filesystems"), listing, text("/proc/sys/kernel/modules_disabled").strip() == "1"
    )
    found: list[str] = []
    if module.params["network"]:
        try:
            found = client.overlapping(module.params["network"], text("/proc/net/route"))
        except ValueError as error:
            module.fail_json(msg=f"network is {module.params['network']}, which is no IPv4 network: {error}.")
    module.exit_json(changed=False, supported=not reason, reason=reason, overlapping=found)


if __name__ == "__main__":
    main()
