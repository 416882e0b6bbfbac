"""Jobs whose worker is gone, and jobs whose wake-up is still to be published: the sweeper's part."""

from __future__ import annotations

from datetime import timedelta

import structlog

from shared.broker.base import Broker
from shared.database.pool import Pool
from shared.jobs import outbox, store
from shared.jobs.metrics import JobMetrics
from shared.jobs.models import WORKER_LOST, JobKind, JobState
from shared.jobs.states import Move, guard, target

_AT_ONCE = 500
_KINDS = [kind.value for kind in JobKind]
"""Those of a newer version, seen while it is rolled out, are that version's to publish."""
_log = structlog.get_logger()


class Revival:
    """Revives and republishes; both may be repeated, as a claim happens once.

    What has waited for ``republish_after`` is published once more, as its message may be lost or lie with a
    worker that is frozen, and then each time that it has waited twice as long: a long queue does not grow by
    its own messages.
    """

    def __init__(
        self,
        pool: Pool,
        broker: Broker,
        *,
        republish_after: timedelta = timedelta(seconds=30),
        metrics: JobMetrics | None = None,
    ) -> None:
        self._pool = pool
        self._broker = broker
        self._republish_after = republish_after
        self._metrics = metrics or JobMetrics()

    async def revive(self) -> int:
        """Queue jobs again whose lease has expired; those without an attempt left fail.

        A locked one is left for the next time: its worker may be about to finish it.
        """
        left = "attempt < max_attempts"
        rows = await self._pool.fetch(
            f"""UPDATE jobs SET lease_expires_at = NULL, published_at = NULL,
                    state = CASE WHEN {left} THEN {target(Move.REVIVE)} ELSE {target(Move.FAIL)} END,
                    finished_at = CASE WHEN {left} THEN NULL ELSE now() END,
                    payload = CASE WHEN {left} THEN payload ELSE {store.FORGOTTEN} END,
                    error = 'the worker was lost in attempt ' || attempt || ' of ' || max_attempts,
                    error_code = '{WORKER_LOST}'
                WHERE id IN (SELECT id FROM jobs WHERE {guard(Move.REVIVE)} AND lease_expires_at < now()
                             FOR NO KEY UPDATE SKIP LOCKED) RETURNING id, kind, state""",  # noqa: S608  # made of the move table
        )
        for row in rows:
            _log.warning("lease_expired", job_id=row["id"], state=row["state"])
            if row["kind"] in _KINDS:
                self._metrics.count_expired_lease(JobKind(row["kind"]), JobState(row["state"]))
        return len(rows)

    async def publish(self) -> int:
        """Publish the wake-ups of due jobs that have none on its way, or had one too long ago.

        Ends where one cannot be published, as the next could not either.
        """
        due = await self._pool.fetch(
            """SELECT id FROM jobs WHERE state = 'queued' AND kind = ANY($3) AND not_before <= now()
               AND (published_at IS NULL
                    OR published_at < now() - greatest($1::interval, published_at - not_before))
               ORDER BY id LIMIT $2""",
            self._republish_after, _AT_ONCE, _KINDS,
        )  # fmt: skip
        for count, row in enumerate(due):
            job = await store.find(self._pool, row["id"])
            if job and not await outbox.announce(self._pool, self._broker, job):
                return count
        return len(due)
