# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""The fingerprint of the artifacts destination.

MLflow stores the destination nowhere; with a changed one all artifacts silently vanish. So the destination carries a
marker with an identity, and the database a record of the same identity.

In PostgreSQL the record stands in a schema of its own, `mlflow_guard`, beside MLflow's: nothing of ours is among its
tables, and a dump of the database carries it along. MySQL and MariaDB have no schemas within a database, and SQLite has
only the file, so there it is one table, `mlflow_guard_destination`, in the same database: it must live and be restored
together with the data, and MLflow ignores tables that it does not know.

A registry in a database of its own has the same identity in another table, `registry`: so neither is taken for the
other, whoever exchanges their names.
"""

from __future__ import annotations

import datetime
import uuid
from dataclasses import dataclass

import sqlalchemy as sa

from mlflow_guard.answer import Problem, finding
from mlflow_guard.config import Config, Database

SCHEMA = "mlflow_guard"
DESTINATION, REGISTRY = "destination", "registry"
PLAIN_TABLES = tuple(f"{SCHEMA}_{name}" for name in (DESTINATION, REGISTRY))
OWNER = sa.text("""
    SELECT pg_get_userbyid(coalesce(c.relowner, n.nspowner))::text AS owner, current_user::text AS role,
           pg_has_role(current_user, coalesce(c.relowner, n.nspowner), 'USAGE') AS ours
    FROM pg_catalog.pg_namespace n LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = :name
    WHERE n.nspname = 'mlflow_guard'""")


@dataclass(frozen=True)
class Record:
    """What the database remembers of its destination."""

    identity: str
    destination: str
    confirmed: bool
    recorded_at: str


def name_in(config: Config, database: Database) -> str:
    """Which record stands in a database."""
    return REGISTRY if database is config.registry_apart else DESTINATION


@dataclass(frozen=True)
class Kept:
    """The records in a database: the one that it is to have, and the one that it would have as the other kind."""

    own: Record | None = None
    other: Record | None = None


NOTHING = Kept()


def table(dialect: str, name: str) -> sa.Table:
    """The record's table; one row for each schema that holds an MLflow."""
    postgres = dialect == "postgresql"
    return sa.Table(
        name if postgres else f"{SCHEMA}_{name}",
        sa.MetaData(),
        sa.Column("schema_name", sa.String(128), primary_key=True),
        sa.Column("identity", sa.String(64), nullable=False),
        sa.Column("destination", sa.Text, nullable=False),
        sa.Column("confirmed", sa.Boolean, nullable=False),
        sa.Column("recorded_at", sa.String(32), nullable=False),
        schema=SCHEMA if postgres else None,
    )


def exists(connection: sa.Connection, name: str = DESTINATION) -> bool:
    """Whether the record's table is there; a role without rights sees that too."""
    if connection.dialect.name == "postgresql":
        return bool(
            connection.scalar(
                sa.text(
                    "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = "
                    "c.relnamespace WHERE n.nspname = 'mlflow_guard' AND c.relname = :name)"
                ),
                {"name": name},
            )
        )
    return sa.inspect(connection).has_table(f"{SCHEMA}_{name}")


def readable(connection: sa.Connection, role: str | None = None, name: str = DESTINATION) -> bool:
    """Whether a role may read the record."""
    if connection.dialect.name != "postgresql":
        return True
    who = "current_user" if role is None else ":role"
    return bool(
        connection.scalar(
            sa.text(
                f"SELECT has_schema_privilege({who}, n.oid, 'USAGE') AND has_table_privilege({who}, c.oid, 'SELECT')"
                " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
                " WHERE n.nspname = 'mlflow_guard' AND c.relname = :name"
            ),
            {"name": name} | ({"role": role} if role else {}),
        )
    )


def require_own(connection: sa.Connection, argument: str, description: str, name: str) -> None:
    """The record, or the schema for it, must be the owner role's: or nothing could be written after a migration."""
    if connection.dialect.name != "postgresql":
        return
    row = connection.execute(OWNER, {"name": name}).first()
    if row is not None and not row.ours:
        raise Problem(
            "record-of-another-owner",
            argument,
            f"the schema mlflow_guard in {description} belongs to role {row.owner!r}, of another deployment, and the "
            f"owner here is {row.role!r}",
        )


def read_record(connection: sa.Connection, schema: str | None, name: str = DESTINATION) -> Record | None:
    """The record of this schema's destination; of a registry, that of its deployment."""
    if not exists(connection, name):
        return None
    if not readable(connection, name=name):
        if name == REGISTRY:
            # Somebody else's, in another schema of the database.
            return None
        raise Problem(
            "rights-missing", "backend_store", "the record of the destination (schema mlflow_guard) may not be read"
        )
    where = table(connection.dialect.name, name)
    row = connection.execute(sa.select(where).where(where.c.schema_name == (schema or ""))).mappings().first()
    return (
        None if row is None else Record(row["identity"], row["destination"], bool(row["confirmed"]), row["recorded_at"])
    )


def read_kept(connection: sa.Connection, config: Config, database: Database, schema: str | None) -> Kept:
    """The records in one of the databases that are to have one."""
    name = name_in(config, database)
    other = DESTINATION if name == REGISTRY else REGISTRY
    # What cannot be read is somebody else's, in another schema of the database.
    there = exists(connection, other) and readable(connection, name=other)
    return Kept(read_record(connection, schema, name), read_record(connection, schema, other) if there else None)


def write_record(
    connection: sa.Connection, schema: str | None, record: Record, server_role: str | None, name: str = DESTINATION
) -> None:
    """Make the table where it is missing and put the record."""
    postgres = connection.dialect.name == "postgresql"
    where = table(connection.dialect.name, name)
    if postgres and not connection.scalar(
        sa.text("SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = 'mlflow_guard')")
    ):
        connection.execute(sa.schema.CreateSchema(SCHEMA))
    where.metadata.create_all(connection, checkfirst=True)
    if postgres and server_role:
        quoted = connection.dialect.identifier_preparer.quote_identifier(server_role).replace("%", "%%")
        connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA {SCHEMA} TO {quoted}")
        connection.exec_driver_sql(f"GRANT SELECT ON {SCHEMA}.{name} TO {quoted}")
    connection.execute(sa.delete(where).where(where.c.schema_name == (schema or "")))
    connection.execute(
        sa.insert(where).values(
            schema_name=schema or "",
            identity=record.identity,
            destination=record.destination,
            confirmed=record.confirmed,
            recorded_at=record.recorded_at,
        )
    )


def now() -> str:
    """The time, for people."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def new_record(destination: str) -> Record:
    """A record of a destination that has none, with a new identity."""
    return Record(str(uuid.uuid4()), destination, False, now())


def marker_for(config: Config, record: Record) -> dict:
    """What is put into the destination."""
    return {
        "identity": record.identity,
        "deployment": config.deployment,
        "written_at": now(),
        "written_by": "mlflow-guard",
    }


def _named(marker: dict) -> str:
    return f"{marker.get('deployment', 'unknown')!r}, written {marker.get('written_at', 'at an unknown time')}"


def compare_databases(config: Config, backend: Kept, registry: Kept) -> list[dict]:
    """Whether the backend store is one, and the registry, where it is apart, is that of the same deployment.

    A registry without a record is no fault: it is made at the next schema step. Both records in the same database, with
    the same identity, are of one that both stores name in different words.
    """
    found = []
    ours = backend.own.identity if backend.own else ""
    for database, record, what in (
        (config.backend, backend.other, "the registry"),
        (config.registry_apart, registry.other, "the backend store"),
    ):
        if database is not None and record is not None and record.identity != ours:
            said = f"{database.description} is {what} of a deployment, recorded on {record.recorded_at}"
            found.append(finding("schema-other-purpose", f"{database.name}.database", said))
    if config.registry_apart is not None and registry.own is not None and registry.own.identity != ours:
        said = (
            f"{config.registry_apart.description} is the registry of another deployment than "
            f"{config.backend.description}, with artifacts in {registry.own.destination}, recorded on "
            f"{registry.own.recorded_at}"
        )
        found.append(finding("registry-of-another", f"{config.registry_apart.name}.database", said))
    return found


def compare(config: Config, record: Record | None, marker: dict | None, *, has_marker: bool = True) -> list[dict]:
    """Whether the database and the destination belong together. `has_marker` is false for stores that carry none."""
    argument, destination = config.artifacts.argument, config.artifacts.destination
    if record is None:
        return [
            finding("destination-unrecorded", argument, f"{config.backend.description} has no record of {destination}")
        ]
    if not has_marker:
        if record.destination.rstrip("/") != destination.rstrip("/"):
            return [
                finding(
                    "destination-marker-missing",
                    argument,
                    f"{destination} is configured, and the recorded destination is {record.destination}",
                )
            ]
        return []
    if marker is None:
        if not record.confirmed:
            return [
                finding(
                    "destination-unconfirmed",
                    argument,
                    f"the record of {record.recorded_at} for {destination} has no marker yet",
                )
            ]
        return [
            finding(
                "destination-marker-missing",
                argument,
                f"{destination} has no marker, and the database's artifacts were recorded at {record.destination} on "
                f"{record.recorded_at}",
            )
        ]
    if marker["identity"] != record.identity:
        return [
            finding(
                "destination-of-another",
                argument,
                f"{destination} carries the marker of deployment {_named(marker)}, and the database's artifacts were "
                f"recorded at {record.destination}",
            )
        ]
    if record.destination.rstrip("/") != destination.rstrip("/"):
        return [
            finding(
                "destination-moved",
                argument,
                f"{destination} carries the right marker, and {record.destination} is recorded",
            )
        ]
    if not record.confirmed:
        return [
            finding("destination-unconfirmed", argument, f"the marker in {destination} was written, but not confirmed")
        ]
    return []
