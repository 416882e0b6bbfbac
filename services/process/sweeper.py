"""Maintenance by one service at a time: all can do it, and an advisory lock elects the leader."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import wraps

import structlog

from shared.database.outages import DATABASE_ERRORS
from shared.database.pool import Pool
from shared.errors import CrossdockError
from shared.logs import describe

MaintenanceTask = Callable[[], Awaitable[int]]
"""Does a bounded amount of one kind of maintenance, and returns the amount. May be repeated."""

_LOCK = 0x73776565706572
_TERM = timedelta(seconds=10)
_JITTER = 0.1
"""The fraction by which a pause varies, so that services that started together do not run in step."""
_log = structlog.get_logger()


def at_intervals(
    task: MaintenanceTask, *, every: timedelta, clock: Callable[[], float] = time.monotonic
) -> MaintenanceTask:
    """Make a task that runs in the first round, and then once in ``every``, whether it succeeds or fails."""
    due = clock()

    @wraps(task)
    async def run_when_due() -> int:
        nonlocal due
        if clock() < due:
            return 0
        due = clock() + every.total_seconds()
        return await task()

    return run_when_due


class Sweeper:
    """Runs its tasks in rounds, about one round in ``every``.

    A leader whose round takes longer than ``term`` may be frozen or cut off: another service then leads as
    well.
    """

    def __init__(
        self, pool: Pool, tasks: Sequence[MaintenanceTask], *, every: timedelta, term: timedelta = _TERM
    ) -> None:
        self._pool = pool
        self._tasks = tasks
        self._every = every
        self._term = term

    async def run(self) -> None:
        """Run rounds until cancelled; a failure is logged, and the task is tried again in the next round."""
        while True:
            await self.sweep()
            await asyncio.sleep(self._pause().total_seconds())

    def _pause(self) -> timedelta:
        return self._every * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311  # no secret

    async def sweep(self) -> None:
        """Run one round, unless another service is running one."""
        try:
            async with self._pool.acquire() as leader:
                # The server ends a session that is idle for this time, which releases the lock.
                milliseconds = self._term // timedelta(milliseconds=1)
                await leader.execute(f"SET idle_session_timeout = {milliseconds}")
                if await leader.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
                    # The pool resets the connection, which releases the lock. An unlock here could fail after
                    # a cancellation, and hide it behind an error of the database.
                    await self._go_round()
        except DATABASE_ERRORS as error:
            _log.warning("sweep_failed", error=describe(error))

    async def _go_round(self) -> None:
        for task in self._tasks:
            try:
                await task()
            except (CrossdockError, *DATABASE_ERRORS) as error:
                _log.warning(
                    "maintenance_failed", task=getattr(task, "__name__", str(task)), error=describe(error)
                )
