# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The README's own first commands, so that what a newcomer types is what is tested."""

from __future__ import annotations

import re

from tests.beds.commands import BedFailed

BLOCK = re.compile(r"^```shell\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# With the last part of the address, which is the folder's name.
CLONE = re.compile(r"\bgit clone \S+/(\S+)")
DEPLOY = re.compile(r"^make ([\w-]+)$")


def first_commands(text: str, source: str) -> list[str]:
    """The lines of the first shell block up to the deployment, with the project cloned from a folder of `source`.

    What comes after the deployment, the tests themselves, is left out.
    """
    block = BLOCK.search(text)
    if not block:
        raise BedFailed("README.md has no block of shell commands: its first one has to lead to a deployment.")
    lines, cloned = [], False
    for line in block[1].splitlines():
        command = line.partition(" #")[0].strip()
        if not command or command.startswith("#"):
            continue
        changed = CLONE.sub(rf"git clone {source}/\1", command)
        cloned = cloned or changed != command
        lines.append(changed)
        if cloned and DEPLOY.match(command):
            return lines
    what = "deploys nothing after it" if cloned else "has no `git clone`"
    raise BedFailed(f"The first shell block of README.md {what}: a newcomer needs both.")
