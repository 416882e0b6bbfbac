"""Reads imported records, for clients that verify an import: pages of a relation, and single records.

What a project hides from the reader is left out, of totals too: ``shared/usecases/policy.py`` decides.

"Newest first" means last in the archive first: GitLab exports by id or position, and sorting would need all
records. The first request with a filter, or by a reader from whom single records may be hidden, reads the
whole relation; further pages of the same list do not.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeAlias

from shared.accounts.models import User
from shared.admission import Holder
from shared.database.pool import Pool
from shared.errors import Denied
from shared.projects.models import Project
from shared.records.filters import RecordFilter, both
from shared.records.finder import Finder, PassLimits
from shared.records.reader import Relation, find_relation, records, records_backwards
from shared.storage.base import ObjectStore
from shared.usecases.content import ReadableContent, find_content
from shared.usecases.policy import SEEMS_EMPTY, Kind

NumberedRecords: TypeAlias = AsyncGenerator[tuple[int, bytes], None]
"""Records with their numbers in the relation, from 0."""

Locator: TypeAlias = Callable[[Project, Relation], Awaitable[int | None]]
"""Returns the number of a record, from 0; None if it does not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordQuery:
    """A page of a relation: ``limit`` records that match ``wanted``, after the first ``offset`` of them."""

    relation: str
    wanted: RecordFilter | None
    backwards: bool
    offset: int
    limit: int


@dataclass(frozen=True, slots=True)
class RecordPage:
    """The records of a page, and the number of records on all pages.

    ``records`` is None if the project has no such relation, or the reader may not know of it.
    """

    content: ReadableContent
    total: int
    records: NumberedRecords | None


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """One record as a line of JSON, with its number in the relation, from 0."""

    content: ReadableContent
    number: int
    line: bytes


class Records:
    """Reads the records of projects. Methods with an actor raise NotFound and MovedProject."""

    def __init__(self, pool: Pool, store: ObjectStore, *, limits: PassLimits) -> None:
        self._pool = pool
        self._store = store
        self._finder = Finder(pool, store, limits=limits)

    async def read_page(
        self, actor: User | None, reference: str, query: RecordQuery, *, holder: Holder
    ) -> RecordPage:
        """Return a page of a relation. ``holder`` takes the place of a pass, where the list needs one.

        Raises Denied where GitLab does.
        """
        content = await find_content(self._pool, self._store, actor, reference)
        kind = Kind(query.relation)
        if not content.policy.may_list(kind):
            _refuse(kind)
            return RecordPage(content, 0, None)
        relation = await self._relation(content, query.relation)
        if relation is None:
            return RecordPage(content, 0, None)
        wanted = both(content.policy.shown(kind), query.wanted)
        if wanted is None:
            return RecordPage(content, relation.length, self._read_unfiltered(relation, query))
        matches = await self._finder.matches(relation, wanted, holder=holder)
        found = self._finder.page(relation, wanted, matches, skip=query.offset, backwards=query.backwards)
        return RecordPage(content, matches.total, _first(found, query.limit))

    async def find(
        self, actor: User | None, reference: str, name: str, locate: Locator
    ) -> FoundRecord | None:
        """Return the record of a relation that ``locate`` finds; None if there is none for the reader.

        Raises Denied where GitLab does.
        """
        content = await find_content(self._pool, self._store, actor, reference)
        kind = Kind(name)
        if not content.policy.may_find(kind):
            _refuse(kind)
            return None
        relation = await self._relation(content, name)
        number = None if relation is None else await locate(content.project, relation)
        if relation is None or number is None or not 0 <= number < relation.length:
            return None
        line = await self._read_one(relation, number)
        shown = content.policy.shown(kind)
        return FoundRecord(content, number, line) if shown is None or shown(line) else None

    async def _read_one(self, relation: Relation, number: int) -> bytes:
        found = records(self._pool, self._store, relation, first=number, count=1)
        async with aclosing(found) as lines:
            return await anext(lines)

    async def find_first(self, relation: Relation, wanted: RecordFilter, *, holder: Holder) -> int | None:
        """Return the number, from 0, of the first record that matches ``wanted``; None if there is none."""
        return await self._finder.first(relation, wanted, holder=holder)

    async def _relation(self, content: ReadableContent, name: str) -> Relation | None:
        snapshot_id = content.snapshot_id
        return None if snapshot_id is None else await find_relation(self._pool, snapshot_id, name)

    async def _read_unfiltered(self, relation: Relation, query: RecordQuery) -> NumberedRecords:
        backwards = query.backwards
        number, step = (relation.length - 1 - query.offset, -1) if backwards else (query.offset, 1)
        found = (
            records_backwards(self._pool, self._store, relation, last=number, count=query.limit)
            if backwards
            else records(self._pool, self._store, relation, first=number, count=query.limit)
        )
        async with aclosing(found) as lines:
            async for line in lines:
                yield number, line
                number += step


def _refuse(kind: Kind) -> None:
    """Raise Denied for a kind whose list does not seem empty instead, as GitLab answers."""
    if kind not in SEEMS_EMPTY:
        raise Denied


async def _first(found: NumberedRecords, count: int) -> NumberedRecords:
    async with aclosing(found):
        async for each in found:
            yield each
            count -= 1
            if not count:
                return
