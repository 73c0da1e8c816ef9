# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""An S3 store that the collection did not deploy: what is given for it, and what is wrong with it, in sentences."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.mlops.mlflow.plugins.module_utils._certificates import certificate_fault
from ansible_collections.mlops.mlflow.plugins.module_utils._finding_codes import current, with_code

# What only an external store has, with the value that means that it is not given.
EXTERNAL_ONLY = {
    "endpoint_url": "",
    "secret_key": "",
    "session_token": "",
    "instance_role_enabled": False,
    "ca_file": "",
    "prefix": "",
    "addressing_style": "auto",
}
ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
PREFIX = re.compile(r"[A-Za-z0-9!_.*'()=@,:+-]+(/[A-Za-z0-9!_.*'()=@,:+-]+)*")
# The rights by what the guard does when it fails.
RIGHTS = {
    "listing": "s3:ListBucket on the bucket",
    "reading": "s3:GetObject on its objects",
    "writing": "s3:PutObject on its objects",
    "a multipart upload": "s3:PutObject and s3:AbortMultipartUpload on its objects",
    "deleting": "s3:DeleteObject on its objects",
}


def problems(kind: str, given: dict[str, Any]) -> list[str]:
    """What cannot be right, each by variable. `given` has the options without their prefix."""
    if kind != "external":
        return [
            f"object_store_{name} is set, but object_store is {kind}: set object_store to external to use it, or leave "
            f"object_store_{name} out; MinIO and SeaweedFS are set up by themselves."
            for name, nothing in EXTERNAL_ONLY.items()
            if given[name] != nothing
        ]
    return [*key_problems(given), *place_problems(given)]


def key_problems(given: dict[str, Any]) -> list[str]:
    keys = [name for name in ("access_key", "secret_key", "session_token") if given[name]]
    if given["instance_role_enabled"]:
        return [
            f"object_store_instance_role_enabled is true, but object_store_{name} is given too: leave one of them out."
            for name in keys[:1]
        ]
    missing = [name for name in ("access_key", "secret_key") if not given[name]]
    if missing:
        return [
            f"object_store is external, but object_store_{' and object_store_'.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} empty: give the key with which the servers open the bucket "
            f"{given['bucket']}, or set object_store_instance_role_enabled to true where the machine or the pod has "
            "one by itself."
        ]
    return [
        f"object_store_{name} has a blank or a line break: give it as the store gave it to you."
        for name in keys
        if re.search(r"\s", str(given[name]))
    ]


def place_problems(given: dict[str, Any]) -> list[str]:
    found = []
    prefix, url = str(given["prefix"]), urlsplit(str(given["endpoint_url"]))
    if prefix and (not PREFIX.fullmatch(prefix) or {".", ".."} & set(prefix.split("/"))):
        found.append(
            f"object_store_prefix is '{prefix}': give folders of letters, digits and -_.!*'()=@,:+ with single slashes "
            "between them and none at the ends, such as team/mlflow."
        )
    if ".mlflow-guard" in prefix.split("/"):
        found.append(f"object_store_prefix is '{prefix}', but .mlflow-guard is the guard's own folder: choose another.")
    if given["addressing_style"] == "virtual" and ADDRESS.fullmatch(url.hostname or ""):
        found.append(
            f"object_store_addressing_style is virtual, but object_store_endpoint_url has the address {url.hostname}, "
            f"before which no bucket's name can stand: give a host name, or path."
        )
    if given["ca_file"] and url.scheme == "http":
        found.append(
            f"object_store_ca_file is set, but object_store_endpoint_url is {url.geturl()}, without TLS: write https, "
            "or leave object_store_ca_file out."
        )
    return found


def certificate_problem(path: str, text: str) -> str:
    """Why the text of a file is not a list of certificates; empty where it is one."""
    fault = certificate_fault(text)
    return f"object_store_ca_file is '{path}', {fault}" if fault else ""


def sentence(finding: dict[str, Any], given: dict[str, Any]) -> str:
    code, found = current(str(finding.get("code", ""))), str(finding.get("found", ""))
    if code in KNOWN:
        variable, remedy = KNOWN[code](found, given)
    elif code in PLAIN:
        variable, remedy = PLAIN[code]
    else:
        return with_code(str(finding.get("message", found)), code)
    return with_code(f"{variable}: {found}; {remedy}.", code)


PLAIN = {
    "store-region": ("object_store_region", "give the region of the bucket"),
    "store-bucket-missing": ("object_store_bucket", "create the bucket or correct its name"),
    "store-clock": (
        "object_store_endpoint_url",
        "the clocks of this host and of the store differ by more than the store allows: set them (NTP)",
    ),
    "store-not-s3": ("object_store_endpoint_url", "give the address of the store's S3 interface, not of its console"),
    "store-unavailable": ("object_store_endpoint_url", "see the log of the store, or of the proxy before it"),
    "store-checksum": (
        "mlflow_server_environment",
        "set AWS_REQUEST_CHECKSUM_CALCULATION in it to when_supported where the store asks for checksums, as buckets "
        "with an object lock do, else to when_required",
    ),
}


def about_tls(found: str, given: dict[str, Any]) -> tuple[str, str]:
    lowered = found.lower()
    if "mismatch" in lowered or "doesn't match" in lowered or "not valid for" in lowered:
        return "object_store_endpoint_url", "give a name that the store's certificate has"
    if "expired" in lowered or "not yet valid" in lowered:
        return "object_store_endpoint_url", "renew the store's certificate, or set the clock"
    if "certificate_verify_failed" in lowered or "certificate verify failed" in lowered:
        file = f"'{given['ca_file']}' does not have" if given.get("ca_file") else "is empty: give a file that has"
        return "object_store_ca_file", f"{file} the certificate of the authority that signed the store's"
    return "object_store_endpoint_url", "write http:// if the store speaks no TLS there, or correct the port"


def about_keys(found: str, given: dict[str, Any]) -> tuple[str, str]:
    if re.search("Token", found):
        return "object_store_session_token", "get new temporary credentials and give all three values of them"
    if "SignatureDoesNotMatch" in found:
        return (
            "object_store_secret_key",
            "correct it; if it is right, a proxy before the store changes the Host header or the path, and must not",
        )
    if "InvalidAccessKeyId" in found and given.get("session_token"):
        return "object_store_access_key", "correct it, or get new temporary credentials if their time is over"
    return "object_store_access_key", "give the key as the store has it"


def about_rights(found: str, given: dict[str, Any]) -> tuple[str, str]:
    right = next((right for what, right in RIGHTS.items() if found.startswith(what)), "access to the bucket")
    who = "object_store_instance_role_enabled" if given.get("instance_role_enabled") else "object_store_access_key"
    below = f", below {given['prefix']}/" if given.get("prefix") else ""
    return who, f"allow {right}{below}"


def about_no_key(found: str, given: dict[str, Any]) -> tuple[str, str]:
    if given.get("instance_role_enabled"):
        return (
            "object_store_instance_role_enabled",
            "give the machine or the pod a role, let containers reach the service that hands out its key (on EC2 a hop "
            "limit of 2), or give object_store_access_key and object_store_secret_key",
        )
    return "object_store_access_key", "give object_store_access_key and object_store_secret_key"


def about_address(found: str, given: dict[str, Any]) -> tuple[str, str]:
    if not given.get("endpoint_url"):
        return "object_store_region", "correct it, or let the host reach AWS"
    also = ""
    if given.get("addressing_style") == "virtual":
        also = f", under the name {given['bucket']}.{urlsplit(str(given['endpoint_url'])).hostname}"
    return "object_store_endpoint_url", f"correct it, and see that the store runs and that containers reach it{also}"


KNOWN = {
    "store-tls": about_tls,
    "store-signature": about_keys,
    "store-denied": about_rights,
    "store-credentials-missing": about_no_key,
    "store-unreachable": about_address,
}


def input_problems(given: dict[str, Any], kind: str, certificates: str = "") -> list[str]:
    """All that cannot be right; the file of certificates is looked at when everything else is."""
    found = problems(kind, given)
    if given["ca_file"] and not found:
        found = [certificate_problem(given["ca_file"], certificates)]
    return [sentence for sentence in found if sentence]
