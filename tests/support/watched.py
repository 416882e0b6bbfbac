"""A broker that tells when who consumes has nothing to do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.broker.base import Delivery
from shared.broker.memory import MemoryBroker


class Watched(MemoryBroker):
    """Tells when a worker has begun to wait for a message, as it found no job."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()

    @asynccontextmanager
    async def consume(self, queue: str, *, prefetch: int) -> AsyncIterator[AsyncIterator[Delivery]]:
        async with super().consume(queue, prefetch=prefetch) as deliveries:
            yield _Watched(deliveries, self.asked)


class _Watched:
    def __init__(self, deliveries: AsyncIterator[Delivery], asked: asyncio.Event) -> None:
        self._deliveries = deliveries
        self._asked = asked

    def __aiter__(self) -> AsyncIterator[Delivery]:
        return self

    async def __anext__(self) -> Delivery:
        self._asked.set()
        return await anext(self._deliveries)
