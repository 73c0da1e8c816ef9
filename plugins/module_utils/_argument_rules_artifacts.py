# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""Rules on artifacts: where they go, who writes them, and the object store behind."""

from __future__ import annotations

import json
import re
from urllib.parse import urlsplit

from ansible_collections.mlops.mlflow.plugins.module_utils._argument_findings import Finding, make_finding
from ansible_collections.mlops.mlflow.plugins.module_utils._argument_rules_shared import (
    ENDPOINTS,
    in_paths,
    is_host,
    is_loopback,
    workspaces_enabled,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._arguments import Resolved, closest, show
from ansible_collections.mlops.mlflow.plugins.module_utils._catalogue import Catalogue
from ansible_collections.mlops.mlflow.plugins.module_utils._uris import has_password, uri_scheme

BUCKET_SCHEMES = frozenset(("s3", "gs", "r2", "b2", "oss"))
# For MLflow's own bookkeeping; never places where artifacts are kept.
INTERNAL_SCHEMES = frozenset(("runs", "models"))


def local_path(text: str) -> str | None:
    """The path of a local location (/x, x, file:/x, file:///x); None if it is a URI of anything else."""
    scheme = uri_scheme(text)
    if not scheme:
        return text
    if scheme.lower() == "file":
        path = text[len("file:") :]
        return re.sub(r"^//(localhost|\.)?(?=/)", "", path)
    return None


def check_artifacts(resolved: Resolved, catalogue: Catalogue) -> list[Finding]:
    """All rules of this file."""
    findings: list[Finding] = []
    serve = resolved.value("serve_artifacts") is not False
    root = resolved.value("default_artifact_root")
    root_given = resolved.given("default_artifact_root")
    destination = resolved.value("artifacts_destination")
    destination_given = resolved.given("artifacts_destination")
    containers = resolved.request.platform != "host"
    direct_root = bool(root) and uri_scheme(root).lower() not in ("mlflow-artifacts",)

    if resolved.value("artifacts_only"):
        findings += check_artifacts_only(resolved)
    if root is not None:
        findings += check_root(resolved, root, serve)
    if destination is not None and destination_given:
        findings += check_destination(resolved, destination, serve)
    root_refused = root_given and root is None
    if serve and not destination_given and not direct_root and not root_refused:
        code = "artifacts-destination-missing" if containers else "local-default-store"
        found = "artifacts are proxied into ./mlartifacts of the working directory"
        findings.append(make_finding(code, "artifacts_destination", found))
    if not serve:
        label = resolved.label("serve_artifacts")
        if not root_given and not resolved.value("artifacts_only"):
            findings.append(
                make_finding(
                    "artifacts-not-served", label, "artifacts are not proxied and no default_artifact_root is set"
                )
            )
        if destination_given:
            findings.append(
                make_finding(
                    "artifacts-destination-ignored",
                    resolved.label("artifacts_destination"),
                    "artifacts are not proxied, so the destination is unused",
                )
            )
    if serve and direct_root and root is not None and local_path(root) is None:
        label = resolved.label("default_artifact_root")
        if destination_given and destination is not None and destination.rstrip("/") != root.rstrip("/"):
            findings.append(
                make_finding(
                    "artifact-root-and-destination", label, "root and artifacts_destination name different places"
                )
            )
        else:
            findings.append(
                make_finding("artifact-proxy-open", label, "clients store directly, but serve_artifacts is on")
            )
    places = [text for text in (root, destination if destination_given else None) if text]
    findings += check_object_store(resolved, places, catalogue.upload_arguments)
    return findings


def check_artifacts_only(resolved: Resolved) -> list[Finding]:
    findings = []
    for name in ("backend_store_uri", "registry_store_uri", "read_replica_backend_store_uri", "trace_archival_config"):
        if resolved.given(name):
            findings.append(
                make_finding(
                    "artifacts-only-conflict",
                    resolved.label(name),
                    "an artifacts-only server takes no such option",
                    "remove it, or remove artifacts_only",
                )
            )
    if resolved.value("serve_artifacts") is False:
        findings.append(
            make_finding(
                "artifacts-only-conflict",
                resolved.label("serve_artifacts"),
                "an artifacts-only server that serves none",
            )
        )
    if workspaces_enabled(resolved) and not resolved.value("workspace_store_uri"):
        findings.append(
            make_finding(
                "artifacts-only-conflict",
                "workspace_store_uri",
                "an artifacts-only server with workspaces has no workspace store",
                "set workspace_store_uri",
            )
        )
    return findings


def check_root(resolved: Resolved, root: str, serve: bool) -> list[Finding]:
    label = resolved.label("default_artifact_root")
    findings = (
        [make_finding("secret-in-argument", label, f"{show(root)} carries a password")] if has_password(root) else []
    )
    path = local_path(root)
    if path is not None and path.startswith("//"):
        return [*findings, make_finding("artifact-uri-malformed", label, f"{show(root)} is a file of another host")]
    if path is not None:
        if not path.startswith("/"):
            return findings + [
                make_finding("artifact-path-relative", label, f"{show(root)} is relative to the working directory")
            ]
        if in_paths(path, resolved.request.shared_paths):
            return findings + [
                make_finding("artifact-root-shared-path", label, f"clients write to {show(path)} themselves")
            ]
        return findings + [make_finding("artifact-root-local", label, f"{show(root)} is a path of the server")]
    scheme = uri_scheme(root)
    if scheme == "mlflow-artifacts":
        if not serve:
            return findings + [
                make_finding("artifacts-not-served", label, f"{show(root)} is proxied, and serve_artifacts is off")
            ]
        if urlsplit(root).netloc:
            findings.append(make_finding("artifact-root-host", label, f"{show(root)} holds the address of a server"))
        return findings
    if scheme in ("http", "https"):
        if not urlsplit(root).hostname:
            return findings + [make_finding("artifact-uri-malformed", label, f"{show(root)} names no host")]
        return findings + [make_finding("artifact-root-host", label, f"{show(root)} holds the address of a server")]
    return findings + check_location(resolved, label, root, scheme)


def check_destination(resolved: Resolved, destination: str, serve: bool) -> list[Finding]:
    label = resolved.label("artifacts_destination")
    findings = (
        [make_finding("secret-in-argument", label, f"{show(destination)} carries a password")]
        if has_password(destination)
        else []
    )
    path = local_path(destination)
    if path is not None and path.startswith("//"):
        return [
            *findings,
            make_finding("artifact-uri-malformed", label, f"{show(destination)} is a file of another host"),
        ]
    if path is not None:
        if not path.startswith("/"):
            code = (
                "artifact-path-relative"
                if resolved.request.platform != "host" or resolved.request.replicas > 1
                else "local-default-store"
            )
            return findings + [make_finding(code, label, f"{show(destination)} is relative to the working directory")]
        if not serve or in_paths(path, resolved.request.shared_paths):
            return findings
        code = "artifact-path-not-shared" if resolved.request.replicas > 1 else "artifact-path-not-mounted"
        return findings + [make_finding(code, label, f"{show(path)} is on no path of shared_paths")]
    scheme = uri_scheme(destination)
    if scheme.lower() in ("mlflow-artifacts", "http", "https"):
        return findings + [
            make_finding(
                "artifact-scheme-unsupported",
                label,
                f"{show(destination)} is a server, not a place",
                "name the object store or path behind the proxy",
            )
        ]
    return findings + check_location(resolved, label, destination, scheme)


def check_location(resolved: Resolved, label: str, text: str, scheme: str) -> list[Finding]:
    """A remote place: its scheme, its bucket, and nothing behind the path."""
    schemes = resolved.release.artifact_schemes - INTERNAL_SCHEMES - {"", "http", "https"}
    if scheme not in schemes:
        known = ", ".join(sorted(schemes - {"file", "mlflow-artifacts"}))
        remedy = f"write it in lower case: {scheme.lower()}" if scheme.lower() in schemes else f"use one of: {known}"
        return [
            make_finding(
                "artifact-scheme-unsupported",
                label,
                f"MLflow {resolved.release.version} has no artifact repository for '{scheme}'",
                remedy,
            )
        ]
    rest = text[len(scheme) + 1 :]
    if not rest.startswith("//"):
        if scheme in ("hdfs", "viewfs", "dbfs"):
            return []
        return [
            make_finding(
                "artifact-uri-malformed",
                label,
                f"{show(text)} has {'one slash' if rest.startswith('/') else 'no slashes'} after the scheme",
                f"write {scheme}://bucket/path",
            )
        ]
    findings = []
    if "?" in text or "#" in text:
        findings.append(make_finding("artifact-uri-query", label, f"{show(text)} has a query or fragment"))
    if re.search(r"/\.\.?(/|$)", rest):
        findings.append(make_finding("artifact-uri-malformed", label, f"{show(text)} has a path with dots for folders"))
    netloc = re.split(r"[/?#]", rest[2:], maxsplit=1)[0]
    if scheme in ("hdfs", "viewfs", "dbfs"):
        return findings
    if not netloc:
        return findings + [
            make_finding(
                "artifact-uri-malformed",
                label,
                f"{show(text)} names no {'bucket' if scheme in BUCKET_SCHEMES else 'host'}",
            )
        ]
    if scheme in BUCKET_SCHEMES:
        findings += check_bucket(label, scheme, netloc)
    elif scheme in ("wasb", "wasbs", "abfss"):
        container, at, account = netloc.partition("@")
        if not at or not container or "." not in account:
            findings.append(
                make_finding(
                    "artifact-uri-malformed",
                    label,
                    f"{show(text)} names no container and account",
                    f"write {scheme}://<container>@<account>.blob.core.windows.net/path".replace("<", "").replace(
                        ">", ""
                    ),
                )
            )
    elif not is_host((urlsplit(text).hostname or "").strip()):
        findings.append(make_finding("artifact-uri-malformed", label, f"{show(text)} names no host"))
    return findings


def check_bucket(label: str, scheme: str, bucket: str) -> list[Finding]:
    if scheme == "s3" and bucket.startswith("arn:"):
        return []
    if scheme in ("r2", "b2") and "@" in bucket:
        bucket = bucket.split("@", 1)[0]
    plain = bucket.replace("_", "-")
    wrong = (
        not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,220}[a-z0-9]", plain)
        or (scheme == "s3" and len(bucket) > 63)
        or ".." in bucket
        or re.fullmatch(r"\d+\.\d+\.\d+\.\d+", bucket)
    )
    if wrong:
        return [make_finding("artifact-bucket-invalid", label, f"{show(bucket)} is not a name of a bucket")]
    if "_" in bucket and scheme == "s3":
        return [make_finding("artifact-bucket-underscore", label, f"{show(bucket)} holds an underscore")]
    return []


def check_object_store(resolved: Resolved, places: list[str], upload_arguments: frozenset) -> list[Finding]:
    """What the environment says of the object store."""
    findings = []
    environment = resolved.environment
    for name in ENDPOINTS:
        text = environment.get(name)
        if text is None:
            continue
        findings += check_endpoint(resolved, name, text, places)
    findings += check_endpoint_names(environment, places)
    findings += check_upload_arguments(environment.get("MLFLOW_S3_UPLOAD_EXTRA_ARGS"), upload_arguments)
    owner = environment.get("MLFLOW_S3_EXPECTED_BUCKET_OWNER")
    if owner and not re.fullmatch(r"\d{12}", owner):
        findings.append(
            make_finding(
                "environment-value-invalid",
                "MLFLOW_S3_EXPECTED_BUCKET_OWNER",
                f"{show(owner)} is not an account of twelve digits",
                "give the account's number",
            )
        )
    findings += check_aws(environment, places)
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        if re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d[a-f]", environment.get(name, "")):
            found = f"{show(environment[name])} is a zone of a region"
            findings.append(make_finding("environment-value-invalid", name, found, f"write {environment[name][:-1]}"))
    findings += check_azure(environment, places)
    if environment.get("AWS_CA_BUNDLE"):
        if resolved.switch("MLFLOW_S3_IGNORE_TLS"):
            findings.append(make_finding("s3-tls-contradiction", "MLFLOW_S3_IGNORE_TLS", "AWS_CA_BUNDLE is set too"))
        elif not environment.get("REQUESTS_CA_BUNDLE"):
            findings.append(make_finding("s3-ca-bundle-partial", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE is not set"))
    key, secret = resolved.has_variable("AWS_ACCESS_KEY_ID"), resolved.has_variable("AWS_SECRET_ACCESS_KEY")
    if key != secret and any(uri_scheme(place) == "s3" for place in places):
        there, missing = (
            ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY") if key else ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID")
        )
        findings.append(make_finding("aws-credentials-partial", there, f"{missing} is missing"))
    return findings


def check_upload_arguments(text: str | None, known: frozenset) -> list[Finding]:
    """What boto3 is to be given with each upload: it refuses a name that it does not know."""
    name = "MLFLOW_S3_UPLOAD_EXTRA_ARGS"
    if not text:
        return []
    try:
        arguments = json.loads(text)
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        return [make_finding("environment-value-invalid", name, "the value is no JSON object", "write a JSON object")]
    findings = []
    for argument, value in arguments.items():
        if argument not in known:
            nearest = closest(argument, known, 0.5)
            found = f"boto3 takes no {show(argument)} with an upload"
            remedy = f"did you mean {nearest}?" if nearest else "remove it"
            findings.append(make_finding("environment-value-invalid", name, found, remedy))
        elif not isinstance(value, dict if argument == "Metadata" else str):
            found = f"{argument} is no {'object' if argument == 'Metadata' else 'text'}"
            findings.append(make_finding("environment-value-invalid", name, found, "put the value in quotes"))
    encryption = arguments.get("ServerSideEncryption")
    if isinstance(encryption, str) and encryption not in ("AES256", "aws:kms", "aws:kms:dsse", "aws:fsx"):
        found = f"{show(encryption)} is no ServerSideEncryption"
        findings.append(make_finding("environment-value-invalid", name, found, "write AES256 or aws:kms"))
    if "SSEKMSKeyId" in arguments and encryption not in ("aws:kms", "aws:kms:dsse"):
        found = "SSEKMSKeyId needs ServerSideEncryption aws:kms"
        findings.append(make_finding("environment-value-invalid", name, found, "add ServerSideEncryption"))
    return findings


def check_aws(environment: dict[str, str], places: list[str]) -> list[Finding]:
    """boto3's variables that are there and empty, and proxies between the servers and a store beside them."""
    if not any(uri_scheme(place) == "s3" for place in places):
        return []
    findings = []
    endpoint = next((environment[name] for name in ENDPOINTS if environment.get(name)), "")
    region = environment.get("AWS_DEFAULT_REGION")
    if region is not None and not re.fullmatch(r"[A-Za-z0-9-]+", region) and (region or not endpoint):
        found = (
            f"{show(region)} is not a region" if region else "the variable is empty, and boto3 makes an address of it"
        )
        findings.append(make_finding("environment-value-invalid", "AWS_DEFAULT_REGION", found, "name a region"))
    if environment.get("AWS_PROFILE") == "":
        found = "the variable is empty, and boto3 looks for a profile of that name"
        findings.append(make_finding("environment-value-invalid", "AWS_PROFILE", found, "remove the variable"))
    scheme, host = urlsplit(endpoint).scheme.upper(), urlsplit(endpoint).hostname or ""
    proxy = next((name for name in (f"{scheme}_PROXY", f"{scheme.lower()}_proxy") if environment.get(name)), None)
    beside = host and ("." not in host or host.endswith((".svc", ".cluster.local", ".internal", ".local")))
    if proxy and beside:
        listed = environment.get("NO_PROXY", environment.get("no_proxy", "")).split(",")
        # Python compares the end of a host's name with each entry.
        if "*" not in listed and not any(entry.strip() and host.endswith(entry.strip()) for entry in listed):
            found = f"requests to the store at {show(host)} go through the proxy, since NO_PROXY does not name it"
            findings.append(make_finding("endpoint-behind-proxy", proxy, found, f"add {host} to NO_PROXY"))
    return findings


def check_azure(environment: dict[str, str], places: list[str]) -> list[Finding]:
    """Azure's variables count by being there: an empty connection string hides the key beside it."""
    findings = []
    if not any(uri_scheme(place) in ("wasb", "wasbs", "abfss") for place in places):
        return findings
    for name in ("AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_ACCESS_KEY"):
        if name in environment and not environment[name].strip():
            found = "the variable is empty, and MLflow uses it because it is there"
            findings.append(make_finding("environment-value-invalid", name, found, "remove the variable"))
    return findings


# Names that people give to the endpoint, and that neither MLflow nor boto3 reads.
ENDPOINT_MISNOMERS = (
    "AWS_S3_ENDPOINT_URL",
    "AWS_S3_ENDPOINT",
    "AWS_ENDPOINT",
    "S3_ENDPOINT_URL",
    "S3_ENDPOINT",
    "MINIO_ENDPOINT",
)


def check_endpoint_names(environment: dict[str, str], places: list[str]) -> list[Finding]:
    """Endpoints by other names, and two that differ."""
    if not any(uri_scheme(place) == "s3" for place in places):
        return []
    given = [name for name in ENDPOINTS if environment.get(name)]
    different = [name for name in given[1:] if environment[name].rstrip("/") != environment[given[0]].rstrip("/")]
    if different and given[0] == "MLFLOW_S3_ENDPOINT_URL":
        found = f"{given[0]} has another value, which wins"
        return [make_finding("environment-overridden", different[0], found)]
    if given:
        return []
    wrong = [name for name in ENDPOINT_MISNOMERS if environment.get(name)]
    found = "neither MLflow nor boto3 reads it, so artifacts go to AWS"
    return [make_finding("environment-unknown", name, found, "write MLFLOW_S3_ENDPOINT_URL") for name in wrong[:1]]


# Stores that have a host for each bucket.
PROVIDERS = re.compile(
    r"^s3[.-]|(amazonaws|digitaloceanspaces|googleapis|cloudflarestorage|wasabisys|backblazeb2|linodeobjects|aliyuncs)\.com"
)


def check_endpoint(resolved: Resolved, name: str, text: str, places: list[str]) -> list[Finding]:
    """The address of the object store; it may have a path, but no bucket: that is in the artifact's URI."""
    try:
        parts = urlsplit(text)
        host = parts.hostname
        port = parts.port
    except ValueError:
        return [make_finding("endpoint-url-invalid", name, f"{show(text)} is no URL")]
    if parts.scheme not in ("http", "https") or not host or not is_host(host) or parts.query or parts.fragment:
        return [make_finding("endpoint-url-invalid", name, f"{show(text)} is not an http(s) URL of a host")]
    if parts.username is not None:
        return [
            make_finding(
                "endpoint-url-invalid", name, f"{show(text)} carries a user", "deliver keys in a credentials file"
            )
        ]
    if "_" in host:
        found = f"boto3 takes no host with an underscore, such as {show(host)}"
        return [make_finding("endpoint-url-invalid", name, found, "give the service a name with hyphens")]
    buckets = [place[len("s3://") :].split("/", 1)[0] for place in places if place.startswith("s3://")]
    bucket = next((bucket for bucket in buckets if bucket and host.startswith(f"{bucket}.")), None)
    if bucket and PROVIDERS.search(host[len(bucket) + 1 :]):
        found = f"{show(text)} names the bucket as well, and it would be named twice"
        return [make_finding("endpoint-url-invalid", name, found, f"write {text.replace(f'{bucket}.', '', 1)}")]
    if any(parts.path.rstrip("/") == f"/{bucket}" for bucket in buckets):
        found = f"{show(text)} ends with the bucket, which would be named twice"
        return [make_finding("endpoint-url-invalid", name, found, "leave the bucket out")]
    if port == 9001:
        return [make_finding("endpoint-console", name, f"port 9001 of {show(host)} is most probably MinIO's console")]
    if is_loopback(host) and resolved.request.platform != "host":
        return [make_finding("endpoint-loopback", name, f"the object store is expected at {show(host)}")]
    return []
