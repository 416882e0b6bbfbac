from __future__ import annotations

import asyncio
import hashlib
import zlib
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web

from services.cli.archive_check import DownloadCorrupted
from services.cli.client import connect
from services.cli.errors import RefusedByServer
from services.cli.fleet.pipe import stream_archive
from services.cli.fleet.restore import Restore, RestoreOptions
from services.cli.fleet.selection import ProjectAnswer
from services.cli.known_keys import Trust
from shared.archive.limits import Limits
from shared.catalogue.archives import ArchiveRecord, archive_key, put
from shared.storage.filesystem import FilesystemStore
from tests.support.gitlab_fleet import FleetGitLab
from tests.support.gitlab_stub import Script, answer, crossdock
from tests.support.projects import project

PROJECT = ProjectAnswer(1, "a/b")


def ignore(_state: str, _done: int, _total: int | None) -> None:
    pass


async def streamed(gitlab: FleetGitLab) -> bytes:
    async with gitlab.serve() as url, connect(url, "t") as client:
        return b"".join([piece async for piece in stream_archive(client, PROJECT, ignore)])


async def test_an_archive_is_given_as_it_is_downloaded() -> None:
    gitlab = FleetGitLab("a/b")
    assert await streamed(gitlab) == gitlab.projects["a/b"].archive


async def test_a_damaged_archive_never_comes_to_its_end() -> None:
    gitlab = FleetGitLab("a/b")
    gitlab.projects["a/b"].broken = "bytes"
    with pytest.raises(DownloadCorrupted):
        await streamed(gitlab)


async def test_what_the_source_refuses_is_told_and_not_waited_for() -> None:
    with pytest.raises(RefusedByServer):
        await streamed(FleetGitLab())


async def test_a_reader_that_leaves_ends_the_download_of_much_more_than_waits() -> None:
    gone = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        packer = zlib.compressobj(0, wbits=31)
        try:
            while True:
                await response.write(packer.compress(bytes(1024 * 1024)) + packer.flush(zlib.Z_SYNC_FLUSH))
        finally:
            gone.set()

    async with (
        Script(endless).client() as client,
        aclosing(stream_archive(client, PROJECT, ignore)) as pieces,
    ):
        assert await anext(pieces)
    async with asyncio.timeout(30):
        await gone.wait()


async def test_a_damaged_archive_that_is_kept_is_told_once_and_never_imported(tmp_path: Path) -> None:
    data, now = project(), datetime.now(UTC)
    store, key = FilesystemStore(tmp_path), archive_key("http://x", "a/b", now)
    await put(store, key, data[:-1] + bytes([data[-1] ^ 1]))
    record = ArchiveRecord(
        source="http://x", project_id=1, project="a/b", time=now, file=key, bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )  # fmt: skip
    not_found = answer({"message": "404 Not Found"}, 404)
    script = Script(not_found, answer({"id": 1}), crossdock(), answer({"id": 1}, 201))
    async with script.client() as client:
        options = RestoreOptions(into="into", parallel=1, within=timedelta(minutes=1))
        restore = Restore(client, store, options, trust=Trust(), limits=Limits())
        run = await restore.run([record], json=False)
    [failure] = run.report.failures
    assert failure.error_code == "archive_damaged"
    assert [each.target for each in script.asked if each.method == "POST"] == []
