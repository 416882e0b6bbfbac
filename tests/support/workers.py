"""Workers that run in the process of the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from services.process.worker import Background


@asynccontextmanager
async def at_work(workers: Sequence[Background]) -> AsyncIterator[None]:
    """Run the workers while the block is open; stop them after it, and raise what ended one of them."""
    running = [asyncio.create_task(worker.run()) for worker in workers]
    try:
        yield
    finally:
        for worker in workers:
            worker.stop()
        await asyncio.gather(*running)
