"""Jobs whose worker is gone, and jobs whose wake-up is still to be published: the sweeper's part."""

from __future__ import annotations

from datetime import timedelta

import structlog

from shared.broker.base import Broker
from shared.database.pool import Pool
from shared.jobs import outbox, store
from shared.jobs.states import Move, guard, target

_AT_ONCE = 500
_log = structlog.get_logger()


class Revival:
    """Revives and republishes; both may be repeated, as a claim happens once."""

    def __init__(
        self, pool: Pool, broker: Broker, *, republish_after: timedelta = timedelta(minutes=5)
    ) -> None:
        self._pool = pool
        self._broker = broker
        self._republish_after = republish_after

    async def revive(self) -> int:
        """Queue jobs again whose lease has expired; those without an attempt left fail."""
        left = "attempt < max_attempts"
        rows = await self._pool.fetch(
            f"""UPDATE jobs SET lease_expires_at = NULL, published_at = NULL,
                    state = CASE WHEN {left} THEN {target(Move.REVIVE)} ELSE {target(Move.FAIL)} END,
                    finished_at = CASE WHEN {left} THEN NULL ELSE now() END,
                    error = 'the worker was lost in attempt ' || attempt || ' of ' || max_attempts
                WHERE {guard(Move.REVIVE)} AND lease_expires_at < now() RETURNING id, state""",  # noqa: S608  # made of the move table
        )
        for row in rows:
            _log.warning("lease_expired", job_id=row["id"], state=row["state"])
        return len(rows)

    async def publish(self) -> int:
        """Publish the wake-ups of due jobs that have none on its way, or had one too long ago."""
        due = await self._pool.fetch(
            """SELECT id FROM jobs WHERE state = 'queued' AND not_before <= now()
               AND (published_at IS NULL OR published_at < now() - $1::interval) ORDER BY id LIMIT $2""",
            self._republish_after, _AT_ONCE,
        )  # fmt: skip
        for row in due:
            job = await store.find(self._pool, row["id"])
            if job:
                await outbox.announce(self._pool, self._broker, job)
        return len(due)
