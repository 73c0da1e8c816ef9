# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""The artifact store as the server sees it: S3 by boto3 with the server's identity, or a directory.

A probe writes only below `.mlflow-guard/` in the destination and takes away what it wrote, also when it fails.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import threading
import time
import urllib.parse
import uuid
from contextlib import contextmanager
from pathlib import Path

from mlflow_guard.answer import Problem, finding
from mlflow_guard.config import Artifacts

FOLDER = ".mlflow-guard"
MARKER = f"{FOLDER}/marker.json"
PART = 5 * 1024 * 1024
REST = 1024
# A probe that was killed leaves objects behind; the next one removes them when they are older than this.
STALE_SECONDS = 3600
FILE_SECONDS = 10
FREE_BYTES = 1024**3
S3_CODES = {
    "NoSuchBucket": "store-bucket-missing",
    "InvalidBucketName": "store-bucket-missing",
    "AccessDenied": "store-denied",
    "AllAccessDisabled": "store-denied",
    "AccountProblem": "store-denied",
    "403": "store-denied",
    "InvalidAccessKeyId": "store-signature",
    "SignatureDoesNotMatch": "store-signature",
    "AuthorizationHeaderMalformed": "store-signature",
    "InvalidToken": "store-signature",
    "InvalidTokenId": "store-signature",
    "ExpiredToken": "store-signature",
    "RequestTimeTooSkewed": "store-clock",
    "RequestExpired": "store-clock",
    "PermanentRedirect": "store-region",
    "TemporaryRedirect": "store-region",
    "IllegalLocationConstraintException": "store-region",
    "301": "store-region",
    "307": "store-region",
    "XAmzContentSHA256Mismatch": "store-checksum",
    "XAmzContentChecksumMismatch": "store-checksum",
    "MissingContentLength": "store-checksum",
    "InvalidDigest": "store-checksum",
    "BadDigest": "store-checksum",
    "NotImplemented": "store-checksum",
    "InternalError": "store-unavailable",
    "ServiceUnavailable": "store-unavailable",
    "SlowDown": "store-unavailable",
    "500": "store-unavailable",
    "502": "store-unavailable",
    "503": "store-unavailable",
    "504": "store-unavailable",
}


def open_destination(artifacts: Artifacts):
    """The destination as an object that can be probed; None for a kind that the guard does not know."""
    scheme, colon, rest = artifacts.destination.partition(":")
    scheme = scheme.lower() if colon and "/" not in scheme else ""
    if scheme == "s3":
        return S3(artifacts)
    if scheme == "file" or artifacts.destination.startswith("/"):
        path = (
            urllib.parse.unquote(urllib.parse.urlsplit(artifacts.destination).path) if scheme else artifacts.destination
        )
        return Folder(artifacts, path)
    if scheme in ("http", "https", "mlflow-artifacts"):
        raise Problem(
            "artifact-scheme-unsupported",
            artifacts.argument,
            f"{artifacts.destination!r} is no place that a server can store in",
        )
    if not scheme or not rest.startswith("//"):
        raise Problem(
            "artifact-path-relative",
            artifacts.argument,
            f"{artifacts.destination!r} has no scheme and is no absolute path",
        )
    return None


def parse_marker(argument: str, where: str, content: bytes) -> dict:
    """The marker's content."""
    try:
        marker = json.loads(content)
        if isinstance(marker, dict) and isinstance(marker["identity"], str) and marker["identity"]:
            return marker
    except (ValueError, KeyError):
        pass
    raise Problem("destination-marker-unreadable", argument, f"{where} holds no identity")


class S3:
    """A bucket and a prefix."""

    connect_seconds: float = 3
    read_seconds: float = 15
    attempts = 2

    def __init__(self, artifacts: Artifacts) -> None:
        self.artifacts = artifacts
        parts = urllib.parse.urlsplit(artifacts.destination)
        self.bucket = parts.netloc
        self.prefix = parts.path.strip("/") + "/" if parts.path.strip("/") else ""
        self.argument = artifacts.argument
        if not self.bucket:
            raise Problem("store-bucket-missing", self.argument, f"{artifacts.destination!r} names no bucket")
        try:
            self.extra = json.loads(os.environ.get("MLFLOW_S3_UPLOAD_EXTRA_ARGS") or "{}")
        except ValueError:
            raise Problem("environment-value-invalid", "MLFLOW_S3_UPLOAD_EXTRA_ARGS", "it is not JSON") from None
        self._client = None

    @property
    def where(self) -> str:
        """For messages."""
        endpoint = f" at {self.artifacts.endpoint_url}" if self.artifacts.endpoint_url else ""
        return f"bucket {self.bucket!r}{endpoint}"

    @property
    def client(self):
        """A client made as MLflow makes its own, but with short time-outs and few retries."""
        if self._client is None:
            os.environ.setdefault("AWS_METADATA_SERVICE_TIMEOUT", "1")
            os.environ.setdefault("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "1")
            import boto3
            from botocore.config import Config

            signature: object = os.environ.get("MLFLOW_EXPERIMENTAL_S3_SIGNATURE_VERSION", "s3v4")
            if str(signature).lower() == "unsigned":
                from botocore import UNSIGNED

                signature = UNSIGNED
            ignore = os.environ.get("MLFLOW_S3_IGNORE_TLS", "").lower() in ("1", "true")
            config = Config(
                signature_version=signature,
                connect_timeout=self.connect_seconds,
                read_timeout=self.read_seconds,
                retries={"total_max_attempts": self.attempts},
                s3={"addressing_style": os.environ.get("MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE", "auto")},
            )
            self._client = boto3.client(
                "s3", endpoint_url=self.artifacts.endpoint_url or None, config=config, verify=False if ignore else None
            )
        return self._client

    def forget_credentials(self) -> None:
        """Read the key's file again with the next request: keys are exchanged while a server runs."""
        import boto3

        self._client = None
        boto3.setup_default_session()

    @contextmanager
    def step(self, what: str):
        """Name the reason when an operation fails."""
        try:
            yield
        except Problem:
            raise
        except Exception as error:
            # botocore is only imported when a client was asked for, so its exceptions are sorted out there.
            raise self.classify(error, what) from None

    def classify(self, error: Exception, what: str) -> Problem:
        """A botocore exception as a finding."""
        from botocore import exceptions as boto

        text = " ".join(str(error).split())[:300]
        argument = "artifacts.endpoint_url" if self.artifacts.endpoint_url else self.argument
        if isinstance(error, boto.ClientError):
            details = error.response.get("Error", {})
            status = str(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))
            name = str(details.get("Code", ""))
            code = S3_CODES.get(name) or S3_CODES.get(status, "store-broken")
            lowered = text.lower()
            if name == "AuthorizationHeaderMalformed" and "region" in lowered:
                code = "store-region"
            elif "checksum" in lowered or "content-sha256" in lowered or "content-md5" in lowered:
                code = "store-checksum"
            elif name in ("", status) and status in ("400", "404", "405", "415", "426", "500"):
                # An S3 store says why in XML. botocore makes a 500 of a good answer that is not XML.
                headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
                if "x-amz-request-id" not in headers and "xml" not in headers.get("content-type", ""):
                    code = "store-not-s3"
            if code == "store-bucket-missing":
                return Problem(code, self.argument, f"the {self.where} does not exist")
            return Problem(
                code,
                argument if code in ("store-not-s3", "store-unavailable") else self.argument,
                f"{what} in {self.where} fails: {name} {details.get('Message', '')}".strip(),
            )
        if isinstance(
            error,
            (
                boto.NoCredentialsError,
                boto.PartialCredentialsError,
                boto.ProfileNotFound,
                boto.ConfigParseError,
                boto.CredentialRetrievalError,
            ),
        ):
            file = os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "")
            return Problem(
                "store-credentials-missing", "AWS_SHARED_CREDENTIALS_FILE", f"{text}" + (f" ({file})" if file else "")
            )
        if isinstance(error, boto.SSLError):
            return Problem("store-tls", argument, f"{self.where}: {text}")
        if isinstance(error, (boto.FlexibleChecksumError, boto.ChecksumError)):
            return Problem("store-checksum", self.argument, f"{what} in {self.where} fails: {text}")
        if isinstance(
            error,
            (
                boto.EndpointConnectionError,
                boto.ConnectTimeoutError,
                boto.ReadTimeoutError,
                boto.ConnectionClosedError,
                boto.HTTPClientError,
                boto.ProxyConnectionError,
            ),
        ):
            return Problem("store-unreachable", argument, f"{self.where} cannot be reached: {text}")
        if type(error).__name__ in ("ResponseParserError", "ParserError") or isinstance(
            error, boto.UnknownSignatureVersionError
        ):
            return Problem("store-not-s3", argument, f"what answers at {self.artifacts.endpoint_url} is no S3 store")
        if isinstance(error, boto.ParamValidationError):
            return Problem("store-bucket-missing", self.argument, f"{self.bucket!r} is no name of a bucket")
        if isinstance(error, (boto.BotoCoreError, ValueError)):
            return Problem("configuration", argument, f"{what} in {self.where} fails: {text}")
        return Problem("store-broken", self.argument, f"{what} in {self.where} fails: {text}")

    def reachable(self) -> dict:
        """The bucket is there and may be listed; the answer's headers."""
        with self.step("listing"):
            answer = self.client.list_objects_v2(Bucket=self.bucket, MaxKeys=1, Prefix=self.prefix)
        if "Name" not in answer and "KeyCount" not in answer:
            raise Problem(
                "store-not-s3",
                "artifacts.endpoint_url",
                f"what answers at {self.artifacts.endpoint_url} is no S3 store",
            )
        return answer["ResponseMetadata"].get("HTTPHeaders", {})

    def in_its_region(self, headers: dict) -> None:
        """boto3 follows a bucket into its region, but not with what it signs for others."""
        there, here = headers.get("x-amz-bucket-region"), self.client.meta.region_name
        if there and there != here:
            raise Problem("store-region", self.argument, f"the {self.where} is in {there!r}, and {here!r} is given")

    def is_empty(self) -> bool:
        """Whether nothing but the guard's own is in the destination."""
        with self.step("listing"):
            answer = self.client.list_objects_v2(Bucket=self.bucket, MaxKeys=20, Prefix=self.prefix)
        return all(each["Key"].startswith(self.prefix + FOLDER) for each in answer.get("Contents", []))

    def read_marker(self) -> dict | None:
        """The marker; None where there is none."""
        from botocore.exceptions import ClientError

        with self.step("reading the marker"):
            try:
                body = self.client.get_object(Bucket=self.bucket, Key=self.prefix + MARKER)["Body"].read()
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") in ("NoSuchKey", "404", "NotFound"):
                    return None
                raise
        return parse_marker(self.argument, f"{self.prefix}{MARKER} in {self.where}", body)

    def write_marker(self, marker: dict) -> None:
        """Put the marker and read it back."""
        with self.step("writing the marker"):
            self.client.put_object(
                Bucket=self.bucket, Key=self.prefix + MARKER, Body=json.dumps(marker).encode(), **self.extra
            )
        if (self.read_marker() or {}).get("identity") != marker["identity"]:
            raise Problem("store-broken", self.argument, f"the marker written to {self.where} does not come back")

    def _delete(self, key: str, version: str | None) -> None:
        """Delete an object, and in a versioned bucket its version too, where that is allowed."""
        from botocore.exceptions import ClientError

        if version and version != "null":
            try:
                self.client.delete_object(Bucket=self.bucket, Key=key, VersionId=version)
                return
            except ClientError:
                pass
        self.client.delete_object(Bucket=self.bucket, Key=key)

    def _sweep(self) -> None:
        """Remove what killed probes left behind."""
        old = time.time() - STALE_SECONDS
        answer = self.client.list_objects_v2(Bucket=self.bucket, Prefix=f"{self.prefix}{FOLDER}/probe-", MaxKeys=100)
        for each in answer.get("Contents", []):
            if each["LastModified"].timestamp() < old:
                self._delete(each["Key"], None)

    def probe(self) -> dict:
        """Put, get, multipart upload, list and delete."""
        begun = time.monotonic()
        folder = f"{self.prefix}{FOLDER}/probe-{uuid.uuid4()}"
        small, large = f"{folder}/small", f"{folder}/multipart"
        content = uuid.uuid4().bytes * 8
        versions: dict[str, str | None] = {}
        upload = None
        self.in_its_region(self.reachable())
        try:
            with self.step("writing an object"):
                versions[small] = None
                versions[small] = self.client.put_object(Bucket=self.bucket, Key=small, Body=content, **self.extra).get(
                    "VersionId"
                )
            with self.step("reading an object"):
                back = self.client.get_object(Bucket=self.bucket, Key=small)["Body"].read()
            if back != content:
                raise Problem(
                    "store-broken",
                    self.argument,
                    f"an object of {len(content)} bytes came back with {len(back)} other bytes from {self.where}",
                )
            with self.step("a multipart upload"):
                upload = self.client.create_multipart_upload(Bucket=self.bucket, Key=large, **self.extra)["UploadId"]
                parts = []
                for number, body in enumerate((b"\0" * PART, content * (REST // len(content))), start=1):
                    answer = self.client.upload_part(
                        Bucket=self.bucket, Key=large, UploadId=upload, PartNumber=number, Body=body
                    )
                    parts.append({"PartNumber": number, "ETag": answer["ETag"]})
                versions[large] = None
                versions[large] = self.client.complete_multipart_upload(
                    Bucket=self.bucket, Key=large, UploadId=upload, MultipartUpload={"Parts": parts}
                ).get("VersionId")
                upload = None
                size = self.client.head_object(Bucket=self.bucket, Key=large)["ContentLength"]
            with self.step("reading a range"):
                tail = self.client.get_object(Bucket=self.bucket, Key=large, Range=f"bytes={PART}-{PART + REST - 1}")[
                    "Body"
                ].read()
            if size != PART + REST or tail != content * (REST // len(content)):
                raise Problem(
                    "store-broken",
                    self.argument,
                    f"a multipart upload of {PART + REST} bytes came back with {size} bytes from {self.where}",
                )
            with self.step("listing"):
                listed = {
                    each["Key"]
                    for each in self.client.list_objects_v2(Bucket=self.bucket, Prefix=folder + "/").get("Contents", [])
                }
            if listed != {small, large}:
                raise Problem(
                    "store-broken",
                    self.argument,
                    f"listing in {self.where} shows {len(listed)} of 2 objects that were just written",
                )
            with self.step("deleting an object"):
                for key in (small, large):
                    self._delete(key, versions.pop(key))
                left = self.client.list_objects_v2(Bucket=self.bucket, Prefix=folder + "/").get("Contents", [])
            if left:
                raise Problem("store-broken", self.argument, f"a deleted object is still listed in {self.where}")
        finally:
            self._clean(large, upload, versions)
        return {
            "kind": "s3",
            "bucket": self.bucket,
            "prefix": self.prefix,
            "endpoint": self.artifacts.endpoint_url or None,
            "seconds": round(time.monotonic() - begun, 3),
        }

    def _clean(self, large: str, upload: str | None, versions: dict[str, str | None]) -> None:
        """Take away what a failed probe wrote; a failure of that must not hide the reason."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            if upload:
                self.client.abort_multipart_upload(Bucket=self.bucket, Key=large, UploadId=upload)
            for key, version in versions.items():
                self._delete(key, version)
            self._sweep()
        except (BotoCoreError, ClientError):
            pass


def mount_of(path: str) -> tuple[str, str]:
    """The mount point that holds a path, and its file system."""
    best = ("/", "")
    real = os.path.realpath(path)
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            fields, _dash, rest = line.partition(" - ")
            # Blanks and their like are written as octal numbers there.
            point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal.group(1), 8)), fields.split()[4])
            if (real == point or real.startswith(point.rstrip("/") + "/")) and len(point) >= len(best[0]):
                best = (point, rest.split()[0])
    return best


class Folder:
    """A directory, usually a volume or an NFS mount."""

    def __init__(self, artifacts: Artifacts, path: str) -> None:
        self.artifacts = artifacts
        self.argument = artifacts.argument
        self.path = Path(path)

    def _in_time(self, work):
        """Run file operations beside: on a hanging NFS mount they never return."""
        result: list = []

        def run() -> None:
            try:
                result.append(work())
            except BaseException as error:
                result.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(FILE_SECONDS)
        if not result:
            raise Problem("destination-hangs", self.argument, f"{self.path} did not answer within {FILE_SECONDS} s")
        if isinstance(result[0], OSError):
            error = result[0]
            raise Problem(
                "destination-not-writable",
                self.argument,
                f"{error.filename or self.path}: {error.strerror} (as user {os.getuid()}, group {os.getgid()})",
            ) from None
        if isinstance(result[0], BaseException):
            raise result[0]
        return result[0]

    def _reachable(self) -> None:
        if not self.path.is_dir():
            raise Problem("destination-missing", self.argument, f"{self.path} is no directory")
        point, kind = mount_of(str(self.path))
        if point == "/" and kind in ("overlay", "aufs"):
            raise Problem(
                "artifact-path-not-mounted", self.argument, f"{self.path} is on the container's own file system"
            )
        os.listdir(self.path)

    def reachable(self) -> None:
        """The directory is there."""
        self._in_time(self._reachable)

    def is_empty(self) -> bool:
        """Whether nothing but the guard's own is in the directory."""
        return self._in_time(lambda: set(os.listdir(self.path)) <= {FOLDER, "lost+found"})

    def read_marker(self) -> dict | None:
        """The marker; None where there is none."""
        file = self.path / MARKER

        def work():
            self._reachable()
            return file.read_bytes() if file.exists() else None

        content = self._in_time(work)
        return None if content is None else parse_marker(self.argument, str(file), content)

    def write_marker(self, marker: dict) -> None:
        """Write the marker at once or not at all."""

        def work():
            folder = self.path / FOLDER
            folder.mkdir(exist_ok=True)
            part = folder / f"marker.{uuid.uuid4()}"
            try:
                with open(part, "wb") as file:
                    file.write(json.dumps(marker).encode())
                    file.flush()
                    os.fsync(file.fileno())
                # Other replicas may run as another user number.
                part.chmod(0o644)
                part.rename(self.path / MARKER)
            finally:
                part.unlink(missing_ok=True)

        self._in_time(work)

    def _probe(self) -> dict:
        begun = time.monotonic()
        self._reachable()
        parent = self.path / FOLDER
        made = not parent.exists()
        parent.mkdir(exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="probe-", dir=parent))
        content = uuid.uuid4().bytes * 64
        try:
            first, second = folder / "written", folder / "renamed"
            with open(first, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            first.rename(second)
            if second.read_bytes() != content or os.listdir(folder) != ["renamed"]:
                raise Problem(
                    "store-broken", self.argument, f"a file written in {self.path} does not come back as it was"
                )
            second.unlink()
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            if made and not os.listdir(parent):
                parent.rmdir()
        space = os.statvfs(self.path)
        point, kind = mount_of(str(self.path))
        return {
            "kind": "directory",
            "path": str(self.path),
            "mount": point,
            "file_system": kind,
            "free_bytes": space.f_bavail * space.f_frsize,
            "seconds": round(time.monotonic() - begun, 3),
        }

    def probe(self) -> dict:
        """Write, fsync, rename, read, list and delete."""
        return self._in_time(self._probe)


def probe(artifacts: Artifacts) -> tuple[dict, list[dict]]:
    """The probe of any destination, with findings that do not stop."""
    destination = open_destination(artifacts)
    if destination is None:
        return {"kind": "other"}, [
            finding(
                "store-scheme-unchecked",
                artifacts.argument,
                f"{artifacts.destination} is neither s3:// nor a directory",
            )
        ]
    facts = destination.probe()
    findings = []
    if facts.get("free_bytes", FREE_BYTES) < FREE_BYTES:
        findings.append(
            finding(
                "destination-full", artifacts.argument, f"{facts['path']} has {facts['free_bytes'] // 1024**2} MiB left"
            )
        )
    return facts, findings
