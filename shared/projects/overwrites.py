"""Projects of imports that were to take the place of another, and did not."""

from __future__ import annotations

from datetime import timedelta

from shared.database.pool import Pool
from shared.projects.former_jobs import return_jobs

_AT_ONCE = 100

# Its imports have all failed or been canceled, and nobody has made something else of it.
_LEFT = """p.snapshot_id IS NULL AND p.path ~ '-[0-9a-f]{32}$'
AND NOT EXISTS (SELECT FROM jobs o WHERE o.project_id = p.id
                AND (o.finished_at IS NULL OR o.finished_at >= now() - $1::interval OR o.state = 'finished'))
AND NOT EXISTS (SELECT FROM snapshots s JOIN pushes ON pushes.snapshot_id = s.id WHERE s.project_id = p.id)"""
_LOCK = f"""SELECT p.id FROM projects p WHERE p.id IN (
    SELECT project_id FROM jobs j WHERE payload ->> 'replaces' IS NOT NULL AND state IN ('failed', 'canceled')
    AND former_project_id IS NULL AND finished_at < now() - $1::interval) AND {_LEFT}
LIMIT {_AT_ONCE} FOR UPDATE SKIP LOCKED"""  # noqa: S608  # fixed texts
_DELETE = f"DELETE FROM projects p WHERE p.id = ANY($2) AND {_LEFT}"  # noqa: S608  # fixed texts


class OverwriteExpiry:
    """Deletes projects of overwrites that failed or were canceled longer than ``kept`` ago.

    Until then GitLab's API tells of the failure, and the import can be retried. After that lists show its job
    with the project that it was to replace. May be repeated.
    """

    def __init__(self, pool: Pool, *, kept: timedelta) -> None:
        self._pool = pool
        self._kept = kept

    async def delete_left(self) -> int:
        """Delete up to 100 projects, and return how many."""
        async with self._pool.acquire() as db, db.transaction():
            # Lock first, decide after: a retry locks the project before it queues its job.
            rows = await db.fetch(_LOCK, self._kept)
            ids = [row["id"] for row in rows]
            if not ids:
                return 0
            await return_jobs(db, ids)
            status = await db.execute(_DELETE, self._kept, ids)
        return int(status.rpartition(" ")[2])
