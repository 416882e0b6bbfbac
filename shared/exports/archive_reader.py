"""Reads finished archives: downloads, ranges of them and uploads all come this way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from functools import partial

import structlog

from shared.assembly.blocks import BlockReader
from shared.assembly.item_reader import read_items
from shared.assembly.layout import cut_placed
from shared.database.outages import DATABASE_ERRORS
from shared.database.pool import Pool
from shared.exports import archives
from shared.exports.archive_items import Placed, planned_items
from shared.exports.archives import ArchivePlan, FinishedArchive
from shared.exports.digests import hash_beside
from shared.ledger import objects
from shared.logs import describe
from shared.snapshots import runs
from shared.snapshots.errors import SnapshotGone
from shared.storage.composition import ObjectRange

_PATIENCE = timedelta(seconds=5)
"""How long the last piece of an archive waits for its digest to be recorded."""

_log = structlog.get_logger()


class ArchiveReader:
    """Puts archives together while it reads them, in flat memory."""

    def __init__(self, pool: Pool, blocks: BlockReader) -> None:
        self._pool = pool
        self._blocks = blocks

    def read(self, archive: FinishedArchive, start: int, length: int) -> AsyncGenerator[bytes, None]:
        """Give ``length`` bytes from ``start`` on; the first look-up finds where they are.

        Who reads all of an archive whose SHA-256 is unknown leaves it recorded. Keep its snapshot while it is
        read. Raises StorageError, and SnapshotGone rather than end early.
        """
        pieces = self._read(archive, start, length)
        if archive.sha256 is not None or length < archive.size:
            return pieces
        return hash_beside(pieces, archive.size, record=partial(self._record, archive))

    async def read_plan(self, plan: ArchivePlan) -> AsyncGenerator[bytes, None]:
        """Give an archive that has no row, while all that the plan names is kept.

        Raises StorageError, and SnapshotGone rather than end early.
        """
        missing = plan.size
        items = cut_placed(self._items_of_plan(plan), start=0, length=plan.size)
        async with aclosing(read_items(self._blocks, items)) as pieces:
            async for piece in pieces:
                missing -= len(piece)
                yield piece
        if missing:
            raise SnapshotGone(plan.snapshot_id or 0)

    async def _record(self, archive: FinishedArchive, sha256: bytes) -> None:
        """Record the digest. A database that is away costs the digest, not the archive."""
        try:
            async with asyncio.timeout(_PATIENCE.total_seconds()):
                await archives.record_sha256(self._pool, archive, sha256)
        except DATABASE_ERRORS as error:
            _log.warning("sha256_not_recorded", archive_id=archive.id, error=describe(error))

    async def _read(self, archive: FinishedArchive, start: int, length: int) -> AsyncGenerator[bytes, None]:
        missing = length
        items = cut_placed(self._items(archive, start), start=start, length=length)
        async with aclosing(read_items(self._blocks, items)) as pieces:
            async for piece in pieces:
                missing -= len(piece)
                yield piece
        if missing:
            raise SnapshotGone(archive.snapshot_id or 0)

    async def _items(self, archive: FinishedArchive, start: int) -> AsyncGenerator[Placed, None]:
        if archive.tail is None:
            yield 0, ObjectRange(archive.key, 0, archive.size)
            return
        head = ObjectRange(archive.key, 0, archive.head_size) if archive.head is None else archive.head
        async for placed in planned_items(self._pool, archive, head, start=start):
            yield placed

    async def _items_of_plan(self, plan: ArchivePlan) -> AsyncGenerator[Placed, None]:
        head: bytes | ObjectRange = plan.head or b""
        if plan.object_id is not None:
            stored = await objects.find_stored(self._pool, plan.object_id)
            if stored is None:
                raise SnapshotGone(plan.snapshot_id or 0)
            head = ObjectRange(stored.key, 0, stored.size)
        async for placed in planned_items(self._pool, plan, head):
            yield placed

    async def first_key(self, archive: FinishedArchive) -> str | None:
        """Give the key of an object that the archive is made of; None where it has none."""
        if archive.key:
            return archive.key
        if archive.snapshot_id is None:
            return None
        return await runs.first_key(self._pool, archive.snapshot_id)
