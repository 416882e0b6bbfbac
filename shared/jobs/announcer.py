"""Wake-ups of new jobs, published beside what made the jobs: no request waits for the broker."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog

from shared.broker.base import Broker
from shared.jobs.models import Job
from shared.jobs.outbox import announce

_log = structlog.get_logger()


class Announcer:
    """Publishes wake-ups, up to ``most`` at a time, each for ``patience`` at most.

    What is more, or takes longer, is left to the sweeper: the job is safe in its row.
    """

    def __init__(self, broker: Broker, *, most: int, patience: timedelta) -> None:
        self._broker = broker
        self._most = most
        self._patience = patience
        self._tasks: set[asyncio.Task[None]] = set()

    def announce(self, job: Job) -> None:
        """Begin to publish the wake-up of a committed job. May be repeated."""
        if len(self._tasks) >= self._most:
            _log.warning("announcement_left_to_the_sweeper", job_id=job.id)
            return
        task = asyncio.create_task(self._publish(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _publish(self, job: Job) -> None:
        try:
            async with asyncio.timeout(self._patience.total_seconds()):
                await announce(self._broker, job)
        except TimeoutError:
            _log.warning("announcement_left_to_the_sweeper", job_id=job.id)

    async def close(self, *, within: timedelta) -> None:
        """Wait until everything is published, for that time at most, and leave the rest to the sweeper."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within.total_seconds())
        for task in (left := list(self._tasks)):
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
