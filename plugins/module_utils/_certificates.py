# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""What is wrong with the text of a file that is to hold certificates or a key: the end of a sentence, or nothing."""

from __future__ import annotations

import re
import ssl

KEY = re.compile(r"-----BEGIN ([A-Z]+ )?PRIVATE KEY-----")


def certificate_fault(text: str) -> str:
    if "PRIVATE KEY-----" in text:
        return "which holds a private key: give the certificates only."
    if "-----BEGIN CERTIFICATE-----" not in text:
        return "which holds no certificate in PEM format (-----BEGIN CERTIFICATE-----): give one that does."
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or str(error)
        return f"in which a certificate cannot be read ({reason}): give the file as the authority made it."
    return ""


def key_fault(text: str) -> str:
    if "-----BEGIN ENCRYPTED PRIVATE KEY-----" in text or "Proc-Type: 4,ENCRYPTED" in text:
        return "whose key has a passphrase, which nobody could type in: give the key without one."
    if not KEY.search(text):
        return "which holds no private key in PEM format (-----BEGIN PRIVATE KEY-----): give one that does."
    return ""
