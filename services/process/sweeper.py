"""The sweeper: tasks that are done now and then, by the leader of all services."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import wraps

import structlog

from shared.database.outages import DATABASE_ERRORS
from shared.errors import CrossdockError
from shared.jobs.maintenance import TaskRun
from shared.logs import describe

MaintenanceTask = Callable[[], Awaitable[int | None]]
"""Does a bounded amount of one kind of maintenance, and returns the amount. May be repeated.

Returns None where it was not due.
"""

_log = structlog.get_logger()


def at_intervals(
    task: MaintenanceTask, *, every: timedelta, clock: Callable[[], float] = time.monotonic
) -> MaintenanceTask:
    """Make a task that runs in the first round, and then once in ``every``, whether it succeeds or fails."""
    due = clock()

    @wraps(task)
    async def run_when_due() -> int | None:
        nonlocal due
        if clock() < due:
            return None
        due = clock() + every.total_seconds()
        return await task()

    return run_when_due


class Sweeper:
    """Runs its tasks in rounds, about one round in ``every``; the leader of all services sweeps.

    ``runs`` gets the last run of each task by its name.
    """

    def __init__(
        self,
        tasks: Sequence[MaintenanceTask],
        *,
        every: timedelta,
        runs: MutableMapping[str, TaskRun] | None = None,
    ) -> None:
        self._tasks = tasks
        self._every = every
        self._runs = {} if runs is None else runs

    async def run(self) -> None:
        """Run rounds until cancelled; a failure is logged, and the task is tried again in the next round."""
        while True:
            await self.sweep()
            await asyncio.sleep(self._every.total_seconds())

    async def sweep(self) -> None:
        """Run one round."""
        for task in self._tasks:
            began, amount, problem = time.monotonic(), None, None
            try:
                amount = await task()
            except (CrossdockError, *DATABASE_ERRORS) as error:
                problem = describe(error)
                _log.warning("maintenance_failed", task=_name(task), error=problem)
            if amount is not None or problem is not None:
                self._runs[_name(task)] = TaskRun(
                    task=_name(task),
                    run_at=datetime.now(UTC),
                    seconds=time.monotonic() - began,
                    amount=amount or 0,
                    error=problem,
                )


def _name(task: MaintenanceTask) -> str:
    return getattr(task, "__qualname__", str(task))
