"""Deadlines of attempts: how long one may take in all, and how long without a step.

Time in which the database or the object storage is away does not count: no job could go on then.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from shared.errors import CrossdockError
from shared.jobs.progress import Progress

StorageCheck = Callable[[], Awaitable[object]]
"""Raises a CrossdockError if the object storage cannot be used now."""

_LOOK_EVERY = timedelta(seconds=15)
_LOOK_AT_MOST = timedelta(seconds=5)


class JobOverdue(CrossdockError):
    """The job took longer than its deadline permits: the archive may be too large or its server too slow."""

    code = "job_overdue"

    def __init__(self, limit: timedelta) -> None:
        super().__init__(f"it took longer than {limit / timedelta(hours=1):g} hours, which is the limit")


class JobStuck(CrossdockError):
    """The job read and wrote nothing for too long; the next attempt begins anew."""

    code = "job_stuck"
    retryable = True

    def __init__(self, limit: timedelta) -> None:
        super().__init__(f"nothing was read or written for {limit / timedelta(minutes=1):g} minutes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """``total`` is the longest time of an attempt, ``idle`` the longest one without a step of it."""

    total: timedelta = timedelta(hours=24)
    idle: timedelta = timedelta(minutes=10)


async def check_nothing() -> None:
    """Take the storage for one that always answers."""


async def is_answering(check_storage: StorageCheck) -> bool:
    """Tell whether the storage can be used now; one that does not answer within 5 seconds cannot."""
    try:
        async with asyncio.timeout(_LOOK_AT_MOST.total_seconds()):
            await check_storage()
    except (CrossdockError, TimeoutError):
        return False
    return True


class AttemptClock:
    """Counts the time of one attempt. ``clock`` gives seconds.

    While there are no steps it asks every 15 seconds whether the storage answers, and discards that time if
    it does not.
    """

    def __init__(
        self,
        deadlines: Deadlines,
        progress: Progress,
        *,
        check_storage: StorageCheck = check_nothing,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._deadlines = deadlines
        self._progress = progress
        self._check_storage = check_storage
        self._clock = clock
        self._seen, self._steps = clock(), progress.steps
        self._look_every = min(_LOOK_EVERY, deadlines.total / 4, deadlines.idle / 4)
        self._total = self._idle = self._unsettled = timedelta(0)

    async def count(self, *, is_working: bool) -> None:
        """Count the time since the last call, unless the database was away: ``is_working`` is False then.

        Raises JobOverdue and JobStuck.
        """
        now, steps = self._clock(), self._progress.steps
        passed, self._seen = timedelta(seconds=now - self._seen), now
        if is_working:
            self._unsettled += passed
        if steps != self._steps:
            self._steps = steps
            self._settle()
            self._idle = timedelta(0)
        elif self._unsettled >= self._look_every:
            if not await is_answering(self._check_storage):
                self._unsettled = timedelta(0)
            self._settle()
        self._refuse()

    def _settle(self) -> None:
        self._total += self._unsettled
        self._idle += self._unsettled
        self._unsettled = timedelta(0)

    def _refuse(self) -> None:
        if self._total > self._deadlines.total:
            raise JobOverdue(self._deadlines.total)
        if self._idle > self._deadlines.idle:
            raise JobStuck(self._deadlines.idle)
