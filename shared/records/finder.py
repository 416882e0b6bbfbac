"""Records of a relation that somebody asked for: found in one pass, in the memory of one segment.

A pass inflates the whole relation. What it finds is how many records of each segment match, which is
kept, as a snapshot never changes: the other pages of the same list read a segment or two.
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
"""How many passes go on at once in a process: they take a core each."""

KEPT = 64
"""How many results are kept, of 16 bytes for each segment that has a match: 16 KiB for a GiB of lines."""


Wanted: TypeAlias = Callable[[bytes], bool]
"""Tells whether a record is wanted, in a thread; two that want the same are equal, and have the same hash."""


@dataclass(frozen=True, slots=True)
class Matches:
    """How many matches each segment has that has one, by its first record, in order."""

    per_segment: tuple[tuple[int, int], ...]

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(count for _, count in self.per_segment)


class Finder:
    """Finds records. Raises SnapshotGone, CorruptSegment and StorageError."""

    def __init__(self, pool: Pool, store: ObjectStore) -> None:
        self._pool = pool
        self._store = store
        self._passes = asyncio.Semaphore(PASSES)
        self._kept: OrderedDict[tuple[int, str, Wanted], Matches] = OrderedDict()

    async def matches(self, relation: Relation, wanted: Wanted) -> Matches:
        """Count the matches: in a pass, unless the same was asked for lately."""
        key = (relation.snapshot_id, relation.placed.entry.name, wanted)
        async with self._passes:
            found = self._kept.pop(key, None) or await self._count(relation, wanted)
        self._kept[key] = found
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return found

    async def _count(self, relation: Relation, wanted: Wanted) -> Matches:
        async with aclosing(self._pass(relation, wanted)) as found:
            return Matches(tuple([(segment.first_line, len(numbers)) async for segment, numbers in found]))

    async def first(self, relation: Relation, wanted: Wanted) -> int | None:
        """Give the number of the first match, from 0, without looking behind it."""
        async with self._passes, aclosing(self._pass(relation, wanted)) as found:
            async for _, numbers in found:
                return numbers[0]
        return None

    async def _pass(
        self, relation: Relation, wanted: Wanted
    ) -> AsyncGenerator[tuple[Segment, list[int]], None]:
        """Give the segments with matches, and the numbers of these."""
        seen = 0
        async with aclosing(
            index.read_segments(self._pool, relation.snapshot_id, relation.placed.entry.name)
        ) as segments:
            async for segment in segments:
                numbers = [number for number, _ in await self._matching(relation, segment, wanted)]
                if numbers:
                    yield segment, numbers
                seen += segment.lines
        if seen != relation.length:
            raise index.SnapshotGone(relation.snapshot_id)

    async def _matching(
        self, relation: Relation, segment: Segment, wanted: Wanted
    ) -> list[tuple[int, bytes]]:
        run = Run(relation.placed.key, segment.position, segment.stored_size)
        return await asyncio.to_thread(_filtered, await read_run(self._store, run), segment, wanted)

    async def page(
        self, relation: Relation, wanted: Wanted, matches: Matches, *, skip: int, backwards: bool
    ) -> AsyncGenerator[tuple[int, bytes], None]:
        """Give matches with their numbers, from 0, behind ``skip`` of them; one segment is held at a time."""
        for first_line, count in reversed(matches.per_segment) if backwards else matches.per_segment:
            if skip >= count:
                skip -= count
                continue
            name = relation.placed.entry.name
            segment = await index.find_segment(self._pool, relation.snapshot_id, name, line=first_line)
            if segment is None:
                raise index.SnapshotGone(relation.snapshot_id)
            found = await self._matching(relation, segment, wanted)
            for match in (found[::-1] if backwards else found)[skip:]:
                yield match
            skip = 0


def _filtered(stored: bytes, segment: Segment, wanted: Wanted) -> list[tuple[int, bytes]]:
    numbered = enumerate(records_in(stored, segment), segment.first_line)
    return [(number, record) for number, record in numbered if wanted(record)]
