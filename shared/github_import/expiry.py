"""Removes pages that were kept for a next import that did not come."""

from __future__ import annotations

from datetime import timedelta

from shared.database.pool import Pool

_AT_ONCE = 1000
_REMOVE = f"""DELETE FROM github_pages WHERE ctid = ANY(ARRAY(
    SELECT p.ctid FROM github_pages p JOIN jobs j ON j.id = p.job_id
    WHERE j.kind = 'github_import' AND j.finished_at < now() - $1::interval LIMIT {_AT_ONCE}))"""  # noqa: S608  # fixed texts


class PageExpiry:
    """Removes the pages of imports that have finished longer than ``retention`` ago."""

    def __init__(self, pool: Pool, *, retention: timedelta) -> None:
        self._pool = pool
        self._retention = retention

    async def remove_pages(self) -> int:
        """Remove up to 1000 pages; return how many. May be repeated."""
        status = await self._pool.execute(_REMOVE, self._retention)
        return int(status.rpartition(" ")[2])
