"""Admission: bounds how many requests at once use much memory, or keep a connection; others wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from shared.errors import TimedOut, Unavailable

AT_ONCE = 2
"""Turns at once, in the whole process."""

MOST_WAITING = 10
"""Requests that wait for a turn.

They are fewer than the requests that may send content at once, so that other content is still received.
"""

LONGEST_WAIT = timedelta(seconds=30)

LONGEST_TURN = timedelta(minutes=10)
"""How long a turn may take, so that a slow client does not block the others."""


@asynccontextmanager
async def hold_place(places: asyncio.Semaphore, *, patience: timedelta) -> AsyncIterator[None]:
    """Wait for a place for at most ``patience``, and hold it for the block. Raises Unavailable."""
    await _acquire(places, patience)
    try:
        yield
    finally:
        places.release()


async def _acquire(places: asyncio.Semaphore, patience: timedelta) -> None:
    try:
        async with asyncio.timeout(patience.total_seconds()):
            await places.acquire()
    except TimeoutError:
        raise Unavailable from None


class TurnQueue:
    """Lets two requests work at once; up to 10 others wait for a turn, for at most 30 seconds."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn, and hold it for the block, for at most 10 minutes.

        Raises Unavailable where there is no turn in time, and TimedOut where the block takes longer.
        """
        await self._wait()
        try:
            async with asyncio.timeout(LONGEST_TURN.total_seconds()) as deadline:
                yield
        except TimeoutError:
            if not deadline.expired():
                raise
            raise TimedOut(f"it took over {LONGEST_TURN}") from None
        finally:
            self._free.release()

    async def _wait(self) -> None:
        if self._free.locked() and self._waiting >= MOST_WAITING:
            raise Unavailable
        self._waiting += 1
        try:
            await _acquire(self._free, LONGEST_WAIT)
        finally:
            self._waiting -= 1
