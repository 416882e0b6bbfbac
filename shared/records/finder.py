"""Finds the records of a relation for which a predicate holds, in one pass and the memory of one segment.

A pass inflates the whole relation. Its result is the number of matches in each segment. That is cached, as a
snapshot never changes: further pages of the same list read a segment or two.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from shared.admission import Holder, Places, end_after
from shared.database.pool import Pool
from shared.errors import Unavailable
from shared.records.reader import Relation, records_in
from shared.snapshots import lookups
from shared.snapshots.errors import SnapshotGone
from shared.snapshots.models import Segment
from shared.snapshots.reader import read_run
from shared.storage.base import ObjectStore
from shared.storage.composition import ObjectRange

KEPT = 64
"""How many results are cached, of 16 bytes for each segment with a match: 16 KiB for a GiB of lines."""


RecordPredicate: TypeAlias = Callable[[bytes], bool]
"""Tells, in a thread, whether a record matches. Equal predicates with equal hashes share a cached result."""


_Key: TypeAlias = tuple[int, str, RecordPredicate]
"""The snapshot, the name of the relation, and what is wanted of it."""


@dataclass(frozen=True, slots=True)
class Matches:
    """The number of matches in each segment that has any, by the segment's first record, in order."""

    per_segment: tuple[tuple[int, int], ...]

    @property
    def total(self) -> int:
        """The number of matches."""
        return sum(count for _, count in self.per_segment)


class PassTooLong(Unavailable):
    """Looking through the records of the relation takes longer than the limit allows."""

    code = "pass_too_long"

    def __init__(self, longest: timedelta) -> None:
        super().__init__(f"looking through the records took over {longest.total_seconds():g} seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class PassLimits:
    """The bounds of passes: each takes a core, and ends after ``longest``.

    ``lists`` are the places of passes through whole relations, ``singles`` those of passes that end at the
    first match, so that who asks for one record does not wait for lists.
    """

    lists: Places
    singles: Places
    longest: timedelta


class Finder:
    """Finds records. Raises SnapshotGone, CorruptSegment and StorageError.

    A pass goes segment by segment: where it is cancelled or takes too long, at most the step for one segment
    still runs, in its thread. It raises ShareUsed and PlacesTaken before it begins, and PassTooLong. What is
    cached needs no place, even where others counted it while a request waited for one.
    """

    def __init__(self, pool: Pool, store: ObjectStore, *, limits: PassLimits) -> None:
        self._pool = pool
        self._store = store
        self._limits = limits
        self._kept: OrderedDict[_Key, Matches] = OrderedDict()
        self._waits: dict[_Key, set[asyncio.Timeout]] = {}

    async def matches(self, relation: Relation, predicate: RecordPredicate, *, holder: Holder) -> Matches:
        """Count the matches: from the cache where the same predicate was counted lately, else in a pass."""
        key = (relation.snapshot_id, relation.placed.entry.name, predicate)
        while key not in self._kept:
            if await self._take_unless_kept(key, holder):
                async with self._turn(self._limits.lists, holder):
                    self._keep(key, self._kept.get(key) or await self._count(relation, predicate))
        self._kept.move_to_end(key)
        return self._kept[key]

    async def _take_unless_kept(self, key: _Key, holder: Holder) -> bool:
        """Take the place of a pass; False, without a place, if others counted while this request waited."""
        waits = self._waits.setdefault(key, set())
        try:
            async with asyncio.timeout(None) as wait:
                waits.add(wait)
                await self._limits.lists.take(holder)
        except TimeoutError:
            return False
        finally:
            waits.discard(wait)
            if not waits:
                self._waits.pop(key, None)
        return True

    def _keep(self, key: _Key, found: Matches) -> None:
        """Cache a result, and end the waits of all who want the same."""
        self._kept[key] = found
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        for wait in self._waits.get(key, ()):
            wait.reschedule(asyncio.get_running_loop().time())

    @asynccontextmanager
    async def _turn(self, places: Places, holder: Holder) -> AsyncIterator[None]:
        """End the block in time, and give the place back that the holder has taken for it."""
        try:
            async with end_after(self._limits.longest, PassTooLong(self._limits.longest)):
                yield
        finally:
            places.release(holder)

    async def _count(self, relation: Relation, predicate: RecordPredicate) -> Matches:
        async with aclosing(self._pass(relation, predicate)) as found:
            return Matches(tuple([(segment.first_line, len(numbers)) async for segment, numbers in found]))

    async def first(self, relation: Relation, predicate: RecordPredicate, *, holder: Holder) -> int | None:
        """Give the number of the first match, from 0; the pass ends there. None where nothing matches."""
        await self._limits.singles.take(holder)
        turn = self._turn(self._limits.singles, holder)
        async with turn, aclosing(self._pass(relation, predicate)) as found:
            async for _, numbers in found:
                return numbers[0]
        return None

    async def _pass(
        self, relation: Relation, predicate: RecordPredicate
    ) -> AsyncGenerator[tuple[Segment, list[int]], None]:
        """Give the segments with matches, and the numbers of the matches."""
        seen = 0
        async with aclosing(
            lookups.read_segments(self._pool, relation.snapshot_id, relation.placed.entry.name)
        ) as segments:
            async for segment in segments:
                numbers = [number for number, _ in await self._matching(relation, segment, predicate)]
                if numbers:
                    yield segment, numbers
                seen += segment.lines
        # Segments are read page by page: a snapshot that is collected meanwhile looks like a shorter one.
        if seen != relation.length:
            raise SnapshotGone(relation.snapshot_id)

    async def _matching(
        self, relation: Relation, segment: Segment, predicate: RecordPredicate
    ) -> list[tuple[int, bytes]]:
        run = ObjectRange(relation.placed.key, segment.position, segment.stored_size)
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
            segment = await lookups.find_segment(self._pool, relation.snapshot_id, name, line=first_line)
            if segment is None:
                raise SnapshotGone(relation.snapshot_id)
            found = await self._matching(relation, segment, predicate)
            for match in (found[::-1] if backwards else found)[skip:]:
                yield match
            skip = 0


def _filtered(stored: bytes, segment: Segment, predicate: RecordPredicate) -> list[tuple[int, bytes]]:
    numbered = enumerate(records_in(stored, segment), segment.first_line)
    return [(number, record) for number, record in numbered if predicate(record)]
