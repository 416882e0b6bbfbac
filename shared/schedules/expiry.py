"""Removes runs of schedules after their retention."""

from __future__ import annotations

from datetime import timedelta

from shared.database.pool import Pool

_AT_ONCE = 100


class RunExpiry:
    """Removes runs that ended longer than ``retention`` ago, but for the last one of each schedule.

    Archives stay known, whatever becomes of the runs that have sent them.
    """

    def __init__(self, pool: Pool, *, retention: timedelta) -> None:
        self._pool = pool
        self._retention = retention

    async def remove_runs(self) -> int:
        """Remove runs with what came of their projects, and give how many runs."""
        status = await self._pool.execute(
            """DELETE FROM schedule_runs WHERE id = ANY(ARRAY(
                   SELECT id FROM schedule_runs r WHERE finished_at < now() - $1::interval AND EXISTS (
                       SELECT FROM schedule_runs n WHERE n.schedule_id = r.schedule_id AND n.id > r.id
                           AND n.finished_at IS NOT NULL)
                   ORDER BY finished_at LIMIT $2))""",
            self._retention, _AT_ONCE,
        )  # fmt: skip
        return int(status.rpartition(" ")[2])
