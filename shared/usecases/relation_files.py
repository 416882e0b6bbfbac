"""The file of one relation: its layout comes from the index, and its bytes are read during the download."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from struct import Struct

from shared.assembly.blocks import BlockReader
from shared.assembly.item_reader import read_items
from shared.assembly.layout import (
    LAYOUT,
    ArchiveLayout,
    LayoutItem,
    cut_part,
    document_file,
    stored_file,
)
from shared.assembly.members import ArchiveMember
from shared.assembly.project import project_document
from shared.assembly.relations import relation_members
from shared.database.pool import Database, Pool
from shared.exports.downloads import FileDownload
from shared.exports.relation_exports import ArchiveFacts, RelationExport, keep_facts
from shared.gitlab.layout import PROJECT
from shared.gitlab.portable_relations import Form, PortableRelation
from shared.projects.content import project_content
from shared.snapshots import lookups
from shared.snapshots.batches import find_batch
from shared.snapshots.errors import SnapshotGone
from shared.snapshots.models import PlacedEntry
from shared.snapshots.reading import keep_for_reading
from shared.storage.base import ObjectStore
from shared.storage.composition import ObjectRange, length_of
from shared.usecases.errors import RelationExportInvalid, RelationExportMissing
from shared.usecases.exports import Wanted, require_stored

_TRAILER = Struct("<II")
"""The end of a gzip file: the checksum and the length of its content."""

Layout = Callable[[], AsyncIterator[LayoutItem]]
"""Yields the parts of the file. All calls yield the same."""


@dataclass(frozen=True, slots=True)
class RelationRequest:
    """The relation whose file the client requests, or one batch of it, numbered from 1."""

    relation: PortableRelation
    batch: int | None


class RelationFiles:
    """Opens the files of relation exports."""

    def __init__(self, pool: Pool, store: ObjectStore, blocks: BlockReader) -> None:
        self._pool = pool
        self._store = store
        self._blocks = blocks

    @asynccontextmanager
    async def download(
        self, export: RelationExport, request: RelationRequest, *, wanted: Wanted
    ) -> AsyncIterator[FileDownload]:
        """Yield the file, which can be read within the block, whatever becomes of the project meanwhile.

        Raises RelationExportInvalid, RelationExportMissing and FileLost.
        """
        _require_kind(export, request)
        async with AsyncExitStack() as stack:
            try:
                if wanted is not Wanted.DESCRIPTION:
                    await stack.enter_async_context(keep_for_reading(self._pool, export.snapshot_id))
                opened = await self._open(export, request)
            except SnapshotGone:
                raise RelationExportMissing("Export not found") from None
            yield opened

    async def _open(self, export: RelationExport, request: RelationRequest) -> FileDownload:
        layout = await self._layout(export, request)
        facts = await self._facts(export, request, layout)
        if facts.first_key:
            missing = "Export file not found" if request.batch is None else "Batch file not found"
            await require_stored(self._store, facts.first_key, message=missing)
        return FileDownload(
            file_name=request.relation.file_name,
            size=facts.size,
            etag=_etag(export, request, facts),
            modified_at=export.created_at,
            read=partial(self._read, layout),
        )

    async def _facts(self, export: RelationExport, request: RelationRequest, layout: Layout) -> ArchiveFacts:
        """Return the facts about the file. An archive may have millions of files: its facts are kept."""
        relation = request.relation
        known = export.archives.get(relation.name)
        if known is not None and known.layout == LAYOUT:
            return known
        facts = await _measure(layout)
        if relation.form is Form.ARCHIVE:
            await keep_facts(self._pool, export, relation.name, facts)
        return facts

    async def _read(self, layout: Layout, start: int, length: int) -> AsyncGenerator[bytes, None]:
        items = cut_part(layout(), start=start, length=length)
        async with aclosing(read_items(self._blocks, items)) as pieces:
            async for piece in pieces:
                yield piece

    async def _layout(self, export: RelationExport, request: RelationRequest) -> Layout:
        match request.relation.form:
            case Form.DOCUMENT:
                return await self._document(export)
            case Form.LINES:
                placed = await _lines(self._pool, export, request)
                return lambda: stored_file(placed)
            case Form.ARCHIVE:
                _require_first(request)
                return lambda: _archive(self._pool, export, request.relation)

    async def _document(self, export: RelationExport) -> Layout:
        content = await project_content(self._pool, export.project_id)
        placed = await _find(self._pool, export, PROJECT)
        data = await project_document(self._blocks, placed, content, overrides=content.overrides)
        return (lambda: stored_file(placed)) if data is None else (lambda: document_file(data))


def _require_kind(export: RelationExport, request: RelationRequest) -> None:
    batched = export.batched and request.relation.batchable
    if batched and request.batch is None:
        raise RelationExportInvalid("Export is batched")
    if not batched and request.batch is not None:
        raise RelationExportInvalid("Export is not batched")


async def _find(db: Database, export: RelationExport, name: str) -> PlacedEntry | None:
    return None if export.snapshot_id is None else await lookups.find_entry(db, export.snapshot_id, name)


async def _lines(db: Database, export: RelationExport, request: RelationRequest) -> PlacedEntry | None:
    """Return the entry that has the lines, or the part of it that is the batch.

    Returns None if the relation is empty: then the first batch exists, and is empty as well.
    """
    placed = await _find(db, export, request.relation.entry)
    if request.batch is None:
        return placed
    batch = None
    if placed and export.snapshot_id is not None and request.batch > 0:
        batch = await find_batch(db, export.snapshot_id, placed, number=request.batch)
    if batch is None and (placed is None or not placed.entry.raw_size):
        _require_first(request)
    elif batch is None:
        raise RelationExportMissing("Batch not found")
    return batch


def _require_first(request: RelationRequest) -> None:
    if request.batch not in (None, 1):
        raise RelationExportMissing("Batch not found")


async def _archive(
    db: Database, export: RelationExport, relation: PortableRelation
) -> AsyncGenerator[LayoutItem, None]:
    mtime = int(export.created_at.timestamp())
    layout = ArchiveLayout(root_mtime=mtime)
    members: AsyncIterator[ArchiveMember] = _none()
    if export.snapshot_id is not None:
        members = relation_members(db, export.snapshot_id, relation.name, mtime=mtime)
    async for item in layout.items(members):
        yield item


async def _none() -> AsyncGenerator[ArchiveMember, None]:
    nothing: tuple[ArchiveMember, ...] = ()
    for member in nothing:
        yield member


def _etag(export: RelationExport, request: RelationRequest, facts: ArchiveFacts) -> str:
    """Return an entity tag, which identifies the bytes by the layout, its inputs and the file's checksum."""
    names = (facts.layout, export.snapshot_id or 0, request.relation.name, request.batch or 0, facts.size)
    return f'"{"-".join(map(str, names))}-{facts.crc32:08x}"'


async def _measure(layout: Layout) -> ArchiveFacts:
    size, last, first_key = 0, b"", ""
    async for item in layout():
        size += length_of(item)
        if isinstance(item, ObjectRange):
            first_key = first_key or item.key
        else:
            last = item
    crc32, _ = _TRAILER.unpack(last[-_TRAILER.size :])
    return ArchiveFacts(layout=LAYOUT, size=size, crc32=crc32, first_key=first_key)
