# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""How many connections the servers may open, and how many the database offers them. Pure."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from mlflow_guard.answer import finding
from mlflow_guard.config import Config, option_values


@dataclass(frozen=True)
class Need:
    """The connections of all servers. Each worker has a pool for the tracking store and one for the registry."""

    servers: int
    workers: int
    pool: int

    @property
    def connections(self) -> int:
        """All of them at once."""
        return self.servers * self.workers * 2 * self.pool

    @property
    def said(self) -> str:
        """In words."""
        workers = f"{self.workers} worker{'s' if self.workers > 1 else ''}"
        each = f"1 server with {workers}" if self.servers == 1 else f"{self.servers} servers with {workers} each"
        return f"{each} may open {self.connections} connections"


@dataclass(frozen=True)
class Offer:
    """What a PostgreSQL server says of connections. None and negative numbers are no limit."""

    most: int
    reserved: int
    others: int
    database: int | None = None
    role: int | None = None
    given: int | None = None

    @property
    def connections(self) -> int:
        """What is left for this deployment."""
        limits = [each for each in (self.database, self.role, self.given) if each is not None and each >= 0]
        return max(0, min([self.most - self.reserved - self.others, *limits]))

    @property
    def said(self) -> str:
        """All numbers, in words."""
        words = [f"max_connections {self.most}", f"{self.reserved} reserved", f"others have {self.others} open"]
        named = {"the database": self.database, "the server's role": self.role}
        words += [f"{name} may have {limit}" for name, limit in named.items() if limit is not None and limit >= 0]
        words += [] if self.given is None else [f"backend_store.max_connections {self.given}"]
        return f"{self.connections} are offered: {', '.join(words)}"


def whole_number(text: str | None, default: int) -> int:
    """A number from an option or a variable; the default where it is none."""
    try:
        return int(text) if text else default
    except ValueError:
        return default


def need(config: Config, environment: Mapping[str, str] | None = None) -> Need:
    """What this configuration needs, by the environment of this process where no other is given."""
    environment = os.environ if environment is None else environment
    workers = option_values(config.argv, "--workers", "-w")
    count = max(1, whole_number(workers[-1] if workers else environment.get("MLFLOW_WORKERS"), 4))
    # SQLAlchemy's own defaults hold where MLflow's variables are not set; 0 counts as not set there.
    pool = whole_number(environment.get("MLFLOW_SQLALCHEMYSTORE_POOL_SIZE"), 0) or 5
    overflow = whole_number(environment.get("MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW"), 0) or 10
    return Need(config.servers, count, pool + max(0, overflow))


def judge(wanted: Need, offered: Offer) -> list[dict]:
    """The finding, where it does not suffice."""
    if wanted.connections <= offered.connections:
        return []
    return [finding("connection-budget", "argv", f"{wanted.said}; {offered.said}")]
