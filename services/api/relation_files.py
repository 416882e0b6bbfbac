"""Use case of the file of one relation: laid out from the index, measured, and read as it is sent."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass

from services.api.dependencies import Dependencies
from services.api.http.downloads import Download, require_stored
from services.api.http.errors import Refused
from services.api.http.parameters import Checker
from shared.assembly.layout import ArchiveLayout, Item, document_file, part, size_of, stored_file
from shared.assembly.members import Member, with_parents
from shared.assembly.project import project_document
from shared.assembly.reading import filled
from shared.assembly.relations import relation_members
from shared.database.pool import Database
from shared.exports.relation_exports import RelationExport
from shared.gitlab.layout import PROJECT
from shared.gitlab.portable_relations import PORTABLE_RELATIONS, Form, PortableRelation
from shared.projects.content import project_content
from shared.snapshots import index
from shared.snapshots.batches import find_batch
from shared.snapshots.models import PlacedEntry
from shared.snapshots.reader import Run

_TRAILER = 8
"""Bytes at the end of a gzip file: the checksum and the length of what is in it."""

Layout = Callable[[], AsyncIterator[Item]]
"""Lays the file out; the same every time."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The relation whose file is asked for, or the number of the batch of it."""

    relation: PortableRelation
    batch: int | None


def read_wanted(given: Mapping[str, object]) -> Wanted:
    """Read it. Raises 400."""
    checker = Checker(given)
    checker.require("relation")
    name = checker.text("relation") or ""
    batched, number = checker.boolean("batched"), checker.integer("batch_number")
    if (batched is None) != (number is None) and not checker.problems:
        checker.problems.append("batched, batch_number provide all or none of parameters")
    checker.finish()
    relation = PORTABLE_RELATIONS.get(name)
    if relation is None:
        checker.problem("relation", "is not portable")
        checker.finish()
    assert relation is not None  # noqa: S101  # else ``finish`` raised
    return Wanted(relation, number if batched else None)


async def relation_download(dependencies: Dependencies, export: RelationExport, wanted: Wanted) -> Download:
    """Give the file. Raises 404 where there is no such batch, or where the store lost it."""
    _require_kind(export, wanted)
    layout = await _layout(dependencies, export, wanted)
    measured = await _measure(layout)
    if measured.first:
        missing = "Export file not found" if wanted.batch is None else "Batch file not found"
        await require_stored(dependencies.store, measured.first.key, message=missing)

    async def read(start: int, length: int) -> AsyncGenerator[bytes, None]:
        items = part(layout(), start=start, length=length)
        async with aclosing(filled(dependencies.store, items)) as pieces:
            async for piece in pieces:
                yield piece

    return Download(
        file_name=wanted.relation.file_name,
        size=measured.size,
        etag=_etag(export, wanted, measured),
        modified_at=export.created_at,
        read=read,
    )


def _require_kind(export: RelationExport, wanted: Wanted) -> None:
    batched = export.batched and wanted.relation.batchable
    if batched and wanted.batch is None:
        raise Refused(400, "Export is batched")
    if not batched and wanted.batch is not None:
        raise Refused(400, "Export is not batched")


async def _layout(dependencies: Dependencies, export: RelationExport, wanted: Wanted) -> Layout:
    match wanted.relation.form:
        case Form.DOCUMENT:
            return await _document(dependencies, export)
        case Form.LINES:
            placed = await _lines(dependencies.pool, export, wanted)
            return lambda: stored_file(placed)
        case Form.ARCHIVE:
            _require_first(wanted)
            return lambda: _archive(dependencies.pool, export, wanted.relation)


async def _document(dependencies: Dependencies, export: RelationExport) -> Layout:
    content = await project_content(dependencies.pool, export.project_id)
    placed = await _find(dependencies.pool, export, PROJECT)
    data = await project_document(dependencies.store, placed, content, overrides=content.overrides)
    return (lambda: stored_file(placed)) if data is None else (lambda: document_file(data))


async def _find(db: Database, export: RelationExport, name: str) -> PlacedEntry | None:
    return None if export.snapshot_id is None else await index.find(db, export.snapshot_id, name)


async def _lines(db: Database, export: RelationExport, wanted: Wanted) -> PlacedEntry | None:
    """Find the lines; None of a relation that is empty, whose only batch is the first."""
    placed = await _find(db, export, wanted.relation.entry)
    if wanted.batch is None:
        return placed
    batch = None
    if placed and export.snapshot_id is not None and wanted.batch > 0:
        batch = await find_batch(db, export.snapshot_id, placed, number=wanted.batch)
    if batch is None and (placed is None or not placed.entry.raw_size):
        _require_first(wanted)
    elif batch is None:
        raise Refused(404, "Batch not found")
    return batch


def _require_first(wanted: Wanted) -> None:
    if wanted.batch not in (None, 1):
        raise Refused(404, "Batch not found")


async def _archive(
    db: Database, export: RelationExport, relation: PortableRelation
) -> AsyncGenerator[Item, None]:
    mtime = int(export.created_at.timestamp())
    layout = ArchiveLayout(root_mtime=mtime)
    members: AsyncIterator[Member] = _none()
    if export.snapshot_id is not None:
        members = relation_members(db, export.snapshot_id, relation.name, mtime=mtime)
    async for item in layout.items(with_parents(members)):
        yield item


async def _none() -> AsyncGenerator[Member, None]:
    nothing: tuple[Member, ...] = ()
    for member in nothing:
        yield member


@dataclass(frozen=True, slots=True)
class _Measured:
    """What is known of a file before it is read: its size, its end, and the first place that it needs."""

    size: int
    trailer: bytes
    first: Run | None


def _etag(export: RelationExport, wanted: Wanted, measured: _Measured) -> str:
    """Name the bytes: what is laid out, and the checksum of it."""
    names = (export.snapshot_id or 0, wanted.relation.name, wanted.batch or 0, measured.trailer.hex())
    return f'"{"-".join(map(str, names))}"'


async def _measure(layout: Layout) -> _Measured:
    size, last, first = 0, b"", None
    async for item in layout():
        size += size_of(item)
        if isinstance(item, bytes):
            last = item
        first = first or (item if isinstance(item, Run) else None)
    return _Measured(size, last[-_TRAILER:], first)
