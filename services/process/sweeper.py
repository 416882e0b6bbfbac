"""The sweeper: tasks that are done now and then, by the leader of all services."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import wraps

import structlog

from shared.database.outages import DATABASE_ERRORS
from shared.errors import CrossdockError
from shared.logs import describe

MaintenanceTask = Callable[[], Awaitable[int]]
"""Does a bounded amount of one kind of maintenance, and returns the amount. May be repeated."""

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
    """Runs its tasks in rounds, about one round in ``every``; the leader of all services sweeps."""

    def __init__(self, tasks: Sequence[MaintenanceTask], *, every: timedelta) -> None:
        self._tasks = tasks
        self._every = every

    async def run(self) -> None:
        """Run rounds until cancelled; a failure is logged, and the task is tried again in the next round."""
        while True:
            await self.sweep()
            await asyncio.sleep(self._every.total_seconds())

    async def sweep(self) -> None:
        """Run one round."""
        for task in self._tasks:
            try:
                await task()
            except (CrossdockError, *DATABASE_ERRORS) as error:
                _log.warning(
                    "maintenance_failed", task=getattr(task, "__name__", str(task)), error=describe(error)
                )
