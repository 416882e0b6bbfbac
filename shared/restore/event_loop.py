"""Letting the event loop run: an import can go on for long without having to wait for anything."""

from __future__ import annotations

import asyncio
from time import monotonic

_PERIOD = 0.01


class EventLoopYielder:
    """Called between small steps of work, it lets every other task run once in 10 ms."""

    def __init__(self) -> None:
        self._due = monotonic() + _PERIOD

    async def yield_if_due(self) -> None:
        """Let the event loop run, where it is time for that."""
        if monotonic() >= self._due:
            await asyncio.sleep(0)
            self._due = monotonic() + _PERIOD
