"""What was imported, for those who compare: pages of records, and single ones.

Newest first stands for last in the archive, as GitLab exports by id or position and a record is not read
before it is shown. A filter costs a pass over the relation, and another page of the same list none.
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
from shared.usecases.access import visible_project

NumberedRecords: TypeAlias = AsyncGenerator[tuple[int, bytes], None]
"""Records with their numbers in the relation, from 0."""

Locator: TypeAlias = Callable[[Project, Relation], Awaitable[int | None]]
"""Gives the number of a record, from 0; None where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordQuery:
    """Which records of a relation: ``limit`` of those that ``wanted`` takes, behind ``offset`` of them."""

    relation: str
    wanted: RecordFilter | None
    backwards: bool
    offset: int
    limit: int


@dataclass(frozen=True, slots=True)
class RecordPage:
    """How many records there are in all, and those of the page."""

    project: Project
    total: int
    records: NumberedRecords


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """One record, with its number in the relation, from 0."""

    project: Project
    number: int
    line: bytes


class Records:
    """Records of projects. Every method raises NotFound and MovedProject of the project."""

    def __init__(self, pool: Pool, store: ObjectStore) -> None:
        self._pool = pool
        self._store = store
        self._finder = Finder(pool, store)

    async def page(self, actor: User | None, reference: str, query: RecordQuery) -> RecordPage:
        """Give a page of a relation."""
        project, relation = await self._relation(actor, reference, query.relation)
        if relation is None:
            return RecordPage(project, 0, _none())
        if query.wanted is None:
            return RecordPage(project, relation.length, self._unfiltered(relation, query))
        matches = await self._finder.matches(relation, query.wanted)
        found = self._finder.page(
            relation, query.wanted, matches, skip=query.offset, backwards=query.backwards
        )
        return RecordPage(project, matches.total, _first(found, query.limit))

    async def find(
        self, actor: User | None, reference: str, name: str, locate: Locator
    ) -> FoundRecord | None:
        """Give the record of a relation that ``locate`` finds; None where there is none."""
        project, relation = await self._relation(actor, reference, name)
        number = None if relation is None else await locate(project, relation)
        if relation is None or number is None or not 0 <= number < relation.length:
            return None
        found = records(self._pool, self._store, relation, first=number, count=1)
        async with aclosing(found) as lines:
            return FoundRecord(project, number, await anext(lines))

    async def first(self, relation: Relation, wanted: RecordFilter) -> int | None:
        """Give the number of the first record that ``wanted`` takes, from 0."""
        return await self._finder.first(relation, wanted)

    async def _relation(
        self, actor: User | None, reference: str, name: str
    ) -> tuple[Project, Relation | None]:
        project = (await visible_project(self._pool, actor, reference)).project
        snapshot_id = await index.current(self._pool, project.id)
        return project, None if snapshot_id is None else await find_relation(self._pool, snapshot_id, name)

    async def _unfiltered(self, relation: Relation, query: RecordQuery) -> NumberedRecords:
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


async def _none() -> NumberedRecords:
    nothing: tuple[tuple[int, bytes], ...] = ()
    for each in nothing:
        yield each
