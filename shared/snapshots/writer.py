"""Writes a new snapshot in one pass, its entries in any order; it is invisible until its commit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from shared.database.pool import Pool
from shared.gitlab.layout import PROJECT
from shared.jobs.models import Lease
from shared.ledger import objects
from shared.segments.encoder import BlobEncoder
from shared.snapshots import appending, lifecycle, runs
from shared.snapshots.body import LAYOUT, BodyWriter, NoBody
from shared.snapshots.contents import OF_HEAD
from shared.snapshots.models import Body, Entry, EntryKind
from shared.snapshots.pack import Pack
from shared.snapshots.rows import Rows
from shared.snapshots.sinks import BlobSink, BodyLayout, KnownBlob, LargeBlob, PackedBlob, RelationSink
from shared.storage.base import ObjectStore

_LONGEST_DOCUMENT = 64 * 1024


class SnapshotWriter:
    """Gives a sink for each entry; one is open at a time. ``layout`` is told of each.

    Memory: one part of the pack's upload, one part of a large blob's upload, and one segment.
    """

    def __init__(  # what a snapshot is made with
        self, pool: Pool, store: ObjectStore, *, rows: Rows, snapshot_id: int, packed_up_to: int,
        resources: AsyncExitStack, layout: BodyLayout,
    ) -> None:  # fmt: skip
        self._pool = pool
        self._store = store
        self._rows = rows
        self._packed_up_to = packed_up_to
        self._pack = Pack(pool, store, resources=resources)
        self._layout = layout
        self._document: bytearray | None = bytearray()
        self._entries_of_base = 0
        self._encoder = BlobEncoder()
        self._large: LargeBlob | None = None
        self.body: Body | None = None
        self.snapshot_id = snapshot_id

    async def directory(self, name: str, mtime: int) -> None:
        """Add a directory."""
        await self._rows.add(Entry(name=name, kind=EntryKind.DIRECTORY, mtime=mtime))
        await self._layout.directory(name.rstrip("/"), mtime)

    def relation(self, name: str, mtime: int) -> RelationSink:
        """Give the sink of a relation."""
        return RelationSink(name, mtime, pack=self._pack, rows=self._rows, body=self._layout)

    async def blob(self, name: str, mtime: int, *, size: int, sha256: bytes | None = None) -> BlobSink:
        """Give the sink of a blob of ``size`` raw bytes, which puts none where that digest is stored."""
        body = NoBody() if name in OF_HEAD else self._layout
        if size <= self._packed_up_to:
            keep = self._keep_document if name == PROJECT else _keep_nothing
            return PackedBlob(
                name, mtime, size=size, pack=self._pack, rows=self._rows, body=body, encoder=self._encoder,
                keep=keep,
            )  # fmt: skip
        if sha256 is not None and await objects.find_blob(self._pool, sha256):
            return KnownBlob(name, mtime, pool=self._pool, rows=self._rows, body=body)
        self._large = LargeBlob(name, mtime, pool=self._pool, store=self._store, rows=self._rows, body=body)
        await self._large.open()
        return self._large

    async def withdraw(self, name: str) -> None:
        """Take back a file that was committed. Its bytes stay in the pack, where nothing names them.

        The body is laid out no further: the first export does that, as for snapshots that requests write.
        """
        await self._rows.withdraw(name)
        if isinstance(self._layout, BodyWriter):
            self._layout = NoBody()

    async def abort(self) -> None:
        """Abort the upload of a large blob that is not committed. Does nothing after ``close``."""
        if self._large:
            await self._large.abort_upload()

    async def close(self) -> None:
        """Store every byte and every row that waits. The snapshot is complete then, but not yet committed."""
        await self._pack.commit()
        if isinstance(self._layout, BodyWriter):
            entries = self._entries_of_base + self._rows.entries
            self.body = await self._layout.finish(
                entries=entries, document=bytes(self._document) if self._document else None
            )
        await self._rows.flush()

    async def share_body(self, base: int, *, but: Collection[str]) -> None:
        """Lay out the body of ``base`` first, without the entries ``but``.

        Where that body has no layout, or another version's, this one gets none: its first export makes it.
        """
        body = await runs.find_body(self._pool, base)
        if body is None or body.layout != LAYOUT or isinstance(self._layout, NoBody):
            self._layout = NoBody()
            return
        self._document = bytearray(body.document or b"")
        self._entries_of_base = body.entries
        replaced = set[str]()
        async for placed in runs.read_runs(self._pool, base):
            if (name := placed.run.name) in but:
                replaced.add(name or "")
            else:
                await self._layout.copy(placed.run)
        self._entries_of_base -= len(replaced)

    def _keep_document(self, stored: bytes) -> None:
        if self._document is not None:
            self._document += stored
            if len(self._document) > _LONGEST_DOCUMENT:
                self._document = None


def _keep_nothing(_stored: bytes) -> None:
    """Keep nothing of a blob's stored bytes."""


@asynccontextmanager
async def write_snapshot(
    pool: Pool, store: ObjectStore, lease: Lease, *, project_id: int, packed_up_to: int
) -> AsyncIterator[SnapshotWriter]:
    """Open a snapshot for the holder of ``lease``; blobs of up to ``packed_up_to`` bytes go to the pack.

    Leaving the block without ``close`` aborts the uploads.
    """
    snapshot_id = await lifecycle.open_snapshot(pool, lease, project_id=project_id)
    rows = Rows(partial(appending.append_for_job, pool, lease, snapshot_id=snapshot_id))
    layout = BodyWriter(rows.add)
    async with write_into(
        pool, store, rows=rows, snapshot_id=snapshot_id, packed_up_to=packed_up_to, layout=layout
    ) as writer:
        yield writer


@asynccontextmanager
async def write_into(
    pool: Pool, store: ObjectStore, *, rows: Rows, snapshot_id: int, packed_up_to: int, layout: BodyLayout
) -> AsyncIterator[SnapshotWriter]:
    """Write into a snapshot that is open. Leaving the block without ``close`` aborts the uploads."""
    async with AsyncExitStack() as resources:
        writer = SnapshotWriter(
            pool, store, rows=rows, snapshot_id=snapshot_id, packed_up_to=packed_up_to, resources=resources,
            layout=layout,
        )  # fmt: skip
        resources.push_async_callback(writer.abort)
        yield writer
