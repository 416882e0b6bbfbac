"""The SHA-256 of an archive is taken beside the first whole reading, and costs no reading of its own."""

from __future__ import annotations

import hashlib
from contextlib import aclosing
from dataclasses import replace
from random import Random

import pytest

from shared.assembly.blocks import BlockCorrupt
from shared.exports import archives
from shared.exports.archive_reader import ArchiveReader
from shared.exports.archives import FinishedArchive
from shared.jobs import store as jobs
from shared.jobs.models import JobKind, Lease, UploadTarget
from shared.jobs.progress import Progress
from shared.settings.application import ApplicationSettings
from tests.support.counting import CountingStore, flip
from tests.support.jobs import claim, claimed
from tests.support.projects import Dock, project
from tests.support.receivers import receiving

CONTENT = project(("uploads/noise", Random(1).randbytes(1_500_000)), ("uploads/b", b"b"))  # noqa: S311  # the same every time


@pytest.fixture
async def filled(dock: Dock) -> Dock:
    """One with content, where a bob may export as well."""
    await dock.pool.execute("INSERT INTO users (username, name) VALUES ('bob', 'Bob')")
    assert (await dock.run_import(CONTENT)).error is None
    return dock


async def planned(dock: Dock, *, user_id: int = 1, description: str | None = None) -> FinishedArchive:
    """Export, and read nothing of the archive."""
    job = await dock.order_export(user_id=user_id, description=description)
    await dock.exporter.run(job, await claimed(dock.pool, job), Progress())
    return await found(dock, user_id=user_id)


async def found(dock: Dock, *, user_id: int = 1) -> FinishedArchive:
    archive = await archives.find(dock.pool, project_id=1, user_id=user_id)
    assert archive is not None
    return archive


async def test_the_first_whole_reading_leaves_the_sha256_and_reads_no_byte_twice(filled: Dock) -> None:
    filled.store = store = CountingStore(filled.root)
    archive = await planned(filled)
    assert archive.sha256 is None
    whole = await filled.archive(archive)
    assert (await found(filled)).sha256 == hashlib.sha256(whole).digest()
    assert store.bytes_read <= len(whole)


async def test_who_has_the_last_piece_finds_the_sha256(filled: Dock) -> None:
    archive = await planned(filled)
    left = archive.size
    async with aclosing(ArchiveReader(filled.pool, filled.blocks).read(archive, 0, archive.size)) as pieces:
        async for piece in pieces:
            left -= len(piece)
            assert ((await found(filled)).sha256 is None) == (left > 0)


async def test_a_part_leaves_no_sha256_and_neither_does_a_reading_that_is_given_up(filled: Dock) -> None:
    archive = await planned(filled)
    await filled.archive(archive, 0, archive.size - 1)
    await filled.archive(archive, 1, archive.size - 1)
    async with aclosing(ArchiveReader(filled.pool, filled.blocks).read(archive, 0, archive.size)) as pieces:
        await anext(pieces)
    assert (await found(filled)).sha256 is None


async def test_a_corrupt_archive_leaves_no_sha256(filled: Dock) -> None:
    archive = await planned(filled)
    flip(filled.root / filled.stored("blobs/")[0], 1_400_000)
    with pytest.raises(BlockCorrupt):
        await filled.archive(archive)
    assert (await found(filled)).sha256 is None


async def test_a_known_sha256_is_not_taken_again(filled: Dock) -> None:
    await filled.archive(replace(await planned(filled), sha256=bytes(32)))
    assert (await found(filled)).sha256 is None


async def test_the_same_bytes_of_another_user_have_the_same_sha256_and_others_have_none(filled: Dock) -> None:
    before = await planned(filled, user_id=2)
    await filled.archive(await planned(filled))
    known = (await found(filled)).sha256
    assert known is not None
    assert (await found(filled, user_id=2)).sha256 == known
    assert before.etag == (await planned(filled, user_id=2)).etag
    assert (await found(filled, user_id=2)).sha256 == known
    assert (await planned(filled, user_id=2, description="other")).sha256 is None


async def test_a_database_that_does_not_record_it_costs_the_sha256_and_not_the_archive(filled: Dock) -> None:
    archive = await planned(filled)
    await filled.pool.execute("ALTER TABLE archives RENAME TO away")
    assert len(await filled.archive(archive)) == archive.size


async def test_the_end_of_an_upload_tells_the_sha256_which_the_end_of_the_export_did_not(
    filled: Dock,
) -> None:
    filled.settings = ApplicationSettings(allow_local_requests_from_web_hooks_and_services=True)
    async with receiving() as receiver:
        export = await filled.order_export(upload=UploadTarget(url=f"{receiver.url}/x"))
        await filled.exporter.run(export, await claimed(filled.pool, export), Progress())
        upload = await jobs.find_newest(filled.pool, 1, JobKind.UPLOAD)
        assert upload is not None
        taken = await claim(filled.pool, upload.id)
        assert taken is not None
        await filled.uploader.run(taken, Lease(taken.id, taken.lease), Progress())
    ended = await filled.pool.fetch("SELECT name, data FROM events WHERE name LIKE '%.finished' ORDER BY id")
    told = {event["name"]: event["data"]["archive"] for event in ended}
    body = receiver.taken[0].body
    made = await found(filled)
    assert made.manifest_sha256 is not None
    known = {
        "size": len(body), "crc32": body[-8:-4][::-1].hex(), "etag": made.etag,
        "manifest_sha256": made.manifest_sha256.hex(),
    }  # fmt: skip
    assert told["export.finished"] == known | {"sha256": None}
    assert told["upload.finished"] == known | {"sha256": hashlib.sha256(body).hexdigest()}
    report = await jobs.find_report(filled.pool, export.id)
    assert report is not None
    assert report.archive == told["upload.finished"]
