"""Removes dead letters some time after they became so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from shared.broker.base import Broker


class DeadLetterExpiry:
    """Removes the dead letters of ``queues`` after ``retention``."""

    def __init__(self, broker: Broker, queues: Sequence[str], *, retention: timedelta) -> None:
        self._broker = broker
        self._queues = queues
        self._retention = retention

    async def remove_dead_letters(self) -> int:
        """Remove a bounded number of each queue, and give how many in all. May be repeated."""
        return sum(
            [
                await self._broker.remove_dead_letters(queue, older_than=self._retention)
                for queue in self._queues
            ]
        )
