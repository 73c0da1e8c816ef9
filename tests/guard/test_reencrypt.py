# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""What MLflow stores encrypted: read with the right key, refused with a wrong one, encrypted anew with a new one."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from conftest import OWNER
from cryptography.fernet import Fernet
from mlflow.store.tracking.dbmodels.models import SqlGatewaySecret
from mlflow.utils import crypto

OLD, NEW, OTHER = "old-passphrase", "new-passphrase", "other-passphrase"
OLD_KEY, NEW_KEY, OTHER_KEY = (Fernet.generate_key().decode() for _ in range(3))
PASSPHRASE, KEY = "MLFLOW_CRYPTO_KEK_PASSPHRASE", "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY"
INSERT = sa.text(
    "INSERT INTO webhooks (webhook_id, name, url, status, secret) VALUES (:id, 'n', 'https://x', 'ACTIVE', :secret)"
)
API_KEY, WEBHOOK = {"api_key": "sk-hidden-api-key"}, "hidden-webhook-secret"


class Stored:
    """A deployment with one API key and one webhook, stored as MLflow does."""

    def __init__(self, deployment) -> None:
        self.deployment = deployment
        self.engine = sa.create_engine(deployment.cluster.url(deployment.database, OWNER), poolclass=sa.pool.NullPool)
        encrypted = crypto._encrypt_secret(API_KEY, crypto.KEKManager(OLD, 1), "s1", "name")
        with self.engine.begin() as connection:
            connection.execute(
                sa.insert(SqlGatewaySecret.__table__).values(
                    secret_id="s1",
                    secret_name="name",
                    encrypted_value=encrypted.encrypted_value,
                    wrapped_dek=encrypted.wrapped_dek,
                    kek_version=1,
                    masked_value="{}",
                    created_at=1,
                    last_updated_at=1,
                )
            )
            connection.execute(
                INSERT,
                {"id": "w1", "secret": Fernet(OLD_KEY).encrypt(WEBHOOK.encode()).decode()},
            )

    def readable(self, passphrase: str, key: str) -> bool:
        """By MLflow's own code, and by the key that its column type takes."""
        with self.engine.connect() as connection:
            row = connection.execute(sa.select(SqlGatewaySecret.__table__)).one()
            token = connection.scalar(sa.text("SELECT secret FROM webhooks WHERE webhook_id = 'w1'"))
        try:
            manager = crypto.KEKManager(passphrase, row.kek_version)
            value = crypto._decrypt_secret(row.encrypted_value, row.wrapped_dek, manager, "s1", "name")
            return (value, Fernet(key).decrypt(token.encode()).decode()) == (API_KEY, WEBHOOK)
        except Exception:
            return False

    def schema(self, now: tuple, before: tuple = (), *arguments: str):
        config = self.deployment.config
        for option, values in (("secret_environment", now), ("previous_secrets", before)):
            config[option] = {}
            for name, value in zip((PASSPHRASE, KEY), values, strict=False):
                path = self.deployment.folder / f"{option}.{name}"
                path.write_text(value)
                config[option][name] = str(path)
        answer = self.deployment.run("schema", *(arguments or ("--mode", "initialize")))
        for secret in (OLD, NEW, OTHER, OLD_KEY, NEW_KEY, OTHER_KEY, API_KEY["api_key"], WEBHOOK):
            assert secret not in answer.stdout + answer.stderr
        return answer


@pytest.fixture
def stored(ready):
    found = Stored(ready)
    yield found
    found.engine.dispose()


def test_encrypted_anew_once(stored):
    same = stored.schema((OLD, OLD_KEY))
    assert (same.code, same.document["changed"]) == (0, False), same.document
    refused = stored.schema((NEW, NEW_KEY))
    assert refused.errors() == {"stored-secrets-unreadable"}
    assert len([each for each in refused.document["findings"] if each["severity"] == "error"]) == 2
    assert stored.schema((NEW, NEW_KEY), (OTHER, OTHER_KEY)).errors() == {"stored-secrets-unreadable"}
    assert stored.schema((NEW, NEW_KEY), (OLD, OLD_KEY), "--mode", "refuse").errors() == {"stored-secrets-former"}
    planned = stored.schema((NEW, NEW_KEY), (OLD, OLD_KEY), "--mode", "initialize", "--dry-run")
    assert planned.document["planned"] == ["encrypt stored secrets in backend_store anew"]
    assert stored.readable(OLD, OLD_KEY)

    done = stored.schema((NEW, NEW_KEY), (OLD, OLD_KEY))
    assert (done.code, done.document["changed"]) == (0, True), done.document
    assert stored.readable(NEW, NEW_KEY)
    for before in ((OLD, OLD_KEY), ()):
        again = stored.schema((NEW, NEW_KEY), before)
        assert (again.code, again.document["changed"]) == (0, False)


def test_one_that_cannot_be_read_leaves_all_as_they_are(stored):
    with stored.engine.begin() as connection:
        connection.execute(
            INSERT,
            {"id": "w0", "secret": Fernet(OTHER_KEY).encrypt(b"x").decode()},
        )
    answer = stored.schema((NEW, NEW_KEY), (OLD, OLD_KEY))
    assert answer.errors() == {"stored-secrets-unreadable"}
    assert "1 of 2 secrets of webhooks" in answer.finding("stored-secrets-unreadable")["message"]
    assert stored.readable(OLD, OLD_KEY)


def test_after_a_rotation_by_mlflow_itself(stored):
    """`mlflow crypto rotate-kek` counts a version up; the server is told which one by a variable."""
    row = stored.engine.connect().execute(sa.select(SqlGatewaySecret.__table__)).one()
    rotated = crypto.rotate_secret_encryption(
        row.encrypted_value, row.wrapped_dek, crypto.KEKManager(OLD, 1), crypto.KEKManager(NEW, 2)
    )
    with stored.engine.begin() as connection:
        connection.execute(sa.update(SqlGatewaySecret.__table__).values(wrapped_dek=rotated.wrapped_dek, kek_version=2))
    stored.deployment.variables["MLFLOW_CRYPTO_KEK_VERSION"] = "2"
    same = stored.schema((NEW, OLD_KEY))
    assert (same.code, same.document["changed"]) == (0, False), same.document
    del stored.deployment.variables["MLFLOW_CRYPTO_KEK_VERSION"]
    # Without the variable the server would derive another key: what is stored is brought to what it has.
    assert stored.schema((NEW, OLD_KEY)).document["changed"] is True
    assert stored.readable(NEW, OLD_KEY)
