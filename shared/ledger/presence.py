"""Asks the store whether the objects of a snapshot are there, and as long as the ledger says."""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import timedelta

from shared.database.pool import Database, Pool, Row
from shared.errors import StorageError
from shared.storage.base import ObjectStore

_PAGE = 1000
_AT_ONCE = 32
_REMEMBERED = timedelta(minutes=10)


class ObjectCut(StorageError):
    """An object in the store has another size than it was recorded with; sizes in bytes."""

    code = "object_cut"
    retryable = False
    sentence = "a file in the object storage has another size than it had"

    def __init__(self, key: str, *, size: int, recorded: int) -> None:
        super().__init__(f"object {key!r} has {size} bytes, not {recorded}")
        self.key = key


class ObjectDamaged(StorageError):
    """An audit has found other bytes in an object than were written: its content has to be imported again."""

    code = "object_damaged"
    retryable = False

    def __init__(self, key: str) -> None:
        super().__init__(f"object {key!r} is damaged")
        self.key = key


async def require_objects(pool: Pool, store: ObjectStore, snapshot_id: int) -> None:
    """Raise ObjectMissing, ObjectCut or ObjectDamaged where an object of a snapshot's body is not whole.

    32 are asked for at once, out of a page of 1,000. One that was there is not asked for again within 10
    minutes.
    """
    rows = await _unseen(pool, snapshot_id, 0)
    while rows:
        await _require(store, rows)
        seen = [row["id"] for row in rows]
        await _remember(pool, seen)
        rows = await _unseen(pool, snapshot_id, seen[-1]) if len(rows) == _PAGE else []


async def _remember(db: Database, seen: list[int]) -> None:
    """Write when the objects were seen; a row that somebody else changes is passed over."""
    await db.execute(
        """UPDATE objects SET seen_at = now() WHERE id IN (
               SELECT id FROM objects WHERE id = ANY($1) FOR NO KEY UPDATE SKIP LOCKED)""",
        seen,
    )


async def _unseen(db: Database, snapshot_id: int, after: int) -> list[Row]:
    return await db.fetch(
        """SELECT id, key, size, state FROM objects o WHERE id > $2
           AND id IN (SELECT object_id FROM runs WHERE snapshot_id = $1)
           AND (state = 'damaged' OR seen_at IS NULL OR seen_at < now() - $3::interval)
           ORDER BY id LIMIT $4""",
        snapshot_id, after, _REMEMBERED, _PAGE,
    )  # fmt: skip


async def _require(store: ObjectStore, rows: list[Row]) -> None:
    waiting = deque(rows)
    askers = min(_AT_ONCE, len(rows))
    answers = await asyncio.gather(*(_ask(store, waiting) for _ in range(askers)), return_exceptions=True)
    for answer in answers:
        if answer is not None:
            raise answer


async def _ask(store: ObjectStore, waiting: deque[Row]) -> None:
    """Ask for one object after the other; an error ends that for all who take from ``waiting``."""
    try:
        while waiting:
            await _require_whole(store, waiting.popleft())
    except BaseException:
        waiting.clear()
        raise


async def _require_whole(store: ObjectStore, row: Row) -> None:
    if row["state"] == "damaged":
        raise ObjectDamaged(row["key"])
    info = await store.stat(row["key"])
    if info.size != row["size"]:
        raise ObjectCut(row["key"], size=info.size, recorded=row["size"])
