"""Lets the event loop run other tasks during long work that does not wait for anything."""

from __future__ import annotations

import asyncio
from time import monotonic

_PERIOD = 0.01


class EventLoopYielder:
    """Call it between small steps of work: it lets every other task run once in 10 ms."""

    def __init__(self) -> None:
        self._due = monotonic() + _PERIOD

    async def yield_if_due(self) -> None:
        """Let the event loop run once where 10 ms have passed since it last did."""
        if monotonic() >= self._due:
            await asyncio.sleep(0)
            self._due = monotonic() + _PERIOD
