"""The sweeper's work on jobs: requeue those whose worker is lost, and publish wake-ups that are missing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import structlog

from shared.broker.base import Broker
from shared.database.pool import Pool, Row
from shared.jobs import outbox, store
from shared.jobs.metrics import JobMetrics
from shared.jobs.models import WORKER_LOST, Job, JobKind, JobState
from shared.jobs.states import Move, guard, target

_AT_ONCE = 500
_KINDS = [kind.value for kind in JobKind]
"""A newer version, during a rollout, publishes the kinds that only it knows."""
_log = structlog.get_logger()


class Requeue:
    """Requeues jobs and publishes wake-ups. Both may be repeated, as a job is claimed only once.

    A wake-up is published again after ``republish_after``, as the message may be lost or held by a frozen
    worker, and then each time the job has waited twice as long: so a long queue does not grow by repeated
    messages. That of a new job is left to who queued it for ``left_alone``.

    After a start of the database, workers have ``grace`` to prolong leases that expired while it was away.
    """

    def __init__(
        self,
        pool: Pool,
        broker: Broker,
        *,
        republish_after: timedelta = timedelta(seconds=30),
        left_alone: timedelta = timedelta(seconds=5),
        grace: timedelta = timedelta(0),
        metrics: JobMetrics | None = None,
    ) -> None:
        self._pool = pool
        self._broker = broker
        self._republish_after = republish_after
        self._left_alone = left_alone
        self._grace = grace
        self._metrics = metrics or JobMetrics()

    async def requeue_lost(self) -> int:
        """Queue jobs whose lease has expired again, or fail them where no attempt is left; give how many.

        A row that is locked is left for the next round: its worker may be about to finish the job.
        """
        return await self._requeue(
            "lease_expires_at < now() AND pg_postmaster_start_time() < now() - $1::interval", self._grace
        )

    async def requeue_running(self) -> int:
        """Do the same with every running job: the caller knows that no worker of before is alive."""
        return await self._requeue("true")

    async def _requeue(self, is_lost: str, *values: object) -> int:
        left = "attempt < max_attempts"
        error = "'the worker was lost in attempt ' || attempt || ' of ' || max_attempts"
        code = f"'{WORKER_LOST}'"
        rows = await self._pool.fetch(
            f"""UPDATE jobs SET lease_expires_at = NULL, published_at = NULL,
                    state = CASE WHEN {left} THEN {target(Move.REQUEUE)} ELSE {target(Move.FAIL)} END,
                    finished_at = CASE WHEN {left} THEN NULL ELSE now() END,
                    error = {error}, error_code = {code},
                    errors = {store.with_error(f"({error})", code, counts=True)}
                WHERE id IN (SELECT id FROM jobs WHERE {guard(Move.REQUEUE)} AND {is_lost}
                             FOR NO KEY UPDATE SKIP LOCKED) RETURNING id, kind, state""",  # noqa: S608  # made of the move table
            *values,
        )
        for row in rows:
            _log.warning("lease_expired", job_id=row["id"], state=row["state"])
            if row["kind"] in _KINDS:
                self._metrics.count_expired_lease(JobKind(row["kind"]), JobState(row["state"]))
        return len(rows)

    async def publish(self) -> int:
        """Publish the wake-ups of due jobs that were not published, or too long ago; give how many.

        Ends at the first that cannot be published: the others would fail as well.
        """
        rows = await self._pool.fetch(
            f"""SELECT {store.JOB} FROM jobs WHERE state = 'queued' AND kind = ANY($3) AND not_before <= now()
               AND CASE WHEN published_at IS NOT NULL
                        THEN published_at < now() - greatest($1::interval, published_at - not_before)
                        ELSE lease > 0 OR created_at <= now() - $4::interval END
               ORDER BY id LIMIT $2""",  # noqa: S608  # fixed texts
            self._republish_after, _AT_ONCE, _KINDS, self._left_alone,
        )  # fmt: skip
        published = [job async for job in self._published(rows)]
        if published:
            await outbox.mark_published(self._pool, published)
        return len(published)

    async def _published(self, rows: Sequence[Row]) -> AsyncIterator[Job]:
        """Publish the wake-ups of jobs, and yield those that were, up to the first that was not."""
        for row in rows:
            job = store.job_of(row)
            if not await outbox.announce(self._broker, job):
                return
            yield job
