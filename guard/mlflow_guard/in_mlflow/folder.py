# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""Artifacts in a folder, such as an NFS export, with a reason where the folder does not take or give one.

MLflow's own repository writes beside the artifact and renames, so nothing half-written is ever there to be read. But
its server answers 500 without a word to every error of the operating system: users cannot tell a full disk from a
defect. And it closes the file in the event loop: on NFS that sends all that was written to the server, and for so long
the web server answers nobody, which its load balancer takes for dead.
"""

from __future__ import annotations

import asyncio
import errno
import os
import posixpath
from collections.abc import AsyncIterable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST, INTERNAL_ERROR, RESOURCE_DOES_NOT_EXIST, TEMPORARILY_UNAVAILABLE
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository, _set_default_file_mode
from mlflow.utils.file_utils import local_file_uri_to_path

from mlflow_guard.in_mlflow import parts, unfinished_uploads
from mlflow_guard.in_mlflow.reserved import is_reserved, refuse_reserved
from mlflow_guard.in_mlflow.streamed_upload import Broken, in_pieces, in_thread

# These last until somebody does something about them; after all others the next try may go well.
LASTING = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG, errno.ENAMETOOLONG}

# The kernel would collect a whole artifact and send it at the end, and until that is done nobody else's question gets
# through to an NFS server: the look at the marker comes too late, and the load balancer gives the server up.
UNSENT_BYTES = 8 * 2**20


@contextmanager
def _reasons(what: str, path: str | None) -> Iterator[None]:
    """Errors as the server can answer them. It knows MLflow's only."""
    try:
        yield
    except Broken as error:
        raise MlflowException(
            f"The upload of {posixpath.basename(path or '')} broke off, nothing of it was kept: {error}",
            error_code=BAD_REQUEST,
        ) from error
    except FileNotFoundError as error:
        # It was deleted while it was looked at.
        raise MlflowException(
            f"There is no {posixpath.basename(path or '')} any more: {error.strerror}",
            error_code=RESOURCE_DOES_NOT_EXIST,
        ) from error
    except OSError as error:
        code = INTERNAL_ERROR if error.errno in LASTING else TEMPORARILY_UNAVAILABLE
        reason = error.strerror or type(error).__name__
        raise MlflowException(
            f"The artifact store did not {what} {posixpath.basename(path or '')}: {reason}", error_code=code
        ) from error


def _delete_folder(folder: str) -> bool:
    """Delete a folder, but nothing of the guard's; whether it is gone. What is above the guard's folder stays, too."""
    left = False
    with os.scandir(folder) as found:
        entries = list(found)
    for entry in entries:
        if is_reserved(entry.name):
            left = True
        elif entry.is_dir(follow_symlinks=False):
            left = not _delete_folder(entry.path) or left
        else:
            os.unlink(entry.path)
    if not left:
        os.rmdir(folder)
    return not left


class FolderArtifactRepository(LocalArtifactRepository):
    """MLflow's repository for a folder, with reasons, and for all files but the guard's own."""

    def __init__(self, artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None) -> None:
        super().__init__(artifact_uri, tracking_uri, registry_uri)
        refuse_reserved(self.artifact_dir)

    def get_local_path(self, artifact_path):
        refuse_reserved(artifact_path)
        return super().get_local_path(artifact_path)

    def _get_or_create_artifact_dir(self, artifact_path=None):
        refuse_reserved(artifact_path)
        return super()._get_or_create_artifact_dir(artifact_path)

    def _create_staging_artifact(self, artifact_file_name, artifact_path=None):
        """The file that an upload is written to before it is given its name."""
        folder, target = self._get_destination_artifact_path(artifact_file_name, artifact_path)
        refuse_reserved(artifact_file_name)
        return *unfinished_uploads.new(folder), target

    def log_artifact(self, local_file, artifact_path=None):
        with _reasons("take", local_file):
            super().log_artifact(local_file, artifact_path)

    def log_artifacts(self, local_dir, artifact_path=None):
        with _reasons("take", local_dir):
            super().log_artifacts(local_dir, artifact_path)

    def log_artifact_from_stream(self, stream, artifact_file_name, artifact_path=None):
        with _reasons("take", artifact_file_name):
            super().log_artifact_from_stream(stream, artifact_file_name, artifact_path)

    async def log_artifact_from_async_stream(self, chunks, artifact_file_name, artifact_path=None):
        with _reasons("take", artifact_file_name):
            await self._stream(chunks, artifact_file_name, artifact_path)

    async def _stream(self, chunks: AsyncIterable[bytes], artifact_file_name: str, artifact_path: str | None) -> None:
        """Every call of the file system is in a thread: any of them may wait for a server."""
        number, part, target = await in_thread(self._create_staging_artifact, artifact_file_name, artifact_path)
        file = os.fdopen(number, "wb")
        published = False
        try:
            waiting = 0
            async for piece in in_pieces(chunks):
                await in_thread(file.write, piece)
                waiting += len(piece)
                if waiting >= UNSENT_BYTES:
                    await in_thread(self._send, file)
                    waiting = 0
            await in_thread(self._publish, file, part, target)
            published = True
        finally:
            if not published:
                # Also when the server stops, which cancels this.
                await asyncio.shield(in_thread(self._discard, file, part))

    @staticmethod
    def _send(file: BinaryIO) -> None:
        file.flush()
        os.fdatasync(file.fileno())

    def _publish(self, file: BinaryIO, part: str, target: str) -> None:
        """What is acknowledged is on the server's disk, and whole."""
        file.flush()
        os.fsync(file.fileno())
        file.close()
        self._publish_staged_artifact(part, target, _set_default_file_mode)

    def _discard(self, file: BinaryIO, part: str) -> None:
        # What could not be written cannot be written now; the reason is known.
        with suppress(OSError):
            file.close()
        self._cleanup_staged_artifact(part)

    def list_artifacts(self, path=None):
        refuse_reserved(path)
        with _reasons("list", path):
            return [each for each in super().list_artifacts(path) if not is_reserved(each.path)]

    def _download_file(self, remote_file_path, local_path):
        refuse_reserved(remote_file_path)
        with _reasons("give", remote_file_path):
            super()._download_file(remote_file_path, local_path)

    def delete_artifacts(self, artifact_path=None):
        refuse_reserved(artifact_path)
        target = local_file_uri_to_path(os.path.join(self.artifact_dir, artifact_path or ""))
        with _reasons("delete", artifact_path):
            if os.path.isdir(target) and not os.path.islink(target):
                _delete_folder(target)
            elif os.path.lexists(target):
                os.unlink(target)


def folder_repository(artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None):
    """The repository for a folder: the guard's, or MLflow's own where this part is switched off."""
    repository = FolderArtifactRepository if parts.is_on("artifacts") else LocalArtifactRepository
    return repository(artifact_uri, tracking_uri=tracking_uri, registry_uri=registry_uri)
