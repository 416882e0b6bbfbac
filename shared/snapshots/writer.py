"""Writes a new snapshot in one pass, its entries in any order; it is invisible until its commit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from shared.database.pool import Pool
from shared.jobs.models import Lease
from shared.ledger import objects
from shared.snapshots import index
from shared.snapshots.models import Entry, EntryKind
from shared.snapshots.pack import Pack
from shared.snapshots.rows import Rows
from shared.snapshots.sinks import BlobSink, KnownBlob, LargeBlob, PackedBlob, RelationSink
from shared.storage.base import ObjectStore


class SnapshotWriter:
    """Gives a sink for each entry; one is open at a time.

    Memory: one part of the pack's upload, one part of a large blob's upload, and one segment.
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
        """Give the sink of a relation."""
        return RelationSink(name, mtime, pack=self._pack, rows=self._rows)

    async def blob(self, name: str, mtime: int, *, size: int, sha256: bytes | None = None) -> BlobSink:
        """Give the sink of a blob of ``size`` raw bytes, which puts none where that digest is stored."""
        if size <= self._packed_up_to:
            return PackedBlob(name, mtime, pack=self._pack, rows=self._rows)
        if sha256 is not None and await objects.find_blob(self._pool, sha256):
            return KnownBlob(name, mtime, pool=self._pool, rows=self._rows)
        self._large = LargeBlob(name, mtime, pool=self._pool, store=self._store, rows=self._rows)
        await self._large.open()
        return self._large

    async def abort(self) -> None:
        """Abort the upload of a large blob that is not committed. Does nothing after ``close``."""
        if self._large:
            await self._large.abort_upload()

    async def close(self) -> None:
        """Store every byte and every row that waits. The snapshot is complete then, but not yet committed."""
        await self._pack.commit()
        await self._rows.flush()


@asynccontextmanager
async def write_snapshot(
    pool: Pool, store: ObjectStore, lease: Lease, *, project_id: int, packed_up_to: int
) -> AsyncIterator[SnapshotWriter]:
    """Open a snapshot for the holder of ``lease``; blobs of up to ``packed_up_to`` bytes go to the pack.

    Leaving the block without ``close`` aborts the uploads.
    """
    snapshot_id = await index.open_snapshot(pool, lease, project_id=project_id)
    rows = Rows(partial(index.append_for_job, pool, lease, snapshot_id=snapshot_id))
    async with write_into(
        pool, store, rows=rows, snapshot_id=snapshot_id, packed_up_to=packed_up_to
    ) as writer:
        yield writer


@asynccontextmanager
async def write_into(
    pool: Pool, store: ObjectStore, *, rows: Rows, snapshot_id: int, packed_up_to: int
) -> AsyncIterator[SnapshotWriter]:
    """Write into a snapshot that is open. Leaving the block without ``close`` aborts the uploads."""
    async with AsyncExitStack() as resources:
        writer = SnapshotWriter(
            pool, store, rows=rows, snapshot_id=snapshot_id, packed_up_to=packed_up_to, resources=resources
        )
        resources.push_async_callback(writer.abort)
        yield writer
