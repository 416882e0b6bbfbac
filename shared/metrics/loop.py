"""Measures the lag of the event loop: whatever blocks it delays every request and every heartbeat."""

from __future__ import annotations

import asyncio

from prometheus_client import CollectorRegistry, Histogram

_EVERY = 0.25
_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class LoopLag:
    """Sleeps four times a second, and measures by how much each sleep was too long."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._lag = Histogram(
            "crossdock_event_loop_lag_seconds",
            "By how much a sleep of a quarter of a second was too long.",
            buckets=_BUCKETS,
            registry=registry,
        )

    async def run(self) -> None:
        """Measure until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            due = clock() + _EVERY
            await asyncio.sleep(_EVERY)
            self._lag.observe(max(clock() - due, 0))
