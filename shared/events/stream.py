"""Events in the order of their ids, for readers that remember the last id they have read."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from shared.database.pool import Database
from shared.events.models import Event, LastWord
from shared.events.store import event_of

_TOP = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM events_id_seq"
_BOUNDS = """SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest,
                    pg_current_xact_id()::text::bigint AS next"""
"""The snapshot is of the statement's beginning, before it has a number itself.

The end of a snapshot is no bound: running transactions may lie behind it, as it follows the last that ended.
"""


@dataclass(frozen=True, slots=True)
class _Mark:
    """Events with ids up to ``top`` belong to transactions before ``next``."""

    top: int
    next: int


class Horizon:
    """Finds the id up to which a reader misses no event of a transaction that has not ended.

    Ids are assigned before the commit, so that a lower id may become visible after a higher one. The ids up
    to a mark are settled once every transaction has ended that had begun to write when the mark was set.

    Each look takes a number of a transaction; readers that share a horizon share looks for the time that one
    ``lasts``.
    """

    def __init__(self, *, lasts: timedelta = timedelta(0)) -> None:
        self._lasts = lasts.total_seconds()
        self._looked = float("-inf")
        self._lock = asyncio.Lock()
        self._mark: _Mark | None = None
        self._settled = 0

    async def look(self, db: Database) -> int:
        """Give the id up to which all events are visible that there will ever be; it never falls."""
        clock = asyncio.get_running_loop().time
        async with self._lock:
            if clock() >= self._looked + self._lasts:
                await self._look(db)
                self._looked = clock()
            return self._settled

    async def _look(self, db: Database) -> None:
        highest = await highest_id(db)  # before the bounds: who has an id by then had begun to write
        bounds = await db.fetchrow(_BOUNDS)
        assert bounds is not None  # noqa: S101  # a row without a table
        for mark in (self._mark, _Mark(highest, bounds["next"])):
            if mark and bounds["oldest"] >= mark.next:
                self._settled = max(self._settled, mark.top)
                self._mark = None
            else:
                self._mark = self._mark or mark


async def highest_id(db: Database) -> int:
    """Give the highest id that was assigned; its transaction, and those of lower ids, may be running."""
    highest: int = await db.fetchval(_TOP)
    return highest


async def list_of_job(db: Database, job_id: int, *, after: int, limit: int) -> list[Event]:
    """List events of one job. They need no horizon, as each move of a job waits for the one before."""
    rows = await db.fetch(
        "SELECT * FROM events WHERE job_id = $1 AND id > $2 ORDER BY id LIMIT $3", job_id, after, limit
    )
    return [event_of(row) for row in rows]


async def find_last_word(db: Database, job_id: int) -> LastWord | None:
    """Find the last word of a job that went with its project; None where it did not, or long ago."""
    row = await db.fetchrow("SELECT 0::bigint AS id, * FROM last_words WHERE job_id = $1", job_id)
    return None if row is None else LastWord(event_of(row), row["first_at"], row["started_at"])


async def list_up_to(db: Database, *, after: int, up_to: int, limit: int) -> list[Event]:
    """List events of all jobs, up to a horizon."""
    rows = await db.fetch(
        "SELECT * FROM events WHERE id > $1 AND id <= $2 ORDER BY id LIMIT $3", after, up_to, limit
    )
    return [event_of(row) for row in rows]
