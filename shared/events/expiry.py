"""Removes events and answered commands after their retention."""

from __future__ import annotations

from datetime import timedelta

from shared.database.pool import Pool

_AT_ONCE = 5000


class EventExpiry:
    """Removes what is older than ``retention``; the age of an event counts from its publishing."""

    def __init__(self, pool: Pool, *, retention: timedelta) -> None:
        self._pool = pool
        self._retention = retention

    async def remove_events(self) -> int:
        """Remove published events, and give how many."""
        return await self._remove("events", "published_at")

    async def remove_commands(self) -> int:
        """Forget executed commands: the same message would be another command then. Gives how many."""
        return await self._remove("commands", "created_at")

    async def _remove(self, table: str, column: str) -> int:
        status = await self._pool.execute(
            f"""DELETE FROM {table} WHERE ctid = ANY(ARRAY(
                SELECT ctid FROM {table} WHERE {column} < now() - $1::interval LIMIT {_AT_ONCE}))""",  # noqa: S608  # fixed texts
            self._retention,
        )
        return int(status.rpartition(" ")[2])
