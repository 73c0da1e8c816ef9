# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""Which environment variables carry a secret, by their names and by what their values look like.

Both rules rather hide too much than too little. What they miss is not shown either, unless it is a variable of MLflow's
own: a state file keeps a fingerprint of all others.
"""

from __future__ import annotations

import hashlib
import re

from ansible_collections.mlops.mlflow.plugins.module_utils._uris import has_password

# Whatever the value is.
SURE_NAME = re.compile(
    r"(^|_)(PASS|PWD|PASSWORD|PASSWD|PASSPHRASE|TOKEN|SECRET|API_KEY|ACCESS_KEY|SECRET_KEY|ACCOUNT_KEY|SAS_TOKEN)$"
    r"|SECRET_ACCESS_KEY|ACCESS_KEY_ID|SECRET_ENCRYPTION_KEY|CONNECTION_STRING|^PGPASSWORD$|CLIENT_SECRET"
)
# Unless the value is a path, a number or a switch.
LIKELY_NAME = re.compile(
    r"(^|_)(PASS|PW|PWD|PASSCODE|SECRETS?|TOKENS?|KEYS?|APIKEY|CREDENTIALS?|CREDS?|DSN|SALT|SIGNATURE|SAS"
    r"|COOKIE|JWT|PAT|BEARER|AUTH|AUTHORIZATION|PRIVATE)\d*(_|$)"
    r"|PASSWORD|PASSWD|PASSPHRASE|SECRET|API_?KEY|ACCESS_?KEY|CREDENTIAL|CONN(ECTION)?_?STR(ING)?"
)
# ... or the name says where the secret is, or something about it.
ABOUT_NAME = re.compile(
    r"(FILE|PATH|DIR|FOLDER|NAME|USERNAME|URL|URI|ENDPOINT|HOST|PORT|TTL|SIZE|COUNT|LIMIT|ENABLED|VERSION|SCOPE|TYPE|MODE"
    r"|TIMEOUT|INTERVAL|SECONDS|HEADER|ALGORITHM|FROM_ENV|FAIL_CLOSED|MAX|MIN)$"
    r"|(^|_)(MAX|MIN|NUM|ENABLE|DISABLE|USE|ALLOW|RESOLVE)_"
)
STORE_NAME = re.compile(r"(STORE_URI|TRACKING_URI|REGISTRY_URI|ARTIFACT_ROOT|ARTIFACTS_DESTINATION)$")
HARMLESS = re.compile(r"(?i)(/[\w.@+-]+)+/?|[+-]?\d{1,5}(\.\d+)?|true|false|yes|no|on|off|none")
# What providers begin their keys with, PEM, JSON web tokens, and words that announce a secret inside of a value.
SHAPE = re.compile(
    r"-----BEGIN |^(sk-|sk_|rk_|pk_live_|gh[pousr]_|github_pat_|glpat-|xox[abeoprs]-|xapp-|hf_|AKIA|ASIA"
    r"|AIza|ya29\.|npm_|pypi-|dapi"
    r"|dop_v1_|SG\.|hvs\.|lin_api_|nvapi-|r8_|shpat_)[\w.-]{8,}"
    r"|^eyJ[\w-]+\.[\w-]+\.[\w-]*$"
    r"|(?i:\b(bearer|basic)\s+[\w+/=.~-]{8,})"
    r"|(?i:\b(authorization|api[-_ ]?key|x-[\w-]*(key|token)|token|password|passwd|pwd|secret"
    r"|accountkey|sharedaccess\w*)"
    r"\"?'?\s*[=:]\s*[^\s=:])"
)
# One word that nobody has written by hand: hexadecimal, or capitals, small letters and digits all mixed.
HEXADECIMAL = re.compile(r"[0-9a-f]{32,}|[0-9A-F]{32,}")
MIXED = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*\d)[\w+/=~-]{24,}")


def is_secret(name: str, value: str) -> bool:
    """Whether a variable is one that must not be seen."""
    name = name.upper()
    if SURE_NAME.search(name):
        return True
    if SHAPE.search(value) or HEXADECIMAL.fullmatch(value) or (MIXED.fullmatch(value) and not value.startswith("/")):
        return True
    if LIKELY_NAME.search(name) and not ABOUT_NAME.search(name):
        return not HARMLESS.fullmatch(value.strip())
    return False


def carries_secret(name: str, value: str) -> bool:
    """The same, for variables that may hold a URI with a password too. The URIs of stores have rules of their own."""
    return is_secret(name, value) or ("://" in value and has_password(value) and not STORE_NAME.search(name.upper()))


def fingerprint(name: str, value: str) -> str:
    """Tells one value from another without keeping it. Slow on purpose, as a password can be guessed."""
    return hashlib.pbkdf2_hmac(
        "sha256", value.encode("utf-8", "replace"), f"mlops.mlflow {name}".encode(), 100_000
    ).hex()[:16]
