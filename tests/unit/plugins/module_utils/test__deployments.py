# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose a deployment is."""

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._deployments import find, found

ROOT = "/srv/me/.local/share/mlops.mlflow"
MINE, THEIRS = f"{ROOT}/a", "/srv/you/.local/share/mlops.mlflow/a"


def container(home: str, name: str = "a") -> dict:
    return {"deployment": name, "home": home}


@pytest.mark.parametrize(
    ("containers", "labelled", "files", "secrets", "own", "others"),
    [
        ([], [], [], [], [], {}),
        ([container(MINE)], ["a"], ["a"], ["a"], ["a"], {}),
        # Files and secrets are gone: what Compose notes tells whose it is.
        ([container(MINE)], ["a"], [], [], ["a"], {}),
        # Taken down with its data kept.
        ([], ["a"], ["a"], ["a"], ["a"], {}),
        ([], [], ["a"], [], ["a"], {}),
        ([], [], [], ["a"], ["a"], {}),
        # Somebody else's, also where files of the same name are here.
        ([container(THEIRS)], ["a"], [], [], [], {"a": THEIRS}),
        ([container(THEIRS)], ["a"], ["a"], ["a"], [], {"a": THEIRS}),
        # Some containers were started by hand from another folder.
        ([container(THEIRS), container(MINE)], ["a"], ["a"], ["a"], ["a"], {}),
        # A volume only, or a container without Compose's label: nobody knows.
        ([], ["a", ""], [], [], [], {"a": ""}),
        ([container("")], [], [], [], [], {"a": ""}),
        ([container("")], [], ["a"], [], ["a"], {}),
        # Containers of no deployment.
        ([container("/srv/shop", "")], [], [], [], [], {}),
        ([container(THEIRS), container(f"{ROOT}/b", "b")], ["a", "b", "c"], [], [], ["b"], {"a": THEIRS, "c": ""}),
    ],
)
def test_whose_it_is(containers, labelled, files, secrets, own, others) -> None:
    assert find(containers, labelled, files, secrets, ROOT) == (own, others)
    options = {"labelled": labelled, "files": files, "secrets": secrets, "root": ROOT}
    assert found(containers, **options) == {"own": own, "others": others}
