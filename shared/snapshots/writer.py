"""Writes a new snapshot: entries in any order, one pass, seen by nobody before its commit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from shared.database.pool import Pool
from shared.jobs.models import Lease
from shared.snapshots import index
from shared.snapshots.models import Entry, EntryKind
from shared.snapshots.pack import Pack
from shared.snapshots.rows import Rows
from shared.snapshots.sinks import BlobSink, LargeBlob, PackedBlob, RelationSink
from shared.storage.base import ObjectStore


class SnapshotWriter:
    """Gives a sink for each entry, one open at a time.

    Memory: one part of the pack's upload, one of a large blob's, and one segment.
    """

    def __init__(  # what a snapshot is made with
        self, pool: Pool, store: ObjectStore, *, rows: Rows, snapshot_id: int, packed_up_to: int,
        resources: AsyncExitStack,
    ) -> None:  # fmt: skip
        self._pool = pool
        self._store = store
        self._rows = rows
        self._packed_up_to = packed_up_to
        self._pack = Pack(pool, store, resources=resources)
        self._large: LargeBlob | None = None
        self.snapshot_id = snapshot_id

    async def directory(self, name: str, mtime: int) -> None:
        """Add a directory."""
        await self._rows.add(Entry(name=name, kind=EntryKind.DIRECTORY, mtime=mtime))

    def relation(self, name: str, mtime: int) -> RelationSink:
        """Add a relation."""
        return RelationSink(name, mtime, pack=self._pack, rows=self._rows)

    async def blob(self, name: str, mtime: int, *, size: int) -> BlobSink:
        """Add a blob of ``size`` raw bytes."""
        if size <= self._packed_up_to:
            return PackedBlob(name, mtime, pack=self._pack, rows=self._rows)
        self._large = LargeBlob(name, mtime, pool=self._pool, store=self._store, rows=self._rows)
        await self._large.open()
        return self._large

    async def abandon(self) -> None:
        """Give up what is being uploaded. Does nothing after a ``close``."""
        if self._large:
            await self._large.abandon()

    async def close(self) -> None:
        """Have every byte and row stored; the snapshot is complete, and still open."""
        await self._pack.close()
        await self._rows.flush()


@asynccontextmanager
async def write_snapshot(
    pool: Pool, store: ObjectStore, lease: Lease, *, project_id: int, packed_up_to: int
) -> AsyncIterator[SnapshotWriter]:
    """Open a snapshot for the holder of ``lease``; blobs up to ``packed_up_to`` bytes go to the pack.

    Leaving without ``close`` throws the uploads away.
    """
    snapshot_id = await index.open_snapshot(pool, lease, project_id=project_id)
    rows = Rows(partial(index.add, pool, lease, snapshot_id=snapshot_id))
    async with writing(pool, store, rows=rows, snapshot_id=snapshot_id, packed_up_to=packed_up_to) as writer:
        yield writer


@asynccontextmanager
async def writing(
    pool: Pool, store: ObjectStore, *, rows: Rows, snapshot_id: int, packed_up_to: int
) -> AsyncIterator[SnapshotWriter]:
    """Write into a snapshot that is open. Leaving without ``close`` throws the uploads away."""
    async with AsyncExitStack() as resources:
        writer = SnapshotWriter(
            pool, store, rows=rows, snapshot_id=snapshot_id, packed_up_to=packed_up_to, resources=resources
        )
        resources.push_async_callback(writer.abandon)
        yield writer
