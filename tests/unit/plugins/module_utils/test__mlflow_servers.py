# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many servers there are, where they run, and what they may use."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _mlflow_servers as servers

SETTINGS: dict[str, Any] = {
    "zones": [],
    "zone_replicas": {},
    "replicas": 1,
    "workers": 0,
    "host_cpus": 8,
    "host_memory_mb": 16000,
    "networks": ["data"],
    "job_execution_enabled": False,
    "way_out": True,
}


@pytest.mark.parametrize(
    ("zones", "zone_replicas", "number", "names"),
    [
        ([], {}, 1, ["mlflow-server"]),
        (["a", "b"], {}, 2, ["mlflow-server-a1", "mlflow-server-b1"]),
        (["a", "b"], {}, 3, ["mlflow-server-a1", "mlflow-server-b1", "mlflow-server-a2"]),
        (["a", "b"], {"a": 1, "b": 2}, 3, ["mlflow-server-a1", "mlflow-server-b1", "mlflow-server-b2"]),
        (["a", "b"], {"a": "1", "b": "1"}, 2, ["mlflow-server-a1", "mlflow-server-b1"]),
        # Refused later on, but named until then.
        (["a", "b"], {}, 0, []),
        (["a", "b"], {"b": 1}, 1, ["mlflow-server-b1"]),
    ],
)
def test_neighbours_are_in_different_zones(zones, zone_replicas, number: int, names: list[str]) -> None:
    assert [name for name, _zone in servers.place(zones, zone_replicas, number)] == names


@pytest.mark.parametrize(
    ("changed", "replicas", "workers"),
    [
        ({}, 1, 4),
        ({"host_cpus": 2}, 1, 2),
        ({"host_memory_mb": 1700}, 1, 2),
        ({"host_memory_mb": 100}, 1, 1),
        ({"zones": ["a", "b"], "replicas": 2}, 2, 4),
        ({"zones": ["a", "b"], "replicas": 4}, 4, 2),
        ({"zones": ["a", "b"], "zone_replicas": {"a": 3, "b": "1"}}, 4, 2),
        ({"workers": "7", "host_cpus": 1}, 1, 7),
        # What is no number is refused by the check of the input, which says so.
        ({"replicas": "many"}, 0, 4),
        ({"zones": ["a"], "zone_replicas": {"a": None}}, 0, 4),
    ],
)
def test_servers_share_the_host(changed: dict[str, Any], replicas: int, workers: int) -> None:
    plan = servers.plan({**SETTINGS, **changed})
    assert (plan["replicas"], plan["workers"]) == (replicas, workers)


@pytest.mark.parametrize(
    ("zones", "way_out", "networks"),
    [
        ([], True, ["data", "public"]),
        ([], False, ["data"]),
        (["a"], True, ["zone-a", "egress-a"]),
        (["a"], False, ["zone-a"]),
    ],
)
def test_servers_reach_their_zone_and_what_is_outside_where_they_may(zones, way_out, networks) -> None:
    plan = servers.plan({**SETTINGS, "zones": zones, "way_out": way_out})
    assert plan["servers"][0]["networks"] == networks
    # The list of the role is nobody's to change.
    assert SETTINGS["networks"] == ["data"]


def test_servers_together_have_their_share_of_the_memory() -> None:
    plan = servers.plan({**SETTINGS, "zones": ["a", "b"], "replicas": 2, "workers": 2, "job_execution_enabled": True})
    assert plan["memory"] == {
        "mlflow-guard": {"need": 512, "share": 4},
        "mlflow-server-a1": {"need": 350 + 700 + 1300, "share": 2.5},
        "mlflow-server-b1": {"need": 350 + 700 + 1300, "share": 2.5},
    }
