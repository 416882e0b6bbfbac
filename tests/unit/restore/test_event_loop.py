from __future__ import annotations

import asyncio
from time import monotonic

from shared.restore.event_loop import EventLoopYielder


async def test_work_that_waits_for_nothing_lets_others_have_their_turn() -> None:
    yielder, other, until = EventLoopYielder(), asyncio.create_task(asyncio.sleep(0)), monotonic() + 5
    while not other.done() and monotonic() < until:
        await yielder.yield_if_due()
    assert other.done()


async def test_short_work_is_not_interrupted() -> None:
    yielder, other = EventLoopYielder(), asyncio.create_task(asyncio.sleep(0))
    await yielder.yield_if_due()
    assert not other.done()
    await other
