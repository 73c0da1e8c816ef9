# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the figures were measured on."""

from __future__ import annotations

import os
import platform

from laboratory.benchmark.processes import perform


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.platform()


def facts() -> dict[str, str]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "system": f"{_system()}, {platform.machine()}",
        "cores": str(os.cpu_count()),
        "memory": f"{memory / 2**30:.1f} GiB",
        "load at the start": " ".join(f"{load:.1f}" for load in os.getloadavg()),
        "Docker": perform(["docker", "version", "--format", "{{.Server.Version}}"]).stdout.strip(),
        "Compose": perform(["docker", "compose", "version", "--short"]).stdout.strip(),
        "Ansible": perform(["ansible", "--version"]).stdout.splitlines()[0].strip(),
        "Python": platform.python_version(),
    }
