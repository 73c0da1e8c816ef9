# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""What MLflow keeps encrypted: whether the server will be able to read it, and its encryption with a new key.

Two things are encrypted: the API keys of the AI gateway, each with a key of its own that is wrapped by the passphrase,
and the secrets of webhooks. MLflow notices another passphrase or key only when somebody needs what is stored.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from mlflow_guard.answer import finding
from mlflow_guard.config import Config, read_secret

PASSPHRASE = "MLFLOW_CRYPTO_KEK_PASSPHRASE"
PASSPHRASE_VERSION = "MLFLOW_CRYPTO_KEK_VERSION"
WEBHOOK_KEY = "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY"


@dataclass
class Kind:
    """One kind of what is stored: statements, and the values of one row under the present key."""

    variable: str
    what: str
    table: str
    columns: tuple[str, ...]
    # The row as it has to be; the same if the present key opens it, None if no key does.
    renew: Callable[[Config], Callable[[tuple], tuple | None]]


@dataclass
class Work:
    """What has to be written: the table, its key, and rows with new values."""

    kind: Kind
    rows: list[tuple] = field(default_factory=list)


def _value(config: Config, variable: str) -> str:
    path = config.secret_environment.get(variable)
    return read_secret(f"secret_environment.{variable}", path) if path else os.environ.get(variable, "")


def _former(config: Config, variable: str) -> str:
    """The value until now; empty where there is none, which is nearly always so."""
    path = config.previous_secrets.get(variable, "")
    return read_secret(f"previous_secrets.{variable}", path) if path and Path(path).exists() else ""


def _api_keys(config: Config) -> Callable[[tuple], tuple | None]:
    from mlflow.utils import crypto

    version = int(os.environ.get(PASSPHRASE_VERSION, "1"))
    passphrase, former = _value(config, PASSPHRASE), _former(config, PASSPHRASE)
    managers: dict[tuple, crypto.KEKManager] = {}

    def manager(words: str, number: int) -> crypto.KEKManager:
        # Deriving a key takes a third of a second.
        if (words, number) not in managers:
            managers[words, number] = crypto.KEKManager(words, number)
        return managers[words, number]

    def renew(row: tuple) -> tuple | None:
        name, wrapped, number = row[0], bytes(row[1]), row[2]
        new = manager(passphrase, version)
        for words, old_number in ((passphrase, version), (passphrase, number), (former, number), (former, version)):
            if not words and words is former:
                continue
            try:
                rotated = crypto.rotate_secret_encryption(b"", wrapped, manager(words, old_number), new)
            except Exception:
                continue
            present = words == passphrase and old_number == version == number
            return row if present else (name, rotated.wrapped_dek, version)
        return None

    return renew


def _webhook_secrets(config: Config) -> Callable[[tuple], tuple | None]:
    from cryptography.fernet import Fernet, InvalidToken

    present, former = (read(config, WEBHOOK_KEY) for read in (_value, _former))

    def renew(row: tuple) -> tuple | None:
        name, token = row
        for key in filter(None, (present, former)):
            try:
                text = Fernet(key).decrypt(token.encode())
            except (InvalidToken, ValueError):
                continue
            return row if key == present else (name, Fernet(present).encrypt(text).decode())
        return None

    return renew


KINDS = (
    Kind(PASSPHRASE, "API keys of the AI gateway", "secrets", ("secret_id", "wrapped_dek", "kek_version"), _api_keys),
    Kind(WEBHOOK_KEY, "secrets of webhooks", "webhooks", ("webhook_id", "secret"), _webhook_secrets),
)


def _rows(connection: sa.Connection, kind: Kind) -> Iterator[tuple]:
    inspector = sa.inspect(connection)
    if not inspector.has_table(kind.table):
        return
    if not set(kind.columns) <= {column["name"] for column in inspector.get_columns(kind.table)}:
        return
    table = sa.table(kind.table, *map(sa.column, kind.columns))
    query = sa.select(table).where(table.c[kind.columns[1]].is_not(None)).order_by(table.c[kind.columns[0]])
    yield from (tuple(row) for row in connection.execute(query))


def look(connection: sa.Connection, config: Config) -> tuple[list[Work], list[dict]]:
    """What has to be encrypted anew, and what cannot be read with any key that is given."""
    todo, found = [], []
    for kind in KINDS:
        rows = list(_rows(connection, kind))
        if not rows or not _value(config, kind.variable):
            continue
        renew = kind.renew(config)
        renewed = [renew(row) for row in rows]
        lost = renewed.count(None)
        if lost:
            found.append(
                finding(
                    "stored-secrets-unreadable",
                    f"secret_environment.{kind.variable}",
                    f"{lost} of {len(rows)} {kind.what} cannot be decrypted with it",
                )
            )
        changed = [new for old, new in zip(rows, renewed, strict=True) if new is not None and new is not old]
        if changed and not lost:
            todo.append(Work(kind, changed))
    return todo, found


def apply(connection: sa.Connection, todo: list[Work]) -> None:
    """Write the rows; the caller has the transaction."""
    for work in todo:
        key, *others = work.kind.columns
        table = sa.table(work.kind.table, *map(sa.column, work.kind.columns))
        for row in work.rows:
            values = dict(zip(others, row[1:], strict=True))
            connection.execute(sa.update(table).where(table.c[key] == row[0]).values(values))
