"""Composes planned archives as objects, by copies in the store, for downloads that are redirected to it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

import structlog

from shared.database.pool import Pool
from shared.exports.archive_items import Placed, planned_items
from shared.exports.archives import ArchivePlan
from shared.jobs.progress import Progress
from shared.ledger import objects
from shared.ledger.objects import ObjectCollected, StoredObject
from shared.snapshots.errors import SnapshotGone
from shared.storage.base import ObjectStore
from shared.storage.composition import ObjectRange, Piece, evenly, length_of
from shared.storage.errors import TooManyParts

_STEP = 2**30
"""The most bytes of one piece: with each the job is seen to get on."""

_log = structlog.get_logger()


class ArchiveComposer:
    """Composes archives. What passes through the process is held by the store's adapter: a part or two."""

    def __init__(self, pool: Pool, store: ObjectStore) -> None:
        self._pool = pool
        self._store = store

    @asynccontextmanager
    async def compose(self, plan: ArchivePlan, progress: Progress) -> AsyncIterator[ArchivePlan]:
        """Give the archive of a plan as one object; record that before the block ends.

        Gives the plan itself where its pieces are too many for one object. Keep its snapshot meanwhile.
        Raises StorageError and SnapshotGone.
        """
        named = await objects.register(self._pool, kind="archive")
        async with objects.keep_touched(self._pool, named.id):
            is_composed = await self._attempt(named, plan, progress)
            yield replace(plan, head=None, tail=None, object_id=named.id) if is_composed else plan

    async def _attempt(self, named: StoredObject, plan: ArchivePlan, progress: Progress) -> bool:
        try:
            await self._write(named, plan, progress)
        except TooManyParts as error:
            _log.warning("archive_not_composed", size=plan.size, error=str(error))
            return False
        return True

    async def _write(self, named: StoredObject, plan: ArchivePlan, progress: Progress) -> None:
        items = planned_items(self._pool, plan, await self._head(plan))
        async with aclosing(items), aclosing(_pieces(items, plan, progress)) as pieces:
            composed = await self._store.compose(named.key, pieces, size=plan.size)
        progress.planned_bytes -= composed.sent
        # Without checksums: nobody has read what the store copied, and its blocks lie otherwise than before.
        await objects.record_stored(self._pool, named.id, size=composed.size, sha256=None)

    async def _head(self, plan: ArchivePlan) -> bytes | ObjectRange:
        if plan.object_id is None:
            return plan.head or b""
        stored = await objects.find_stored(self._pool, plan.object_id)
        if stored is None:
            raise ObjectCollected(plan.object_id)
        return ObjectRange(stored.key, 0, stored.size)


async def _pieces(
    items: AsyncIterator[Placed], plan: ArchivePlan, progress: Progress
) -> AsyncGenerator[Piece, None]:
    """Give the bytes and ranges of a plan; count each once the next one is wanted. Raises SnapshotGone."""
    missing = plan.size
    async for _, item in items:
        for piece in evenly(item, _STEP) if isinstance(item, ObjectRange) else [item]:
            yield piece
            missing -= length_of(piece)
            progress.other_bytes += length_of(piece)
    if missing:
        raise SnapshotGone(plan.snapshot_id or 0)
