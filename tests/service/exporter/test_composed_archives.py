"""Where downloads are redirected, an export is an object: composed by the store, of what is stored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from random import Random

import pytest
from structlog.testing import capture_logs

from shared.errors import LeaseLost, ObjectMissing
from shared.exports import archives
from shared.exports.archives import FinishedArchive
from shared.jobs import store as jobs
from shared.jobs.models import Job, Lease
from shared.jobs.progress import Progress
from shared.ledger import objects
from shared.ledger.collector import Collector
from shared.snapshots import runs
from shared.snapshots.errors import SnapshotGone
from shared.storage.base import Composed, ObjectStore
from shared.storage.composition import Piece
from shared.storage.errors import TooManyParts
from shared.storage.filesystem import FilesystemStore
from shared.storage.s3 import s3_store
from tests.support.described_contents import manifest_of
from tests.support.jobs import claimed
from tests.support.objects import PART, keys, leftovers, s3_config
from tests.support.projects import PROJECT, VERSION, Dock, Files, archive, files
from tests.support.waiting import until_row

RANDOM = Random(7)  # noqa: S311  # the same every time
LARGE = RANDOM.randbytes(2 * PART + 1)
CONTENT = archive(
    [
        VERSION, ("uploads/a/large", LARGE), ("tree/project/issues.ndjson", b'{"title":"a"}\nbroken\n'),
        ("uploads/empty", b""), PROJECT, ("uploads/b", b"small"), ("uploads/c/large", LARGE[: PART // 2]),
        ("uploads/long/" + "n" * 200, b"x" * 513), ("uploads/last/", b""),
    ]
)  # fmt: skip

ANY_STORE = pytest.mark.parametrize("filled", ["files"], indirect=True)
"""For what no store can make different."""


@pytest.fixture(params=["files", "s3"])
async def filled(dock: Dock, request: pytest.FixtureRequest) -> AsyncIterator[Dock]:
    """One with content, whose exports become objects."""
    async with AsyncExitStack() as stack:
        if request.param == "s3":
            config = s3_config(request.getfixturevalue("s3_server"))
            dock.store = opened = await stack.enter_async_context(s3_store(config))
            await opened.ensure_bucket()
        dock.composes_archives = True
        assert (await dock.run_import(CONTENT)).error is None
        yield dock


async def exported(dock: Dock, *, description: str | None = None) -> tuple[FinishedArchive, Progress]:
    """Export to the end."""
    job = await dock.order_export(description=description)
    progress = Progress()
    await dock.exporter.run(job, await claimed(dock.pool, job), progress)
    found = await archives.find_by_job(dock.pool, job.id)
    assert found is not None
    return found, progress


async def streamed(dock: Dock, *, description: str | None = None) -> bytes:
    """The archive of an export that is no object."""
    dock.composes_archives = False
    try:
        return await dock.run_export(description=description)
    finally:
        dock.composes_archives = True


async def collected(dock: Dock) -> None:
    for _ in range(2):
        await dock.collect()
        await Collector(dock.pool, dock.store, grace=timedelta(0)).collect_objects()


async def archives_stored(dock: Dock) -> list[str]:
    return await keys(dock.store, "archives/")


async def test_an_object_has_the_same_bytes_as_the_plan(filled: Dock) -> None:
    plan = await streamed(filled)
    found, _ = await exported(filled)
    assert await archives_stored(filled) == [found.key]
    assert (await filled.store.stat(found.key)).size == found.size == len(plan)
    assert await filled.archive(found) == plan
    assert await filled.archive(found, 5, 70_000) == plan[5:70_005]


@ANY_STORE
async def test_an_object_has_the_tag_the_checksum_and_the_manifest_of_the_plan(filled: Dock) -> None:
    plan = await streamed(filled)
    before = await archives.find(filled.pool, project_id=1, user_id=1)
    found, _ = await exported(filled)
    assert before is not None
    facts = [(each.etag, each.crc32, each.manifest_sha256, each.documents) for each in (before, found)]
    assert facts[0] == facts[1]
    assert found.snapshot_id is not None  # of which the manifest tells
    assert manifest_of(plan) == manifest_of(await filled.archive(found))


@ANY_STORE
async def test_no_checksum_is_claimed_for_bytes_that_nobody_has_read(filled: Dock) -> None:
    found, _ = await exported(filled)
    row = await filled.pool.fetchrow(
        "SELECT state, size, crc32s, sha256 FROM objects WHERE id = $1", found.object_id
    )
    assert row
    assert tuple(row) == ("stored", found.size, None, None)


async def test_what_passes_through_the_exporter_is_what_s3_does_not_copy_and_no_more(filled: Dock) -> None:
    found, progress = await exported(filled)
    sent = found.size - progress.planned_bytes
    stored = [run.run async for run in runs.read_runs(filled.pool, found.snapshot_id or 0)]
    if isinstance(filled.store, FilesystemStore):
        assert sent == found.size - sum(run.size for run in stored)
        return
    assert sum(run.size >= 2 * PART for run in stored) == 1
    short = sum(run.size for run in stored if run.size < 2 * PART)
    own = found.size - sum(run.size for run in stored)
    assert sent <= own + short + PART
    assert progress.bytes_done == progress.bytes_total == found.size


async def test_a_composition_is_seen_to_get_on(filled: Dock) -> None:
    found, progress = await exported(filled)
    assert progress.other_bytes == found.size


async def test_a_long_head_is_composed_with_the_rest(filled: Dock) -> None:
    document = b'{"x":"%s"}' % RANDOM.randbytes(400_000).hex().encode()
    made: Files = [VERSION, (PROJECT[0], document), ("uploads/a", LARGE)]
    await filled.run_import(archive(made))
    plan = await streamed(filled, description="new")
    found, _ = await exported(filled, description="new")
    assert await filled.archive(found) == plan
    assert files(plan)["uploads/a"] == LARGE
    await collected(filled)
    assert await archives_stored(filled) == [found.key]  # the head has no object any more


async def test_a_project_without_content_is_an_object_too(dock: Dock) -> None:
    plan = await streamed(dock)
    found, _ = await exported(dock)
    assert await archives_stored(dock) == [found.key]
    assert await dock.archive(found) == plan


@ANY_STORE
@pytest.mark.parametrize("end", ["expired", "exported again", "removed", "project deleted"])
async def test_the_object_is_gone_after_the_end_of_the_archive(filled: Dock, end: str) -> None:
    found, _ = await exported(filled)
    await collected(filled)
    assert await archives_stored(filled) == [found.key]
    if end == "expired":
        await filled.pool.execute("UPDATE archives SET expires_at = now() - interval '1 second'")
    elif end == "exported again":
        await exported(filled)
    elif end == "removed":
        await archives.remove_archives(filled.pool, project_id=1, user_id=1)
    else:
        await filled.pool.execute("DELETE FROM projects")
    await collected(filled)
    assert found.key not in await archives_stored(filled)
    assert not await filled.pool.fetchval("SELECT true FROM objects WHERE id = $1", found.object_id)


async def test_a_lost_object_fails_the_export_and_leaves_nothing(filled: Dock) -> None:
    await filled.store.delete([(await keys(filled.store, "blobs/"))[0]])
    job = await filled.order_export()
    with pytest.raises(ObjectMissing):
        await filled.exporter.run(job, await claimed(filled.pool, job), Progress())
    await collected(filled)
    assert await archives_stored(filled) == []
    assert await leftovers(filled.store) == 0


@ANY_STORE
async def test_a_lease_that_is_lost_meanwhile_leaves_nothing(filled: Dock) -> None:
    job = await filled.order_export()
    lease = await claimed(filled.pool, job)
    with pytest.raises(LeaseLost):
        await filled.exporter.run(job, Lease(job.id, lease.token + 1), Progress())
    await jobs.cancel(filled.pool, job.id)
    await collected(filled)
    assert await archives_stored(filled) == []
    assert not await filled.pool.fetchval("SELECT true FROM objects WHERE kind = 'archive'")


class _ScriptedStore(FilesystemStore):
    """Files; a composition ends as a test says, or hangs after its first piece."""

    error: Exception | None = None
    begun: asyncio.Event

    async def compose(self, key: str, pieces: AsyncIterator[Piece], *, size: int) -> Composed:
        """See ObjectStore."""
        if self.error is not None:
            raise self.error

        async def first() -> AsyncIterator[Piece]:
            yield await anext(pieces)
            self.begun.set()
            await asyncio.Event().wait()

        return await super().compose(key, first(), size=size)


@pytest.fixture
async def scripted(dock: Dock) -> _ScriptedStore:
    assert (await dock.run_import(CONTENT)).error is None
    dock.composes_archives = True
    dock.store = store = _ScriptedStore(dock.root)
    store.begun = asyncio.Event()
    return store


async def test_an_exporter_that_dies_meanwhile_leaves_nothing(dock: Dock, scripted: ObjectStore) -> None:
    assert isinstance(scripted, _ScriptedStore)
    job: Job = await dock.order_export()
    working = asyncio.create_task(dock.exporter.run(job, await claimed(dock.pool, job), Progress()))
    await scripted.begun.wait()
    assert await dock.pool.fetchval("SELECT state FROM objects WHERE kind = 'archive'") == "writing"
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    await jobs.cancel(dock.pool, job.id)
    await collected(dock)
    assert not await dock.pool.fetchval("SELECT true FROM objects WHERE kind = 'archive'")
    assert await archives_stored(dock) == []
    assert await leftovers(scripted) == 0


async def test_an_object_is_kept_from_the_collector_while_it_is_composed(
    dock: Dock, scripted: _ScriptedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "TOUCH_EVERY", timedelta(milliseconds=1))
    job = await dock.order_export()
    working = asyncio.create_task(dock.exporter.run(job, await claimed(dock.pool, job), Progress()))
    await scripted.begun.wait()
    await dock.pool.execute("UPDATE objects SET touched_at = now() - interval '1 hour'")
    touched = "SELECT touched_at > now() - interval '1 minute' FROM objects WHERE kind = 'archive'"
    await until_row(dock.pool, touched)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)


async def test_an_archive_of_too_many_pieces_stays_a_plan(dock: Dock, scripted: _ScriptedStore) -> None:
    scripted.error = TooManyParts(limit=10_000)
    with capture_logs() as logs:
        found, progress = await exported(dock)
    assert [line["event"] for line in logs if line["log_level"] == "warning"] == ["archive_not_composed"]
    assert found.tail is not None
    assert progress.planned_bytes == found.size
    assert files(await dock.archive(found))["uploads/b"] == b"small"
    await collected(dock)
    assert not await dock.pool.fetchval("SELECT true FROM objects WHERE kind = 'archive'")


async def test_a_body_that_ends_early_is_no_object(filled: Dock) -> None:
    await exported(filled)
    await archives.remove_archives(filled.pool, project_id=1, user_id=1)
    await collected(filled)
    await filled.pool.execute("DELETE FROM runs WHERE start = (SELECT max(start) FROM runs)")
    job = await filled.order_export()
    with pytest.raises(SnapshotGone):
        await filled.exporter.run(job, await claimed(filled.pool, job), Progress())
    assert await archives_stored(filled) == []
    assert await leftovers(filled.store) == 0
