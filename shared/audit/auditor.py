"""Audits a whole store, from the index to the bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta

from shared.audit.findings import Finding
from shared.audit.index import audit_snapshots, find_contradictions, find_unstored
from shared.audit.indexed import IndexedObject, list_objects
from shared.audit.objects import ObjectAudit, find_mark
from shared.audit.orphans import find_orphans
from shared.database.pool import Pool
from shared.storage.base import ObjectStore

AT_ONCE = 32
"""Objects that the store is asked for at one time."""

READ_AT_ONCE = 4
"""Objects that are read at one time, each with a block of 1 MiB or two in memory."""

IsRead = Callable[[IndexedObject], bool]
"""Tells whether the bytes of an object are to be read."""


@dataclass(slots=True)
class AuditCount:
    """What was looked at so far: objects, those of them that were read, and their bytes.

    ``following`` is the id from which an audit that ends here has to go on.
    """

    objects: int = 0
    read: int = 0
    bytes: int = 0
    following: int = 0


class Auditor:
    """Audits the index, the listing of the store, and the objects, in the order of their ids."""

    def __init__(self, pool: Pool, store: ObjectStore, *, grace: timedelta) -> None:
        self._pool = pool
        self._store = store
        self._grace = grace
        self._audit = ObjectAudit(pool, store)
        self._reading = asyncio.Semaphore(READ_AT_ONCE)
        self.count = AuditCount()

    async def audit(self, is_read: IsRead, *, first: int = 0) -> AsyncGenerator[Finding, None]:
        """Give all findings, those about objects from the id ``first`` on. Raises StorageError."""
        for part in (self.audit_index(), self.audit_objects(is_read, first=first)):
            async with aclosing(part) as findings:
                async for finding in findings:
                    yield finding

    async def audit_index(self) -> AsyncGenerator[Finding, None]:
        """Give what is wrong in the index alone, and what the store has beside it."""
        for finding in await find_unstored(self._pool):
            yield finding
        orphans = find_orphans(self._pool, self._store, grace=self._grace)
        for part in (audit_snapshots(self._pool), orphans):
            async with aclosing(part) as findings:
                async for finding in findings:
                    yield finding

    async def audit_objects(self, is_read: IsRead, *, first: int = 0) -> AsyncGenerator[Finding, None]:
        """Give what is wrong with objects, 32 at a time."""
        self.count.following = first
        while page := await list_objects(self._pool, first=self.count.following, limit=AT_ONCE):
            for finding in await find_contradictions(self._pool, page):
                yield finding
            for finding in await self._look_at_all(page, is_read):
                yield finding
            self.count.following = page[-1].id + 1

    async def _look_at_all(self, page: Sequence[IndexedObject], is_read: IsRead) -> list[Finding]:
        findings: list[Finding] = []
        looks = (self._look_at(each, is_read) for each in page)
        for found in await asyncio.gather(*looks, return_exceptions=True):
            if isinstance(found, BaseException):
                raise found
            findings += found
        return findings

    async def _look_at(self, known: IndexedObject, is_read: IsRead) -> list[Finding]:
        self.count.objects += 1
        reads = is_read(known)
        found = await (self._read(known) if reads else self._audit.ask(known))
        return found or find_mark(known, is_read=reads)

    async def _read(self, known: IndexedObject) -> list[Finding]:
        async with self._reading:
            found = await self._audit.read(known, after_block=self._count_block)
        self.count.read += 1
        return found

    async def _count_block(self, size: int) -> None:
        self.count.bytes += size
