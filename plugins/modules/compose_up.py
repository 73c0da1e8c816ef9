#!/usr/bin/python
# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: compose_up
short_description: Start services of a Compose project, or say in a sentence why one does not start
description:
  - Has Compose start services, and waits until they are healthy.
  - Ends early where waiting is of no use - a container that cannot be made or started, a program that ends as soon as
    it has begun, a start gate that refuses - with the service, what became of it and the few lines of its log that
    say why. What Compose itself printed is not repeated.
  - It is there because M(community.docker.docker_compose_v2) waits until its time is over, and then shows what
    Compose printed and not why a service failed.
version_added: 0.1.0
author:
  - the mlops.mlflow contributors (@mlops)
extends_documentation_fragment:
  - mlops.mlflow.attributes
attributes:
  check_mode:
    support: partial
    details:
      - Nothing is started, and no change is reported. What Compose would do follows from the files of the project.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  project_src:
    description: The folder of the project, with its Compose file.
    type: path
    required: true
  project:
    description: The name of the project, which that file has too.
    type: str
    required: true
  services:
    description: The services to start and to wait for. Compose starts those that they depend on as well.
    type: list
    elements: str
    required: true
  whole:
    description: Whether O(services) are all services of the project. Containers of others are removed then.
    type: bool
    default: false
  timeout:
    description: How many seconds to wait.
    type: int
    default: 300
  hidden:
    description: Secrets, which are masked in the answer should a program have written one into its log.
    type: list
    elements: str
    default: []
notes:
  - It needs the programs C(docker) and its plugin Compose. Images are not pulled.
"""

EXAMPLES = r"""
- name: Start the data services
  mlops.mlflow.compose_up:
    project_src: /opt/mlflow/single-az
    project: mlflow-single-az
    services: [postgres, seaweedfs]
"""

RETURN = r"""
services:
  description: The services of which a container was made, started or removed.
  returned: always
  type: list
  elements: str
  sample: [mlflow-server]
"""

import datetime
import json
import subprocess
import tempfile
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils import _compose_up as up

PAUSE_SECONDS = 0.7
LOG_LINES = "300"


class Engine:
    """The questions to the engine."""

    def __init__(self, docker: str, project: str) -> None:
        self.docker, self.project = docker, project
        self.began = datetime.datetime.now(datetime.timezone.utc).isoformat()

    def ask(self, *words: str) -> str:
        """What it prints. A container may be gone before it is asked for, so that the exit code says little."""
        done = subprocess.run(
            [self.docker, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=60
        )
        return done.stdout.decode(errors="replace")

    def containers(self) -> list[dict[str, Any]]:
        """Those of the project's services, without those that were run for one command."""
        labels = (f"com.docker.compose.project={self.project}", "com.docker.compose.oneoff=False")
        words = [word for label in labels for word in ("--filter", f"label={label}")]
        ids = self.ask("ps", "--all", "--quiet", "--no-trunc", *words).split()
        if not ids:
            return []
        done = subprocess.run([self.docker, "inspect", "--type=container", *ids], capture_output=True, check=False)
        return json.loads(done.stdout or b"[]")

    def log(self, container: dict[str, Any]) -> str:
        return self.ask("logs", "--since", self.began, "--tail", LOG_LINES, container["Id"])


def command(docker: str, params: dict[str, Any]) -> list[str]:
    words = [docker, "compose", "--ansi", "never", "--project-directory", params["project_src"], "up", "--detach"]
    words += ["--no-color", "--no-build", "--pull", "never"]
    return words + (["--remove-orphans"] if params["whole"] else ["--", *params["services"]])


def watch(engine: Engine, params: dict[str, Any], process: Any, before: list, said) -> str:
    """Look until all are of use; the reason where one never will be, or the time is over."""
    end = time.monotonic() + params["timeout"]
    marks, ends = {up.mark(each) for each in before}, {each["Id"]: each.get("RestartCount", 0) for each in before}
    while True:
        code = process.poll()
        containers = engine.containers()
        for each in containers:
            is_new = up.begun(each, before)
            # While Compose is busy, what was there before is about to be replaced, and whatever ails it with it. Where
            # Compose fails, what it did not start says nothing.
            as_before = up.mark(each) in marks
            if up.useful(each) or (code is None and (not is_new or as_before)) or (code and is_new and as_before):
                continue
            log = engine.log(each)
            reason = up.trouble(each, log, ends.get(each["Id"], 0), is_new)
            if reason:
                return up.sentence(each, reason, log)
        if code:
            said.seek(0)
            reason = up.complaint(said.read().decode(errors="replace"))
            return f"Compose cannot start {', '.join(params['services'])}: {reason}"
        left = up.state_of(params["services"], containers)
        if code == 0 and not left:
            return ""
        if time.monotonic() >= end:
            return (
                f"After {params['timeout']} s not all services are of use: {'; '.join(left) or 'Compose is busy'}. "
                f"Look into their log with `docker compose --project-directory {params['project_src']} logs`."
            )
        time.sleep(PAUSE_SECONDS)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "project_src": {"type": "path", "required": True},
            "project": {"type": "str", "required": True},
            "services": {"type": "list", "elements": "str", "required": True},
            "whole": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 300},
            "hidden": {"type": "list", "elements": "str", "default": [], "no_log": True},
        },
        supports_check_mode=True,
    )
    if module.check_mode:
        module.exit_json(changed=False, services=[])
    params = module.params
    docker = module.get_bin_path("docker", required=True)
    engine = Engine(docker, params["project"])
    before = engine.containers()
    half_made = up.leftovers(before)
    if half_made:
        engine.ask("rm", *half_made)
        before = [each for each in before if each["Id"] not in half_made]
    with tempfile.TemporaryFile() as said:
        process = up.start(command(docker, params), said)
        try:
            reason = watch(engine, params, process, before, said)
        finally:
            # Compose waits for ever for what never gets healthy.
            if process.poll() is None:
                process.terminate()
                process.wait()
    marks = {up.mark(each): up.service(each) for each in before}
    now = {up.mark(each): up.service(each) for each in engine.containers()}
    services = sorted({{**marks, **now}[each] for each in marks.keys() ^ now.keys()})
    if reason:
        module.fail_json(msg=reason, changed=bool(services), services=services)
    module.exit_json(changed=bool(services), services=services)


if __name__ == "__main__":
    main()
