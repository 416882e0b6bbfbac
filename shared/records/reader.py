"""Reads some records of a relation at a time: a page of them lies in one or two segments."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from shared.database.pool import Database
from shared.gitlab.layout import relation_file
from shared.segments.inflater import inflate
from shared.segments.lines import lines
from shared.snapshots import lookups
from shared.snapshots.errors import SnapshotGone
from shared.snapshots.models import PlacedEntry, Segment
from shared.snapshots.reader import read_run
from shared.storage.base import ObjectStore
from shared.storage.composition import ObjectRange

_NULL = b"n"


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation of one snapshot."""

    snapshot_id: int
    placed: PlacedEntry

    @property
    def length(self) -> int:
        """The number of records."""
        return self.placed.entry.lines


async def find_relation(db: Database, snapshot_id: int, name: str) -> Relation | None:
    """Find a relation by its name in GitLab."""
    placed = await lookups.find_entry(db, snapshot_id, relation_file(name))
    return Relation(snapshot_id, placed) if placed else None


async def records(
    db: Database, store: ObjectStore, relation: Relation, *, first: int, count: int
) -> AsyncGenerator[bytes, None]:
    """Give ``count`` records of ``relation``, or as many as there are, from number ``first`` (0-based) on.

    One segment is held at a time: 1 MiB of lines, or a single longer line, up to the limit of imports. Raises
    SnapshotGone, CorruptSegment and StorageError.
    """
    snapshot_id, placed = relation.snapshot_id, relation.placed
    end = min(first + count, relation.length)
    while first < end:
        segment = await lookups.find_segment(db, snapshot_id, placed.entry.name, line=first)
        if segment is None:
            raise SnapshotGone(snapshot_id)
        for record in (await _records_of(store, placed.key, segment))[first - segment.first_line :]:
            if first == end:
                return
            yield record
            first += 1


async def records_backwards(
    db: Database, store: ObjectStore, relation: Relation, *, last: int, count: int
) -> AsyncGenerator[bytes, None]:
    """Give records as ``records`` does, from number ``last`` downwards."""
    name = relation.placed.entry.name
    end = max(last - count, -1)
    while last > end:
        segment = await lookups.find_segment(db, relation.snapshot_id, name, line=last)
        if segment is None:
            raise SnapshotGone(relation.snapshot_id)
        found = await _records_of(store, relation.placed.key, segment)
        for record in reversed(found[: last - segment.first_line + 1]):
            if last == end:
                return
            yield record
            last -= 1


async def whole_relation(
    db: Database, store: ObjectStore, relation: Relation
) -> AsyncGenerator[tuple[bytes, bool], None]:
    """Give every stored line of ``relation``, and whether it is a record.

    One segment is held at a time, as with ``records``. Raises SnapshotGone, CorruptSegment and StorageError.
    """
    name, seen = relation.placed.entry.name, 0
    async with aclosing(lookups.read_segments(db, relation.snapshot_id, name)) as segments:
        async for segment in segments:
            for line in await _lines_of(store, relation.placed.key, segment):
                yield line, _is_record(line)
            seen += segment.lines
    if seen != relation.length:
        raise SnapshotGone(relation.snapshot_id)


async def _records_of(store: ObjectStore, key: str, segment: Segment) -> list[bytes]:
    return [line for line in await _lines_of(store, key, segment) if _is_record(line)]


async def _lines_of(store: ObjectStore, key: str, segment: Segment) -> list[bytes]:
    stored = await read_run(store, ObjectRange(key, segment.position, segment.stored_size))
    return await asyncio.to_thread(_inflated, stored, segment)


def records_in(stored: bytes, segment: Segment) -> list[bytes]:
    """Give the records of a stored segment. Raises CorruptSegment."""
    return [line for line in _inflated(stored, segment) if _is_record(line)]


def _inflated(stored: bytes, segment: Segment) -> list[bytes]:
    return lines(inflate(stored, raw_length=segment.raw_size, crc32=segment.crc32))


def _is_record(line: bytes) -> bool:
    """Tell an object from ``null``, the only other line that is stored."""
    return not line.lstrip().startswith(_NULL)
