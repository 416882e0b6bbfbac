"""How much work there is: the sweeper reads it for whoever scales workers by it."""

from __future__ import annotations

from shared.database.pool import Pool
from shared.jobs.metrics import JobMetrics, WaitingJobs
from shared.jobs.models import JobKind, JobState

_KINDS = {kind.value: kind for kind in JobKind}


class QueueDepth:
    """Counts the jobs that are on their way, by kind and state; the partial indexes hold just those.

    A queued job is as old as it has been due: one that waits to be tried again waits on purpose.
    """

    def __init__(self, pool: Pool, metrics: JobMetrics) -> None:
        self._pool = pool
        self._metrics = metrics

    async def read(self) -> int:
        """Read the depth into the metrics, and give how many jobs there are."""
        rows = await self._pool.fetch(
            """SELECT kind, state, count(*) AS count,
                      greatest(now() - min(CASE state WHEN 'queued' THEN not_before ELSE started_at END),
                               interval '0') AS oldest
               FROM jobs WHERE state IN ('queued', 'running') GROUP BY kind, state"""
        )
        waiting = [
            WaitingJobs(_KINDS[row["kind"]], JobState(row["state"]), row["count"], row["oldest"])
            for row in rows
            if row["kind"] in _KINDS  # a newer version's are that version's to count
        ]
        self._metrics.set_depth(waiting)
        return sum(each.count for each in waiting)
