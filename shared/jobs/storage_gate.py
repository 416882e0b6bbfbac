"""The gate before the object storage: while the storage is away, the workers of a process claim no job."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import structlog

from shared.jobs.deadlines import StorageCheck, check_nothing, is_answering

_FIRST_PAUSE = timedelta(seconds=1)
_LONGEST_PAUSE = timedelta(seconds=30)
_log = structlog.get_logger()


def _now() -> datetime:
    return datetime.now(UTC)


class StorageGate:
    """Knows whether the storage is there: closed from a probe that failed until one that does not.

    Nobody probes while all goes well. While the gate is closed one probe at a time asks, however many workers
    wait: a second after the one before, then after pauses that double up to 30 seconds, each made shorter at
    random by up to a half, so that many processes do not ask at once. ``clock`` tells the time, ``sleep``
    waits for seconds, and ``chance`` gives numbers from 0 to 1.
    """

    def __init__(
        self,
        check: StorageCheck = check_nothing,
        *,
        clock: Callable[[], datetime] = _now,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.check = check
        self._clock = clock
        self._sleep = sleep
        self._chance = chance
        self._away_since: datetime | None = None
        self._asking: asyncio.Task[bool] | None = None
        self._waiting: asyncio.Task[None] | None = None
        self._called_back: list[Callable[[], None]] = []

    @property
    def away_since(self) -> datetime | None:
        """When the storage was first found away; None while the gate is open."""
        return self._away_since

    def away_seconds(self) -> float:
        """Return how long the gate has been closed; 0 while it is open."""
        return 0.0 if self._away_since is None else (self._clock() - self._away_since).total_seconds()

    def on_open(self, call: Callable[[], None]) -> None:
        """Have ``call`` called each time the gate opens again."""
        self._called_back.append(call)

    async def is_there(self) -> bool:
        """Ask the storage, unless it is known to be away, and close the gate if it does not answer.

        Who asks while another one does gets that answer. It comes within 5 seconds.
        """
        if self._away_since is not None:
            return False
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        return await asyncio.shield(self._asking)

    async def close(self) -> None:
        """End the probes. The gate is open afterwards."""
        tasks = [task for task in (self._asking, self._waiting) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self) -> bool:
        is_there = await is_answering(self.check)
        if not is_there:
            self._away_since = self._clock()
            self._waiting = asyncio.create_task(self._open_once_back())
            _log.error("storage_away", until="a probe is answered")
        return is_there

    async def _open_once_back(self) -> None:
        try:
            pause = _FIRST_PAUSE
            await self._rest(pause)
            while not await is_answering(self.check):
                pause = min(pause * 2, _LONGEST_PAUSE)
                await self._rest(pause)
            _log.info("storage_back", away_seconds=round(self.away_seconds(), 3))
        finally:  # also after an error that nobody expected: a gate that nobody opens would be worse
            self._away_since = None
            for call in self._called_back:
                call()

    async def _rest(self, pause: timedelta) -> None:
        await self._sleep(pause.total_seconds() * (1 - self._chance() / 2))
