"""The scrub: a slow audit of the whole store in the background, by the leader of all services."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta

import structlog

from shared.audit.auditor import Auditor
from shared.audit.findings import Finding
from shared.audit.index import find_contradictions
from shared.audit.indexed import IndexedObject, list_objects
from shared.audit.objects import ObjectAudit, find_mark
from shared.database.outages import DATABASE_ERRORS
from shared.database.pool import Pool
from shared.errors import CrossdockError
from shared.ledger import objects
from shared.logs import describe
from shared.metrics.scrub import ScrubMetrics
from shared.storage.base import ObjectStore

REST = timedelta(days=1)
"""The least time from the end of a pass to the beginning of the next one."""

_LOOK_EVERY = timedelta(minutes=1)
"""How often it is asked whether the rest is over; and how long a scrub that failed waits."""

_KEPT_EVERY = 64 * 1024 * 1024
"""Bytes after which the place is kept, so that a large object is not begun anew by the next leader."""

_LEAST = 64 * 1024
"""Bytes as which a smaller object counts: its statements and its request cost more than its bytes."""

Pause = Callable[[float], Awaitable[object]]
"""Waits for so many seconds."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a scrub goes on: at byte ``position`` of the first object whose id is ``object_id`` or higher."""

    object_id: int
    position: int


class Scrub:
    """Reads all objects, one at a time, at ``rate`` bytes a second, and audits the index after each pass.

    It repairs nothing: what it finds is logged and counted. The SHA-256 of a pack, which nobody took while it
    was written, is recorded when it is first read whole and right.
    """

    def __init__(  # by keyword
        self,
        pool: Pool,
        store: ObjectStore,
        *,
        rate: int,
        grace: timedelta,
        metrics: ScrubMetrics,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self._pool = pool
        self._auditor = Auditor(pool, store, grace=grace)
        self._audit = ObjectAudit(pool, store)
        self._rate = rate
        self._metrics = metrics
        self._pause = pause
        self._unkept = 0

    async def run(self) -> None:
        """Scrub until cancelled; a failure is logged, and it goes on where it was."""
        while True:
            try:
                if await self.step():
                    continue
            except (CrossdockError, *DATABASE_ERRORS) as error:
                _log.warning("scrub_failed", error=describe(error))
            await self._pause(_LOOK_EVERY.total_seconds())

    async def step(self) -> bool:
        """Read the next object, or end the pass; give False where it is not time for another one."""
        cursor = await self._begin()
        if cursor is None:
            return False
        following = await list_objects(self._pool, first=cursor.object_id, limit=1)
        if not following:
            await self._end()
            return True
        [known] = following
        await self._scrub(known, cursor.position if known.id == cursor.object_id else 0)
        await self._keep(Cursor(known.id + 1, 0))
        return True

    async def _begin(self) -> Cursor | None:
        """Give the place of the pass that is under way, or begin one where the rest is over."""
        row = await self._pool.fetchrow(
            """INSERT INTO scrub AS s DEFAULT VALUES ON CONFLICT (is_only) DO UPDATE SET
                   began_at = CASE WHEN s.ended_at IS NULL THEN s.began_at ELSE now() END,
                   findings = CASE WHEN s.ended_at IS NULL THEN s.findings ELSE 0 END, ended_at = NULL
               WHERE s.ended_at IS NULL OR s.ended_at < now() - $1::interval
               RETURNING object_id, position""",
            REST,
        )
        return Cursor(**dict(row)) if row else None

    async def _scrub(self, known: IndexedObject, start: int) -> None:
        digests: list[bytes] = []
        self._unkept, at = 0, start
        await self._pause(max(_LEAST - known.size, 0) / self._rate)

        async def after_block(size: int) -> None:
            nonlocal at
            at += size
            await self._slow_down(Cursor(known.id, at), size)

        found = await self._audit.read(
            known, start=start, after_block=after_block, digested=None if start else digests.append
        )
        found = [*await find_contradictions(self._pool, [known]), *(found or find_mark(known, is_read=True))]
        await self._tell(found)
        if digests and not found:
            await objects.record_digest(self._pool, known.id, digests[-1])

    async def _slow_down(self, cursor: Cursor, size: int) -> None:
        self._metrics.count_read(size)
        self._unkept += size
        if self._unkept >= _KEPT_EVERY:
            await self._keep(cursor)
        await self._pause(size / self._rate)

    async def _keep(self, cursor: Cursor) -> None:
        self._unkept = 0
        await self._pool.execute(
            "UPDATE scrub SET object_id = $1, position = $2", cursor.object_id, cursor.position
        )

    async def _end(self) -> None:
        await self._tell_all(self._auditor.audit_index())
        await self._pool.execute("UPDATE scrub SET object_id = 0, position = 0, ended_at = now()")
        _log.info("scrubbed", findings=await self._pool.fetchval("SELECT findings FROM scrub"))

    async def _tell_all(self, findings: AsyncGenerator[Finding, None]) -> None:
        async with aclosing(findings):
            async for finding in findings:
                await self._tell([finding])

    async def _tell(self, findings: list[Finding]) -> None:
        for each in findings:
            self._metrics.count_finding(each.kind.value)
            _log.error("scrub_found", kind=each.kind.value, key=each.key, reason=str(each))
        if findings:
            await self._pool.execute("UPDATE scrub SET findings = findings + $1", len(findings))
