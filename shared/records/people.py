"""Finds out who appears in a snapshot, by one pass over all of its relations, whose result is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing

from shared.database.pool import Pool
from shared.gitlab.layout import FileKind, folder_of, relation_of
from shared.people.appearances import Appearances
from shared.records.reader import records_in
from shared.snapshots import lookups, people
from shared.snapshots.errors import SnapshotGone
from shared.snapshots.models import EntryKind, PlacedEntry, Segment
from shared.snapshots.reader import read_run
from shared.storage.base import ObjectStore
from shared.storage.composition import ObjectRange

_RELATIONS = folder_of(FileKind.RELATION)


async def ensure_people(
    pool: Pool, store: ObjectStore, snapshot_id: int, *, on_bytes: Callable[[int], None] = lambda _: None
) -> int:
    """Give how many people appear in a snapshot; count them first, unless that was done.

    A pass holds one segment at a time, on a thread, and ``on_bytes`` is told its raw bytes. Keep the snapshot
    meanwhile. Raises TooManyPeople, SnapshotGone, CorruptSegment and StorageError.
    """
    known = await people.count_people(pool, snapshot_id)
    if known is not None:
        return known
    found = Appearances()
    async for placed in lookups.read_entries(pool, snapshot_id, folder=_RELATIONS):
        if placed.entry.kind is EntryKind.RELATION:
            await _read(pool, store, snapshot_id, placed, found, on_bytes)
    await people.keep_people(pool, snapshot_id, found.people)
    return len(found.people)


async def _read(
    pool: Pool, store: ObjectStore, snapshot_id: int, placed: PlacedEntry, found: Appearances,
    on_bytes: Callable[[int], None],
) -> None:  # fmt: skip
    name, seen = placed.entry.name, 0
    relation = relation_of(name) or name
    async with aclosing(lookups.read_segments(pool, snapshot_id, name)) as segments:
        async for segment in segments:
            stored = await read_run(store, ObjectRange(placed.key, segment.position, segment.stored_size))
            await asyncio.to_thread(_count, stored, segment, relation, found)
            on_bytes(segment.raw_size)
            seen += segment.lines
    if seen != placed.entry.lines:
        raise SnapshotGone(snapshot_id)


def _count(stored: bytes, segment: Segment, relation: str, found: Appearances) -> None:
    for record in records_in(stored, segment):
        found.read(record, relation)
