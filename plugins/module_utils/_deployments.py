# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""Which deployments of a host are the user's own: an engine can be shared, and their folder has other things, too."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, NamedTuple


class Found(NamedTuple):
    """Deployments that may be taken away, and others, with what is known of where they were deployed from."""

    own: list[str]
    others: dict[str, str]  # the folder of somebody else's; empty where nobody knows whose it is


def find(
    containers: Iterable[dict[str, Any]],
    labelled: Iterable[str],
    files: Iterable[str],
    secrets: Iterable[str],
    root: str,
) -> Found:
    """Sort all deployments.

    `containers` say their deployment and the folder that Compose was called in, `labelled` are the deployments of
    volumes and networks, `files` those with a file of theirs below the root, `secrets` those with secrets on the
    control node.
    """
    homes: dict[str, set[str]] = {}
    for container in containers:
        if container["deployment"]:
            homes.setdefault(container["deployment"], set()).add(container["home"])
    own, others = [], {}
    for name in sorted({*homes, *filter(None, labelled), *files, *secrets}):
        elsewhere = sorted(home for home in homes.get(name, ()) if home)
        if os.path.join(root, name) in elsewhere:
            own.append(name)
        elif elsewhere:
            # Also where there are files of the same name here: two users' deployments of one name are one project.
            others[name] = elsewhere[0]
        elif name in files or name in secrets:
            own.append(name)
        else:
            others[name] = ""
    return Found(own, others)


def found(containers: Iterable[dict[str, Any]], **options: Any) -> dict[str, Any]:
    """The same as roles read it; the options are the other parameters of `find`."""
    return find(containers, **options)._asdict()
