#!/usr/bin/python
# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: docker_packages_info
short_description: Tell which packages bring Docker to a Debian or Ubuntu, beside what it has already
description:
  - Looks which packages of Docker's own repository and of the distribution are installed, and which sources apt has.
  - The packages of the two conflict, so what is missing comes from where the rest is from.
  - A second entry for a repository that apt has already, with another key, makes apt refuse all its sources. So the
    module tells which repositories apt has.
  - It is there because M(ansible.builtin.package_facts) does not tell which sources apt has, and with which keys.
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
  codename:
    description: Of the host's release.
    type: str
    required: true
    choices: [bookworm, trixie, jammy, noble]
  repository:
    description: Docker's own repository for this distribution; an empty string for none.
    type: str
    required: true
  repository_answers:
    description: Whether it can be reached.
    type: bool
    required: true
  debian_mirror:
    description:
      - Mirror from which Debian 12 would take packages of Debian 13.
      - Empty means the one of the host's own apt.
    type: str
    default: ""
  own_file:
    description: File with a source of Debian 13 that is not the host's own choice.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Find out which packages are missing
  mlops.mlflow.docker_packages_info:
    codename: bookworm
    repository: https://download.docker.com/linux/debian
    repository_answers: true
    own_file: /etc/apt/sources.list.d/mlops-mlflow-docker-compose.sources
  register: docker_packages
"""

RETURN = r"""
supply:
  description: From whom the packages come, V(upstream) or V(distribution); empty where it cannot be done.
  returned: always
  type: str
packages:
  description: The packages to install.
  returned: always
  type: list
  elements: str
outdated:
  description: Whether one of the packages is installed already, and so has to be a newer one.
  returned: always
  type: bool
refusal:
  description: Why it cannot be done beside what is there; empty where it can.
  returned: always
  type: str
repository_known:
  description: Whether apt has O(repository) for this release already.
  returned: always
  type: bool
trixie_known:
  description: Whether apt has Debian 13 by the host's own choice.
  returned: always
  type: bool
debian_mirror:
  description: O(debian_mirror), or that of the host's own apt; empty where there is none.
  returned: always
  type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils import _docker_packages as docker


def ask_apt(module: AnsibleModule) -> list[docker.Source]:
    """With what the Release files say, where they are here, and without, for a source that was never updated."""
    found: list[docker.Source] = []
    for more in ([], ["--no-release-info"]):
        command = ["apt-get", "indextargets", *more, "--format", docker.FORMAT, "Created-By: Packages"]
        code, out, said = module.run_command(command)
        if code:
            module.fail_json(
                msg=f"apt cannot read its sources: {docker.complaint(said)} Repair them; `apt-get update` shows it."
            )
        found += docker.sources(out)
    return found


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "codename": {"type": "str", "required": True, "choices": list(docker.COMPOSE)},
            "repository": {"type": "str", "required": True},
            "repository_answers": {"type": "bool", "required": True},
            "debian_mirror": {"type": "str", "default": ""},
            "own_file": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    given = module.params
    known = ask_apt(module)
    _code, listing, _said = module.run_command(
        [
            "dpkg-query",
            "--show",
            "--showformat",
            "${Package} ${db:Status-Status}\\n",
            *docker.UPSTREAM,
            *docker.DISTRIBUTION,
        ]
    )
    installed = [line.split()[0] for line in listing.splitlines() if line.endswith(" installed")]
    programs = {name: bool(module.get_bin_path(name)) for name in ("dockerd", "docker")}
    of_repository = docker.components(known, given["repository"], given["codename"])
    plan = docker.plan(
        installed,
        given["codename"],
        programs["dockerd"],
        programs["docker"],
        given["repository_answers"],
        of_repository,
    )
    mirror = given["debian_mirror"] or docker.mirror(known, given["codename"])
    module.exit_json(
        changed=False,
        repository_known=bool(of_repository),
        trixie_known=docker.has_suite(known, "trixie", mirror, given["own_file"]),
        debian_mirror=mirror,
        outdated=bool(set(installed) & set(plan.packages)),
        **plan._asdict(),
    )


if __name__ == "__main__":
    main()
