"""Measures the depth of the queues, by which an autoscaler scales workers."""

from __future__ import annotations

from shared.database.pool import Pool
from shared.jobs.metrics import JobMetrics, WaitingJobs
from shared.jobs.models import JobKind, JobState

_KINDS = {kind.value: kind for kind in JobKind}


class QueueDepth:
    """Counts the unfinished jobs by kind and state; the partial indexes contain only these.

    The age of a queued job counts from when it is due: a job that waits for its next attempt waits on
    purpose.
    """

    def __init__(self, pool: Pool, metrics: JobMetrics) -> None:
        self._pool = pool
        self._metrics = metrics

    async def read(self) -> int:
        """Read the depth into the metrics, and give the number of unfinished jobs."""
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
