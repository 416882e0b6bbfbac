"""Places: a bound on how many do at once what costs memory, or keeps a connection. Others wait, or go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from shared.errors import TimedOut, Unavailable

AT_ONCE = 2
"""Turns at once, in the whole process."""

MOST_WAITING = 10
"""Requests that wait for a turn: fewer than may send content at once, so that other content goes on."""

LONGEST_WAIT = timedelta(seconds=30)

LONGEST_TURN = timedelta(minutes=10)
"""How long a turn may take, so that a slow client does not keep the others from theirs."""


@asynccontextmanager
async def place(places: asyncio.Semaphore, *, patience: timedelta) -> AsyncIterator[None]:
    """Wait for a place, and hold it for the block. Raises Unavailable to who has waited in vain."""
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


class Turns:
    """Has two work at once; up to 10 others wait for their turn, for 30 seconds at the most."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn, which lasts as long as the block, 10 minutes at the most.

        Raises Unavailable where there is none to be had, and TimedOut where it lasts longer.
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
