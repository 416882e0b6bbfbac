"""Reads imported records, for clients that verify an import: pages of a relation, and single records.

"Newest first" means last in the archive first: GitLab exports by id or position, and sorting would need all
records. The first request with a filter reads the whole relation; further pages of the same list do not.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeAlias

from shared.accounts.models import User
from shared.database.pool import Pool
from shared.projects.models import Project
from shared.records.filters import RecordFilter
from shared.records.finder import Finder
from shared.records.reader import Relation, find_relation, records, records_backwards
from shared.snapshots import index
from shared.storage.base import ObjectStore
from shared.usecases.access import find_visible_project

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

    ``records`` is None if the project has no such relation.
    """

    project: Project
    total: int
    records: NumberedRecords | None


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """One record as a line of JSON, with its number in the relation, from 0."""

    project: Project
    number: int
    line: bytes


class Records:
    """Reads the records of projects. Methods with an actor raise NotFound and MovedProject."""

    def __init__(self, pool: Pool, store: ObjectStore) -> None:
        self._pool = pool
        self._store = store
        self._finder = Finder(pool, store)

    async def read_page(self, actor: User | None, reference: str, query: RecordQuery) -> RecordPage:
        """Return a page of a relation."""
        project, relation = await self._relation(actor, reference, query.relation)
        if relation is None:
            return RecordPage(project, 0, None)
        if query.wanted is None:
            return RecordPage(project, relation.length, self._read_unfiltered(relation, query))
        matches = await self._finder.matches(relation, query.wanted)
        found = self._finder.page(
            relation, query.wanted, matches, skip=query.offset, backwards=query.backwards
        )
        return RecordPage(project, matches.total, _first(found, query.limit))

    async def find(
        self, actor: User | None, reference: str, name: str, locate: Locator
    ) -> FoundRecord | None:
        """Return the record of a relation that ``locate`` finds; None if there is none."""
        project, relation = await self._relation(actor, reference, name)
        number = None if relation is None else await locate(project, relation)
        if relation is None or number is None or not 0 <= number < relation.length:
            return None
        found = records(self._pool, self._store, relation, first=number, count=1)
        async with aclosing(found) as lines:
            return FoundRecord(project, number, await anext(lines))

    async def find_first(self, relation: Relation, wanted: RecordFilter) -> int | None:
        """Return the number, from 0, of the first record that matches ``wanted``; None if there is none."""
        return await self._finder.first(relation, wanted)

    async def _relation(
        self, actor: User | None, reference: str, name: str
    ) -> tuple[Project, Relation | None]:
        project = (await find_visible_project(self._pool, actor, reference)).project
        snapshot_id = await index.current(self._pool, project.id)
        return project, None if snapshot_id is None else await find_relation(self._pool, snapshot_id, name)

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


async def _first(found: NumberedRecords, count: int) -> NumberedRecords:
    async with aclosing(found):
        async for each in found:
            yield each
            count -= 1
            if not count:
                return
