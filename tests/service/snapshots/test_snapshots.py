from __future__ import annotations

import asyncio
import hashlib
import os
from datetime import timedelta

import pytest

from shared.database.pool import Pool
from shared.errors import LeaseLost
from shared.gitlab.features import ProjectFeatures
from shared.jobs import store as jobs
from shared.jobs.models import Lease
from shared.ledger import objects
from shared.ledger.collector import Collector
from shared.segments.inflater import inflate
from shared.snapshots import lifecycle, lookups
from shared.snapshots.errors import SnapshotGone
from shared.snapshots.models import EntryKind, PlacedEntry
from shared.snapshots.reader import read_run
from shared.snapshots.writer import SnapshotWriter, write_snapshot
from shared.storage.composition import ObjectRange
from shared.storage.filesystem import FilesystemStore
from tests.support.jobs import claimed, queued
from tests.support.waiting import until_locked, until_row

SMALL = 1024
NOW = timedelta(0)


async def _keys(store: FilesystemStore) -> list[str]:
    return [info.key async for info in store.list()]


async def _blob(writer: SnapshotWriter, name: str, data: bytes) -> None:
    sink = await writer.blob(name, 5, size=len(data))
    await sink.place(sink.encode(data))
    await sink.commit(hashlib.sha256(data).digest())


async def _relation(writer: SnapshotWriter, name: str, lines: list[bytes]) -> None:
    sink = writer.relation(name, 5)
    for line in lines:
        await sink.write([line])
    await sink.commit()


async def _committed(pool: Pool, store: FilesystemStore, blobs: dict[str, bytes]) -> int:
    lease = await claimed(pool, await queued(pool))
    async with write_snapshot(pool, store, lease, project_id=1, packed_up_to=SMALL) as writer:
        for name, data in blobs.items():
            await _blob(writer, name, data)
        await writer.close()
    async with pool.acquire() as db, db.transaction():
        await lifecycle.commit(db, snapshot_id=writer.snapshot_id, project_id=1, features=ProjectFeatures())
        await jobs.finish(db, lease, progress={})
    return writer.snapshot_id


async def _entries(pool: Pool, snapshot_id: int) -> dict[str, PlacedEntry]:
    return {placed.entry.name: placed async for placed in lookups.read_entries(pool, snapshot_id)}


async def _bytes(store: FilesystemStore, placed: PlacedEntry) -> bytes:
    entry = placed.entry
    if not entry.raw_size:
        return b""
    stored = await read_run(store, ObjectRange(placed.key, entry.position, entry.stored_size))
    return inflate(stored, raw_length=entry.raw_size, crc32=entry.crc32)


def _collector(pool: Pool, store: FilesystemStore, grace: timedelta = NOW) -> Collector:
    return Collector(pool, store, grace=grace)


async def _collect(pool: Pool, store: FilesystemStore) -> None:
    collector = _collector(pool, store)
    await collector.remove_expired_archives()
    await collector.collect_snapshots()
    await collector.collect_objects()


async def test_what_was_written_is_read_back_byte_for_byte(pool: Pool, store: FilesystemStore) -> None:
    blobs = {"small": b"x" * 10, "empty": b"", "large": os.urandom(3_000_000), "zeros": bytes(2_000_000)}
    entries = await _entries(pool, await _committed(pool, store, blobs))
    assert list(entries) == sorted(blobs)
    for name, data in blobs.items():
        entry = entries[name].entry
        assert await _bytes(store, entries[name]) == data
        assert (entry.raw_size, entry.sha256) == (len(data), hashlib.sha256(data).digest())
    assert entries["zeros"].entry.stored_size < 100_000  # deflated
    assert entries["large"].entry.stored_size < 3_001_000  # stored blocks


async def test_many_small_blobs_are_one_object(pool: Pool, store: FilesystemStore) -> None:
    await _committed(pool, store, {f"uploads/{n}": b"%d" % n for n in range(2500)})
    assert len(await _keys(store)) == 1


async def test_any_line_of_a_relation_is_found_in_one_segment(pool: Pool, store: FilesystemStore) -> None:
    lines = [b'{"n":%d,"x":"%s"}\n' % (n, b"y" * (n % 700)) for n in range(9000)]
    lines[4000] = b'{"x":"%s"}\n' % (b"z" * 2_500_000)  # longer than a segment
    lease = await claimed(pool, await queued(pool))
    async with write_snapshot(pool, store, lease, project_id=1, packed_up_to=SMALL) as writer:
        await _relation(writer, "r", lines)
        await writer.close()
    placed = (await _entries(pool, writer.snapshot_id))["r"]
    assert placed.entry.kind is EntryKind.RELATION
    assert placed.entry.lines == len(lines)
    assert await _bytes(store, placed) == b"".join(lines)
    for number in (0, 3999, 4000, 4001, 8999):
        segment = await lookups.find_segment(pool, writer.snapshot_id, "r", line=number)
        assert segment is not None
        stored = await read_run(store, ObjectRange(placed.key, segment.position, segment.stored_size))
        raw = inflate(stored, raw_length=segment.raw_size, crc32=segment.crc32)
        assert raw.split(b"\n")[number - segment.first_line] + b"\n" == lines[number]
    assert await lookups.find_segment(pool, writer.snapshot_id, "r", line=9000) is None


async def test_a_large_blob_is_kept_once(pool: Pool, store: FilesystemStore) -> None:
    data = os.urandom(50_000)
    await _committed(pool, store, {"a": data})
    second = await _committed(pool, store, {"b": data, "c": data})
    assert len([key for key in await _keys(store) if key.startswith("blobs/")]) == 1
    entries = await _entries(pool, second)
    assert await _bytes(store, entries["b"]) == await _bytes(store, entries["c"]) == data


async def test_of_two_uploads_of_one_blob_at_once_one_is_referred_to(pool: Pool) -> None:
    first, second = [await objects.register(pool, kind="blob") for _ in range(2)]
    digest = bytes(32)
    found = await asyncio.gather(
        objects.record_blob(pool, first, size=1, sha256=digest),
        objects.record_blob(pool, second, size=1, sha256=digest),
    )
    assert found[0] == found[1]


async def test_a_snapshot_left_without_close_leaves_nothing_after_collection(
    pool: Pool, store: FilesystemStore
) -> None:
    lease = await claimed(pool, await queued(pool))

    async def broken() -> None:
        async with write_snapshot(pool, store, lease, project_id=1, packed_up_to=SMALL) as writer:
            await _blob(writer, "large", os.urandom(5000))
            await _blob(writer, "small", b"x")
            sink = await writer.blob("half", 5, size=5000)
            await sink.place(sink.encode(b"y" * 2000))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await broken()
    await jobs.fail(pool, lease, code="storage", error="x")
    await _collect(pool, store)
    assert await _keys(store) == []
    assert await pool.fetchval("SELECT count(*) FROM objects") == 0
    assert await pool.fetchval("SELECT count(*) FROM snapshots") == 0


async def test_a_worker_whose_job_was_taken_over_cannot_write_into_a_snapshot(
    pool: Pool, store: FilesystemStore
) -> None:
    job = await queued(pool)
    old = await claimed(pool, job)
    async with write_snapshot(pool, store, old, project_id=1, packed_up_to=SMALL) as writer:
        await jobs.retry(pool, old, code="storage", error="x", delay=NOW)
        new = await claimed(pool, job)
        await lifecycle.open_snapshot(pool, new, project_id=1)
        await _blob(writer, "late", b"x")
        with pytest.raises(LeaseLost):
            await writer.close()
    with pytest.raises(LeaseLost):
        await lifecycle.open_snapshot(pool, old, project_id=1)


async def _pinned(pool: Pool, lease: Lease) -> int | None:
    pinned = await lifecycle.pin(pool, lease)
    return None if pinned is None else pinned.snapshot_id


async def test_collection_spares_what_is_current_pinned_or_young(pool: Pool, store: FilesystemStore) -> None:
    first = await _committed(pool, store, {"a": os.urandom(5000)})
    exporting: Lease = await claimed(pool, await queued(pool))
    assert await _pinned(pool, exporting) == first
    second = await _committed(pool, store, {"b": os.urandom(5000)})
    young = await objects.register(pool, kind="upload")

    await _collector(pool, store, timedelta(minutes=1)).collect_objects()
    assert await pool.fetchval("SELECT count(*) FROM objects WHERE id = $1", young.id) == 1
    await _collect(pool, store)
    assert set(await _entries(pool, first)) == {"a"}
    assert await _pinned(pool, exporting) == first

    await jobs.finish(pool, exporting, progress={})
    await _collect(pool, store)
    with pytest.raises(SnapshotGone):
        await _entries(pool, first)
    assert set(await _entries(pool, second)) == {"b"}
    assert len(await _keys(store)) == 1


async def test_a_blob_found_while_it_is_collected_lives(pool: Pool, store: FilesystemStore) -> None:
    data = os.urandom(5000)
    await _committed(pool, store, {"a": data})
    await _committed(pool, store, {})
    await _collector(pool, store).collect_snapshots()
    await pool.execute("UPDATE objects SET touched_at = now() - interval '1 hour'")
    async with pool.acquire() as db, db.transaction():
        found = await objects.find_blob(db, hashlib.sha256(data).digest())
        collecting = asyncio.create_task(_collector(pool, store, timedelta(seconds=30)).collect_objects())
        await until_locked(pool)
    await collecting
    assert found is not None
    assert await pool.fetchval("SELECT state FROM objects WHERE id = $1", found.object_id) == "stored"


async def test_an_object_that_was_collected_while_it_was_written_is_not_recorded(
    pool: Pool, store: FilesystemStore
) -> None:
    named = await objects.register(pool, kind="upload")
    await _collect(pool, store)
    with pytest.raises(objects.ObjectCollected):
        await objects.record_stored(pool, named.id, size=1, sha256=None)


async def test_an_object_is_kept_while_it_is_written(
    pool: Pool, store: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "TOUCH_EVERY", timedelta(milliseconds=1))
    named = await objects.register(pool, kind="upload")
    await pool.execute("UPDATE objects SET touched_at = now() - interval '1 hour'")
    async with objects.keep_touched(pool, named.id):
        await until_row(pool, "SELECT touched_at > now() - interval '1 minute' FROM objects")
    await _collector(pool, store, timedelta(minutes=1)).collect_objects()
    assert await pool.fetchval("SELECT state FROM objects") == "writing"


async def test_an_upload_that_a_job_needs_is_not_discarded(pool: Pool, store: FilesystemStore) -> None:
    named = await objects.register(pool, kind="upload")
    async with store.create(named.key) as writer:
        await writer.commit()
    await objects.record_stored(pool, named.id, size=0, sha256=None)
    await queued(pool, object_id=named.id)
    await objects.collect(pool, store, named)
    assert await _keys(store) == [named.key]
    assert await objects.find_stored(pool, named.id) is not None
