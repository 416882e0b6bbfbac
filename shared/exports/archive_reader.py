"""Reads finished archives: downloads, ranges of them and uploads all come this way."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from shared.assembly.blocks import BlockReader
from shared.assembly.item_reader import read_items
from shared.assembly.layout import LayoutItem, cut_placed
from shared.database.pool import Pool
from shared.exports.archives import FinishedArchive
from shared.snapshots import runs
from shared.snapshots.index import SnapshotGone
from shared.snapshots.reader import Run

Placed = tuple[int, LayoutItem]
"""An item, and its offset in the archive."""


class ArchiveReader:
    """Puts archives together while it reads them, in flat memory."""

    def __init__(self, pool: Pool, blocks: BlockReader) -> None:
        self._pool = pool
        self._blocks = blocks

    async def read(self, archive: FinishedArchive, start: int, length: int) -> AsyncGenerator[bytes, None]:
        """Give ``length`` bytes from ``start`` on; the first look-up finds where they are.

        Keep its snapshot while it is read. Raises StorageError, and SnapshotGone rather than end early.
        """
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
            yield 0, Run(archive.key, 0, archive.size)
            return
        head = archive.head_size
        yield 0, Run(archive.key, 0, head) if archive.head is None else archive.head
        end = archive.size - len(archive.tail)
        if archive.snapshot_id is not None and start < end:
            async for placed in runs.read_runs(self._pool, archive.snapshot_id, offset=max(start - head, 0)):
                at = head + placed.run.start
                yield at, placed.run.lead
                yield at + len(placed.run.lead), Run(placed.key, placed.run.position, placed.run.size)
        yield end, archive.tail

    async def first_key(self, archive: FinishedArchive) -> str | None:
        """Give the key of an object that the archive is made of; None where it has none."""
        if archive.key:
            return archive.key
        if archive.snapshot_id is None:
            return None
        return await runs.first_key(self._pool, archive.snapshot_id)
