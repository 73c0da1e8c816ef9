# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""Write mlflow_guard/inspect/structure.json: the tables, columns and indexes that MLflow has at each of its revisions.

Every revision of the installed MLflow is applied, one at a time, to an empty real PostgreSQL, and what is then there is
recorded. Run it from the project root when MLflow's version is raised:

    PYTHONPATH=guard python tests/guard/make_structure.py
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from mlflow_guard.inspect import revisions
from servers import start_postgres

TARGET = Path(__file__).parents[2] / "guard/mlflow_guard/inspect/structure.json"


def reflect(engine: sa.Engine) -> dict:
    """Tables with their columns, and the indexes that are not made by a constraint."""
    inspector = sa.inspect(engine)
    tables = {
        name: sorted(column["name"] for column in columns)
        for (_, name), columns in inspector.get_multi_columns().items()
        if not name.startswith("alembic_")
    }
    indexes = {
        index["name"]: table
        for (_, table), found in inspector.get_multi_indexes().items()
        for index in found
        if not index.get("duplicates_constraint")
    }
    return {"tables": tables, "indexes": indexes}


def difference(before: dict, after: dict) -> dict:
    """What one revision changed, as small as it can be written."""
    changed = {name: columns for name, columns in after["tables"].items() if before["tables"].get(name) != columns}
    change = {
        "tables": changed,
        "dropped_tables": sorted(set(before["tables"]) - set(after["tables"])),
        "indexes": {name: table for name, table in after["indexes"].items() if before["indexes"].get(name) != table},
        "dropped_indexes": sorted(set(before["indexes"]) - set(after["indexes"])),
    }
    return {key: value for key, value in change.items() if value}


def record(engine: sa.Engine, kind: str) -> list:
    """Apply the revisions of one kind of database in their order and record the change of each."""
    order = revisions.order(kind)
    config = Config()
    config.set_main_option("script_location", str(revisions.directory(kind)))
    config.set_main_option("sqlalchemy.url", engine.url.render_as_string(hide_password=False).replace("%", "%%"))
    before: dict = {"tables": {}, "indexes": {}}
    changes = []
    if kind == "backend":
        from mlflow.store.tracking.dbmodels.initial_models import Base

        Base.metadata.create_all(engine)
        after = reflect(engine)
        changes.append(["initial", difference(before, after)])
        before = after
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        for revision in order:
            command.upgrade(config, revision)
            after = reflect(engine)
            changes.append([revision, difference(before, after)])
            before = after
    return changes


def make() -> dict:
    """The whole catalogue, from two new databases."""
    with tempfile.TemporaryDirectory() as folder:
        # The database server runs as another user.
        Path(folder).chmod(0o711)
        server = start_postgres(Path(folder))
        try:
            catalogue = {}
            for kind in revisions.KINDS:
                address = sa.URL.create(
                    "postgresql+psycopg2", server.superuser, server.password, server.host, server.port, "postgres"
                )
                admin = sa.create_engine(address, isolation_level="AUTOCOMMIT")
                with admin.connect() as connection:
                    connection.execute(sa.text(f"CREATE DATABASE {kind}"))
                admin.dispose()
                engine = sa.create_engine(address.set(database=kind))
                catalogue[kind] = record(engine, kind)
                engine.dispose()
            return catalogue
        finally:
            server.stop()


if __name__ == "__main__":
    lines = ["{"]
    found = make()
    for position, (kind, changes) in enumerate(found.items()):
        lines.append(f"{json.dumps(kind)}: [")
        lines += [
            json.dumps(change, separators=(",", ":"), sort_keys=True) + ("," if number < len(changes) - 1 else "")
            for number, change in enumerate(changes)
        ]
        lines.append("]" + ("," if position < len(found) - 1 else ""))
    lines.append("}")
    TARGET.write_text("\n".join(lines) + "\n")
    sys.stdout.write(
        f"{TARGET.name}: {', '.join(f'{len(changes)} steps of {kind}' for kind, changes in found.items())}\n"
    )
