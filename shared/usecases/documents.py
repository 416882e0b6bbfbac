"""Documents that have to be held in memory as a whole, each by a request that has a place for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from shared.admission import Holder, Places, end_after
from shared.errors import TimedOut

LONGEST = timedelta(minutes=10)
"""How long a place is held at most, so that a slow client does not block the others."""


class Documents:
    """Bounds how many requests hold a document at once, and for how long."""

    def __init__(self, places: Places) -> None:
        self._places = places

    @asynccontextmanager
    async def hold(self, holder: Holder) -> AsyncIterator[None]:
        """Wait for a place, and hold it for the block, for at most 10 minutes.

        Raises ShareUsed and PlacesTaken where there is no place in time, and TimedOut where the block takes
        longer.
        """
        async with self._places.hold(holder), end_after(LONGEST, TimedOut(f"it took over {LONGEST}")):
            yield
