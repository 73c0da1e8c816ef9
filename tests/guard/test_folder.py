# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""Artifacts in a folder: whole or not at all, with a reason, and without holding up the web server."""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import time

import pytest
from mlflow.exceptions import MlflowException
from mlflow_guard.in_mlflow.folder import UNSENT_BYTES, FolderArtifactRepository
from mlflow_guard.serve.gate import as_uri

SLOW_SECONDS = 0.5


async def chunks(*sent: bytes, end: Exception | None = None):
    for each in sent:
        yield each
    if end:
        raise end


def upload(folder, *sent: bytes, end: Exception | None = None) -> None:
    repository = FolderArtifactRepository(folder.as_uri())
    asyncio.run(repository.log_artifact_from_async_stream(chunks(*sent, end=end), "model.bin", "run/artifacts"))


def files(folder) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_an_upload_is_there_when_it_is_acknowledged(tmp_path):
    sent = [os.urandom(65536) for _number in range(50)]
    upload(tmp_path, *sent)
    assert files(tmp_path) == ["run/artifacts/model.bin"]
    assert (tmp_path / "run/artifacts/model.bin").read_bytes() == b"".join(sent)


def test_an_upload_that_breaks_off_leaves_the_older_one(tmp_path):
    upload(tmp_path, b"older")
    with pytest.raises(MlflowException, match="broke off, nothing of it was kept") as refused:
        upload(tmp_path, b"new" * 10**6, end=ConnectionResetError())
    assert refused.value.get_http_status_code() == 400
    assert files(tmp_path) == ["run/artifacts/model.bin"]
    assert (tmp_path / "run/artifacts/model.bin").read_bytes() == b"older"


@pytest.mark.parametrize(
    ("number", "status"),
    [(errno.ENOSPC, 500), (errno.EDQUOT, 500), (errno.EROFS, 500), (errno.ESTALE, 503), (errno.EIO, 503)],
)
def test_what_the_folder_does_not_take_is_told(tmp_path, monkeypatch, number, status):
    """On NFS such an error comes with the fsync, when all seems to be written."""

    def fail(_file):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(MlflowException, match=os.strerror(number)) as refused:
        upload(tmp_path, b"new")
    assert refused.value.get_http_status_code() == status
    assert files(tmp_path) == []


def test_a_large_upload_never_leaves_much_unsent(tmp_path, monkeypatch):
    """Or an NFS server answers nothing else for as long as all of it takes."""
    sizes, send = [0], os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda file: (sizes.append(os.fstat(file).st_size), send(file)))
    sent = [os.urandom(2**20) for _number in range(50)]
    upload(tmp_path, *sent)
    steps = [after - before for before, after in itertools.pairwise([*sizes, 50 * 2**20])]
    assert len(steps) > 5
    assert max(steps) <= UNSENT_BYTES
    assert (tmp_path / "run/artifacts/model.bin").read_bytes() == b"".join(sent)


def test_a_folder_that_may_not_be_written_to_is_told(tmp_path):
    (tmp_path / "run").write_text("no folder")
    with pytest.raises(MlflowException, match="did not take model.bin"):
        upload(tmp_path, b"new")


def test_a_slow_folder_does_not_hold_up_the_web_server(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _file: time.sleep(SLOW_SECONDS))
    pauses = []

    async def watch(working):
        last = time.monotonic()
        while not working.done():
            await asyncio.sleep(0.01)
            pauses.append(time.monotonic() - last)
            last = time.monotonic()

    async def both():
        repository = FolderArtifactRepository(tmp_path.as_uri())
        working = asyncio.ensure_future(repository.log_artifact_from_async_stream(chunks(b"new"), "model.bin"))
        await watch(working)
        await working

    asyncio.run(both())
    assert len(pauses) > 5
    assert max(pauses) < SLOW_SECONDS / 2


def test_an_upload_that_is_cancelled_leaves_nothing(tmp_path):
    async def never():
        yield b"begun" * 10**6
        await asyncio.sleep(60)

    async def cancelled():
        repository = FolderArtifactRepository(tmp_path.as_uri())
        working = asyncio.ensure_future(repository.log_artifact_from_async_stream(never(), "model.bin"))
        while not files(tmp_path):
            await asyncio.sleep(0.01)
        working.cancel()
        await asyncio.wait([working])
        assert working.cancelled()

    asyncio.run(cancelled())
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("destination", "uri"),
    [
        ("/mlartifacts", "file:///mlartifacts"),
        ("/a folder", "file:///a%20folder"),
        ("file:///mlartifacts", "file:///mlartifacts"),
        ("s3://mlflow/path", "s3://mlflow/path"),
    ],
)
def test_a_path_becomes_a_uri(destination, uri):
    """The repository is chosen by the scheme."""
    assert as_uri(destination) == uri
