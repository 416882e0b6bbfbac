"""Removes events, answered commands and last words of jobs after their retention."""

from __future__ import annotations

from datetime import timedelta

from shared.database.pool import Pool

_AT_ONCE = 5000


class EventExpiry:
    """Removes what is older than ``retention``; the age of an event counts from its publishing.

    Last words are kept for ``job_retention`` from the end of their jobs.
    """

    def __init__(self, pool: Pool, *, retention: timedelta, job_retention: timedelta) -> None:
        self._pool = pool
        self._retention = retention
        self._job_retention = job_retention

    async def remove_events(self) -> int:
        """Remove published events, and give how many."""
        return await self._remove("events", "published_at", older_than=self._retention)

    async def remove_commands(self) -> int:
        """Forget executed commands: the same message would be another command then. Gives how many."""
        return await self._remove("commands", "created_at", older_than=self._retention)

    async def remove_last_words(self) -> int:
        """Remove the last words of jobs whose projects were deleted, and give how many."""
        return await self._remove("last_words", "created_at", older_than=self._job_retention)

    async def _remove(self, table: str, column: str, *, older_than: timedelta) -> int:
        status = await self._pool.execute(
            f"""DELETE FROM {table} WHERE ctid = ANY(ARRAY(
                SELECT ctid FROM {table} WHERE {column} < now() - $1::interval LIMIT {_AT_ONCE}))""",  # noqa: S608  # fixed texts
            older_than,
        )
        return int(status.rpartition(" ")[2])
