"""Makes the snapshot that is exported where the index of LFS objects lacks some: a GitLab fails on that.

Those get the repository of the project as theirs. All else is shared with the project's snapshot. It is made
by the first export, and kept: later ones are plans that read no byte.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from dataclasses import replace

from shared.assembly.blocks import BlockReader
from shared.assembly.project import load
from shared.database.pool import Pool
from shared.gitlab.json_document import DOCUMENT_LIMIT
from shared.gitlab.layout import LFS_INDEX, FileKind, folder_of, oid_of
from shared.gitlab.lfs import listed_oids, with_names
from shared.jobs import store as jobs
from shared.jobs.models import Job, Lease
from shared.shielding import work_through
from shared.snapshots import appending, lookups, named, runs
from shared.snapshots.body import NoBody
from shared.snapshots.contents import make_manifest_digest
from shared.snapshots.derived import kept_derived, open_derived
from shared.snapshots.laying_out import body_of
from shared.snapshots.lifecycle import Pinned
from shared.snapshots.models import Body, EntryKind, PlacedEntry
from shared.snapshots.reading import keep_prolonged
from shared.snapshots.writer import write_into
from shared.storage.base import ObjectStore

_PACK_NOTHING = -1
_MOST_NAMES = 700_000
"""As many fit into an index of 50 MiB."""

_OBJECTS = folder_of(FileKind.LFS_OBJECT)


class LfsNamer:
    """Gives the snapshot that is exported. Memory: an index, 50 MiB at most, and 150 bytes for each name."""

    def __init__(self, pool: Pool, store: ObjectStore, blocks: BlockReader) -> None:
        self._pool = pool
        self._store = store
        self._blocks = blocks

    @asynccontextmanager
    async def named(self, pinned: Pinned | None, job: Job, lease: Lease) -> AsyncIterator[Pinned | None]:
        """Give the snapshot with a whole index, kept for the block; the pinned one where it has that.

        Raises LeaseLost, ProjectGone, SnapshotGone, CorruptSegment and StorageError.
        """
        if pinned is None or not pinned.has_lfs_index:
            yield pinned
            return
        naming = await named.find_naming(self._pool, pinned.snapshot_id)
        if naming.is_unknown:
            async with self._looked_at(pinned, job, lease) as found:
                yield found
        elif naming.snapshot_id is None:
            yield pinned
        else:
            async with kept_derived(self._pool, naming.snapshot_id) as kept:
                yield kept

    @asynccontextmanager
    async def _looked_at(self, pinned: Pinned, job: Job, lease: Lease) -> AsyncIterator[Pinned]:
        base = pinned.snapshot_id
        index = await lookups.find_entry(self._pool, base, LFS_INDEX)
        document = b"" if index is None else await self._whole_index(base, index)
        if index is None or not document:
            await named.note_whole(self._pool, base)
            yield pinned
            return
        async with self._made(base, index, document, lease, project_id=job.project_id) as made:
            yield made

    async def _whole_index(self, base: int, index: PlacedEntry) -> bytes:
        """Make the index with all names; nothing where the stored one has them.

        Where they would be over the 50 MiB that an index may have, none is added: no import would read it.
        """
        document = await load(self._blocks, index)
        unnamed = await self._unnamed(base, await asyncio.to_thread(listed_oids, document))
        made = await asyncio.to_thread(with_names, document, unnamed) if unnamed else b""
        return made if len(made) <= DOCUMENT_LIMIT else b""

    async def _unnamed(self, base: int, listed: AbstractSet[bytes]) -> Sequence[str]:
        unnamed: list[str] = []
        async for placed in lookups.read_entries(self._pool, base, folder=_OBJECTS):
            oid = oid_of(placed.entry.name)
            if placed.entry.kind is EntryKind.BLOB and oid.encode() not in listed:
                unnamed.append(oid)
            if len(unnamed) > _MOST_NAMES:
                return []
        return unnamed

    @asynccontextmanager
    async def _made(
        self, base: int, index: PlacedEntry, document: bytes, lease: Lease, *, project_id: int
    ) -> AsyncIterator[Pinned]:
        snapshot_id, rows = await open_derived(self._pool, project_id=project_id)
        async with keep_prolonged(self._pool, snapshot_id):
            await appending.share_apart(self._pool, base=base, snapshot_id=snapshot_id, but=[LFS_INDEX])
            # The index shares its run with other files, so that the body is laid out anew, by the entries.
            async with write_into(
                self._pool, self._store, rows=rows, snapshot_id=snapshot_id, packed_up_to=_PACK_NOTHING,
                layout=NoBody(),
            ) as writer:  # fmt: skip
                sink = await writer.blob(LFS_INDEX, index.entry.mtime, size=len(document))
                await sink.place(await work_through(document, sink.encode))
                await sink.commit(hashlib.sha256(document).digest())
                await writer.close()
            body = await self._lay_out(base, snapshot_id)
            content_sha256 = await make_manifest_digest(self._pool, snapshot_id)
            async with self._pool.acquire() as db, db.transaction():
                await jobs.hold(db, lease)
                await named.commit_named(
                    db, base=base, snapshot_id=snapshot_id, body=body, content_sha256=content_sha256
                )
            yield Pinned(snapshot_id, body)

    async def _lay_out(self, base: int, snapshot_id: int) -> Body:
        of_base = await runs.find_body(self._pool, base)
        made = await body_of(self._pool, Pinned(snapshot_id, None))
        return replace(made, document=of_base.document if of_base else None)
