"""The time that a client may take to send a body: a least rate, and a deadline for all of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from aiohttp import web

from shared.credit import Credit
from shared.errors import TimedOut


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyLimits:
    """How slowly a body may arrive.

    ``rate``: bytes a second, below which the client runs out of credit, after ``grace`` without a byte.
    ``longest``: for any body, and for one whose length is not known. One whose length is known has
    ``overhead`` and the time that it takes at ``whole_rate`` bytes a second, at most ``longest``.
    """

    rate: int = 1024
    grace: timedelta = timedelta(minutes=1)
    overhead: timedelta = timedelta(minutes=15)
    whole_rate: int = 32 * 1024
    longest: timedelta = timedelta(hours=24)

    def longest_for(self, length: int | None) -> timedelta:
        """Return the time within which a body of ``length`` bytes has to be there."""
        if length is None:
            return self.longest
        return min(self.overhead + timedelta(seconds=length / self.whole_rate), self.longest)


BODY_LIMITS = web.AppKey("body_limits", BodyLimits)


class BodyTime:
    """The time that is left for one body. It begins when this is made.

    Only time inside ``receive`` costs the client credit: the time that its bytes take to be stored does not.
    """

    def __init__(
        self, limits: BodyLimits, *, length: int | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._credit = Credit(rate=limits.rate, most=limits.grace.total_seconds())
        self._end = clock() + limits.longest_for(length).total_seconds()

    async def receive(self, read: Callable[[], Awaitable[bytes]]) -> bytes:
        """Return what ``read`` returns. Raises TimedOut for a client below the rate or past the deadline."""
        began = self._clock()
        try:
            async with asyncio.timeout(min(self._credit.left, self._end - began)):
                chunk = await read()
        except TimeoutError:
            raise TimedOut("the body came too slowly") from None
        self._credit.spend(self._clock() - began)
        self._credit.earn(len(chunk))
        return chunk
