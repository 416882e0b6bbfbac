"""Downloads of exports that are plans, over HTTP: what they ask the store for, and what they outlive."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random

import pytest

from shared.accounts.models import User
from shared.exports import archives
from shared.exports.archives import FinishedArchive
from shared.jobs.progress import Progress
from shared.projects.models import Project
from tests.support.api import Answer, Api
from tests.support.jobs import claimed
from tests.support.projects import MINIMAL, Dock, archive, files

MANY = [(f"uploads/{n * 7 % 3000:05}", b"%d" % n) for n in range(3000)]
BLOB = 4 * 2**20
RANDOM = Random(5)  # noqa: S311  # the same every time


@dataclass(frozen=True, slots=True)
class Exports:
    """A project whose content is imported and exported beside the api."""

    api: Api
    dock: Dock
    project: Project
    user: User

    async def fill(self, packed: bytes) -> None:
        """Replace the content."""
        made = await self.dock.run_import(packed, project_id=self.project.id, user_id=self.user.id)
        assert made.error is None

    async def plan(self) -> FinishedArchive:
        """Export, and read nothing of the archive."""
        job = await self.dock.order_export(project_id=self.project.id, user_id=self.user.id)
        await self.dock.exporter.run(job, await claimed(self.api.pool, job), Progress())
        found = await archives.find(self.api.pool, project_id=self.project.id, user_id=self.user.id)
        assert found is not None
        return found

    async def download(self, method: str = "GET", **headers: str) -> Answer:
        """Download over HTTP."""
        return await self.api.call(method, self.path, by=self.user.username, headers=headers)

    @property
    def path(self) -> str:
        """Where the archive is."""
        return f"/api/v4/projects/{self.project.id}/export/download"


@pytest.fixture
def exports(api: Api, ann: User, project: Project) -> Exports:
    dock = Dock(api.pool, api.folder)
    dock.store = api.store
    return Exports(api, dock, project, ann)


async def test_a_head_reads_nothing_and_has_the_digest_once_somebody_has_read_the_whole(
    exports: Exports,
) -> None:
    await exports.fill(archive([*MINIMAL, ("uploads/a", b"a")]))
    found = await exports.plan()
    exports.api.store.reads.clear()
    before = await exports.download("HEAD")
    assert (before.status, before.headers["Content-Length"]) == (200, str(found.size))
    assert "Repr-Digest" not in before.headers
    assert exports.api.store.reads == []

    whole = await exports.download()
    digest = base64.b64encode(hashlib.sha256(whole.body).digest()).decode()
    for answer in [
        await exports.download("HEAD"),
        await exports.download(),
        await exports.download(Range="bytes=5-9"),
    ]:
        assert answer.headers["Repr-Digest"] == f"sha-256=:{digest}:"
        assert answer.headers["ETag"] == before.headers["ETag"]


async def test_many_small_files_in_any_order_are_downloaded_by_one_request_to_the_store(
    exports: Exports,
) -> None:
    exports.dock.packed_up_to = 8 * 2**20
    await exports.fill(archive([*MANY, *MINIMAL]))
    await exports.plan()
    exports.api.store.reads.clear()
    whole = await exports.download()
    assert files(whole.body).items() >= dict(MANY).items()
    assert len(exports.api.store.reads) == 1


async def test_a_range_reads_the_blocks_that_it_is_in_and_no_more(exports: Exports) -> None:
    await exports.fill(archive([*MINIMAL, *((f"uploads/{n}", RANDOM.randbytes(BLOB)) for n in range(3))]))
    found = await exports.plan()
    exports.api.store.reads.clear()
    part = await exports.download(Range=f"bytes={found.size // 2}-{found.size // 2 + 9}")
    assert (part.status, len(part.body)) == (206, 10)
    [(_, start, length)] = exports.api.store.reads
    assert length is not None
    assert (start % 2**20, length) == (0, 2**20)


async def _overwrite(exports: Exports) -> None:
    await exports.fill(archive(MINIMAL))


async def _export_again(exports: Exports) -> None:
    await exports.fill(archive(MINIMAL))
    await exports.plan()


async def _delete(exports: Exports) -> None:
    answer = await exports.api.call("DELETE", f"/api/v4/projects/{exports.project.id}", by="ann")
    assert answer.status == 202
    assert (await exports.download()).status == 404


@pytest.mark.parametrize("change", [_overwrite, _export_again, _delete])
async def test_a_slow_download_ends_whole_whatever_becomes_of_its_project(
    exports: Exports, change: Callable[[Exports], Awaitable[None]]
) -> None:
    blobs = [(f"uploads/{n}", RANDOM.randbytes(BLOB)) for n in range(8)]
    await exports.fill(archive([*MINIMAL, *blobs]))
    found = await exports.plan()
    whole = await exports.dock.archive(found)
    exports.api.store.reads.clear()
    url = exports.api.url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    token = exports.api.tokens["ann"]
    writer.write(f"GET {exports.path} HTTP/1.1\r\nHost: x\r\nPRIVATE-TOKEN: {token}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    got = await reader.readexactly(1000)

    await change(exports)
    for _ in range(2):
        await exports.dock.collect()
    assert len(exports.api.store.reads) < len(blobs)

    got += await reader.readexactly(found.size - len(got))
    writer.close()
    assert got == whole
