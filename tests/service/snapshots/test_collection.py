from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from services.process.maintenance import make_sweeper
from services.process.ports import Ports
from shared.broker.memory import MemoryBroker
from shared.database.pool import Pool, session
from shared.errors import LeaseLost, ObjectMissing
from shared.exports import archives
from shared.exports.archives import ArchivePlan
from shared.jobs import store as jobs
from shared.ledger import objects
from shared.ledger.collector import Collector
from shared.settings.environment import Settings
from shared.snapshots import appending, lifecycle, lookups
from shared.snapshots.errors import SnapshotGone
from shared.snapshots.models import Entry, EntryKind
from shared.snapshots.writer import write_snapshot
from shared.storage.errors import OperationRefused
from shared.storage.filesystem import FilesystemStore
from tests.support.jobs import MINUTE, claimed, queued
from tests.support.sealing import sealer
from tests.support.waiting import until_row

NOW = timedelta(0)
LONG_AGO = """UPDATE objects SET touched_at = now() - interval '1 hour';
              UPDATE suspects SET due_at = now() - interval '1 hour'"""


async def _object(pool: Pool, store: FilesystemStore, kind: objects.ObjectKind = "upload") -> int:
    named = await objects.register(pool, kind=kind)
    async with store.create(named.key) as writer:
        await writer.write(bytes(1000))
        await writer.commit()
    await objects.record_stored(pool, named.id, size=1000, sha256=bytes(32))
    return named.id


async def _keys(store: FilesystemStore) -> list[str]:
    return [info.key async for info in store.list()]


async def _archive(pool: Pool, store: FilesystemStore, *, retention: timedelta = MINUTE) -> None:
    object_id = await _object(pool, store, "archive")
    await archives.keep_newest(
        pool, await queued(pool), ArchivePlan(object_id=object_id, size=1000, sha256=bytes(32)),
        file_name="a", retention=retention,
    )  # fmt: skip
    await pool.execute(LONG_AGO)


@pytest.mark.parametrize("ends", ["expires", "is replaced"])
async def test_an_archive_that_ends_can_be_read_for_the_grace_time(
    pool: Pool, store: FilesystemStore, ends: str
) -> None:
    await _archive(pool, store, retention=NOW if ends == "expires" else MINUTE)
    if ends == "is replaced":
        await pool.execute("DELETE FROM archives")
    collector = Collector(pool, store, grace=MINUTE)
    for _ in range(2):
        await collector.remove_expired_archives()
        await collector.collect_objects()
    assert len(await _keys(store)) == 1
    await pool.execute(LONG_AGO)
    await collector.collect_objects()
    assert await _keys(store) == []


async def test_an_archive_lives_as_long_as_somebody_reads_and_touches_it(
    pool: Pool, store: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "TOUCH_EVERY", timedelta(milliseconds=1))
    await _archive(pool, store, retention=NOW)
    collector = Collector(pool, store, grace=MINUTE)
    await collector.remove_expired_archives()
    await collector.collect_objects()
    await pool.execute(LONG_AGO)
    async with objects.keep_touched(pool, 1):
        await until_row(pool, "SELECT touched_at > now() - interval '1 minute' FROM objects")
        await collector.collect_objects()
        assert len(await _keys(store)) == 1


async def test_collectors_at_once_remove_everything_and_do_not_disturb_each_other(
    pool: Pool, store: FilesystemStore
) -> None:
    for _ in range(30):
        await _object(pool, store)
    used = await _object(pool, store)
    await queued(pool, object_id=used)
    await asyncio.gather(*(Collector(pool, store, grace=NOW).collect_objects() for _ in range(5)))
    assert await pool.fetchval("SELECT array_agg(id) FROM objects") == [used]
    assert len(await _keys(store)) == 1


async def test_an_object_that_cannot_be_deleted_holds_up_no_other(
    pool: Pool, store: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = await _object(pool, store)
    for _ in range(3):
        await _object(pool, store)
    (key,) = [row["key"] for row in await pool.fetch("SELECT key FROM objects WHERE id = $1", kept)]
    delete = store.delete

    async def refusing(keys: Sequence[str]) -> None:
        if key in keys:
            raise OperationRefused("delete", key, reason="AccessDenied")
        await delete(keys)

    monkeypatch.setattr(store, "delete", refusing)
    collector = Collector(pool, store, grace=NOW)
    assert await collector.collect_objects() == 3
    assert await _keys(store) == [key]
    monkeypatch.setattr(store, "delete", delete)
    assert await collector.collect_objects() == 1


async def test_a_snapshot_that_goes_while_it_is_read_is_an_error_and_no_early_end(pool: Pool) -> None:
    lease = await claimed(pool, await queued(pool))
    snapshot_id = await lifecycle.open_snapshot(pool, lease, project_id=1)
    many = [Entry(name=f"{n:05}", kind=EntryKind.DIRECTORY, mtime=1) for n in range(2500)]
    await appending.append_for_job(pool, lease, snapshot_id=snapshot_id, entries=many, segments=[])
    reading = lookups.read_entries(pool, snapshot_id)
    await anext(reading)
    await pool.execute("DELETE FROM snapshots")
    with pytest.raises(SnapshotGone):
        [placed async for placed in reading]


async def test_a_project_deleted_while_it_is_imported_leaves_no_object(
    pool: Pool, store: FilesystemStore
) -> None:
    upload = await _object(pool, store)
    lease = await claimed(pool, await queued(pool, object_id=upload))
    async with write_snapshot(pool, store, lease, project_id=1, packed_up_to=3) as writer:
        for name in ("one", "three"):
            sink = await writer.blob(name, 5, size=len(name))
            await sink.place(sink.encode(name.encode()))
            await sink.commit(hashlib.sha256(name.encode()).digest())
        await pool.execute("DELETE FROM projects")
        await writer.directory("late", 5)
        await writer.close()  # the snapshot outlives its project, until nobody uses it
    with pytest.raises(LeaseLost):
        await jobs.heartbeat(pool, lease, ttl=MINUTE, progress={})
    await Collector(pool, store, grace=NOW).collect_snapshots()
    await Collector(pool, store, grace=NOW).collect_objects()
    assert (await _keys(store), await pool.fetchval("SELECT count(*) FROM objects")) == ([], 0)


async def test_snapshots_are_dropped_a_few_at_a_time(pool: Pool, store: FilesystemStore) -> None:
    await pool.execute("INSERT INTO snapshots (project_id) SELECT 1 FROM generate_series(1, 11)")
    collector = Collector(pool, store, grace=NOW)
    assert [await collector.collect_snapshots() for _ in range(3)] == [10, 1, 0]


async def test_an_object_whose_bytes_are_gone_already_is_collected(
    pool: Pool, store: FilesystemStore
) -> None:
    await _object(pool, store)
    [key] = await _keys(store)
    await store.delete([key])
    with pytest.raises(ObjectMissing):
        await store.stat(key)
    await Collector(pool, store, grace=NOW).collect_objects()
    assert await pool.fetchval("SELECT count(*) FROM objects") == 0


async def test_what_a_dead_writer_left_goes_after_two_grace_times_and_what_a_living_one_has_stays(
    pool: Pool, store: FilesystemStore, tmp_path: Path
) -> None:
    dead, living = [await objects.register(pool, kind="pack") for _ in range(2)]
    left = store.create(dead.key)
    await left.write(bytes(3_000_000))
    await pool.execute(LONG_AGO)
    collector = Collector(pool, store, grace=MINUTE)
    async with store.create(living.key) as writer:
        await writer.write(bytes(3_000_000))
        await pool.execute("UPDATE objects SET touched_at = now() WHERE id = $1", living.id)
        await collector.collect_objects()
        assert await store.abort_uploads(older_than=timedelta(hours=1)) == 0
        await pool.execute(LONG_AGO)
        await pool.execute("UPDATE objects SET touched_at = now() WHERE id = $1", living.id)
        assert await collector.collect_objects() == 1
        assert len(list((tmp_path / ".incoming").iterdir())) == 1
        await writer.commit()
    await objects.record_stored(pool, living.id, size=3_000_000, sha256=None)
    await left.abort()
    assert await _keys(store) == [living.key]


class Counting(FilesystemStore):
    """A store that counts how often somebody looks for uploads that were left."""

    looks = 0

    async def abort_uploads(self, *, older_than: timedelta) -> int:
        """See ObjectStore."""
        self.looks += 1
        return await super().abort_uploads(older_than=older_than)


async def test_uploads_that_were_left_are_not_looked_for_at_every_round(
    pool: Pool, tmp_path: Path, database_url: str
) -> None:
    store = Counting(tmp_path)
    ports = Ports(pool, store, MemoryBroker(), partial(session, database_url), sealer())
    sweeper = make_sweeper(ports, Settings())
    for _ in range(3):
        await sweeper.sweep()
    assert store.looks == 1
