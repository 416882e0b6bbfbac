"""Finds the records of a relation for which a predicate holds, in one pass and the memory of one segment.

A pass inflates the whole relation. Its result is the number of matches in each segment. That is cached, as a
snapshot never changes: further pages of the same list read a segment or two.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeAlias

from shared.database.pool import Pool
from shared.records.reader import Relation, records_in
from shared.snapshots import index
from shared.snapshots.models import Segment
from shared.snapshots.reader import Run, read_run
from shared.storage.base import ObjectStore

PASSES = 2
"""How many passes run at once in a process: each takes a core."""

KEPT = 64
"""How many results are cached, of 16 bytes for each segment with a match: 16 KiB for a GiB of lines."""


RecordPredicate: TypeAlias = Callable[[bytes], bool]
"""Tells, in a thread, whether a record matches. Equal predicates with equal hashes share a cached result."""


@dataclass(frozen=True, slots=True)
class Matches:
    """The number of matches in each segment that has any, by the segment's first record, in order."""

    per_segment: tuple[tuple[int, int], ...]

    @property
    def total(self) -> int:
        """The number of matches."""
        return sum(count for _, count in self.per_segment)


class Finder:
    """Finds records. Raises SnapshotGone, CorruptSegment and StorageError."""

    def __init__(self, pool: Pool, store: ObjectStore) -> None:
        self._pool = pool
        self._store = store
        self._passes = asyncio.Semaphore(PASSES)
        self._kept: OrderedDict[tuple[int, str, RecordPredicate], Matches] = OrderedDict()

    async def matches(self, relation: Relation, predicate: RecordPredicate) -> Matches:
        """Count the matches: from the cache where the same predicate was counted lately, else in a pass."""
        key = (relation.snapshot_id, relation.placed.entry.name, predicate)
        async with self._passes:
            found = self._kept.pop(key, None) or await self._count(relation, predicate)
        self._kept[key] = found
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return found

    async def _count(self, relation: Relation, predicate: RecordPredicate) -> Matches:
        async with aclosing(self._pass(relation, predicate)) as found:
            return Matches(tuple([(segment.first_line, len(numbers)) async for segment, numbers in found]))

    async def first(self, relation: Relation, predicate: RecordPredicate) -> int | None:
        """Give the number of the first match, from 0; the pass ends there. None where nothing matches."""
        async with self._passes, aclosing(self._pass(relation, predicate)) as found:
            async for _, numbers in found:
                return numbers[0]
        return None

    async def _pass(
        self, relation: Relation, predicate: RecordPredicate
    ) -> AsyncGenerator[tuple[Segment, list[int]], None]:
        """Give the segments with matches, and the numbers of the matches."""
        seen = 0
        async with aclosing(
            index.read_segments(self._pool, relation.snapshot_id, relation.placed.entry.name)
        ) as segments:
            async for segment in segments:
                numbers = [number for number, _ in await self._matching(relation, segment, predicate)]
                if numbers:
                    yield segment, numbers
                seen += segment.lines
        # Segments are read page by page: a snapshot that is collected meanwhile looks like a shorter one.
        if seen != relation.length:
            raise index.SnapshotGone(relation.snapshot_id)

    async def _matching(
        self, relation: Relation, segment: Segment, predicate: RecordPredicate
    ) -> list[tuple[int, bytes]]:
        run = Run(relation.placed.key, segment.position, segment.stored_size)
        return await asyncio.to_thread(_filtered, await read_run(self._store, run), segment, predicate)

    async def page(
        self, relation: Relation, predicate: RecordPredicate, matches: Matches, *, skip: int, backwards: bool
    ) -> AsyncGenerator[tuple[int, bytes], None]:
        """Give matches with their numbers, from 0, after the first ``skip``; holds one segment at a time."""
        for first_line, count in reversed(matches.per_segment) if backwards else matches.per_segment:
            if skip >= count:
                skip -= count
                continue
            name = relation.placed.entry.name
            segment = await index.find_segment(self._pool, relation.snapshot_id, name, line=first_line)
            if segment is None:
                raise index.SnapshotGone(relation.snapshot_id)
            found = await self._matching(relation, segment, predicate)
            for match in (found[::-1] if backwards else found)[skip:]:
                yield match
            skip = 0


def _filtered(stored: bytes, segment: Segment, predicate: RecordPredicate) -> list[tuple[int, bytes]]:
    numbered = enumerate(records_in(stored, segment), segment.first_line)
    return [(number, record) for number, record in numbered if predicate(record)]
