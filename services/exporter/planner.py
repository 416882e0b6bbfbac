"""Plans the archive of a project: of its snapshot's body, and of files that are made anew for each export."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from shared.assembly.blocks import BlockReader
from shared.assembly.layout import extent_of
from shared.assembly.plan import Ends, HeadFile, etag_of, plan_ends
from shared.assembly.project import load, stored_document
from shared.database.pool import Pool
from shared.exports.archives import ArchivePlan
from shared.gitlab.layout import LFS_INDEX, PROJECT, VERSION
from shared.gitlab.project_json import project_attributes
from shared.gitlab.version import FORMAT_VERSION
from shared.ledger import objects
from shared.manifest.format import ManifestFile
from shared.projects.content import ProjectContent
from shared.snapshots.contents import READ_AT_ONCE, make_manifest_digest
from shared.snapshots.models import Body, PlacedEntry
from shared.storage.base import ObjectStore

_EMPTY = b"{}"
_LONGEST_HEAD = 256 * 1024
"""Bytes of a head that a row has; a longer one is an object."""


class ArchivePlanner:
    """Plans archives. It reads no stored byte, but for a tree/project.json of over 64 KiB.

    Memory: that document, 50 MiB at most, as in imports.
    """

    def __init__(self, pool: Pool, store: ObjectStore, blocks: BlockReader) -> None:
        self._pool = pool
        self._store = store
        self._blocks = blocks

    @asynccontextmanager
    async def plan(
        self,
        snapshot_id: int | None,
        body: Body | None,
        stored: Mapping[str, PlacedEntry],
        content: ProjectContent,
        *,
        overrides: Mapping[str, object],
    ) -> AsyncIterator[ArchivePlan]:
        """Give the plan; record it before the block ends. ``stored`` has the entries of ``OF_HEAD``.

        Raises CorruptSegment and StorageError.
        """
        files = await self._files(stored, body, content, overrides=overrides)
        ends = await asyncio.to_thread(plan_ends, files, body, root_mtime=files[0].mtime)
        documents = await asyncio.to_thread(_describe, files)
        plan = ArchivePlan(
            size=ends.size,
            snapshot_id=snapshot_id,
            head=ends.head,
            tail=ends.tail,
            crc32=ends.crc32,
            etag=etag_of(ends, body, snapshot_id),
            documents=documents,
            manifest_sha256=await self._manifest_digest(snapshot_id, body, documents),
        )
        if len(ends.head) <= _LONGEST_HEAD:
            yield plan
            return
        async with self._stored_head(plan, ends) as with_head:
            yield with_head

    @asynccontextmanager
    async def _stored_head(self, plan: ArchivePlan, ends: Ends) -> AsyncIterator[ArchivePlan]:
        named = await objects.register(self._pool, kind="archive")
        async with objects.keep_touched(self._pool, named.id):
            async with self._store.create(named.key) as writer:
                await writer.write(ends.head)
                size = await writer.commit()
                await objects.record_stored(
                    self._pool, named.id, size=size, sha256=None, crc32s=writer.crc32s
                )
            yield replace(plan, head=None, object_id=named.id)

    async def _manifest_digest(
        self, snapshot_id: int | None, body: Body | None, documents: Sequence[ManifestFile]
    ) -> bytes | None:
        """Make the digest of the manifest; None where no single statement reads all files."""
        if body is not None and body.entries > READ_AT_ONCE:
            return None
        return await make_manifest_digest(self._pool, snapshot_id, documents)

    async def _files(
        self,
        stored: Mapping[str, PlacedEntry],
        body: Body | None,
        content: ProjectContent,
        *,
        overrides: Mapping[str, object],
    ) -> list[HeadFile]:
        created = int(content.created_at.timestamp())
        version, project = stored.get(VERSION), stored.get(PROJECT)
        files = [HeadFile(VERSION, version.entry.mtime if version else created, FORMAT_VERSION)]
        if project is None:
            made = project_attributes(_EMPTY, {**content.attributes, **overrides})
            return [*files, HeadFile(LFS_INDEX, created, _EMPTY), HeadFile(PROJECT, created, made)]
        return [*files, await self._document(project, body.document if body else None, overrides)]

    async def _document(
        self, placed: PlacedEntry, kept: bytes | None, overrides: Mapping[str, object]
    ) -> HeadFile:
        """Give tree/project.json: as it is stored, where nothing overrides it."""
        entry = placed.entry
        if not overrides:
            stored = await stored_document(self._blocks, placed, kept)
            return HeadFile(PROJECT, entry.mtime, stored, extent_of(entry), entry.sha256)
        raw = await load(self._blocks, placed, kept)
        return HeadFile(PROJECT, entry.mtime, await asyncio.to_thread(project_attributes, raw, overrides))


def _describe(files: Sequence[HeadFile]) -> list[ManifestFile]:
    return [file.describe() for file in files]
