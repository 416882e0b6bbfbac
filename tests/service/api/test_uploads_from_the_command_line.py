from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.cli import resumable_uploads
from services.cli.client import GitLabClient, ImportRequest, ScheduledImport
from services.cli.errors import RefusedByServer, ServerUnreachable
from services.cli.http import open_session
from services.cli.imports import upload
from services.cli.retries import retries
from tests.support.api import Api
from tests.support.flaky import cutting_proxy
from tests.support.gitlab_stub import Script, answer, crossdock, imported

pytestmark = pytest.mark.usefixtures("ann", "_chunks")
KIB = 1024
CONTENT = b"\x1f\x8b" + (bytes(range(256)) * 4 * KIB)[2:]
TO = ImportRequest("moved")


@pytest.fixture
def _chunks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Small chunks, quick retries, and a cache of its own."""
    monkeypatch.setattr(resumable_uploads, "CHUNK", 256 * KIB)
    monkeypatch.setattr(resumable_uploads, "_BLOCK", 16 * KIB)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    file = tmp_path / "a.tar.gz"
    file.write_bytes(CONTENT)
    return file


@asynccontextmanager
async def _client(api: Api, url: str | None = None) -> AsyncIterator[GitLabClient]:
    async with open_session(api.tokens["ann"]) as session:
        yield GitLabClient(session, f"{(url or str(api.url)).rstrip('/')}/api/v4")


async def _sent(api: Api, scheduled: ScheduledImport) -> list[bytes]:
    """The pieces that the job of an import has."""
    rows = await api.pool.fetch(
        """SELECT o.key FROM upload_pieces p JOIN objects o ON o.id = p.object_id
           JOIN jobs j ON j.upload_id = p.upload_id WHERE j.id = $1 ORDER BY p.position""",
        scheduled.job,
    )
    return [b"".join([chunk async for chunk in api.store.read(row["key"])]) for row in rows]


def _remembered(tmp_path: Path) -> list[str]:
    return [name for _, _, names in os.walk(tmp_path / "cache") for name in names]


async def test_a_large_archive_goes_in_chunks_and_is_imported(
    api: Api, archive: Path, tmp_path: Path
) -> None:
    async with _client(api) as client:
        scheduled = await upload(client, archive, TO)

    pieces = await _sent(api, scheduled)
    assert [len(each) for each in pieces] == [256 * KIB] * 4
    assert b"".join(pieces) == CONTENT
    assert scheduled.status.path_with_namespace == "ann/moved"
    assert _remembered(tmp_path) == []


async def test_a_small_archive_is_sent_as_a_form(
    api: Api, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resumable_uploads, "CHUNK", len(CONTENT))
    async with _client(api) as client:
        scheduled = await upload(client, archive, TO)

    assert await _sent(api, scheduled) == []
    assert await api.pool.fetchval("SELECT object_id IS NOT NULL FROM jobs")


async def test_a_gitlab_and_an_older_crossdock_get_a_form(archive: Path) -> None:
    gitlab = Script(answer(), answer(), imported("scheduled"))
    async with gitlab.client() as client:
        await upload(client, archive, TO)
    assert [asked.method for asked in gitlab.asked] == ["GET", "GET", "POST"]

    older = Script(crossdock(), answer(status=404), crossdock(), imported("scheduled"))
    async with older.client() as client:
        await upload(client, archive, TO)
    assert [asked.method for asked in older.asked] == ["GET", "OPTIONS", "GET", "POST"]


async def test_a_connection_that_is_lost_costs_a_chunk_at_most(api: Api, archive: Path) -> None:
    async with (
        cutting_proxy(str(api.url), after=400 * KIB, times=8, seed=7) as proxy,
        _client(api, proxy.url) as client,
    ):
        scheduled = await upload(client, archive, TO)

    assert proxy.cuts == 8
    assert b"".join(await _sent(api, scheduled)) == CONTENT
    assert await api.pool.fetchval("SELECT count(*) FROM uploads") == 1


async def test_a_command_that_ended_goes_on_the_next_time(
    api: Api, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    retries.set(0)
    async with (
        cutting_proxy(str(api.url), after=600 * KIB, times=1) as proxy,
        _client(api, proxy.url) as client,
    ):
        with pytest.raises(ServerUnreachable):
            await upload(client, archive, TO)
        assert len(_remembered(tmp_path)) == 1
        proxied = resumable_uploads.UploadMemory(client.api, archive)
        scheduled = await upload(client, archive, TO)

    assert b"".join(await _sent(api, scheduled)) == CONTENT
    assert await api.pool.fetchval("SELECT count(*) FROM uploads") == 1
    assert "Going on with an upload" in capsys.readouterr().err
    assert proxied.recall() is None


async def test_a_command_that_was_interrupted_keeps_its_upload(
    api: Api, archive: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    read, interrupted = resumable_uploads.ChunkedUpload._read, asyncio.Event()

    def read_and_interrupt(self: resumable_uploads.ChunkedUpload, position: int, size: int) -> bytes:
        if position >= 300 * KIB:
            loop.call_soon_threadsafe(interrupted.set)
        return read(self, position, size)

    loop = asyncio.get_running_loop()
    with monkeypatch.context() as patch:
        patch.setattr(resumable_uploads.ChunkedUpload, "_read", read_and_interrupt)
        async with _client(api) as client:
            task = asyncio.create_task(upload(client, archive, TO))
            await interrupted.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    async with _client(api) as client:
        scheduled = await upload(client, archive, TO)
    assert b"".join(await _sent(api, scheduled)) == CONTENT
    assert await api.pool.fetchval("SELECT count(*) FROM uploads") == 1


async def test_a_file_that_has_changed_is_uploaded_anew(api: Api, archive: Path, tmp_path: Path) -> None:
    async with _client(api) as client:
        resumable_uploads.UploadMemory(client.api, archive).remember(1)
        os.utime(archive, (1, 1))
        assert resumable_uploads.UploadMemory(client.api, archive).recall() is None


async def test_an_upload_that_the_server_has_no_more_begins_anew(api: Api, archive: Path) -> None:
    async with _client(api) as client:
        resumable_uploads.UploadMemory(client.api, archive).remember(4711)
        scheduled = await upload(client, archive, TO)

    assert b"".join(await _sent(api, scheduled)) == CONTENT


async def test_a_refused_import_keeps_what_was_uploaded(api: Api, archive: Path) -> None:
    async with _client(api) as client:
        with pytest.raises(RefusedByServer):
            await upload(client, archive, ImportRequest("a b"))
        scheduled = await upload(client, archive, TO)

    assert hashlib.sha256(b"".join(await _sent(api, scheduled))).digest() == hashlib.sha256(CONTENT).digest()
    assert await api.pool.fetchval("SELECT count(*) FROM uploads") == 1
