# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which variables carry a secret: by their names, and by what their values look like."""

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._arguments import split_secrets
from ansible_collections.mlops.mlflow.plugins.module_utils._secret_values import fingerprint, is_secret

WORD = "hunter2"


@pytest.mark.parametrize(
    "name",
    [
        "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN", "PGPASSWORD", "MLFLOW_AUTH_ADMIN_PASSWORD",
        "MLFLOW_FLASK_SERVER_SECRET_KEY", "MLFLOW_CRYPTO_KEK_PASSPHRASE", "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY",
        "AZURE_STORAGE_CONNECTION_STRING", "OPENAI_API_KEY", "MLFLOW_OIDC_CLIENT_SECRET", "AZURE_OPENAI_KEY", "DB_PASS",
        "DBPASSWORD", "MYSQL_PWD", "REDIS_AUTH", "SMTP_PASS1", "HF_TOKEN", "SENTRY_DSN", "GITHUB_PAT", "OPENAI_APIKEY",
        "VAULT_CREDS", "ENCRYPTION_KEY", "openai_key", "SERVICE_KEYS", "JWT_PRIVATE", "APP_SALT", "BLOB_SIGNATURE",
        "DB_CONN_STR", "SESSION_COOKIE", "LDAP_BIND_PW", "PRIVATE_KEY", "SECRET", "TOKEN", "KEY",
    ],
)  # fmt: skip
def test_names_of_secrets(name):
    assert is_secret(name, WORD)
    public, withheld = split_secrets({name: WORD})
    assert (public, withheld) == ({}, [name])


@pytest.mark.parametrize("text", ["123456", "12345", "/no/path", "true"])
def test_a_password_may_look_like_anything(text):
    for name in ("DB_PASS", "PGPASSWORD", "DB_PASSWORD", "API_TOKEN", "OPENAI_API_KEY"):
        assert is_secret(name, text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("POSTGRES_PASSWORD_FILE", "/run/secrets/password"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/run/secrets/aws_credentials"),
        ("MLFLOW_MYSQL_SSL_KEY", "/certs/client-key.pem"),
        ("MLFLOW_S3_ENDPOINT_URL", "http://minio:9000"),
        ("PGPASSFILE", "/tmp/pgpass"),
        ("MLFLOW_CRYPTO_KEK_VERSION", "2"),
        ("OPENAI_MAX_TOKENS", "4096"),
        ("MLFLOW_SERVER_ENABLE_GRAPHQL_AUTH", "true"),
        ("MLFLOW_GATEWAY_RESOLVE_API_KEY_FROM_FILE", "false"),
        ("MLFLOW_SERVER_SECRETS_CACHE_TTL", "60"),
        ("MLFLOW_AUTH_CONFIG_PATH", "/etc/mlflow/auth.ini"),
        ("MLFLOW_AUTH_ADMIN_USERNAME", "admin"),
        ("DB_HOST", "postgres.internal.example.com"),
        ("DB_USER", "mlflow"),
        ("MLFLOW_LOGGING_LEVEL", "DEBUG"),
        ("MLFLOW_TRACE_ARCHIVAL_CONFIG", "/opt/MlFlow/Config2/archive-settings.yml"),
        ("MLFLOW_SERVER_CORS_ALLOWED_ORIGINS", "https://a.example.com,https://b.example.com"),
        ("AWS_DEFAULT_REGION", "eu-central-1"),
        ("OTEL_SERVICE_NAME", "mlflow-tracking-server-production-2"),
        ("NO_PROXY", "localhost,127.0.0.1,.svc,.cluster.local"),
        ("KEYCLOAK_REALM", "master"),
        ("PASSENGER_COUNT", "4"),
        ("MONKEY", "business"),
    ],
)
def test_names_and_values_of_no_secrets(name, text):
    assert not is_secret(name, text)
    assert split_secrets({name: text}) == ({name: text}, [])


@pytest.mark.parametrize(
    "text",
    [
        "sk-" + "a1" * 10, "ghp_" + "Ab3" * 12, "xoxb-1234567890-abcdef", "AKIA" + "ABCD1234" * 2, "hf_" + "aD1" * 9,
        "glpat-" + "abcdefgh12", "eyJhbGciOiJ9.eyJzdWIiOiJ9.c2lnbmF0dXJl", "-----BEGIN PRIVATE KEY-----\nMII",
        "authorization=Bearer abcdefghij", "Basic dXNlcjpwYXNz", "host=db password=hunter2", '{"api_key": "hunter2"}',
        "DefaultEndpointsProtocol=https;AccountKey=abc==", "0123456789abcdef" * 2, "aB3dE5gH7jK9mN1pQ3sT5vX7z",
        "x-api-key=hunter2",
    ],
)  # fmt: skip
def test_values_that_look_like_secrets(text):
    assert is_secret("SHOP_SETTING", text)


def test_fingerprints_tell_values_apart_and_depend_on_the_name():
    assert fingerprint("A", WORD) == fingerprint("A", WORD)
    assert len({fingerprint("A", WORD), fingerprint("B", WORD), fingerprint("A", "hunter3")}) == 3
    assert WORD not in fingerprint("A", WORD)
