# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""What the server's own sessions will be like: one login as its role, without any setting of ours."""

from __future__ import annotations

import sqlalchemy as sa

from mlflow_guard.config import Config, Database
from mlflow_guard.inspect.inspection import opened


def look(config: Config, database: Database) -> list[dict]:
    """Log in as the server's role; a Problem says why that cannot be done."""
    with opened(database, database.server, plain=True) as connection:
        connection.execute(sa.text("SELECT 1"))
    return []
