# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be wrong with a network, and between whom."""

from __future__ import annotations

from dataclasses import dataclass

DATABASE, STORE = "database", "store"
# The services of a deployment that can be meant.
SERVICES = {DATABASE: ("postgres",), STORE: ("seaweedfs", "minio", "nfs")}


@dataclass(frozen=True)
class Condition:
    """netem is applied in both directions between the servers and what is behind them.

    to: DATABASE, STORE, or empty for an undisturbed network.
    netem: arguments of `tc qdisc ... netem`, for each direction.
    """

    name: str
    to: str = ""
    netem: str = ""


CONDITIONS = {
    each.name: each
    for each in (
        Condition("undisturbed"),
        # A round trip of 4 ms is one between zones, 50 ms one between regions.
        Condition("database-4ms", DATABASE, "delay 2ms"),
        Condition("database-50ms", DATABASE, "delay 25ms"),
        Condition("database-loss", DATABASE, "loss 2%"),
        Condition("database-1mbit", DATABASE, "rate 1mbit"),
        Condition("store-50ms", STORE, "delay 25ms"),
        Condition("store-loss", STORE, "loss 2%"),
        Condition("store-10mbit", STORE, "rate 10mbit"),
    )
}
