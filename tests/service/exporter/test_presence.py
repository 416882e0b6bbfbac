"""Before an export is finished, the store is asked for each object of which its archive is made."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from shared.errors import ObjectMissing, StorageError
from shared.ledger import presence
from shared.ledger.presence import ObjectCut, require_objects
from shared.storage.base import ObjectInfo
from shared.storage.filesystem import FilesystemStore
from tests.support.jobs import claimed, state_of
from tests.support.projects import Dock, project

MANY = 40


class _SlowStore(FilesystemStore):
    """Answers once 32 are asked for at the same time, or ``full`` is set; ``lost`` is not there."""

    lost: str | None = None
    asked = running = peak = 0
    full: asyncio.Event

    async def stat(self, key: str) -> ObjectInfo:
        """See ObjectStore."""
        self.asked += 1
        if key == self.lost:
            self.full.set()
            raise ObjectMissing(key)
        self.running += 1
        self.peak = max(self.peak, self.running)
        if self.running == 32:
            self.full.set()
        try:
            await self.full.wait()
            return await super().stat(key)
        finally:
            self.running -= 1


@pytest.fixture
async def filled(dock: Dock) -> Dock:
    """One with an object for each of 40 files, and the pack of the others."""
    random = Random(3)  # noqa: S311  # the same every time
    large = [(f"uploads/{number}", random.randbytes(2000)) for number in range(MANY)]
    assert (await dock.run_import(project(*large, ("uploads/small", b"1")))).error is None
    return dock


@pytest.fixture
def slow(filled: Dock) -> _SlowStore:
    filled.store = store = _SlowStore(filled.root)
    store.full = asyncio.Event()
    return store


async def _ask(dock: Dock) -> None:
    (snapshot_id,) = await dock.snapshots()
    await require_objects(dock.pool, dock.store, snapshot_id)


async def test_every_object_is_asked_for_and_32_at_one_time(filled: Dock, slow: _SlowStore) -> None:
    await _ask(filled)
    assert (slow.asked, slow.peak) == (MANY + 1, 32)


async def test_pages_of_objects_are_all_asked_for(
    filled: Dock, slow: _SlowStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "_PAGE", 10)
    slow.full.set()
    await _ask(filled)
    assert slow.asked == MANY + 1


async def test_nothing_more_is_asked_for_once_one_object_is_lost(filled: Dock, slow: _SlowStore) -> None:
    slow.lost = await filled.pool.fetchval("SELECT key FROM objects WHERE kind = 'blob' ORDER BY id LIMIT 1")
    with pytest.raises(ObjectMissing):
        await _ask(filled)
    assert slow.asked <= 2  # and the pack
    assert await filled.pool.fetchval("SELECT count(seen_at) FROM objects") == 0


@pytest.mark.parametrize(("lose", "error"), [("delete", ObjectMissing), ("cut", ObjectCut)])
async def test_an_export_fails_for_good_where_an_object_is_lost_or_cut(
    filled: Dock, lose: str, error: type[StorageError]
) -> None:
    last = filled.root / filled.stored("blobs/")[-1]
    if lose == "delete":
        last.unlink()
    else:
        last.write_bytes(last.read_bytes()[:-1])
    job = await filled.order_export()
    with pytest.raises(error) as raised:
        await filled.exported(job, await claimed(filled.pool, job))
    assert not raised.value.retryable
    assert await state_of(filled.pool, job.id) == "running"
    assert await filled.pool.fetchval("SELECT count(*) FROM archives") == 0


async def test_a_row_that_somebody_changes_holds_no_export_up(filled: Dock) -> None:
    async with filled.pool.acquire() as db, db.transaction():
        await db.execute("UPDATE objects SET touched_at = now()")
        async with asyncio.timeout(30):
            await _ask(filled)
    assert await filled.pool.fetchval("SELECT count(seen_at) FROM objects") == 0
    await _ask(filled)
    assert (
        await filled.pool.fetchval("SELECT count(*) FROM objects WHERE seen_at IS NULL AND kind = 'blob'")
        == 0
    )
